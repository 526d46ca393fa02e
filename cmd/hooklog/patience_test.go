package main

import (
	"context"
	"errors"
	"iter"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hooklog/hooklog/eventlog"
)

// silentLog never answers.
type silentLog struct{}

func (silentLog) Append(ctx context.Context, _ string, _ eventlog.Expected, _ ...eventlog.Event) (eventlog.Appended, error) {
	<-ctx.Done()
	return eventlog.Appended{}, errors.Join(eventlog.ErrUnknownOutcome, ctx.Err())
}

func (l silentLog) AppendLater(ctx context.Context, stream string, expected eventlog.Expected, events ...eventlog.Event) (func() (eventlog.Appended, error), error) {
	return func() (eventlog.Appended, error) { return l.Append(ctx, stream, expected, events...) }, nil
}

func (silentLog) InOrder() bool { return false }

func (silentLog) Read(ctx context.Context, _ string, _ eventlog.Revision) iter.Seq2[eventlog.Recorded, error] {
	return func(yield func(eventlog.Recorded, error) bool) {
		<-ctx.Done()
		yield(eventlog.Recorded{}, ctx.Err())
	}
}

func TestRequestsDoNotWaitForASilentLog(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		log := hasty{silentLog{}}
		appending := func(ctx context.Context) error {
			_, err := log.Append(ctx, "s", eventlog.Any)
			return err
		}
		later := func(ctx context.Context) error {
			wait, err := log.AppendLater(ctx, "s", eventlog.Any)
			if err == nil {
				_, err = wait()
			}
			return err
		}
		reading := func(ctx context.Context) error {
			for _, err := range log.Read(ctx, "s", 0) {
				return err
			}
			return nil
		}
		for what, call := range map[string]func(context.Context) error{"append": appending, "append later": later, "read": reading} {
			began := time.Now()
			if err := call(t.Context()); !errors.Is(err, errUnanswered) || !unavailable(err) || errors.Is(err, eventlog.ErrUnknownOutcome) || time.Since(began) != requestPatience {
				t.Errorf("%s of a request: got %v after %v", what, err, time.Since(began))
			}
			began = time.Now()
			ctx, cancel := context.WithTimeout(withPatience(t.Context()), time.Hour)
			if err := call(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Hour {
				t.Errorf("%s of the dispatcher: got %v after %v", what, err, time.Since(began))
			}
			cancel()
			ctx, cancel = context.WithTimeout(t.Context(), time.Second)
			if err := call(ctx); errors.Is(err, errUnanswered) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s of a caller who leaves: got %v", what, err)
			}
			cancel()
		}
	})
}
