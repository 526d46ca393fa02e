package projections

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// errStore means that the store failed; nothing of the batch may be committed.
var errStore = errors.New("the store of the read models failed")

// batch gathers what the facts of one hand-over change, or of several, until it is committed with the checkpoint. Rows of deliveries
// and health are written once, however often they change; everything else is written as it comes.
type batch struct {
	store      *store
	writes     *pebble.Batch
	checkpoint checkpoint
	// at is the place of the last of the events that are in the batch, facts counts them.
	at      eventlog.Position
	facts   int
	place   []byte // the checkpoint's key
	rows    map[domain.DeliveryID]*touchedRow
	touched []*touchedRow // in the order in which they were touched
	health  map[domain.SubscriptionID]*subscription
	// closed are the subscriptions whose rows of the due index were dropped.
	closed  map[domain.SubscriptionID]struct{}
	deleted []domain.SubscriptionID
	// settled are the corrections that were recorded.
	settled map[domain.MessageID]struct{}
	// queues are the strict orders that were looked at.
	queues  map[domain.SubscriptionID]*queue
	changes []dueChange
	limited bool
	notices noticeBatch
	// recovered says that the open recoveries changed.
	recovered bool
	key, text []byte // scratch
}

// touchedRow is a row that the batch changes, and what the due index holds of it in the store.
type touchedRow struct {
	row     *row
	due     dueRow
	stored  bool
	removed bool
}

// dueRow is a delivery's row of the due index.
type dueRow struct {
	present bool
	unsent  bool
	key     [dueKeySize]byte
}

// hugeBatch is the number of rows from which on the map is made anew, since it keeps the memory of what it once held.
const hugeBatch = 4096

func newBatch(s *store, place []byte, at checkpoint) *batch {
	return &batch{store: s, writes: s.NewBatch(), checkpoint: at, place: place, rows: map[domain.DeliveryID]*touchedRow{},
		health: map[domain.SubscriptionID]*subscription{}, closed: map[domain.SubscriptionID]struct{}{},
		queues: map[domain.SubscriptionID]*queue{}, settled: map[domain.MessageID]struct{}{}, notices: newNoticeBatch()}
}

func (b *batch) close() error { return b.writes.Close() }

// set writes one row.
func (b *batch) set(key, value []byte) error {
	if err := b.writes.Set(key, value, nil); err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	}
	return nil
}

// delete removes one row.
func (b *batch) delete(key []byte) error {
	if err := b.writes.Delete(key, nil); err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	}
	return nil
}

// reset makes the batch empty.
func (b *batch) reset() {
	b.writes.Reset()
	if len(b.rows) > hugeBatch {
		b.rows, b.touched = map[domain.DeliveryID]*touchedRow{}, nil
	}
	for _, t := range b.touched { // clear would cost what the map once held, and most batches are small
		delete(b.rows, t.row.id)
	}
	clear(b.touched)
	clear(b.health)
	clear(b.closed)
	clear(b.settled)
	clear(b.queues)
	b.notices.reset()
	b.touched, b.deleted, b.changes, b.limited = b.touched[:0], b.deleted[:0], b.changes[:0], false
	b.recovered = false
	b.facts = 0
}

// touch returns a delivery's row to be changed, or nil if there is none.
func (x *projector) touch(of *domain.DeliveryOf, id domain.DeliveryID) (*touchedRow, error) {
	if t, ok := x.batch.rows[id]; ok {
		if t.removed {
			return nil, nil
		}
		return t, nil
	}
	r, err := x.find(of.Subscription, of.PublishedAt.UnixMilli(), id)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errStore, err)
	}
	if r == nil {
		return nil, nil
	}
	changing := *r
	t := &touchedRow{row: &changing, stored: true}
	t.due = x.dueOf(&changing)
	x.batch.take(t)
	return t, nil
}

// take adds a row to the batch.
func (b *batch) take(t *touchedRow) {
	b.rows[t.row.id] = t
	b.touched = append(b.touched, t)
}

// dueOf works out a row's place in the due index.
func (x *models) dueOf(r *row) (d dueRow) {
	if !r.Open() || r.cancelled || x.directory.closed(r.Of.Subscription, r.RoundRevision) {
		return d
	}
	d.present, d.unsent = true, r.unsent()
	appendDueKey(d.key[:0], x.in(dueSpace), r.Of.Subscription, r.eligible(), r.id)
	return d
}

// commit writes the batch, if there is anything in it, with its checkpoint, shows it to readers and wakes those who waited
// for it.
func (x *projector) commit() error {
	b := x.batch
	if b.facts == 0 {
		return nil
	}
	b.checkpoint.position = b.at
	b.checkpoint.facts += uint64(b.facts)
	if err := x.complete(); err != nil {
		return err
	}
	if err := b.writes.Commit(pebble.NoSync); err != nil {
		return fmt.Errorf("%w: commit up to %s: %w", errStore, b.at, err)
	}
	x.due.count(b.checkpoint)
	if len(b.touched) > 0 {
		x.recent.put(b.touched)
	}
	if x.due.apply(b.closed, b.changes) {
		x.dueChanged.send()
	}
	if len(b.deleted) > 0 {
		x.directory.mu.Lock()
		for _, id := range b.deleted {
			x.directory.dropDeleted(id)
		}
		x.directory.mu.Unlock()
	}
	if b.limited {
		x.limit.send()
	}
	if b.recovered {
		x.recoveriesChanged.send()
	}
	if b.notices.changed {
		x.noticed.send()
	}
	x.audit.publish()
	x.progress.facts.Store(b.checkpoint.facts)
	x.progress.pass(b.at)
	b.reset()
	return nil
}

// complete writes what the batch kept back.
func (x *projector) complete() error {
	b := x.batch
	// Neighbours are written after each other: the store finds the place of the next key beside that of the last.
	for _, t := range b.touched {
		if err := x.completeRow(t); err != nil {
			return err
		}
	}
	for _, t := range b.touched {
		now := dueRow{}
		if !t.removed {
			now = x.dueOf(t.row)
		}
		if err := x.moveDue(t, now); err != nil {
			return err
		}
	}
	for id, s := range b.health {
		b.text = appendHealth(b.text[:0], s.health)
		if err := b.set(subscriptionKey(x.in(healthSpace), id), b.text); err != nil {
			return err
		}
	}
	if err := x.completeQueues(); err != nil {
		return err
	}
	if err := x.completeAudit(); err != nil {
		return err
	}
	b.text = b.checkpoint.append(b.text[:0])
	return b.set(b.place, b.text)
}

// completeRow writes a delivery's row.
func (x *projector) completeRow(t *touchedRow) error {
	b, r := x.batch, t.row
	b.key = appendDeliveryKey(b.key[:0], x.in(deliverySpace), r.Of.Subscription, r.Of.PublishedAt.UnixMilli(), r.id)
	if t.removed {
		if !t.stored {
			return nil
		}
		return b.delete(b.key)
	}
	b.text = r.append(b.text[:0])
	return b.set(b.key, b.text)
}

// moveDue replaces a delivery's row of the due index.
func (x *projector) moveDue(t *touchedRow, now dueRow) error {
	b, was := x.batch, t.due
	if _, dropped := b.closed[t.row.Of.Subscription]; dropped {
		was = dueRow{} // its rows went together, and were counted then
	}
	if was == now {
		return nil
	}
	if was.present {
		b.count(was, -1)
		if err := b.changeDue(was, false); err != nil {
			return err
		}
	}
	if !now.present {
		return nil
	}
	b.count(now, +1)
	b.text = appendDueValue(b.text[:0], t.row)
	if err := b.set(now.key[:], b.text); err != nil {
		return err
	}
	return b.changeDue(now, true)
}

func (b *batch) count(d dueRow, n int64) {
	b.checkpoint.open += n
	if d.unsent {
		b.checkpoint.unsent += n
	}
}

// changeDue notes that a row came or went; one that went is deleted here.
func (b *batch) changeDue(d dueRow, added bool) error {
	sub, at, _, _ := parseDueKey(d.key[:])
	b.changes = append(b.changes, dueChange{sub, at, added})
	if added {
		return nil
	}
	return b.delete(d.key[:])
}

// dropDue drops all of a subscription's rows of the due index: a closure ended them.
func (x *projector) dropDue(id domain.SubscriptionID) error {
	b := x.batch
	if err := x.dropQueue(id); err != nil {
		return err
	}
	if _, done := b.closed[id]; done {
		return nil
	}
	b.closed[id] = struct{}{}
	prefix := subscriptionKey(x.in(dueSpace), id)
	any := false
	err := b.store.scan(prefix, after(prefix), func(_, value []byte) (bool, error) {
		unsent, _, err := parseDueValue(value)
		b.count(dueRow{unsent: unsent}, -1)
		any = true
		return true, err
	})
	if err == nil && any {
		err = b.writes.DeleteRange(prefix, after(prefix), nil)
	}
	if err != nil {
		return fmt.Errorf("%w: drop what was due: %w", errStore, err)
	}
	return nil
}
