package embedded

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/hooklog/hooklog/eventlog"
)

// Report is what Verify found.
type Report struct {
	Events  uint64
	Streams uint64
	Groups  uint64
	// Parked counts the parked events of all groups, Replaying those that were put back and are not finished.
	Parked, Replaying uint64
	// Bytes is the size of all records.
	Bytes uint64
	Head  eventlog.Position
}

// Verify walks the whole log as it is when it begins: positions dense, every checksum good, no append torn, the
// revisions of every stream dense, index and records agreeing in both directions, groups, notes and states readable. The error names the
// first thing that is wrong. Appends may go on meanwhile.
func (l *Log) Verify(ctx context.Context) (Report, error) {
	if err := l.enter(); err != nil {
		return Report{}, err
	}
	defer l.leave()
	// The head is taken first: all up to it is in the snapshot, what comes later is passed over.
	v := verification{ctx: ctx, head: l.tail.position()}
	v.store = l.db.NewSnapshot()
	err := errors.Join(v.run(), v.store.Close())
	v.report.Head = eventlog.PositionOf(0, v.head)
	if err != nil {
		return v.report, fmt.Errorf("verify the log in %s: %w", l.dir, err)
	}
	return v.report, nil
}

type verification struct {
	ctx    context.Context
	store  *pebble.Snapshot
	head   uint64
	report Report
	names  interner
}

func (v *verification) run() error {
	for _, part := range []func() error{v.records, v.index, v.groups, v.parked, v.replaying, v.states, v.notes} {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

// walk visits all keys of a space.
func (v *verification) walk(space byte, visit func(key, value []byte) error) (err error) {
	lower, upper := spaceBounds(space)
	it, err := v.store.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	visited := 0
	for ok := it.First(); ok; ok = it.Next() {
		if visited++; visited%batchEvents == 0 && v.ctx.Err() != nil {
			return v.ctx.Err()
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		if err := visit(it.Key(), value); err != nil {
			return err
		}
	}
	return it.Error()
}

// records checks that positions are dense, that checksums are good and that every append is whole and in one stream.
func (v *verification) records() error {
	var before eventlog.Recorded
	var left uint32
	err := v.walk(eventSpace, func(key, value []byte) error {
		position, err := parseEventKey(key)
		if err != nil {
			return err
		}
		if position > v.head {
			return nil
		}
		if position != v.report.Events+1 {
			return fmt.Errorf("position %d is missing", v.report.Events+1)
		}
		e, h, err := decodeRecord(append([]byte(nil), value...), position, &v.names)
		if err != nil {
			return err
		}
		if left > 0 && (h.left != left-1 || e.Stream != before.Stream || e.Revision != before.Revision+1) {
			return fmt.Errorf("position %d: the append that began before it is torn", position)
		}
		left, before = h.left, e
		v.report.Events++
		v.report.Bytes += uint64(len(value))
		return v.indexedAs(e, position)
	})
	if err != nil {
		return err
	}
	if v.report.Events != v.head {
		return fmt.Errorf("position %d is missing", v.report.Events+1)
	}
	if left > 0 {
		return fmt.Errorf("position %d: the last append is torn", v.head)
	}
	return nil
}

// indexedAs checks that the index leads to an event.
func (v *verification) indexedAs(e eventlog.Recorded, position uint64) error {
	value, closer, err := v.store.Get(namedKey(nil, indexSpace, e.Stream, uint64(e.Revision)))
	if err != nil {
		return fmt.Errorf("position %d: look it up in the index: %w", position, err)
	}
	defer closer.Close()
	if len(value) != numberSize || binary.BigEndian.Uint64(value) != position {
		return fmt.Errorf("position %d: the index leads elsewhere", position)
	}
	return nil
}

// index checks that revisions are dense and in the order of positions. That every record is in the index was checked, so
// equal numbers mean that the index holds nothing else.
func (v *verification) index() error {
	var stream string
	var next, last, entries uint64
	err := v.walk(indexSpace, func(key, value []byte) error {
		name, revision, err := parseNamedKey(key)
		if err != nil || len(value) != numberSize {
			return errors.Join(fmt.Errorf("the index holds a malformed entry"), err)
		}
		position := binary.BigEndian.Uint64(value)
		if position > v.head {
			return nil
		}
		if name != stream || entries == 0 {
			v.report.Streams++
			stream, next, last = name, 0, 0
		}
		if revision != next || position <= last {
			return fmt.Errorf("stream %q: found revision %d at position %d after revision %d, position %d", name, revision, position, int64(next)-1, last)
		}
		next, last = revision+1, position
		entries++
		return nil
	})
	if err == nil && entries != v.report.Events {
		err = fmt.Errorf("the index has %d entries for %d events", entries, v.report.Events)
	}
	return err
}

func (v *verification) groups() error {
	return v.walk(groupSpace, func(key, value []byte) error {
		name := string(key[1:])
		if _, checkpoint, err := decodeGroup(name, value); err != nil {
			return err
		} else if checkpoint > v.head {
			// The store may have moved on since the head was taken; past what the snapshot holds it must not be.
			if _, closer, err := v.store.Get(eventKey(nil, checkpoint)); err != nil {
				return fmt.Errorf("consumer group %s: checkpoint %d is past the head %d", name, checkpoint, v.head)
			} else if err := closer.Close(); err != nil {
				return err
			}
		}
		v.report.Groups++
		return nil
	})
}

func (v *verification) parked() error {
	return v.walk(parkedSpace, v.countInto(&v.report.Parked))
}

func (v *verification) replaying() error {
	return v.walk(replaySpace, v.countInto(&v.report.Replaying))
}

func (v *verification) states() error {
	return v.walk(stateSpace, func(key, value []byte) error {
		if _, err := decodeState(value); err != nil {
			return fmt.Errorf("how stream %q stands: %w", key[1:], err)
		}
		return nil
	})
}

func (v *verification) notes() error {
	return v.walk(noteSpace, func(key, value []byte) error {
		if _, err := decodeNote(value); err != nil {
			return fmt.Errorf("note %q: %w", key[1:], err)
		}
		return nil
	})
}

func (v *verification) countInto(n *uint64) func(key, value []byte) error {
	return func(key, value []byte) error {
		_, position, err := parseNamedKey(key)
		if err != nil || len(value) != numberSize {
			return errors.Join(fmt.Errorf("a parked event is malformed"), err)
		}
		if position == 0 {
			return fmt.Errorf("a parked event has no position")
		}
		*n++
		return nil
	}
}
