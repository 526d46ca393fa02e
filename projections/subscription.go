package projections

import (
	"encoding/json"
	"fmt"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

func (x *projector) foldSubscription(p placed) error {
	id, ok := domain.SubscriptionOfStream(p.Stream)
	if !ok {
		return fmt.Errorf("%w: not a subscription's stream", errMisplaced)
	}
	d := x.directory
	s, known := d.subscriptions[id]
	state := domain.Subscription{ID: id}
	if known {
		state = *s.state
	}
	next, err := nextSubscription(state, known, p)
	if err != nil {
		return err
	}
	d.mu.Lock()
	s = d.putSubscription(&next, p.Position)
	d.organizations[next.Organization].subscribers.Seen++
	health := s.health.Lifecycle(p.fact, next.Revision)
	changed := health != s.health
	d.putHealth(id, s, health)
	d.mu.Unlock()
	if changed {
		x.batch.health[id] = s
	}
	if err := x.tellOfLifecycle(p, s, state); err != nil {
		return err
	}
	return x.writeSubscription(&next, p)
}

// nextSubscription applies a fact to a subscription that is known or not.
func nextSubscription(s domain.Subscription, known bool, p placed) (domain.Subscription, error) {
	if _, begins := p.fact.(*domain.SubscriptionCreated); begins == known || begins != (p.Revision == 0) || s.Deleted {
		return s, fmt.Errorf("%w: the subscription exists already, not yet, or no more", errMisplaced)
	}
	next := s.Apply(p.fact, p.meta, uint64(p.Revision))
	if !next.Exists() {
		return s, fmt.Errorf("%w: a subscription of no organization", errMisplaced)
	}
	return next, nil
}

// writeSubscription writes what a fact of a subscription made of it.
func (x *projector) writeSubscription(s *domain.Subscription, p placed) error {
	text, err := subscriptionRow(s, p.Position)
	if err != nil {
		return fmt.Errorf("%w: encode a row: %w", errStore, err)
	}
	if err := x.batch.set(subscriptionKey(x.in(subscriptionSpace), s.ID), text); err != nil {
		return err
	}
	switch p.fact.(type) {
	case *domain.SubscriptionCreated:
		if err := x.batch.set(memberKey(x.in(memberSpace), s.Organization, s.ID), nil); err != nil {
			return err
		}
	case *domain.SubscriptionDeleted:
		x.batch.deleted = append(x.batch.deleted, s.ID)
		if err := x.dropDue(s.ID); err != nil {
			return err
		}
	case *domain.SubscriptionDisabled:
		if err := x.dropDue(s.ID); err != nil {
			return err
		}
	}
	return x.writeOrganization(s.Organization)
}

// subscriptionRow is a subscription's row: the place of its last fact, then the state.
func subscriptionRow(s *domain.Subscription, at eventlog.Position) ([]byte, error) {
	place, _ := at.AppendBinary(nil)
	text, err := json.Marshal(s)
	return append(place, text...), err
}

// placeSize is the length of the place before a subscription's document.
const placeSize = 16

func parseSubscription(value []byte) (*domain.Subscription, eventlog.Position, error) {
	var at eventlog.Position
	if len(value) < placeSize {
		return nil, at, errRow
	}
	if err := at.UnmarshalBinary(value[:placeSize]); err != nil {
		return nil, at, err
	}
	s, err := domain.ReadSubscription(value[placeSize:])
	if err != nil {
		return nil, at, fmt.Errorf("%w: %w", errRow, err)
	}
	return s, at, nil
}

// Subscription returns a subscription that was ever created, deleted ones included.
func (x *Fold) Subscription(id domain.SubscriptionID) (domain.Subscription, bool) {
	m := x.reading()
	defer m.done()
	d := m.directory
	d.mu.RLock()
	s, ok := d.subscriptions[id]
	if ok {
		defer d.mu.RUnlock()
		return *s.state, true
	}
	d.mu.RUnlock()
	state, _, ok, err := m.storedSubscription(id)
	if err != nil {
		x.Logger.Error().Err(err).Stringer("subscription", id).Msg("a deleted subscription cannot be read")
	}
	return state, ok && err == nil
}

// storedSubscription reads a subscription from the store, where deleted ones are, too.
func (x *models) storedSubscription(id domain.SubscriptionID) (domain.Subscription, eventlog.Position, bool, error) {
	value, ok, err := x.store.value(subscriptionKey(x.in(subscriptionSpace), id))
	if err != nil || !ok {
		return domain.Subscription{}, eventlog.Position{}, false, err
	}
	s, at, err := parseSubscription(value)
	if err != nil {
		return domain.Subscription{}, at, false, err
	}
	return *s, at, true, nil
}

// Match answers who gets a message as this node knows it, and how many subscription facts of the organization the
// answer has seen.
func (x *Fold) Match(org domain.OrganizationID, eventType, client string) (m domain.Matching, seen uint64) {
	d := x.now().directory
	d.mu.RLock()
	defer d.mu.RUnlock()
	o, ok := d.organizations[org]
	if !ok {
		return m, 0
	}
	return o.subscribers.Match(eventType, client), o.subscribers.Seen
}

// Policy returns what governs the attempts of a subscription that is not deleted.
func (x *Fold) Policy(id domain.SubscriptionID) (domain.Policy, bool) {
	d := x.now().directory
	d.mu.RLock()
	defer d.mu.RUnlock()
	s, ok := d.subscriptions[id]
	if !ok {
		return domain.Policy{}, false
	}
	return d.policyOf(s)
}

// SubscriptionRow is a subscription in a list, with its health.
type SubscriptionRow struct {
	domain.Subscription
	domain.Health
}

// Subscriptions lists an organization's subscriptions that are not deleted, newest first; limit 0 is all.
func (x *Fold) Subscriptions(org domain.OrganizationID, limit int, cursor string) (page []SubscriptionRow, next string, err error) {
	d := x.now().directory
	d.mu.RLock()
	defer d.mu.RUnlock()
	var members []domain.SubscriptionID
	if o, ok := d.organizations[org]; ok {
		members = o.members
	}
	ids, next, err := pageOfIDs(list{subscriptionList, org}, members, limit, cursor)
	for _, id := range ids {
		s := d.subscriptions[id]
		page = append(page, SubscriptionRow{*s.state, s.health})
	}
	return page, next, err
}
