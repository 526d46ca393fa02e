package commands

import (
	"context"
	"errors"
	"slices"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// RequestRecovery asks for the redelivery of what of a subscription ended within a range. deliveries is how many there
// are, as the caller counted.
func (c *Commands) RequestRecovery(ctx context.Context, by By, org domain.OrganizationID, id domain.SubscriptionID, within domain.RecoveryRange, deliveries int) (domain.Recovery, eventlog.Position, error) {
	s, _, err := c.changeable(ctx, org, id)
	if err != nil {
		return domain.Recovery{}, eventlog.Position{}, err
	}
	m := by.meta(c.Now())
	f, err := s.DecideRecover(within, deliveries, m.At)
	if err != nil {
		return domain.Recovery{}, eventlog.Position{}, err
	}
	r := domain.Recovery{ID: newID[domain.RecoveryID](c, m)}
	a, err := c.append(ctx, domain.RecoveryStream(r.ID), eventlog.NoStream, f, m)
	return r.Apply(f, m, 0), a.Position, err
}

// requestedRecovery is a recovery with the place of the fact that asked for it.
type requestedRecovery struct {
	domain.Recovery
	at eventlog.Position
}

func foldRecovery(r requestedRecovery, f recordedFact) requestedRecovery {
	if _, ok := f.Fact.(*domain.RecoveryRequested); ok {
		r.at = f.position
	}
	r.Recovery = r.Apply(f.Fact, f.Meta, f.revision)
	return r
}

func (c *Commands) loadRecovery(ctx context.Context, id domain.RecoveryID) (loaded[requestedRecovery], error) {
	return load(ctx, c, domain.RecoveryStream(id), requestedRecovery{Recovery: domain.Recovery{ID: id}}, foldRecovery)
}

// LoadRecovery folds a recovery's stream; the zero Recovery if there is none.
func (c *Commands) LoadRecovery(ctx context.Context, id domain.RecoveryID) (domain.Recovery, error) {
	l, err := c.loadRecovery(ctx, id)
	return l.state.Recovery, err
}

// StepRecovery sees to the next page of a recovery and records how far it has come. pace is asked before each delivery.
// Nothing is recorded if the recovery went on elsewhere since known: whoever did that counted the same deliveries.
//
// A delivery is redelivered once for each recovery, whoever does it and however often: if a new round of it was asked for
// after the recovery was, nothing is done. Positions tell that, so it holds for whatever a lagging node believes.
func (c *Commands) StepRecovery(ctx context.Context, by By, known domain.Recovery, page domain.RecoveryPage, pace func(context.Context) error) error {
	l, err := c.loadRecovery(ctx, known.ID)
	if err != nil || l.state.Revision != known.Revision || l.state.Ended() {
		return err
	}
	step := domain.RecoveryStep{After: page.After, Done: page.Done}
	for _, d := range page.Deliveries {
		if err := pace(ctx); err != nil {
			return err
		}
		why, err := c.recoverOne(ctx, by, l.state, d, &step.RecoveryTally)
		if err != nil {
			return err
		}
		if why != "" {
			step.Done, step.Why = true, why
			break
		}
	}
	f := l.state.DecideStep(step)
	if f == nil {
		return nil
	}
	m := by.meta(c.Now())
	m.Correlation = known.ID.String()
	_, err = c.append(ctx, domain.RecoveryStream(known.ID), l.expected, f, m)
	if errors.Is(err, eventlog.ErrRevisionConflict) {
		return nil
	}
	return err
}

// recoverOne sees to one delivery. stop says why there is nothing more to be done for any.
func (c *Commands) recoverOne(ctx context.Context, by By, r requestedRecovery, known domain.Delivery, tally *domain.RecoveryTally) (stop string, err error) {
	for range maxTries {
		s, err := c.recipient(ctx, r.Organization, r.Subscription)
		if domain.CodeOf(err) == domain.Conflict {
			return "organization_closed", nil
		}
		if err != nil {
			return "", err
		}
		d, err := c.loadHistory(ctx, known.Of, known.RoundRevision)
		switch {
		case err != nil:
			return "", err
		case slices.Contains(d.by, r.ID):
			tally.Redelivered++
			return "", nil
		case d.last.After(r.at):
			tally.Passed++
			return "", nil
		case !slices.Contains(r.States, d.state(s)):
			return "", nil
		case !s.Active():
			return inactive(s), nil
		}
		f, err := d.decide(s, r.ID)
		if err != nil {
			return "", err
		}
		m := by.meta(c.Now())
		m.Correlation = r.ID.String()
		_, err = c.append(ctx, domain.DeliveryStream(known.Of.ID()), atEnd(d.Delivery), f, m)
		if err == nil {
			tally.Redelivered++
		}
		if !errors.Is(err, eventlog.ErrRevisionConflict) {
			return "", err
		}
	}
	return "", errBusy
}

// inactive says in one word why a subscription takes no attempts.
func inactive(s domain.Subscription) string {
	return domain.Closure{Deleted: s.Deleted}.Reason()
}
