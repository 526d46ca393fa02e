package commands

import (
	"context"
	"errors"
	"fmt"
	"iter"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// maxTries bounds how often a command is decided again after losing a race, and an append of unknown outcome repeated.
const maxTries = 16

// errBusy is what a command fails with when it keeps losing.
var errBusy = domain.Refuse(domain.Unavailable, "others kept changing the same thing; try again")

// recordedFact is a decoded fact with its place.
type recordedFact struct {
	domain.Fact
	domain.Meta
	id       eventlog.ID
	revision uint64
	position eventlog.Position
}

// facts yields the facts of a stream. Events that may not be folded are passed over: the projections count and report
// them.
func (c *Commands) facts(ctx context.Context, stream string) iter.Seq2[recordedFact, error] {
	return func(yield func(recordedFact, error) bool) {
		for r, err := range c.Log.Read(ctx, stream, 0) {
			if err != nil {
				yield(recordedFact{}, fmt.Errorf("read %s: %w", stream, err))
				return
			}
			f, m, err := c.Codec.Decode(domain.Place{Stream: r.Stream, ID: r.ID, Revision: uint64(r.Revision)}, r.Type, r.Data, r.Metadata)
			if domain.Skippable(err) {
				f = nil
			} else if err != nil {
				yield(recordedFact{}, fmt.Errorf("read %s: %w", stream, err))
				return
			}
			if !yield(recordedFact{f, m, r.ID, uint64(r.Revision), r.Position}, nil) {
				return
			}
		}
	}
}

// loaded is an aggregate's state with the place of its stream's last event.
type loaded[S any] struct {
	state    S
	expected eventlog.Expected
	position eventlog.Position
}

// load folds one stream.
func load[S any](ctx context.Context, c *Commands, stream string, zero S, fold func(S, recordedFact) S) (loaded[S], error) {
	l := loaded[S]{state: zero, expected: eventlog.NoStream}
	for f, err := range c.facts(ctx, stream) {
		if err != nil {
			return l, err
		}
		if f.Fact != nil {
			l.state = fold(l.state, f)
		}
		l.expected, l.position = eventlog.Exactly(eventlog.Revision(f.revision)), f.position
	}
	return l, nil
}

// change loads a stream, decides, and appends the fact decided upon; if somebody else was faster, again. It returns
// the state after it. Without a fact nothing is appended and the position is that of the stream's last event.
func change[S any](ctx context.Context, c *Commands, by By, stream string, zero S, fold func(S, recordedFact) S, decide func(S) (domain.Fact, error)) (S, eventlog.Position, error) {
	return changeAll(ctx, c, by, stream, zero, fold, func(state S) ([]domain.Fact, error) {
		f, err := decide(state)
		if err != nil || f == nil {
			return nil, err
		}
		return []domain.Fact{f}, nil
	})
}

// changeAll is change for any number of facts, which are appended together or not at all.
func changeAll[S any](ctx context.Context, c *Commands, by By, stream string, zero S, fold func(S, recordedFact) S, decide func(S) ([]domain.Fact, error)) (S, eventlog.Position, error) {
	for range maxTries {
		l, err := load(ctx, c, stream, zero, fold)
		if err != nil {
			return zero, eventlog.Position{}, err
		}
		facts, err := decide(l.state)
		if err != nil || len(facts) == 0 {
			return l.state, l.position, err
		}
		m := by.meta(c.Now())
		a, err := c.appendAll(ctx, stream, l.expected, m, facts...)
		if errors.Is(err, eventlog.ErrRevisionConflict) {
			continue
		}
		if err != nil {
			return zero, eventlog.Position{}, err
		}
		return foldAll(l, fold, m, a, facts), a.Position, nil
	}
	return zero, eventlog.Position{}, errBusy
}

// foldAll folds facts that were appended after what was loaded.
func foldAll[S any](l loaded[S], fold func(S, recordedFact) S, m domain.Meta, a eventlog.Appended, facts []domain.Fact) S {
	for i, f := range facts {
		l.state = fold(l.state, recordedFact{f, m, eventlog.ID{}, next(l.expected) + uint64(i), a.Position})
	}
	return l.state
}

// next is the revision that an event appended under an expectation gets. Nothing is appended under any other than
// NoStream or an exact one.
func next(expected eventlog.Expected) uint64 { return uint64(int64(expected) + 1) }

// append adds one fact to a stream, as appendAll does.
func (c *Commands) append(ctx context.Context, stream string, expected eventlog.Expected, f domain.Fact, m domain.Meta) (eventlog.Appended, error) {
	return c.appendAll(ctx, stream, expected, m, f)
}

// appendAll adds facts to a stream, all of them or none. An append of unknown outcome is repeated with the same ids, unless
// the caller gave up waiting.
func (c *Commands) appendAll(ctx context.Context, stream string, expected eventlog.Expected, m domain.Meta, facts ...domain.Fact) (eventlog.Appended, error) {
	events, err := c.encode(stream, expected, m, facts)
	if err != nil {
		return eventlog.Appended{}, err
	}
	a, err := c.Log.Append(ctx, stream, expected, events...)
	return c.settle(ctx, stream, expected, events, a, err)
}

// encode makes the events of facts that are to follow what is expected of a stream.
func (c *Commands) encode(stream string, expected eventlog.Expected, m domain.Meta, facts []domain.Fact) ([]eventlog.Event, error) {
	events := make([]eventlog.Event, len(facts))
	for i, f := range facts {
		id := newID[eventlog.ID](c, m)
		e, err := c.Codec.Encode(domain.Place{Stream: stream, ID: id, Revision: next(expected) + uint64(i)}, f, m)
		if err != nil {
			return nil, err
		}
		events[i] = eventlog.Event{ID: id, Type: e.Type, Data: e.Data, Metadata: e.Metadata}
	}
	return events, nil
}

// settle takes what came of an append, and repeats it while that is unknown.
func (c *Commands) settle(ctx context.Context, stream string, expected eventlog.Expected, events []eventlog.Event, a eventlog.Appended, err error) (eventlog.Appended, error) {
	for range maxTries - 1 {
		if !errors.Is(err, eventlog.ErrUnknownOutcome) || ctx.Err() != nil {
			break
		}
		a, err = c.Log.Append(ctx, stream, expected, events...)
	}
	if err != nil {
		return a, fmt.Errorf("append %s to %s: %w", events[0].Type, stream, err)
	}
	return a, nil
}

// appending is an append on its way.
type appending struct {
	ctx      context.Context
	stream   string
	expected eventlog.Expected
	events   []eventlog.Event
	outcome  func() (eventlog.Appended, error)
}

// appendLater hands one fact over to the end of a stream, as append does; settled tells what came of it.
func (c *Commands) appendLater(ctx context.Context, stream string, expected eventlog.Expected, f domain.Fact, m domain.Meta) (appending, error) {
	events, err := c.encode(stream, expected, m, []domain.Fact{f})
	if err != nil {
		return appending{}, err
	}
	return appending{ctx, stream, expected, events, c.handOver(ctx, stream, expected, events)}, nil
}

// settled waits for what came of an append. It is called once.
func (c *Commands) settled(p appending) (eventlog.Appended, error) {
	a, err := p.outcome()
	return c.settle(p.ctx, p.stream, p.expected, p.events, a, err)
}

// handOver begins an append. Where the log wants to be waited for, a goroutine does.
func (c *Commands) handOver(ctx context.Context, stream string, expected eventlog.Expected, events []eventlog.Event) (wait func() (eventlog.Appended, error)) {
	if log, ok := c.Log.(eventlog.Pipeline); ok {
		wait, err := log.AppendLater(ctx, stream, expected, events...)
		if err != nil {
			return func() (eventlog.Appended, error) { return eventlog.Appended{}, err }
		}
		return wait
	}
	var a eventlog.Appended
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		a, err = c.Log.Append(ctx, stream, expected, events...)
	}()
	return func() (eventlog.Appended, error) {
		<-done
		return a, err
	}
}
