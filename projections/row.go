package projections

import (
	"encoding/binary"
	"time"

	"github.com/hooklog/hooklog/domain"
)

// row is how one delivery stands. A row that others can see never changes: whoever folds changes a copy.
type row struct {
	domain.Delivery
	id domain.DeliveryID
	// cancelled says that a closure ended the present round and that an outcome was folded after it. A closure after
	// which nothing was folded is not in the row: it is found in the subscription when the row is read.
	cancelled bool
	last      Attempt
	// node is the actor that recorded the last failure, while the delivery waits for its retry.
	node string
	// order is the number in the log of the fact that opened the present round, if it is in strict order; waits says that
	// one before it is open.
	order uint64
	waits bool
	// opened is when the log recorded, by its own time, what opened the present round, while the round has no attempt. Zero in
	// rows of a release that did not keep it.
	opened time.Time
}

// Attempt is the last attempt of a delivery. Its zero value is none.
type Attempt struct {
	At   time.Time
	Took time.Duration
	// Status is the HTTP status, or 0 if there was no answer.
	Status    int
	Succeeded bool
}

// unsent reports whether the delivery waits for the first attempt of all.
func (r *row) unsent() bool { return r.Attempts == 0 }

// since is the time from which the age of a round without an attempt is told: that of the log, by which all nodes are
// compared, and not that of whoever opened it, whose clock may be anywhere.
func (r *row) since() time.Time {
	if r.opened.IsZero() {
		return r.Due
	}
	return r.opened
}

// eligible is the time from which the clock may offer the delivery: when it is due, or, where something else was to
// bring the attempt about, when that was given time enough. In strict order that waits for the one before it, however
// long that takes, and for nothing else, since nobody else hands it out.
func (r *row) eligible() time.Time {
	switch {
	case r.waits:
		return waitingTime(r.order)
	case r.Offered == r.Attempts+1:
		return r.OfferedAt.Add(domain.OfferGrace)
	case r.RoundAttempts > 0:
		return r.Due
	case r.order > 0:
		return earlier(r.Due, r.since())
	}
	return r.since().Add(domain.OfferGrace)
}

func earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// The bits of a row's first byte.
const (
	rowState     = 3 << 0
	rowCancelled = 1 << 2
	rowSucceeded = 1 << 3
	rowOrdered   = 1 << 4
	rowWaits     = 1 << 5
	rowOpened    = 1 << 6
)

var rowStates = [...]domain.DeliveryState{domain.Scheduled, domain.Succeeded, domain.Dead}

func (r *row) flags() byte {
	var b byte
	for i, s := range rowStates {
		if r.State == s {
			b = byte(i)
		}
	}
	if r.cancelled {
		b |= rowCancelled
	}
	if r.last.Succeeded {
		b |= rowSucceeded
	}
	if r.order > 0 {
		b |= rowOrdered
	}
	if r.waits {
		b |= rowWaits
	}
	if !r.opened.IsZero() {
		b |= rowOpened
	}
	return b
}

// append writes the row's value; what is in its key is not repeated.
func (r *row) append(b []byte) []byte {
	d := &r.Delivery
	b = append(b, r.flags())
	b = append(b, d.Of.Message[:]...)
	b = append(b, d.Of.Organization[:]...)
	b = appendTime(b, d.Of.PublishedAt)
	b = appendString(b, d.Of.EventType)
	b = binary.AppendUvarint(b, uint64(d.Round))
	b = binary.AppendUvarint(b, uint64(d.Attempts))
	b = binary.AppendUvarint(b, uint64(d.RoundAttempts))
	b = binary.AppendUvarint(b, d.RoundRevision)
	b = appendTime(b, d.Due)
	b = binary.AppendUvarint(b, d.Next)
	b = binary.AppendUvarint(b, uint64(d.Offered))
	b = appendTime(b, d.OfferedAt)
	b = appendTime(b, r.last.At)
	b = binary.AppendUvarint(b, uint64(r.last.Took.Microseconds()))
	b = binary.AppendUvarint(b, uint64(r.last.Status))
	b = appendString(b, r.node)
	if r.order > 0 {
		b = binary.AppendUvarint(b, r.order)
	}
	if !r.opened.IsZero() {
		b = appendTime(b, r.opened)
	}
	return b
}

func parseRow(sub domain.SubscriptionID, id domain.DeliveryID, value []byte) (*row, error) {
	in := reader{rest: value}
	flags := in.byte()
	if int(flags&rowState) >= len(rowStates) {
		return nil, errRow
	}
	r := &row{id: id, cancelled: flags&rowCancelled != 0}
	d := &r.Delivery
	d.State, d.Of.Subscription = rowStates[flags&rowState], sub
	d.Of.Message, d.Of.Organization, d.Of.PublishedAt, d.Of.EventType = in.id(), in.id(), in.time(), in.string()
	d.Round, d.Attempts, d.RoundAttempts, d.RoundRevision = int(in.number()), int(in.number()), int(in.number()), in.number()
	d.Due, d.Next, d.Offered, d.OfferedAt = in.time(), in.number(), int(in.number()), in.time()
	r.last = Attempt{At: in.time(), Took: time.Duration(in.number()) * time.Microsecond, Status: int(in.number()),
		Succeeded: flags&rowSucceeded != 0}
	r.node = in.string()
	if r.waits = flags&rowWaits != 0; flags&rowOrdered != 0 {
		r.order, r.Ordered = in.number(), true
	}
	if flags&rowOpened != 0 {
		r.opened = in.time()
	}
	return r, in.end()
}

// attempted applies an outcome; failed is nil for a success.
func (r *row) attempted(p placed, a *domain.Attempt, failed *domain.AttemptFailed) {
	r.Delivery = r.Delivery.Apply(p.fact, p.meta, uint64(p.Revision))
	r.last = Attempt{At: a.StartedAt, Took: time.Duration(a.TookMicros) * time.Microsecond, Status: a.Status, Succeeded: failed == nil}
	if r.RoundAttempts > 0 {
		r.opened = time.Time{}
	}
	if !a.Extra {
		r.node = ""
		if failed != nil && r.Open() {
			r.node = p.meta.Actor
		}
	}
	r.round()
}

// offered applies RetryDue or RedeliveryRequested. It reports whether a new round begins.
func (r *row) offered(p placed) (again bool) {
	kept := r.Of
	r.Delivery = r.Delivery.Apply(p.fact, p.meta, uint64(p.Revision))
	r.Of = kept
	if _, again = p.fact.(*domain.RedeliveryRequested); again {
		r.cancelled, r.node, r.opened = false, "", p.RecordedAt
	}
	r.round()
	return again
}

// round gives the row's times the precision that the store keeps, whatever precision a fact had.
func (r *row) round() {
	r.Of.PublishedAt, r.Due, r.OfferedAt = domain.Time(r.Of.PublishedAt), domain.Time(r.Due), domain.Time(r.OfferedAt)
	r.last.At, r.last.Took = domain.Time(r.last.At), r.last.Took.Truncate(time.Microsecond)
	r.opened = domain.Time(r.opened)
}
