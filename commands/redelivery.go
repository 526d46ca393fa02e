package commands

import (
	"context"
	"errors"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// Redeliver opens a new round of a delivery that has ended; Conflict while one is open, and where its subscription or
// organization takes none. roundRevision is what the caller knows of its present round. It returns the round.
func (c *Commands) Redeliver(ctx context.Context, by By, of domain.DeliveryOf, roundRevision uint64) (round int, at eventlog.Position, err error) {
	for range maxTries {
		s, err := c.recipient(ctx, of.Organization, of.Subscription)
		if err != nil {
			return 0, at, err
		}
		h, err := c.loadHistory(ctx, of, roundRevision)
		if err != nil {
			return 0, at, err
		}
		f, err := h.decide(s, domain.RecoveryID{})
		if err != nil {
			return 0, at, err
		}
		a, err := c.append(ctx, domain.DeliveryStream(of.ID()), atEnd(h.Delivery), f, by.meta(c.Now()))
		if !errors.Is(err, eventlog.ErrRevisionConflict) {
			return f.Round, a.Position, err
		}
	}
	return 0, at, errBusy
}

// recipient loads the subscription of a delivery. Conflict if its organization is closed.
func (c *Commands) recipient(ctx context.Context, org domain.OrganizationID, id domain.SubscriptionID) (domain.Subscription, error) {
	if _, err := c.openOrganization(ctx, org); err != nil {
		return domain.Subscription{}, err
	}
	return c.LoadSubscription(ctx, id)
}

// redelivered is a delivery with what was asked for since some place in the log.
type redelivered struct {
	domain.Delivery
	// last is the place of the last request to redeliver it; by are the recoveries that ever asked.
	last eventlog.Position
	by   []domain.RecoveryID
}

func (c *Commands) loadHistory(ctx context.Context, of domain.DeliveryOf, roundRevision uint64) (redelivered, error) {
	l, err := load(ctx, c, domain.DeliveryStream(of.ID()), redelivered{Delivery: domain.NewDelivery(of, roundRevision)}, foldRedelivered)
	if l.expected >= 0 {
		l.state.Next = uint64(l.expected) + 1 // past events that may not be folded, too
	}
	return l.state, err
}

func foldRedelivered(d redelivered, f recordedFact) redelivered {
	if f, ok := f.Fact.(*domain.RedeliveryRequested); ok && !f.Recovery.IsZero() {
		d.by = append(d.by, f.Recovery)
	}
	if _, ok := f.Fact.(*domain.RedeliveryRequested); ok {
		d.last = f.position
	}
	d.Delivery = foldDelivery(d.Delivery, f)
	return d
}

// decide opens a new round, on behalf of a recovery unless that is zero.
func (d redelivered) decide(s domain.Subscription, recovery domain.RecoveryID) (*domain.RedeliveryRequested, error) {
	_, cancelled := s.ClosedAfter(d.RoundRevision)
	f, err := d.DecideRedeliver(s, cancelled)
	if err != nil {
		return nil, err
	}
	asked := f.(*domain.RedeliveryRequested)
	asked.Recovery = recovery
	return asked, nil
}

// state is how the delivery stands, given its subscription.
func (d redelivered) state(s domain.Subscription) domain.DeliveryState {
	if _, cancelled := s.ClosedAfter(d.RoundRevision); d.Open() && cancelled {
		return domain.Cancelled
	}
	return d.State
}
