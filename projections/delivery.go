package projections

import (
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/hooklog/hooklog/domain"
)

// touchFor returns the row that a fact of a delivery is about. Only messages begin deliveries: a fact of one that was
// never begun is nobody's.
func (x *projector) touchFor(p placed, of domain.DeliveryOf) (*row, error) {
	id, ok := domain.DeliveryOfStream(p.Stream)
	if !ok {
		return nil, fmt.Errorf("%w: not a delivery's stream", errMisplaced)
	}
	t, err := x.touch(&of, id)
	if err != nil {
		return nil, err
	}
	if t == nil {
		return nil, fmt.Errorf("%w: a delivery that no message began", errMisplaced)
	}
	if begun := t.row.Of; begun.Message != of.Message || begun.Subscription != of.Subscription {
		return nil, fmt.Errorf("%w: not the delivery's stream", errMisplaced)
	}
	return t.row, nil
}

// foldAttempt folds an outcome; failed is nil for a success.
func (x *projector) foldAttempt(p placed, a *domain.Attempt, failed *domain.AttemptFailed) error {
	r, err := x.touchFor(p, a.DeliveryOf)
	if err != nil {
		return err
	}
	if r.Open() && x.directory.closed(r.Of.Subscription, r.RoundRevision) {
		r.cancelled = true // the closure came first, so it ended the round whatever this outcome says
	}
	ends := failed != nil && failed.Dead && r.Open() && !r.cancelled && !a.Extra
	r.attempted(p, a, failed)
	if err := x.follow(r); err != nil {
		return err
	}
	if err := x.foldHealth(p, r.Of.Subscription); err != nil {
		return err
	}
	if ends {
		if err := x.tellOfDeath(p, r, failed); err != nil {
			return err
		}
	}
	if failed == nil || !x.folds[failuresPart] {
		return nil
	}
	return x.writeFailure(p, r, failed, ends)
}

// foldDelivery folds what else can be recorded of a delivery.
func (x *projector) foldDelivery(p placed, of domain.DeliveryOf) error {
	r, err := x.touchFor(p, of)
	if err != nil {
		return err
	}
	if r.Open() && x.directory.closed(r.Of.Subscription, r.RoundRevision) {
		r.cancelled = true
	}
	if again := r.offered(p); again {
		s, err := x.anySubscription(r.Of.Subscription)
		if err != nil {
			return fmt.Errorf("%w: %w", errStore, err)
		}
		r.RoundRevision = min(r.RoundRevision, s.Revision)
		return x.requeue(r, &s)
	}
	return nil
}

// find reads a delivery's row, or returns nil if there is none.
func (x *models) find(sub domain.SubscriptionID, publishedMillis int64, id domain.DeliveryID) (*row, error) {
	if r := x.recent.get(id); r != nil && r.Of.Subscription == sub && r.Of.PublishedAt.UnixMilli() == publishedMillis {
		return r, nil
	}
	x.store.sought.Add(1)
	var key [1 + idSize + 8 + idSize]byte
	value, closer, err := x.store.Get(appendDeliveryKey(key[:0], x.in(deliverySpace), sub, publishedMillis, id))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the row of %s: %w", id, err)
	}
	r, err := parseRow(sub, id, value)
	if err = errors.Join(err, closer.Close()); err != nil {
		return nil, fmt.Errorf("read the row of %s: %w", id, err)
	}
	return r, nil
}

// view is a delivery as readers see it: cancelled if a closure ended its round.
func (x *models) view(r *row) domain.Delivery {
	d := r.Delivery
	if !r.cancelled && d.Open() {
		x.directory.mu.RLock()
		closed := x.directory.closed(d.Of.Subscription, d.RoundRevision)
		x.directory.mu.RUnlock()
		if !closed {
			return d
		}
	} else if !r.cancelled {
		return d
	}
	d.State, d.Due = domain.Cancelled, time.Time{}
	return d
}

// Delivery returns how a delivery stands; false if no message began it. Its state is Cancelled if a closure of its
// subscription or organization ended the round.
func (x *Fold) Delivery(of domain.DeliveryOf) (domain.Delivery, bool, error) {
	m := x.reading()
	defer m.done()
	r, err := m.find(of.Subscription, of.PublishedAt.UnixMilli(), of.ID())
	if err != nil || r == nil {
		return domain.Delivery{}, false, err
	}
	return m.view(r), true, nil
}

// DeliveryRow is a delivery in a list.
type DeliveryRow struct {
	domain.Delivery
	ID   domain.DeliveryID
	Last Attempt
	// CancelledBy says in one word what cancelled the round, at CancelledAt; empty if nothing did.
	CancelledBy string
	CancelledAt time.Time
}

// organizationClosed is the reason of deliveries that ended with their organization; the others are domain.Closure's.
const organizationClosed = "organization_closed"

func (x *models) showRow(r *row) (DeliveryRow, error) {
	shown := DeliveryRow{Delivery: x.view(r), ID: r.id, Last: r.last}
	if shown.State != domain.Cancelled {
		return shown, nil
	}
	s, err := x.anySubscription(r.Of.Subscription)
	if err != nil {
		return shown, err
	}
	o, _ := x.organization(r.Of.Organization)
	shown.cancelledBy(s, o)
	return shown, nil
}

// cancelledBy says what cancelled the round of a delivery, given its subscription and organization.
func (r *DeliveryRow) cancelledBy(s domain.Subscription, o domain.Organization) {
	if c, ok := s.ClosedAfter(r.RoundRevision); ok && (!o.Closed() || !o.ClosedAt.Before(c.At)) {
		r.CancelledBy, r.CancelledAt = c.Reason(), c.At
	} else if o.Closed() {
		r.CancelledBy, r.CancelledAt = organizationClosed, o.ClosedAt
	}
}

// anySubscription finds a subscription, deleted ones included; the zero Subscription if there never was one.
func (x *models) anySubscription(id domain.SubscriptionID) (domain.Subscription, error) {
	x.directory.mu.RLock()
	s, ok := x.directory.subscriptions[id]
	x.directory.mu.RUnlock()
	if ok {
		return *s.state, nil
	}
	state, _, _, err := x.storedSubscription(id)
	return state, err
}

// Deliveries lists a subscription's deliveries, the latest published first; limit 0 is all. next is empty on the last
// page.
func (x *Fold) Deliveries(sub domain.SubscriptionID, limit int, cursor string) (page []DeliveryRow, next string, err error) {
	l := list{deliveryList, sub}
	place, err := l.place(cursor)
	if err != nil {
		return nil, "", err
	}
	m := x.reading()
	defer m.done()
	prefix := subscriptionKey(m.in(deliverySpace), sub)
	end := after(prefix)
	if place != nil {
		end = append(prefix[:len(prefix):len(prefix)], place...)
	}
	it, err := m.store.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: end})
	if err != nil {
		return nil, "", fmt.Errorf("list deliveries: %w", err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.Last(); ok; ok = it.Prev() {
		if limit > 0 && len(page) == limit {
			last := page[limit-1]
			return page, l.cursor(appendDeliveryKey(nil, prefix[0], sub, last.Of.PublishedAt.UnixMilli(), last.ID)[len(prefix):]), nil
		}
		row, err := m.listedRow(sub, it)
		if err != nil {
			return nil, "", err
		}
		page = append(page, row)
	}
	return page, "", it.Error()
}

func (x *models) listedRow(sub domain.SubscriptionID, it *pebble.Iterator) (DeliveryRow, error) {
	value, err := it.ValueAndErr()
	if err != nil {
		return DeliveryRow{}, fmt.Errorf("list deliveries: %w", err)
	}
	key := it.Key()
	if len(key) < idSize {
		return DeliveryRow{}, errRow
	}
	r, err := parseRow(sub, domain.DeliveryID(key[len(key)-idSize:]), value)
	if err != nil {
		return DeliveryRow{}, err
	}
	return x.showRow(r)
}
