package projections

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/hooklog/hooklog/domain"
)

// A subscription in strict order has a queue of those rounds that were opened while it was: in the order of the facts
// that opened them, so a redelivery stands at the end. Only the first of them may be offered. The others are in the due
// index behind any time that comes, in their order, so that the next one is found with one look when the first one ends,
// and a long queue takes no memory.

// queue is how a subscription's order stands in a batch.
type queue struct {
	// first may be offered; its zero value is none.
	first placedRound
	// fresh are the rounds that came to wait in this batch, in order. One that was given another place since stands here
	// with both.
	fresh []placedRound
	// changed says that first is another than in the store.
	changed bool
}

// placedRound is a round and its place in the strict order.
type placedRound struct {
	id    domain.DeliveryID
	order uint64
}

func (f placedRound) append(b []byte) []byte {
	return binary.AppendUvarint(append(b, f.id[:]...), f.order)
}

func parseFirst(value []byte) (placedRound, error) {
	in := reader{rest: value}
	f := placedRound{in.id(), in.number()}
	return f, in.end()
}

// waitingFrom is where in the due index what waits for its turn begins: the year 9000, in microseconds.
const waitingFrom = 221_845_392_000_000_000

func waitingTime(order uint64) time.Time { return time.UnixMicro(waitingFrom + int64(order)).UTC() }

// queueOf returns a subscription's queue, to be changed.
func (x *projector) queueOf(id domain.SubscriptionID) (*queue, error) {
	if q, ok := x.batch.queues[id]; ok {
		return q, nil
	}
	q := &queue{}
	value, ok, err := x.store.value(subscriptionKey(x.in(orderSpace), id))
	if err == nil && ok {
		q.first, err = parseFirst(value)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: read the order of %s: %w", errStore, id, err)
	}
	x.batch.queues[id] = q
	return q, nil
}

// enqueue puts a round that the present fact opens at the end of its subscription's queue, if that is in strict order now
// and has not been closed since the round's revision.
func (x *projector) enqueue(r *row, s *domain.Subscription) error {
	if !s.Ordered || x.directory.closed(s.ID, r.RoundRevision) {
		return nil
	}
	q, err := x.queueOf(r.Of.Subscription)
	if err != nil {
		return err
	}
	r.order, r.Ordered = x.number, true
	if r.waits = q.first.order > 0; r.waits {
		q.fresh = append(q.fresh, placedRound{r.id, r.order})
	} else {
		q.first, q.changed = placedRound{r.id, r.order}, true
	}
	return nil
}

// requeue gives a round that is opened anew its place: at the end, or none if its subscription is in no order now.
func (x *projector) requeue(r *row, s *domain.Subscription) error {
	if err := x.leave(r); err != nil {
		return err
	}
	r.order, r.Ordered, r.waits = 0, false, false
	return x.enqueue(r, s)
}

// follow lets the next round go if this one, the first, has ended.
func (x *projector) follow(r *row) error {
	if r.Open() && !r.cancelled {
		return nil
	}
	return x.leave(r)
}

// leave takes a round out of the queue. The next one goes if it was the first.
func (x *projector) leave(r *row) error {
	if r.order == 0 {
		return nil
	}
	r.waits = false
	q, err := x.queueOf(r.Of.Subscription)
	if err != nil || q.first != (placedRound{r.id, r.order}) {
		return err
	}
	q.first, q.changed = placedRound{}, true
	next, err := x.nextInOrder(q, r)
	if err != nil || next == nil {
		return err
	}
	next.waits = false
	q.first = placedRound{next.id, next.order}
	return nil
}

// nextInOrder finds the row that waits behind one: in the store, and after those there among what came in this batch.
func (x *projector) nextInOrder(q *queue, behind *row) (next *row, err error) {
	sub := behind.Of.Subscription
	from := appendDueKey(nil, x.in(dueSpace), sub, waitingTime(behind.order+1), domain.DeliveryID{})
	if _, dropped := x.batch.closed[sub]; !dropped { // else what is there in the store is gone
		err = x.store.scan(from, after(subscriptionKey(x.in(dueSpace), sub)), func(key, value []byte) (bool, error) {
			_, _, id, ok := parseDueKey(key)
			_, published, err := parseDueValue(value)
			if !ok || err != nil {
				return false, errRow
			}
			t, err := x.touch(&domain.DeliveryOf{Subscription: sub, PublishedAt: time.UnixMilli(published)}, id)
			if err == nil && t != nil && t.row.waits {
				next = t.row
			}
			return next == nil, err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("%w: find who is next: %w", errStore, err)
	}
	for next == nil && len(q.fresh) > 0 {
		if t, ok := x.batch.rows[q.fresh[0].id]; ok && !t.removed && t.row.waits && t.row.order == q.fresh[0].order && t.row.order > behind.order {
			next = t.row
		}
		q.fresh = q.fresh[1:]
	}
	return next, nil
}

// dropQueue empties the queue of a subscription whose pending deliveries a closure ended.
func (x *projector) dropQueue(id domain.SubscriptionID) error {
	q, err := x.queueOf(id)
	if err != nil {
		return err
	}
	q.changed = q.changed || q.first.order > 0
	q.first, q.fresh = placedRound{}, nil
	return nil
}

// completeQueues writes who is first.
func (x *projector) completeQueues() error {
	b := x.batch
	for id, q := range b.queues {
		if !q.changed {
			continue
		}
		key := subscriptionKey(x.in(orderSpace), id)
		if q.first.order == 0 {
			if err := b.delete(key); err != nil {
				return err
			}
			continue
		}
		b.text = q.first.append(b.text[:0])
		if err := b.set(key, b.text); err != nil {
			return err
		}
	}
	return nil
}
