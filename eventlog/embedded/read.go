package embedded

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"

	"github.com/cockroachdb/pebble/v2"
	"github.com/hooklog/hooklog/eventlog"
)

// What one batch from the store holds at most.
const (
	batchEvents = 512
	batchBytes  = 1 << 20
	// arenaBytes is how much of a batch shares one allocation; an event that is kept keeps that much.
	arenaBytes = 32 << 10
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
	positions, err := l.streamPositions(stream, from)
	if err != nil {
		return nil, false, err
	}
	events := make([]eventlog.Recorded, 0, len(positions))
	bound := limit{events: batchEvents, bytes: batchBytes}
	for i, at := range positions {
		e, err := l.record(at)
		if err == nil && (e.Stream != stream || uint64(e.Revision) != from+uint64(i)) {
			err = fmt.Errorf("position %d: %w: the index says otherwise", at, errRecord)
		}
		if err != nil {
			return nil, false, err
		}
		if !bound.take(len(e.Data) + len(e.Metadata)) {
			return events, true, nil
		}
		events = append(events, e)
	}
	return events, len(positions) == batchEvents, nil
}

// streamPositions reads the index from a revision on, up to what is durable.
func (l *Log) streamPositions(stream string, from uint64) (_ []uint64, err error) {
	head := l.tail.position()
	_, past := namedBounds(indexSpace, stream)
	index, err := l.db.NewIter(&pebble.IterOptions{UpperBound: past, UseL6Filters: true})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, index.Close()) }()
	var positions []uint64
	ok := index.SeekPrefixGE(namedKey(nil, indexSpace, stream, from))
	for ; ok && len(positions) < batchEvents; ok = index.Next() {
		value, err := index.ValueAndErr()
		if err != nil || len(value) != numberSize {
			return nil, errors.Join(errRecord, err)
		}
		at := binary.BigEndian.Uint64(value)
		if at > head {
			break
		}
		positions = append(positions, at)
	}
	return positions, index.Error()
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
	return s.receive(ctx, eventlog.Batch{Events: events, Live: s.live})
}

// source reads the log forward, from memory where it can. It is not safe for concurrent use.
type source struct {
	log   *Log
	after uint64 // the last position that was read
	names interner
}

func newSource(l *Log, after uint64) *source { return &source{log: l, after: after} }

// next returns the next events, none at the head, and where the head was. The slice is the caller's.
func (s *source) next() (_ []eventlog.Recorded, head uint64, err error) {
	if err := s.log.enter(); err != nil {
		return nil, 0, err
	}
	defer s.log.leave()
	bound := limit{events: batchEvents, bytes: batchBytes}
	events, head, inMemory := s.log.tail.read(nil, s.after, bound)
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

func (s *source) fromStore(head uint64, bound limit) (_ []eventlog.Recorded, err error) {
	upper := []byte{eventSpace + 1}
	if head < math.MaxUint64 {
		upper = eventKey(nil, head+1)
	}
	records, err := s.log.db.NewIter(&pebble.IterOptions{LowerBound: eventKey(nil, s.after+1), UpperBound: upper})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, records.Close()) }()
	events := make([]eventlog.Recorded, 0, min(uint64(bound.events), head-s.after))
	var arena []byte
	for ok := records.First(); ok; ok = records.Next() {
		value, err := records.ValueAndErr()
		if err != nil {
			return nil, err
		}
		if !bound.take(len(value)) {
			break
		}
		expected := s.after + uint64(len(events)) + 1
		if at, err := parseEventKey(records.Key()); err != nil || at != expected {
			return nil, errors.Join(fmt.Errorf("position %d: %w: it is missing", expected, errRecord), err)
		}
		if len(value) > cap(arena)-len(arena) {
			arena = make([]byte, 0, max(arenaBytes, len(value)))
		}
		arena = append(arena, value...)
		kept := arena[len(arena)-len(value) : len(arena) : len(arena)]
		e, _, err := decodeRecord(kept, expected, &s.names)
		if err != nil {
			return nil, err
		}
		events = append(events, e)
	}
	if err := records.Error(); err != nil {
		return nil, err
	}
	if len(events) == 0 {
		return nil, fmt.Errorf("position %d: %w: it is missing", s.after+1, errRecord)
	}
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
