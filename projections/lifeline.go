package projections

import (
	"context"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// lifeline is what was recorded of a subscription on its own stream, and of its organization on that one's: all that
// decides what the subscription was and which deliveries were cancelled.
type lifeline struct {
	id    domain.SubscriptionID
	facts []placed
	// organization is empty for a subscription that never was.
	organization organizationLine
}

// organizationLine is what was recorded of an organization on its own stream.
type organizationLine struct {
	id    domain.OrganizationID
	facts []placed
}

// lifelineOf reads the streams of a subscription and its organization.
func (x *Fold) lifelineOf(ctx context.Context, id domain.SubscriptionID) (lifeline, error) {
	l := lifeline{id: id}
	state := domain.Subscription{ID: id}
	err := x.readFacts(ctx, domain.SubscriptionStream(id), func(p placed) bool {
		if subscriptionFits(state, p) {
			state = state.Apply(p.fact, p.meta, uint64(p.Revision))
			l.facts = append(l.facts, p)
		}
		return true
	})
	if err == nil && state.Exists() {
		l.organization, err = x.organizationLineOf(ctx, state.Organization)
	}
	return l, err
}

// subscriptionFits reports whether a fact makes sense on a subscription's stream after what made state.
func subscriptionFits(state domain.Subscription, p placed) bool {
	_, begins := p.fact.(*domain.SubscriptionCreated)
	return domain.IsSubscriptionFact(p.fact) && begins != state.Exists() && begins == (p.Revision == 0) && !state.Deleted
}

func (x *Fold) organizationLineOf(ctx context.Context, id domain.OrganizationID) (organizationLine, error) {
	l := organizationLine{id: id}
	err := x.readFacts(ctx, domain.OrganizationStream(id), func(p placed) bool {
		switch p.fact.(type) {
		case *domain.OrganizationRegistered:
			if len(l.facts) == 0 {
				l.facts = append(l.facts, p)
			}
		case *domain.OrganizationChanged, *domain.OrganizationClosed:
			if len(l.facts) > 0 {
				l.facts = append(l.facts, p)
			}
		}
		return true
	})
	return l, err
}

// at folds the subscription up to a moment; the zero Subscription if it did not exist then.
func (l lifeline) at(m Moment) domain.Subscription {
	s := domain.Subscription{ID: l.id}
	for _, p := range l.facts {
		if m.holds(p.Position, p.meta.At) {
			s = s.Apply(p.fact, p.meta, uint64(p.Revision))
		}
	}
	return s
}

// at folds the organization up to a moment; one that does not exist if it was not registered then.
func (l organizationLine) at(m Moment) domain.Organization {
	o := domain.Organization{ID: l.id}
	for _, p := range l.facts {
		if m.holds(p.Position, p.meta.At) {
			o = o.Apply(p.fact, p.meta)
		}
	}
	return o
}

// revisionAt is the subscription's revision at a place in the log.
func (l lifeline) revisionAt(at eventlog.Position) (revision uint64) {
	for _, p := range l.facts {
		if !p.Position.After(at) {
			revision = uint64(p.Revision)
		}
	}
	return revision
}

// closer returns the first fact that cancelled a round opened at a revision, of those that had happened at a moment and
// stand before a place in the log; the zero place is the end of the log. False if none did.
func (l lifeline) closer(roundRevision uint64, m Moment, before eventlog.Position) (first placed, closed bool) {
	consider := func(p placed) {
		if !m.holds(p.Position, p.meta.At) || !before.IsZero() && !before.After(p.Position) {
			return
		}
		if !closed || first.Position.After(p.Position) {
			first, closed = p, true
		}
	}
	for _, p := range l.facts {
		switch p.fact.(type) {
		case *domain.SubscriptionDisabled:
			if uint64(p.Revision) > roundRevision {
				consider(p)
			}
		case *domain.SubscriptionDeleted:
			consider(p)
		}
	}
	for _, p := range l.organization.facts {
		if _, closes := p.fact.(*domain.OrganizationClosed); closes {
			consider(p)
		}
	}
	return first, closed
}
