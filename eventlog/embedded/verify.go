package embedded

import (
	"context"
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
	v := verification{ctx: ctx, log: l, head: l.tail.position()}
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
	log    *Log
	store  *pebble.Snapshot // of the groups
	head   uint64
	report Report
	names  interner
	// The last record, and how many of its append follow.
	before eventlog.Recorded
	left   uint32
}

func (v *verification) run() error {
	for _, part := range []func() error{v.records, v.groups, v.parked, v.replaying, v.states, v.notes} {
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

// records checks that positions are dense, that checksums are good, that every append is whole and in one stream, and
// that each record is found by its stream. An index has as many entries as its segments have records, so it then holds
// nothing else.
func (v *verification) records() error {
	room := make([]byte, batchBytes)
	for v.report.Events < v.head {
		if err := v.ctx.Err(); err != nil {
			return err
		}
		var failed error
		err := v.log.records.Scan(v.report.Events, v.head, room, func(position uint64, record []byte) bool {
			failed = v.record(position, record)
			return failed == nil
		})
		if err = errors.Join(err, failed); err != nil {
			return err
		}
	}
	if v.left > 0 {
		return fmt.Errorf("position %d: the last append is torn", v.head)
	}
	return nil
}

func (v *verification) record(position uint64, record []byte) error {
	e, h, err := decodeRecord(record, position, &v.names)
	if err != nil {
		return err
	}
	if v.left > 0 && (h.left != v.left-1 || e.Stream != v.before.Stream || e.Revision != v.before.Revision+1) {
		return fmt.Errorf("position %d: the append that began before it is torn", position)
	}
	v.left, v.before = h.left, e
	v.report.Events++
	v.report.Bytes += uint64(len(record))
	if e.Revision == 0 {
		v.report.Streams++
	}
	return v.indexed(e, position)
}

// indexed checks that the index leads to an event, and to the one before it in its stream.
func (v *verification) indexed(e eventlog.Recorded, position uint64) error {
	at, found, err := v.log.records.Find(e.Stream, uint64(e.Revision))
	if err != nil || !found || at != position {
		return errors.Join(fmt.Errorf("position %d: the index does not lead there", position), err)
	}
	if e.Revision == 0 {
		return nil
	}
	at, found, err = v.log.records.Find(e.Stream, uint64(e.Revision)-1)
	if err != nil || !found || at >= position {
		return errors.Join(fmt.Errorf("stream %q: revision %d at position %d does not follow revision %d",
			e.Stream, e.Revision, position, e.Revision-1), err)
	}
	return nil
}

func (v *verification) groups() error {
	return v.walk(groupSpace, func(key, value []byte) error {
		name := string(key[1:])
		if _, checkpoint, err := decodeGroup(name, value); err != nil {
			return err
		} else if checkpoint > v.log.tail.position() { // which may have moved on since the head was taken
			return fmt.Errorf("consumer group %s: checkpoint %d is past the head %d", name, checkpoint, v.head)
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
		if _, _, err := decodeStates(value); err != nil {
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
