package projections

import (
	"bytes"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// directory is what the fold holds in memory. The goroutine that folds is the only one that changes it, under mu; it
// may read without.
type directory struct {
	mu            sync.RWMutex
	organizations map[domain.OrganizationID]*organization
	registered    []domain.OrganizationID // ascending
	slugs         map[string]domain.OrganizationID
	// subscriptions holds those that are not deleted, and until the next commit those just deleted.
	subscriptions map[domain.SubscriptionID]*subscription
	// limited are the subscriptions whose limit of failures is reached.
	limited map[domain.SubscriptionID]struct{}
	// corrections are those that are not recorded yet.
	corrections map[domain.MessageID]*correction
	// rematched says that some message was matched again. Mostly none was, and then nobody looks for one.
	rematched bool
}

// organization is an organization with its subscriptions.
type organization struct {
	state       domain.Organization
	subscribers *domain.Subscribers
	members     []domain.SubscriptionID // those that are not deleted, ascending
}

// subscription is a subscription with what was folded beside its own stream.
type subscription struct {
	state  *domain.Subscription // never changed, only replaced
	health domain.Health
	told   domain.Told
	// at is the place of its last fact.
	at eventlog.Position
	// policy is worked out when it is first asked for.
	policy atomic.Pointer[domain.Policy]
}

func newDirectory() *directory {
	return &directory{organizations: map[domain.OrganizationID]*organization{}, slugs: map[string]domain.OrganizationID{},
		subscriptions: map[domain.SubscriptionID]*subscription{},
		limited:       map[domain.SubscriptionID]struct{}{}, corrections: map[domain.MessageID]*correction{}}
}

// organization returns what is known of an organization, beginning it if it is nothing.
func (d *directory) organization(id domain.OrganizationID) *organization {
	o, ok := d.organizations[id]
	if !ok {
		o = &organization{subscribers: domain.NewSubscribers()}
		o.state.ID = id
		d.organizations[id] = o
	}
	return o
}

// putOrganization takes in an organization's state.
func (d *directory) putOrganization(state domain.Organization) {
	o := d.organization(state.ID)
	if state.Exists() && !o.state.Exists() {
		d.registered = insert(d.registered, state.ID)
	}
	o.state = state
	if state.Exists() {
		d.slugs[state.Slug] = state.ID
	}
	for _, id := range o.members {
		d.subscriptions[id].policy.Store(nil)
	}
}

// putSubscription takes in a subscription's state, folded up to a place.
func (d *directory) putSubscription(state *domain.Subscription, at eventlog.Position) *subscription {
	o := d.organization(state.Organization)
	s, ok := d.subscriptions[state.ID]
	if !ok {
		s = &subscription{}
		d.subscriptions[state.ID] = s
		o.members = insert(o.members, state.ID)
	}
	s.state, s.at = state, at
	s.policy.Store(nil)
	o.subscribers.Put(state)
	if state.Deleted {
		o.members = remove(o.members, state.ID)
	}
	return s
}

// putHealth takes in a subscription's health.
func (d *directory) putHealth(id domain.SubscriptionID, s *subscription, h domain.Health) {
	s.health = h
	if h.Limit != nil {
		d.limited[id] = struct{}{}
	} else {
		delete(d.limited, id)
	}
}

// dropDeleted forgets a deleted subscription.
func (d *directory) dropDeleted(id domain.SubscriptionID) {
	delete(d.subscriptions, id)
	delete(d.limited, id)
}

// policyOf returns what governs the attempts of a subscription.
func (d *directory) policyOf(s *subscription) (domain.Policy, bool) {
	if p := s.policy.Load(); p != nil {
		return *p, true
	}
	p, ok := d.organizations[s.state.Organization].state.PolicyFor(s.state.SubscriptionSettings)
	if ok {
		s.policy.Store(&p)
	}
	return p, ok
}

// closed reports whether a round that was opened at a revision of a subscription has been cancelled, provided that it
// had no end before. A subscription that is not in memory was deleted.
func (d *directory) closed(id domain.SubscriptionID, roundRevision uint64) bool {
	s, ok := d.subscriptions[id]
	if !ok || s.state.Deleted {
		return true
	}
	if _, closed := s.state.ClosedAfter(roundRevision); closed {
		return true
	}
	return d.organizations[s.state.Organization].state.Closed()
}

func compareIDs[T ~[idSize]byte](a, b T) int { return bytes.Compare(a[:], b[:]) }

// insert puts an id in its place of an ascending list.
func insert[T ~[idSize]byte](ids []T, id T) []T {
	at, found := slices.BinarySearchFunc(ids, id, compareIDs[T])
	if found {
		return ids
	}
	return slices.Insert(ids, at, id)
}

// remove takes an id out of an ascending list.
func remove[T ~[idSize]byte](ids []T, id T) []T {
	at, found := slices.BinarySearchFunc(ids, id, compareIDs[T])
	if !found {
		return ids
	}
	return slices.Delete(ids, at, at+1)
}
