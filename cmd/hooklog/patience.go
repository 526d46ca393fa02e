package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/hooklog/hooklog/eventlog"
)

// requestPatience is how long a request waits for a log that does not answer.
const requestPatience = 10 * time.Second

// errUnanswered means that the log did not answer a request in time. What was to be appended may be appended all the same.
var errUnanswered = errors.New("the log does not answer")

// hasty is a log for requests. A log on EventStoreDB tries until its caller gives up, which those who call the API may
// never do; the dispatcher, who has attempts to record, does not want to.
type hasty struct{ pipelined }

// pipelined is what commands want of a log.
type pipelined interface {
	eventlog.Streams
	eventlog.Pipeline
}

// unhurried is the key of contexts that wait for the log as long as it takes.
type unhurried struct{}

// withPatience makes a context whose calls are not hurried.
func withPatience(ctx context.Context) context.Context {
	return context.WithValue(ctx, unhurried{}, true)
}

// hurry bounds the context of a request. explain tells an error that comes of the bound.
func hurry(ctx context.Context) (_ context.Context, explain func(error) error, cancel context.CancelFunc) {
	if ctx.Value(unhurried{}) != nil {
		return ctx, func(err error) error { return err }, func() {}
	}
	bounded, cancel := context.WithTimeout(ctx, requestPatience)
	return bounded, func(err error) error {
		if err != nil && bounded.Err() != nil && ctx.Err() == nil {
			return fmt.Errorf("%w: %v", errUnanswered, err) // Not wrapped: to repeat it would wait once more.
		}
		return err
	}, cancel
}

// Append implements [eventlog.Streams].
func (h hasty) Append(ctx context.Context, stream string, expected eventlog.Expected, events ...eventlog.Event) (eventlog.Appended, error) {
	ctx, explain, cancel := hurry(ctx)
	defer cancel()
	a, err := h.pipelined.Append(ctx, stream, expected, events...)
	return a, explain(err)
}

// AppendLater implements [eventlog.Pipeline].
func (h hasty) AppendLater(ctx context.Context, stream string, expected eventlog.Expected, events ...eventlog.Event) (func() (eventlog.Appended, error), error) {
	ctx, explain, cancel := hurry(ctx)
	wait, err := h.pipelined.AppendLater(ctx, stream, expected, events...)
	if err != nil {
		cancel()
		return nil, explain(err)
	}
	return func() (eventlog.Appended, error) {
		defer cancel()
		a, err := wait()
		return a, explain(err)
	}, nil
}

// Read implements [eventlog.Streams].
func (h hasty) Read(ctx context.Context, stream string, from eventlog.Revision) iter.Seq2[eventlog.Recorded, error] {
	return func(yield func(eventlog.Recorded, error) bool) {
		ctx, explain, cancel := hurry(ctx)
		defer cancel()
		for e, err := range h.pipelined.Read(ctx, stream, from) {
			if !yield(e, explain(err)) {
				return
			}
		}
	}
}
