package embedded

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded/segment"
)

// What one batch from the store holds at most.
const (
	batchEvents = 512
	batchBytes  = 1 << 20
	// chunkBytes is how much is read at once and shares one allocation; an event that is kept keeps that much.
	chunkBytes = 32 << 10
	// spareRooms is how many batches' memory a subscription keeps for its next ones.
	spareRooms = 8
)

// Read implements [eventlog.Streams].
func (l *Log) Read(ctx context.Context, stream string, from eventlog.Revision) iter.Seq2[eventlog.Recorded, error] {
	return func(yield func(eventlog.Recorded, error) bool) {
		show, err := l.shows(ctx, stream)
		if err != nil {
			yield(eventlog.Recorded{}, fmt.Errorf("read: %w", err))
			return
		}
		next, more := max(uint64(from), show.from), true
		for more {
			var events []eventlog.Recorded
			err := ctx.Err()
			if err == nil {
				events, more, err = l.readStream(stream, next)
			}
			if err != nil {
				yield(eventlog.Recorded{}, fmt.Errorf("read %s: %w", stream, err))
				return
			}
			for i := range events {
				if show.admits(&events[i]) && !yield(events[i], nil) {
					return
				}
			}
			next += uint64(len(events))
		}
	}
}

// readStream reads a batch of a stream, and says whether there may be more.
func (l *Log) readStream(stream string, from uint64) (_ []eventlog.Recorded, more bool, err error) {
	if err := l.enter(); err != nil {
		return nil, false, err
	}
	defer l.leave()
	found := collection{stream: stream, next: from, bound: limit{events: batchEvents, bytes: batchBytes}}
	err = errors.Join(l.records.Each(stream, from, false, l.tail.position(), found.take), found.err)
	return found.events, found.more, err
}

// collection gathers records of a stream, of revisions that follow each other, within a bound.
type collection struct {
	stream string
	next   uint64
	back   bool
	bound  limit
	events []eventlog.Recorded
	more   bool // the bound ended it
	err    error
}

func (c *collection) take(f segment.Found) bool {
	if !c.bound.take(len(f.Record)) {
		c.more = true
		return false
	}
	e, _, err := decodeRecord(f.Record, f.Position, nil)
	if err == nil && (f.Revision != c.next || e.Stream != c.stream) {
		err = fmt.Errorf("position %d: %w: the index says otherwise", f.Position, errRecord)
	}
	if err != nil {
		c.err = err
		return false
	}
	c.events = append(c.events, e)
	if c.back {
		c.next--
	} else {
		c.next++
	}
	return true
}

// ReadAll implements [eventlog.Feed].
func (l *Log) ReadAll(ctx context.Context, after eventlog.Position) iter.Seq2[eventlog.Recorded, error] {
	return func(yield func(eventlog.Recorded, error) bool) {
		source := newSource(l, low(after))
		end := max(l.tail.position(), 1) // One look at an empty log tells ErrAhead.
		for first := true; first || source.after < end; first = false {
			err := ctx.Err()
			var events []eventlog.Recorded
			if err == nil {
				events, _, err = source.next()
			}
			if err != nil {
				yield(eventlog.Recorded{}, fmt.Errorf("read all: %w", err))
				return
			}
			if len(events) == 0 {
				return
			}
			for _, e := range events {
				if !yield(e, nil) {
					return
				}
			}
		}
	}
}

// ReadAt implements [eventlog.Feed]. Positions are dense, so every one up to the head has its event.
func (l *Log) ReadAt(ctx context.Context, at eventlog.Position) (eventlog.Recorded, error) {
	err := ctx.Err()
	if err == nil {
		err = l.enter()
	}
	if err != nil {
		return eventlog.Recorded{}, fmt.Errorf("read position %s: %w", at, err)
	}
	defer l.leave()
	n := low(at)
	if n == 0 || n > l.tail.position() {
		return eventlog.Recorded{}, &eventlog.NoEventError{At: at}
	}
	return l.record(n)
}

// Subscribe implements [eventlog.Feed]. The embedded log has no connection to lose, so Live turns false only while the
// subscriber is slower than the appenders.
func (l *Log) Subscribe(ctx context.Context, after eventlog.Position, receive func(context.Context, eventlog.Batch) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.life, cancel)()
	s := subscription{source: newSource(l, low(after)), receive: receive}
	s.source.spare = make(chan *room, spareRooms)
	for {
		err := s.step(ctx)
		switch {
		case err == nil:
		case l.life.Err() != nil && errors.Is(err, context.Canceled):
			return eventlog.ErrClosed
		default:
			return err
		}
	}
}

// subscription is one call of Subscribe.
type subscription struct {
	source  *source
	live    bool
	receive func(context.Context, eventlog.Batch) error
}

// step hands over one batch, or waits for one.
func (s *subscription) step(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	events, head, err := s.source.next()
	if err != nil {
		return fmt.Errorf("subscribe: %w", err)
	}
	if len(events) == 0 && s.live {
		return s.source.wait(ctx)
	}
	s.live = s.source.after == head
	return s.receive(ctx, eventlog.Batch{Events: events, Live: s.live, Release: s.source.release()})
}

// source reads the log forward, from memory where it can. It is not safe for concurrent use.
type source struct {
	log   *Log
	after uint64 // the last position that was read
	names interner
	// room is the memory of the last batch, nil if that is another's.
	room *room
	// spare holds what was released; nil keeps nothing.
	spare chan *room
}

func newSource(l *Log, after uint64) *source { return &source{log: l, after: after} }

// next returns the next events, none at the head, and where the head was. Nobody may change them.
func (s *source) next() (_ []eventlog.Recorded, head uint64, err error) {
	if err := s.log.enter(); err != nil {
		return nil, 0, err
	}
	defer s.log.leave()
	s.room = nil
	bound := limit{events: batchEvents, bytes: batchBytes}
	events, head, inMemory := s.log.tail.read(s.after, bound)
	if s.after > head {
		return nil, head, fmt.Errorf("%w: after %d, the head is %d", eventlog.ErrAhead, s.after, head)
	}
	if !inMemory {
		events, err = s.fromStore(head, bound)
	}
	if err != nil {
		return nil, head, err
	}
	s.after += uint64(len(events))
	return events, head, nil
}

func (s *source) fromStore(head uint64, bound limit) ([]eventlog.Recorded, error) {
	in := s.take()
	events := slices.Grow(in.events, int(min(uint64(bound.events), head-s.after)))
	for full := false; !full && s.after+uint64(len(events)) < head; {
		var failed error
		err := s.log.records.Scan(s.after+uint64(len(events)), head, in.chunk(), func(position uint64, record []byte) bool {
			if full = !bound.take(len(record)); full {
				return false
			}
			var e eventlog.Recorded
			if e, _, failed = decodeRecord(record, position, &s.names); failed == nil {
				events = append(events, e)
			}
			return failed == nil
		})
		if err = errors.Join(err, failed); err != nil {
			return nil, err
		}
	}
	in.events = events
	s.room = in
	return events, nil
}

// wait returns once there is something to read, or with the error of ctx.
func (s *source) wait(ctx context.Context) error {
	growth := s.log.tail.growth(s.after)
	if growth == nil {
		return nil
	}
	select {
	case <-growth:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
