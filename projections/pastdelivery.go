package projections

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// pastRow folds a delivery up to a moment; nil if it had not begun then.
func (x *Fold) pastRow(ctx context.Context, of domain.DeliveryOf, l lifeline, m Moment) (*row, error) {
	b, err := x.begunAt(ctx, of, l, m)
	if err != nil || !b.begun {
		return nil, err
	}
	facts, err := x.deliveryFacts(ctx, of.ID())
	if err != nil {
		return nil, err
	}
	return l.fold(of, b.revision, facts, m), nil
}

// fold folds the facts of a delivery whose first round was opened at a revision, up to a moment.
func (l lifeline) fold(of domain.DeliveryOf, revision uint64, facts []placed, m Moment) *row {
	r := &row{Delivery: domain.NewDelivery(of, revision), id: of.ID()}
	for _, p := range facts {
		if !m.holds(p.Position, p.meta.At) {
			continue
		}
		if _, closed := l.closer(r.RoundRevision, m, p.Position); closed && r.Open() {
			r.cancelled = true
		}
		switch f := p.fact.(type) {
		case *domain.AttemptSucceeded:
			r.attempted(p, &f.Attempt, nil)
		case *domain.AttemptFailed:
			r.attempted(p, &f.Attempt, f)
		default:
			if again := r.offered(p); again {
				r.RoundRevision = min(r.RoundRevision, l.revisionAt(p.Position))
			}
		}
	}
	return r
}

// beginning is how a delivery began.
type beginning struct {
	// message is its message without targets, and without a fact if that had not happened.
	message
	// rematched says that the message began the deliveries of whoever it was matched with again, recorded or not.
	rematched bool
	// revision is that of the subscription at which the first round was opened, if the delivery has begun.
	revision uint64
	begun    bool
}

// begunAt reports how a delivery had begun at a moment, if it had. A message begins the deliveries to whom it was matched
// with by its place in the log; only those of its further parts begin where these are recorded.
func (x *Fold) begunAt(ctx context.Context, of domain.DeliveryOf, l lifeline, m Moment) (b beginning, err error) {
	b.id = of.Message
	if b.rematched, err = x.rematched(of.Message); err != nil {
		return b, err
	}
	begin := func(at eventlog.Position, targets []domain.Target) bool {
		for _, t := range targets {
			if t.Subscription == of.Subscription {
				b.revision, b.begun = min(t.Revision, l.revisionAt(at)), true
			}
		}
		return !b.begun
	}
	err = x.readFacts(ctx, domain.MessageStream(of.Message), func(p placed) bool {
		if !m.holds(p.Position, p.meta.At) {
			return false
		}
		switch f := p.fact.(type) {
		case *domain.MessagePublished:
			b.published, b.meta, b.position = f, p.meta, p.Position
			if b.rematched {
				b.revision, b.begun = l.revisionAt(p.Position), true
				return false
			}
			return begin(p.Position, f.Targets)
		case *domain.MessageTargets:
			return begin(p.Position, f.Targets)
		case *domain.TargetsCorrected:
			return begin(p.Position, f.Added)
		}
		return true
	})
	return b, err
}

// rematched reports whether this fold matched a message otherwise than its publisher, so that its place alone began all
// of its deliveries.
func (x *Fold) rematched(id domain.MessageID) (bool, error) {
	now := x.reading()
	defer now.done()
	now.directory.mu.RLock()
	any := now.directory.rematched
	now.directory.mu.RUnlock()
	if !any {
		return false, nil
	}
	_, ok, err := now.store.value(messageKey(now.in(correctionSpace), id))
	return ok, err
}

// showPast shows a row that was folded up to a moment as readers saw it then.
func (l lifeline) showPast(r *row, m Moment) DeliveryRow {
	shown := DeliveryRow{Delivery: r.Delivery, ID: r.id, Last: r.last}
	closed := r.cancelled
	if !closed && r.Open() {
		_, closed = l.closer(r.RoundRevision, m, eventlog.Position{})
	}
	if closed {
		shown.State, shown.Due = domain.Cancelled, time.Time{}
		shown.cancelledBy(l.at(m), l.organization.at(m))
	}
	return shown
}

// pastCandidates is how many deliveries are looked up at once.
const pastCandidates = 64

// pastDeliveries returns up to limit of the deliveries that a subscription had at a moment, as they stood then, the
// latest published first. It passes over those that began later one by one.
func (x *Fold) pastDeliveries(ctx context.Context, l lifeline, m Moment, limit int) (page []DeliveryRow, err error) {
	var end []byte
	for {
		found, err := x.deliveriesBefore(l.id, end, m)
		if err != nil {
			return nil, err
		}
		for _, c := range found {
			r, err := x.pastRow(ctx, c.of, l, m)
			if err != nil {
				return nil, err
			}
			if r == nil {
				continue
			}
			if page = append(page, l.showPast(r, m)); len(page) == limit {
				return page, nil
			}
		}
		if len(found) < pastCandidates {
			return page, nil
		}
		end = found[len(found)-1].place
	}
}

// pastCandidate is a delivery and its place in the list of its subscription's.
type pastCandidate struct {
	of    domain.DeliveryOf
	place []byte
}

// deliveriesBefore finds the deliveries of a subscription that come before a place in the order in which they were
// published, the latest first; the nil place is the end, or where a moment that is a time leaves off.
func (x *Fold) deliveriesBefore(sub domain.SubscriptionID, place []byte, m Moment) (found []pastCandidate, err error) {
	now := x.reading()
	defer now.done()
	prefix := subscriptionKey(now.in(deliverySpace), sub)
	end := after(prefix)
	switch {
	case place != nil:
		end = append(prefix[:len(prefix):len(prefix)], place...)
	case !m.Time.IsZero():
		end = appendDeliveryKey(nil, now.in(deliverySpace), sub, m.Time.UnixMilli()+1, domain.DeliveryID{})
	}
	it, err := now.store.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: end})
	if err != nil {
		return nil, fmt.Errorf("list deliveries: %w", err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.Last(); ok && len(found) < pastCandidates; ok = it.Prev() {
		value, err := it.ValueAndErr()
		if err != nil {
			return nil, fmt.Errorf("list deliveries: %w", err)
		}
		key := it.Key()
		if len(key) != len(prefix)+8+idSize {
			return nil, errRow
		}
		r, err := parseRow(sub, domain.DeliveryID(key[len(key)-idSize:]), value)
		if err != nil {
			return nil, err
		}
		found = append(found, pastCandidate{r.Of, append([]byte(nil), key[len(prefix):]...)})
	}
	return found, it.Error()
}
