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
	positions, first, err := l.streamPositionsBack(stream, past, batchEvents)
	if err != nil {
		return nil, 0, err
	}
	events := make([]eventlog.Recorded, 0, len(positions))
	bound := limit{events: batchEvents, bytes: batchBytes}
	for i, at := range positions {
		e, err := l.record(at)
		if err == nil && (e.Stream != stream || uint64(e.Revision) != first-uint64(i)) {
			err = fmt.Errorf("position %d: %w: the index says otherwise", at, errRecord)
		}
		if err != nil {
			return nil, 0, err
		}
		if !bound.take(len(e.Data) + len(e.Metadata)) {
			break
		}
		events = append(events, e)
		past = uint64(e.Revision)
	}
	return events, past, nil
}

// streamPositionsBack reads the index from before a revision down to the first, at most most, passing over
// what is not durable yet. First is the revision of positions[0].
func (l *Log) streamPositionsBack(stream string, past uint64, most int) (positions []uint64, first uint64, err error) {
	head := l.tail.position()
	lower, upper := namedBounds(indexSpace, stream)
	if past < math.MaxUint64 {
		upper = namedKey(nil, indexSpace, stream, past)
	}
	index, err := l.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, index.Close()) }()
	for ok := index.Last(); ok && len(positions) < most; ok = index.Prev() {
		value, err := index.ValueAndErr()
		if err != nil || len(value) != numberSize {
			return nil, 0, errors.Join(errRecord, err)
		}
		at := binary.BigEndian.Uint64(value)
		if at > head {
			continue
		}
		if len(positions) == 0 {
			if _, first, err = parseNamedKey(index.Key()); err != nil {
				return nil, 0, err
			}
		}
		positions = append(positions, at)
	}
	return positions, first, index.Error()
}

func (l *Log) readAllBack(past uint64) (_ []eventlog.Recorded, _ uint64, err error) {
	if err := l.enter(); err != nil {
		return nil, 0, err
	}
	defer l.leave()
	if head := l.tail.position(); past > head {
		past = head + 1
	}
	lower, _ := spaceBounds(eventSpace)
	records, err := l.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: eventKey(nil, past)})
	if err != nil {
		return nil, 0, err
	}
	defer func() { err = errors.Join(err, records.Close()) }()
	var events []eventlog.Recorded
	var names interner
	bound := limit{events: batchEvents, bytes: batchBytes}
	for ok := records.Last(); ok; ok = records.Prev() {
		value, err := records.ValueAndErr()
		if err != nil {
			return nil, 0, err
		}
		if !bound.take(len(value)) {
			break
		}
		at, err := parseEventKey(records.Key())
		if err != nil || at != past-1 {
			return nil, 0, errors.Join(fmt.Errorf("position %d: %w: it is missing", past-1, errRecord), err)
		}
		e, _, err := decodeRecord(append([]byte(nil), value...), at, &names)
		if err != nil {
			return nil, 0, err
		}
		events, past = append(events, e), at
	}
	return events, past, records.Error()
}
