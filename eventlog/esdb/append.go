package esdb

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"

	client "github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hooklog/hooklog/eventlog"
)

// Append implements [eventlog.Streams]. While it is unknown whether the events were appended, it sends them again with
// the same ids and expectation until ctx ends; so give ctx a deadline. At Any and StreamExists, where the server does not
// recognise a repetition for certain, it does not: the first such doubt is ErrUnknownOutcome. Towards [eventlog.MaxAppend]
// a type counts two bytes for each of its UTF-16 units, as EventStoreDB counts it.
func (l *Log) Append(ctx context.Context, stream string, expected eventlog.Expected, events ...eventlog.Event) (eventlog.Appended, error) {
	wait, err := l.AppendLater(ctx, stream, expected, events...)
	if err != nil {
		return eventlog.Appended{}, err
	}
	return wait()
}

// InOrder implements [eventlog.Pipeline]: appends that are sent again come later than they were handed over.
func (l *Log) InOrder() bool { return false }

// AppendLater implements [eventlog.Pipeline]. The events are sent again as Append does, while wait is called.
func (l *Log) AppendLater(ctx context.Context, stream string, expected eventlog.Expected, events ...eventlog.Event) (wait func() (eventlog.Appended, error), err error) {
	if err := checkAppend(stream, expected, events); err != nil {
		return nil, err
	}
	a := &appending{log: l, request: request{stream: stream, expected: expected}}
	a.events = append(a.one[:0], events...)
	size := 0
	for _, e := range events {
		size += len(e.Type) + len(e.Data) + len(e.Metadata)
		l.held.hold(&e)
	}
	a.way = l.connection.begin(ctx, a)
	return func() (eventlog.Appended, error) {
		done, err := a.run(ctx)
		if err != nil {
			return eventlog.Appended{}, err
		}
		l.counters.appends.Add(1)
		l.counters.events.Add(uint64(len(a.events)))
		l.counters.bytes.Add(uint64(size))
		return done, nil
	}, nil
}

func checkAppend(stream string, expected eventlog.Expected, events []eventlog.Event) error {
	if err := eventlog.CheckAppend(stream, expected, events); err != nil {
		return err
	}
	if strings.HasPrefix(stream, reserved) {
		return fmt.Errorf("%w: streams that begin with %s belong to EventStoreDB", eventlog.ErrInvalid, reserved)
	}
	size := 0
	for _, e := range events {
		if strings.HasPrefix(e.Type, reserved) {
			return fmt.Errorf("%w: types that begin with %s belong to EventStoreDB", eventlog.ErrInvalid, reserved)
		}
		size += len(e.Data) + len(e.Metadata) + 2*len(utf16.Encode([]rune(e.Type)))
	}
	if size > eventlog.MaxAppend {
		return fmt.Errorf("%w: %d bytes as EventStoreDB counts them, at most %d", eventlog.ErrTooLarge, size, eventlog.MaxAppend)
	}
	return nil
}

// appending is one call of Append or AppendLater.
type appending struct {
	request
	log *Log
	one [1]eventlog.Event // where events lie if there is one

	way   way   // the first one, if it has begun
	doubt error // why it is unknown whether the events were appended
}

func (a *appending) run(ctx context.Context) (eventlog.Appended, error) {
	var pause backoff
	for {
		at, err := a.once(ctx)
		if err == nil {
			return a.appended(ctx, at)
		}
		if again, err := a.judge(ctx, err); !again {
			return eventlog.Appended{}, err
		}
		if pause.wait(ctx) != nil {
			return eventlog.Appended{}, a.fail(ctx.Err())
		}
	}
}

// once sends the events, unless they are on their way, with a generation that it waits for.
func (a *appending) once(ctx context.Context) (eventlog.Appended, error) {
	w := a.way
	a.way = way{}
	if !w.begun() {
		g, err := a.log.connection.get(ctx)
		if err != nil {
			return eventlog.Appended{}, err
		}
		w = g.begin(ctx, &a.request)
	}
	answer, err := w.wait(ctx)
	if err != nil {
		return eventlog.Appended{}, err
	}
	if answer.succeeded {
		return answer.at, nil
	}
	err = a.refusal(answer.refused)
	if status.Code(err) == codes.Unavailable {
		w.g.lose(nil)
	}
	return eventlog.Appended{}, err
}

// judge says whether to send the events once more, and what to answer if not.
func (a *appending) judge(ctx context.Context, err error) (again bool, _ error) {
	ended := a.log.connection.ended(ctx)
	switch {
	case errors.Is(err, errNotEntered), errors.Is(err, eventlog.ErrClosed):
		return ended == nil, a.fail(ended) // Nothing was appended.
	case ended != nil && errors.Is(err, ended):
		return false, a.fail(ended) // It waited for a connection.
	case errors.Is(err, eventlog.ErrRevisionConflict):
		return false, err
	case status.Code(err) == codes.ResourceExhausted && a.doubt == nil:
		return false, fmt.Errorf("append to %s: %w: %w", a.stream, eventlog.ErrNoSpace, err)
	case ended == nil && !passing(err):
		return false, a.fail(explain(err))
	}
	a.doubt = err
	switch {
	case ended != nil:
		return false, a.fail(ended)
	case a.expected == eventlog.Any || a.expected == eventlog.StreamExists:
		return false, a.fail(err)
	}
	a.log.counters.repeats.Add(1)
	return true, nil
}

// fail tells of the doubt, if there is one, beside why it ended.
func (a *appending) fail(err error) error {
	if a.doubt != nil {
		return fmt.Errorf("append to %s: %w: %w", a.stream, eventlog.ErrUnknownOutcome, err)
	}
	return fmt.Errorf("append to %s: %w", a.stream, err)
}

// appended tells where the append ended. The answer to a repetition may lack the position.
func (a *appending) appended(ctx context.Context, done eventlog.Appended) (eventlog.Appended, error) {
	if !done.Position.IsZero() {
		return done, nil
	}
	err := a.log.connection.use(ctx, func(ctx context.Context, es *client.Client) error {
		e, ok, err := one(ctx, es, a.stream, client.ReadStreamOptions{From: client.Revision(uint64(done.Revision))})
		if err != nil {
			return err
		}
		if !ok || eventlog.ID(e.EventID) != a.events[len(a.events)-1].ID {
			return fmt.Errorf("%w to an append", errUnexpected)
		}
		done.Position = positionOf(e.Position)
		return nil
	})
	if err != nil {
		a.doubt = err
		return eventlog.Appended{}, a.fail(err)
	}
	return done, nil
}

// one reads one event of a stream; false if there is none.
func one(ctx context.Context, es *client.Client, stream string, from client.ReadStreamOptions) (*client.RecordedEvent, bool, error) {
	events, err := es.ReadStream(ctx, stream, from, 1)
	if err != nil {
		return nil, false, err
	}
	defer events.Close()
	e, ok, err := next(events)
	if notFound(err) {
		return nil, false, nil
	}
	if err != nil || !ok {
		return nil, false, err
	}
	return e.OriginalEvent(), true, nil
}
