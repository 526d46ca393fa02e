package projections

import (
	"cmp"
	"container/heap"
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/hooklog/hooklog/domain"
)

// dueIndex knows for every subscription with open deliveries since when, at the earliest, one of them may be offered.
// The rows themselves are in the store; memory holds one entry a subscription.
//
// An entry's time is a lower bound. A row that is added lowers it at once; a row that goes away only makes it doubtful,
// and the truth is looked up when the time comes. So the clock's grace costs nothing for a delivery that succeeds.
type dueIndex struct {
	mu      sync.Mutex
	entries map[domain.SubscriptionID]*dueEntry
	heap    dueHeap
	// asked is the latest time that was asked about.
	asked time.Time
	// open counts the rows, unsent those of them that wait for their first attempt.
	open, unsent atomic.Int64
}

type dueEntry struct {
	id    domain.SubscriptionID
	bound time.Time
	// exact says that there is a row with that time.
	exact bool
	// version grows with every change of the subscription's rows.
	version uint64
	place   int
}

// dueChange is a row of the due index that was added or removed.
type dueChange struct {
	id    domain.SubscriptionID
	at    time.Time
	added bool
}

// count takes over the counts of a checkpoint.
func (x *dueIndex) count(c checkpoint) {
	x.open.Store(c.open)
	x.unsent.Store(c.unsent)
}

func newDueIndex() *dueIndex {
	return &dueIndex{entries: map[domain.SubscriptionID]*dueEntry{}}
}

// apply follows a committed batch: the subscriptions whose rows were all dropped, then the rows that came and went. It
// reports whether there may be something to offer before NextDue said so: an earlier row came, or one that was due has gone,
// and with it what is known of its subscription.
func (x *dueIndex) apply(dropped map[domain.SubscriptionID]struct{}, changes []dueChange) (earlier bool) {
	if len(dropped) == 0 && len(changes) == 0 {
		return false
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	before, had := x.earliest()
	for id := range dropped {
		if e, ok := x.entries[id]; ok {
			x.drop(e)
		}
	}
	for _, c := range changes {
		x.change(c)
		earlier = earlier || !c.added && !c.at.After(x.asked)
	}
	now, has := x.earliest()
	return earlier || has && (!had || now.Before(before))
}

func (x *dueIndex) change(c dueChange) {
	e, ok := x.entries[c.id]
	switch {
	case !c.added:
		if ok {
			e.version++
			e.exact = e.exact && !e.bound.Equal(c.at)
		}
	case !ok:
		x.add(c.id, c.at)
	default:
		e.version++
		if !e.bound.Before(c.at) {
			e.bound, e.exact = c.at, true
			heap.Fix(&x.heap, e.place)
		}
	}
}

func (x *dueIndex) add(id domain.SubscriptionID, at time.Time) {
	e := &dueEntry{id: id, bound: at, exact: true}
	x.entries[id] = e
	heap.Push(&x.heap, e)
}

func (x *dueIndex) drop(e *dueEntry) {
	heap.Remove(&x.heap, e.place)
	delete(x.entries, e.id)
}

// boundOf returns the time before which a subscription has no rows; false if it has none at all. Who looks for rows begins
// there: where a backlog was worked off, the store has a great many deleted rows to pass over for every one that is left.
func (x *dueIndex) boundOf(id domain.SubscriptionID) (time.Time, bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	e, ok := x.entries[id]
	if !ok {
		return time.Time{}, false
	}
	return e.bound, true
}

func (x *dueIndex) earliest() (time.Time, bool) {
	if len(x.heap) == 0 {
		return time.Time{}, false
	}
	return x.heap[0].bound, true
}

// next is the earliest bound after now; false without any.
func (x *dueIndex) next(now time.Time) (at time.Time, ok bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	var walk func(place int)
	walk = func(place int) {
		switch {
		case place >= len(x.heap):
		case x.heap[place].bound.After(now):
			if !ok || x.heap[place].bound.Before(at) {
				at, ok = x.heap[place].bound, true
			}
		default:
			walk(2*place + 1)
			walk(2*place + 2)
		}
	}
	walk(0)
	return at, ok
}

// until returns copies of the entries whose bound is not after now, as a heap of their own.
func (x *dueIndex) until(now time.Time) dueHeap {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.asked = now
	var found dueHeap
	var walk func(at int)
	walk = func(at int) {
		if at < len(x.heap) && !x.heap[at].bound.After(now) {
			e := *x.heap[at]
			e.place = len(found)
			found = append(found, &e)
			walk(2*at + 1)
			walk(2*at + 2)
		}
	}
	walk(0)
	heap.Init(&found)
	return found
}

// settle replaces a doubtful bound by what was looked up after the copy e was taken, unless rows have changed since.
func (x *dueIndex) settle(e *dueEntry, earliest time.Time, any bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	now, ok := x.entries[e.id]
	if !ok || now.version != e.version {
		return
	}
	if !any {
		x.drop(now)
		return
	}
	now.bound, now.exact = earliest, true
	heap.Fix(&x.heap, now.place)
}

// dueHeap is a heap, the earliest bound first.
type dueHeap []*dueEntry

func (x dueHeap) Len() int { return len(x) }
func (x dueHeap) Less(i, j int) bool {
	return cmp.Or(x[i].bound.Compare(x[j].bound), compareIDs(x[i].id, x[j].id)) < 0
}
func (x dueHeap) Swap(i, j int) { x[i], x[j] = x[j], x[i]; x[i].place, x[j].place = i, j }
func (x *dueHeap) Push(e any)   { e.(*dueEntry).place = len(*x); *x = append(*x, e.(*dueEntry)) }
func (x *dueHeap) Pop() any {
	last := len(*x) - 1
	e := (*x)[last]
	(*x)[last] = nil
	*x = (*x)[:last]
	return e
}

// A row's value in the due index: whether the delivery waits for its first attempt, and the rest of its row's key.
func appendDueValue(b []byte, r *row) []byte {
	first := byte(0)
	if r.unsent() {
		first = 1
	}
	return binary.BigEndian.AppendUint64(append(b, first), sortable(r.Of.PublishedAt.UnixMilli()))
}

func parseDueValue(value []byte) (unsent bool, publishedMillis int64, err error) {
	if len(value) != 9 {
		return false, 0, errRow
	}
	return value[0] == 1, unsortable(binary.BigEndian.Uint64(value[1:])), nil
}

// loadDue finds the earliest row of each subscription, jumping over the others.
func (x *models) loadDue() (err error) {
	prefix := []byte{x.in(dueSpace)}
	it, err := x.store.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: after(prefix)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; {
		sub, at, _, good := parseDueKey(it.Key())
		if !good {
			return errRow
		}
		x.due.add(sub, at)
		ok = it.SeekGE(after(subscriptionKey(x.in(dueSpace), sub)))
	}
	return it.Error()
}

// DueDelivery is a delivery that may be offered.
type DueDelivery struct {
	domain.Delivery
	// Node is the actor that recorded the failure whose retry is due; empty if the delivery waits for anything else.
	Node string
	// Opened is when the present round was opened, by the log's time, while it has no attempt.
	Opened time.Time
}

// DueSubscriptions yields the subscriptions that have a delivery to offer at the given time, and since when; the
// earliest first. It stops when yield returns false.
func (x *Fold) DueSubscriptions(now time.Time, yield func(id domain.SubscriptionID, earliest time.Time) bool) {
	m := x.reading()
	defer m.done()
	due := m.due.until(now)
	for len(due) > 0 {
		e := due[0]
		if e.exact {
			heap.Pop(&due)
			if !yield(e.id, e.bound) {
				return
			}
			continue
		}
		earliest, any, err := m.earliestDue(e.id, e.bound)
		if err != nil {
			x.Logger.Error().Err(err).Stringer("subscription", e.id).Msg("due deliveries cannot be read")
			heap.Pop(&due)
			continue
		}
		m.due.settle(e, earliest, any)
		if !any || earliest.After(now) {
			heap.Pop(&due)
			continue
		}
		e.bound, e.exact = earliest, true
		heap.Fix(&due, 0)
	}
}

// earliestDue finds the earliest row of a subscription. There is none before bound.
func (x *models) earliestDue(id domain.SubscriptionID, bound time.Time) (at time.Time, any bool, err error) {
	space := x.in(dueSpace)
	err = x.store.scan(appendDueKey(nil, space, id, bound, domain.DeliveryID{}), after(subscriptionKey(space, id)), func(key, _ []byte) (bool, error) {
		if _, at, _, any = parseDueKey(key); !any {
			return false, errRow
		}
		return false, nil
	})
	return at, any, err
}

// Due returns up to limit of a subscription's deliveries that may be offered at the given time, oldest first, without those
// that skip reports, whose rows are not even read. A nil skip reports none.
func (x *Fold) Due(id domain.SubscriptionID, now time.Time, limit int, skip func(domain.DeliveryID) bool) ([]DueDelivery, error) {
	if limit <= 0 {
		return nil, nil
	}
	m := x.reading()
	defer m.done()
	bound, ok := m.due.boundOf(id)
	if !ok || bound.After(now) {
		return nil, nil
	}
	var due []DueDelivery
	space := m.in(dueSpace)
	begin := appendDueKey(nil, space, id, bound, domain.DeliveryID{})
	end := appendDueKey(nil, space, id, now.Truncate(time.Microsecond).Add(time.Microsecond), domain.DeliveryID{})
	err := m.store.scan(begin, end, func(key, value []byte) (bool, error) {
		_, _, delivery, ok := parseDueKey(key)
		_, published, err := parseDueValue(value)
		if !ok || err != nil {
			return false, errRow
		}
		if skip != nil && skip(delivery) {
			return true, nil
		}
		r, err := m.find(id, published, delivery)
		if err != nil || r == nil {
			return err == nil, err
		}
		if d := m.view(r); d.Open() && !r.eligible().After(now) {
			found := DueDelivery{Delivery: d, Node: r.node}
			if d.RoundAttempts == 0 {
				found.Opened = r.since()
			}
			due = append(due, found)
		}
		return len(due) < limit, nil
	})
	return due, err
}

// NextDue returns the earliest time after now at which there may be something to offer that is not offered at now; it is never
// too late, unless DueChanged pulses. False means that nothing will be.
func (x *Fold) NextDue(now time.Time) (time.Time, bool) { return x.now().due.next(now) }

// DueChanged pulses when there may be something to offer earlier than NextDue said.
func (x *Fold) DueChanged() <-chan struct{} { return x.dueChanged }

// OpenDeliveries counts the deliveries without an end, as of the last committed fact.
func (x *Fold) OpenDeliveries() int { return int(x.now().due.open.Load()) }

// UnsentDeliveries counts those of them that wait for their first attempt of all.
func (x *Fold) UnsentDeliveries() int { return int(x.now().due.unsent.Load()) }
