package domain

import (
	"time"

	"github.com/hooklog/hooklog/webhook"
)

// world is what a simulation knows of organizations and subscriptions, as recorded and as replayed.
type world struct {
	organizations map[OrganizationID]*Organization
	subscriptions map[SubscriptionID]*simulated
}

func newWorld() *world {
	return &world{organizations: map[OrganizationID]*Organization{}, subscriptions: map[SubscriptionID]*simulated{}}
}

// simulated is a subscription in both courses.
type simulated struct {
	state        Subscription
	organization *Organization
	policy       *Policy // as recorded; nil until it is asked for
	// recorded and played are the subscription's health in the two courses.
	recorded, played Health
	// stopped says that people stopped the subscription, or its organization: that holds in both courses.
	stopped bool
	// failing says that failures disabled it in the replay, at failedAt; doubt that they were not all known.
	failing  bool
	failedAt time.Time
	doubt    bool
	evidence evidence
	rounds   map[roundID]*replayed
	tally    SimulatedSubscription
	// times are those to success in the two courses.
	times [2]durations
}

func (w *world) organization(id OrganizationID) *Organization {
	o := w.organizations[id]
	if o == nil {
		o = &Organization{ID: id}
		w.organizations[id] = o
	}
	return o
}

func (w *world) subscription(id SubscriptionID, org OrganizationID) *simulated {
	s := w.subscriptions[id]
	if s == nil {
		s = &simulated{state: Subscription{ID: id}, organization: w.organization(org), rounds: map[roundID]*replayed{}}
		s.tally.Subscription, s.tally.Organization = id, org
		w.subscriptions[id] = s
	}
	return s
}

// learn notes who there is, without anything that a fact changes: what answers mean must be known before the replay
// comes to it.
func (w *world) learn(p PlacedFact) {
	switch f := p.Fact.(type) {
	case *OrganizationRegistered:
		if id, ok := OrganizationOfStream(p.Stream); ok {
			w.organization(id).Profile = f.Profile
		}
	case *SubscriptionCreated:
		if id, ok := SubscriptionOfStream(p.Stream); ok {
			w.subscription(id, f.Organization)
		}
	}
}

// apply folds a fact of an organization or a subscription into the recorded course, and returns the subscriptions that
// it concerns.
func (w *world) apply(p PlacedFact) []*simulated {
	switch p.Fact.(type) {
	case *OrganizationRegistered, *OrganizationChanged, *OrganizationClosed:
		return w.applyOrganization(p)
	}
	if !IsSubscriptionFact(p.Fact) {
		return nil
	}
	id, ok := SubscriptionOfStream(p.Stream)
	if !ok {
		return nil
	}
	if f, created := p.Fact.(*SubscriptionCreated); created {
		w.subscription(id, f.Organization)
	}
	s := w.subscriptions[id]
	if s == nil {
		return nil
	}
	s.state = s.state.Apply(p.Fact, p.Meta, p.Revision)
	s.state.Secret, s.state.PreviousSecret, s.state.Headers = nil, nil, nil // of no use here
	s.policy = nil
	s.recorded = s.recorded.Lifecycle(p.Fact, p.Revision)
	return []*simulated{s}
}

func (w *world) applyOrganization(p PlacedFact) []*simulated {
	id, ok := OrganizationOfStream(p.Stream)
	if !ok {
		return nil
	}
	o := w.organization(id)
	*o = o.Apply(p.Fact, p.Meta)
	var all []*simulated
	for _, s := range w.subscriptions {
		if s.organization == o {
			s.policy = nil
			all = append(all, s)
		}
	}
	return all
}

// part lets the replayed course begin: up to now it was the recorded one.
func (w *world) part() {
	for _, s := range w.subscriptions {
		s.played = s.recorded
		disabled := s.state.Disabled
		s.failing = disabled != nil && disabled.By == ByFailures
		s.stopped = s.state.Deleted || s.organization.Closed() || disabled != nil && !s.failing
	}
}

func (s *simulated) profile() *webhook.Profile {
	p, _ := webhook.ByName(s.organization.Profile)
	return p
}

// recordedPolicy is what governs the subscription; false if this release does not know its profile.
func (s *simulated) recordedPolicy() (Policy, bool) {
	if s.policy == nil {
		p, ok := s.organization.PolicyFor(s.state.SubscriptionSettings)
		if !ok {
			return Policy{}, false
		}
		s.policy = &p
	}
	return *s.policy, true
}

// fold folds an outcome into a health, under the recorded policy or what change makes of it.
func (w *world) fold(h Health, s *simulated, p PlacedFact, change func(Policy) Policy) Health {
	switch f := p.Fact.(type) {
	case *AttemptSucceeded:
		return h.Succeeded(f)
	case *AttemptFailed:
		policy, ok := s.recordedPolicy()
		if !ok {
			return h
		}
		if change != nil {
			policy = change(policy)
		}
		return h.Failed(f, policy, "", p.Meta.At)
	}
	return h
}

// closedAfter reports whether the recorded course has ended rounds that were opened at a revision.
func (s *simulated) closedAfter(revision uint64) bool {
	if s.organization.Closed() {
		return true
	}
	_, closed := s.state.ClosedAfter(revision)
	return closed
}
