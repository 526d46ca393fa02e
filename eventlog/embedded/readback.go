package embedded

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math"

	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded/segment"
)

// ReadBack implements [eventlog.Store].
func (l *Log) ReadBack(ctx context.Context, stream string, from eventlog.Revision) iter.Seq2[eventlog.Recorded, error] {
	past := uint64(from)
	if past < math.MaxUint64 {
		past++
	}
	all := backwards(ctx, "read "+stream+" backwards", past, func(past uint64) ([]eventlog.Recorded, uint64, error) {
		return l.readStreamBack(stream, past)
	})
	return func(yield func(eventlog.Recorded, error) bool) {
		show, err := l.shows(ctx, stream)
		if err != nil {
			yield(eventlog.Recorded{}, fmt.Errorf("read backwards: %w", err))
			return
		}
		for e, err := range all {
			if err == nil && (uint64(e.Revision) < show.from || !show.admits(&e)) {
				return
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

// ReadAllBack implements [eventlog.Store].
func (l *Log) ReadAllBack(ctx context.Context, before eventlog.Position) iter.Seq2[eventlog.Recorded, error] {
	return backwards(ctx, "read all backwards", low(before), l.readAllBack)
}

// backwards yields batches until one is empty; a batch tells where the next one ends.
func backwards(ctx context.Context, what string, past uint64, batch func(past uint64) ([]eventlog.Recorded, uint64, error)) iter.Seq2[eventlog.Recorded, error] {
	return func(yield func(eventlog.Recorded, error) bool) {
		for past := past; past > 0; {
			events, next, err := []eventlog.Recorded(nil), uint64(0), ctx.Err()
			if err == nil {
				events, next, err = batch(past)
			}
			if err != nil {
				yield(eventlog.Recorded{}, fmt.Errorf("%s: %w", what, err))
				return
			}
			for _, e := range events {
				if !yield(e, nil) {
					return
				}
			}
			if len(events) == 0 {
				return
			}
			past = next
		}
	}
}

func (l *Log) readStreamBack(stream string, past uint64) ([]eventlog.Recorded, uint64, error) {
	if err := l.enter(); err != nil {
		return nil, 0, err
	}
	defer l.leave()
	last, found, err := l.lastBefore(stream, past)
	if err != nil || !found {
		return nil, 0, err
	}
	c := collection{stream: stream, next: last, back: true, bound: limit{events: batchEvents, bytes: batchBytes}}
	err = errors.Join(l.records.Each(stream, last, true, l.tail.position(), c.take), c.err)
	return c.events, c.next + 1, err
}

// lastBefore finds the greatest revision of a stream before one; false if there is none.
func (l *Log) lastBefore(stream string, past uint64) (revision uint64, found bool, err error) {
	err = l.records.Each(stream, past-1, true, l.tail.position(), func(f segment.Found) bool {
		revision, found = f.Revision, true
		return false
	})
	return revision, found, err
}

func (l *Log) readAllBack(past uint64) (_ []eventlog.Recorded, _ uint64, err error) {
	if err := l.enter(); err != nil {
		return nil, 0, err
	}
	defer l.leave()
	if head := l.tail.position(); past > head {
		past = head + 1
	}
	var events []eventlog.Recorded
	bound := limit{events: batchEvents, bytes: batchBytes}
	for past > 1 {
		e, err := l.record(past - 1)
		if err != nil {
			return nil, 0, err
		}
		if !bound.take(len(e.Data) + len(e.Metadata)) {
			break
		}
		events, past = append(events, e), past-1
	}
	return events, past, nil
}
