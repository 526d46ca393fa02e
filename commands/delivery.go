package commands

import (
	"context"
	"errors"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// LoadDelivery folds a delivery's stream onto its state before anything happened.
func (c *Commands) LoadDelivery(ctx context.Context, of domain.DeliveryOf, roundRevision uint64) (domain.Delivery, error) {
	l, err := load(ctx, c, domain.DeliveryStream(of.ID()), domain.NewDelivery(of, roundRevision), foldDelivery)
	if l.expected >= 0 {
		l.state.Next = uint64(l.expected) + 1 // past events that may not be folded, too
	}
	return l.state, err
}

func foldDelivery(d domain.Delivery, f recordedFact) domain.Delivery {
	return d.Apply(f.Fact, f.Meta, f.revision)
}

// RecordOutcome records an attempt and what follows from it. known is what the caller knows of the delivery; where the
// log knows better it is decided again, so that no request that was answered is missing from the history. cause is the
// fact that led to the attempt. It returns the fact and its position.
func (c *Commands) RecordOutcome(ctx context.Context, by By, known domain.Delivery, o domain.Outcome, p domain.Policy, cause eventlog.ID) (domain.Fact, eventlog.Position, error) {
	return c.RecordOutcomeLater(ctx, by, known, o, p, cause)()
}

// RecordOutcomeLater is RecordOutcome that does not wait until the outcome is durable: wait does, and is called once.
func (c *Commands) RecordOutcomeLater(ctx context.Context, by By, known domain.Delivery, o domain.Outcome, p domain.Policy, cause eventlog.ID) (wait func() (domain.Fact, eventlog.Position, error)) {
	m := by.meta(c.Now())
	m.Correlation, m.Causation = known.Of.Message.String(), causation(cause)
	random := jitter()
	f := known.DecideOutcome(o, p, m.At, random)
	of, roundRevision := known.Of, known.RoundRevision
	appended, err := c.appendLater(ctx, domain.DeliveryStream(of.ID()), atEnd(known), f, m)
	if err != nil {
		return func() (domain.Fact, eventlog.Position, error) { return nil, eventlog.Position{}, err }
	}
	return func() (domain.Fact, eventlog.Position, error) {
		a, err := c.settled(appended)
		if errors.Is(err, eventlog.ErrRevisionConflict) {
			return c.recordAgain(ctx, of, roundRevision, m, func(d domain.Delivery) domain.Fact {
				return d.DecideOutcome(o, p, m.At, random)
			})
		}
		if err != nil {
			return nil, eventlog.Position{}, err
		}
		return f, a.Position, nil
	}
}

// recordAgain records what is decided about a delivery as the log has it, once somebody else was faster.
func (c *Commands) recordAgain(ctx context.Context, of domain.DeliveryOf, roundRevision uint64, m domain.Meta, decide func(domain.Delivery) domain.Fact) (domain.Fact, eventlog.Position, error) {
	for range maxTries - 1 {
		known, err := c.LoadDelivery(ctx, of, roundRevision)
		if err != nil {
			return nil, eventlog.Position{}, err
		}
		f := decide(known)
		a, err := c.append(ctx, domain.DeliveryStream(of.ID()), atEnd(known), f, m)
		switch {
		case err == nil:
			return f, a.Position, nil
		case !errors.Is(err, eventlog.ErrRevisionConflict):
			return nil, eventlog.Position{}, err
		}
	}
	return nil, eventlog.Position{}, errBusy
}

// OfferDelivery hands a due delivery out for its next attempt. It reports whether a fact was recorded: not if the
// delivery ended, was attempted or was handed out less than grace ago, or if the log knows more of it than known.
func (c *Commands) OfferDelivery(ctx context.Context, by By, known domain.Delivery, grace time.Duration) (offered bool, err error) {
	m := by.meta(c.Now())
	m.Correlation = known.Of.Message.String()
	f := known.DecideOffer(m.At, grace)
	if f == nil {
		return false, nil
	}
	_, err = c.append(ctx, domain.DeliveryStream(known.Of.ID()), atEnd(known), f, m)
	if errors.Is(err, eventlog.ErrRevisionConflict) {
		return false, nil
	}
	return err == nil, err
}

// atEnd is the expectation under which the next fact of a delivery is appended.
func atEnd(d domain.Delivery) eventlog.Expected {
	if d.Next == 0 {
		return eventlog.NoStream
	}
	return eventlog.Exactly(eventlog.Revision(d.Next - 1))
}

func causation(id eventlog.ID) string {
	if id.IsZero() {
		return ""
	}
	return id.String()
}
