package projections

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/hooklog/hooklog/domain"
)

// subject is one stream, with the rows and what is held in memory that follow from it.
type subject interface {
	stream() string
	// confirm reads what else is needed to believe in a difference. It is called before the fold is made to wait.
	confirm(context.Context, *Fold) error
	// examine folds the stream's facts and notes what the models say otherwise.
	examine(*models, []placed, *findings) error
}

// findings are the differences that were found at a subject.
type findings struct{ found []Difference }

func (f *findings) note(projection, key string, live, again json.RawMessage) {
	f.found = append(f.found, Difference{projection, key, live, again})
}

// row compares the row under a key, which begins with its keyspace's byte, with what it should be.
func (f *findings) row(m *models, projection string, key, again []byte) error {
	live, ok, err := m.store.value(key)
	if err != nil {
		return err
	}
	space, rest := key[0]&^green, key[1:]
	switch {
	case !ok:
		f.note(projection, showKey(space, rest), nil, showValue(space, rest, again))
	case !bytes.Equal(live, again):
		f.note(projection, showKey(space, rest), showValue(space, rest, live), showValue(space, rest, again))
	}
	return nil
}

// memory compares what is held in memory with the row that it should be.
func (f *findings) memory(projection string, space byte, rest []byte, holds bool, live, again []byte) {
	switch {
	case !holds:
		f.note(projection, inMemory(space, rest), nil, showValue(space, rest, again))
	case !bytes.Equal(live, again):
		f.note(projection, inMemory(space, rest), showValue(space, rest, live), showValue(space, rest, again))
	}
}

// nothingToConfirm is for subjects whose own stream says everything.
type nothingToConfirm struct{}

func (nothingToConfirm) confirm(context.Context, *Fold) error { return nil }

// subjectOf says what a fact is looked at for.
func subjectOf(p placed) (subject, bool) {
	if id, ok := domain.OrganizationOfStream(p.Stream); ok {
		return organizationSubject{id: id}, true
	}
	if id, ok := domain.KeyOfStream(p.Stream); ok {
		return keySubject{id: id}, true
	}
	if id, ok := domain.SubscriptionOfStream(p.Stream); ok {
		return subscriptionSubject{id: id}, true
	}
	switch f := p.fact.(type) {
	case *domain.EventTypeDefined:
		return typeSubject{org: f.Organization, name: f.Name}, true
	case *domain.EventTypeRetired:
		return typeSubject{org: f.Organization, name: f.Name}, true
	case *domain.MessagePublished:
		if id, ok := domain.MessageOfStream(p.Stream); ok {
			return &messageSubject{id: id}, true
		}
	}
	if of, ok := deliveryOf(p.fact); ok && p.Stream == domain.DeliveryStream(of.ID()) {
		return &deliverySubject{of: of}, true
	}
	return nil, false
}

type organizationSubject struct {
	nothingToConfirm
	id domain.OrganizationID
}

func (s organizationSubject) stream() string { return domain.OrganizationStream(s.id) }

// examine believes the row about how many subscription facts were seen; memory must say the same.
func (s organizationSubject) examine(m *models, facts []placed, f *findings) error {
	state := domain.Organization{ID: s.id}
	for _, p := range facts {
		if next, err := nextOrganization(state, p); err == nil {
			state = next
		}
	}
	if !state.Exists() {
		return nil
	}
	d := m.directory
	d.mu.RLock()
	o, holds := d.organizations[s.id]
	var live organizationRow
	if holds {
		live = organizationRow{o.state, o.subscribers.Seen}
	}
	d.mu.RUnlock()
	key := organizationKey(m.in(organizationSpace), s.id)
	var row organizationRow
	if value, ok, err := m.store.value(key); err != nil {
		return err
	} else if !ok || json.Unmarshal(value, &row) != nil {
		row.Seen = live.Seen
	}
	again, err := json.Marshal(organizationRow{state, row.Seen})
	held, err2 := json.Marshal(live)
	if err = errors.Join(err, err2); err != nil {
		return err
	}
	f.memory("organizations", organizationSpace, s.id[:], holds, held, again)
	return f.row(m, "organizations", key, again)
}

type keySubject struct {
	nothingToConfirm
	id domain.KeyID
}

func (s keySubject) stream() string { return domain.KeyStream(s.id) }

func (s keySubject) examine(m *models, facts []placed, f *findings) error {
	k, known := domain.Key{ID: s.id}, false
	for _, p := range facts {
		if next, err := nextKey(k, known, p); err == nil {
			k, known = next, true
		}
	}
	if !known {
		return nil
	}
	m.keys.mu.RLock()
	live, holds := m.keys.keys[s.id]
	m.keys.mu.RUnlock()
	again, err := json.Marshal(k)
	held, err2 := json.Marshal(live)
	if err = errors.Join(err, err2); err != nil {
		return err
	}
	f.memory("keys", keySpace, []byte(s.id), holds, held, again)
	return f.row(m, "keys", apiKeyKey(m.in(keySpace), s.id), again)
}

type typeSubject struct {
	nothingToConfirm
	org  domain.OrganizationID
	name string
}

func (s typeSubject) stream() string { return domain.EventTypeStream(s.org, s.name) }

func (s typeSubject) examine(m *models, facts []placed, f *findings) error {
	m.directory.mu.RLock()
	_, owned := m.directory.organizations[s.org]
	m.directory.mu.RUnlock()
	var e domain.EventType
	for _, p := range facts {
		if next := e.Apply(p.fact, p.meta); next.Exists() {
			e = next
		}
	}
	if !owned || !e.Exists() {
		return nil
	}
	m.types.mu.RLock()
	live, holds := m.types.types[s.org][s.name]
	m.types.mu.RUnlock()
	again, err := json.Marshal(e)
	held, err2 := json.Marshal(live)
	if err = errors.Join(err, err2); err != nil {
		return err
	}
	key := eventTypeKey(m.in(eventTypeSpace), s.org, s.name)
	f.memory("catalogue", eventTypeSpace, key[1:], holds, held, again)
	return f.row(m, "catalogue", key, again)
}

type subscriptionSubject struct {
	nothingToConfirm
	id domain.SubscriptionID
}

func (s subscriptionSubject) stream() string { return domain.SubscriptionStream(s.id) }

func (s subscriptionSubject) examine(m *models, facts []placed, f *findings) error {
	state, known := domain.Subscription{ID: s.id}, false
	var last placed
	for _, p := range facts {
		if next, err := nextSubscription(state, known, p); err == nil {
			state, known, last = next, true, p
		}
	}
	if !known {
		return nil
	}
	again, err := subscriptionRow(&state, last.Position)
	if err != nil {
		return err
	}
	if err := s.examineMemory(m, &state, again, f); err != nil {
		return err
	}
	return errors.Join(f.row(m, "subscriptions", subscriptionKey(m.in(subscriptionSpace), s.id), again),
		f.row(m, "subscriptions", memberKey(m.in(memberSpace), state.Organization, s.id), nil))
}

// examineMemory compares a subscription that is not deleted, and its health, which must be as its row is.
func (s subscriptionSubject) examineMemory(m *models, state *domain.Subscription, again []byte, f *findings) error {
	if state.Deleted {
		return nil
	}
	d := m.directory
	d.mu.RLock()
	live, holds := d.subscriptions[s.id]
	var held []byte
	var health domain.Health
	var err error
	if holds {
		held, err = subscriptionRow(live.state, live.at)
		health = live.health
	}
	d.mu.RUnlock()
	if err != nil {
		return err
	}
	f.memory("subscriptions", subscriptionSpace, s.id[:], holds, held, again)
	row, ok, err := m.store.value(subscriptionKey(m.in(healthSpace), s.id))
	if err != nil {
		return err
	}
	if text := appendHealth(nil, health); holds && (ok || health != (domain.Health{})) && !bytes.Equal(text, row) {
		f.memory("subscriptions", healthSpace, s.id[:], true, text, row)
	}
	return nil
}

// deliverySubject is a delivery of which something is recorded.
type deliverySubject struct {
	of domain.DeliveryOf
	// message is what began it, demanded whether its place in the log does; both are known once it is confirmed.
	message             message
	demanded, confirmed bool
}

func (s *deliverySubject) stream() string { return domain.DeliveryStream(s.of.ID()) }

func (s *deliverySubject) confirm(ctx context.Context, x *Fold) (err error) {
	s.confirmed = true
	s.message, err = x.loadMessage(ctx, s.of.Message)
	if domain.CodeOf(err) == domain.NotFound {
		return nil // nobody's delivery: the fold passes its facts over
	}
	if err != nil {
		return err
	}
	s.demanded, err = x.demands(ctx, s.message, s.of.Subscription)
	return err
}

// demands reports whether there must be a row of a message's delivery to a subscription: it is among the recorded
// targets, the message's place in the log demands it, and nobody removed it.
func (x *Fold) demands(ctx context.Context, m message, sub domain.SubscriptionID) (bool, error) {
	is := func(t domain.Target) bool { return t.Subscription == sub }
	if !slices.ContainsFunc(m.targets, is) || slices.Contains(m.removed, sub) {
		return false, nil
	}
	again, _, err := x.matchAgain(ctx, m)
	return slices.ContainsFunc(again.Targets, is), err
}

func (s *deliverySubject) examine(m *models, facts []placed, f *findings) error {
	if s.confirmed && s.message.published == nil {
		return nil
	}
	id := s.of.ID()
	key := appendDeliveryKey(nil, m.in(deliverySpace), s.of.Subscription, s.of.PublishedAt.UnixMilli(), id)
	value, ok, err := m.store.value(key)
	if err != nil {
		return err
	}
	if !ok {
		if s.demanded || !s.confirmed {
			f.note("deliveries", showKey(deliverySpace, key[1:]), nil, showValue(deliverySpace, key[1:], s.fold(facts, nil, id).append(nil)))
		}
		return nil
	}
	live, err := parseRow(s.of.Subscription, id, value)
	if err != nil {
		live = nil
	}
	again := s.fold(facts, live, id)
	if err := f.row(m, "deliveries", key, again.append(nil)); err != nil {
		return err
	}
	if recent := m.recent.get(id); recent != nil {
		f.memory("deliveries", deliverySpace, key[1:], true, recent.append(nil), again.append(nil))
	}
	return errors.Join(s.examineDue(m, again, f), s.examineFailures(m, again, facts, f))
}

// fold folds the delivery's facts. What other streams decide (when and with which revision the round was opened, whether a
// closure ended it, and its place in a strict order) is believed to the row.
func (s *deliverySubject) fold(facts []placed, live *row, id domain.DeliveryID) *row {
	of := s.of
	if s.confirmed {
		of = s.message.deliveryTo(s.of.Subscription)
	}
	r := &row{Delivery: domain.NewDelivery(of, 0), id: id}
	for _, p := range facts {
		if named, ok := deliveryOf(p.fact); !ok || named.ID() != id {
			continue
		}
		switch a := p.fact.(type) {
		case *domain.AttemptSucceeded:
			r.attempted(p, &a.Attempt, nil)
		case *domain.AttemptFailed:
			r.attempted(p, &a.Attempt, a)
		default:
			r.offered(p)
		}
	}
	r.round()
	r.RoundRevision, r.cancelled = 0, false
	if live != nil {
		r.order, r.Ordered, r.waits = live.order, live.Ordered, live.waits
		r.RoundRevision, r.cancelled = live.RoundRevision, live.cancelled
		if r.Round == 1 && r.RoundAttempts == 0 {
			r.opened = live.opened
		}
	}
	return r
}

func (s *deliverySubject) examineDue(m *models, r *row, f *findings) error {
	m.directory.mu.RLock()
	due := m.dueOf(r)
	m.directory.mu.RUnlock()
	if !due.present {
		return nil
	}
	return f.row(m, "due", due.key[:], appendDueValue(nil, r))
}

// examineFailures looks for the failed attempts in their list. Whether one ended its delivery is believed to the row.
func (s *deliverySubject) examineFailures(m *models, r *row, facts []placed, f *findings) error {
	for _, p := range facts {
		failed, ok := p.fact.(*domain.AttemptFailed)
		if !ok || failed.DeliveryOf.ID() != s.of.ID() {
			continue
		}
		key := appendFailureKey(nil, m.in(failureSpace), s.of.Subscription, p.Position)
		status := byte(0)
		if value, ok, err := m.store.value(key); err != nil {
			return err
		} else if ok && len(value) > 0 && int(value[0]) < len(failureStatuses) {
			status = value[0]
		}
		if err := f.row(m, "failures", key, appendFailure(nil, status, p, r, failed)); err != nil {
			return err
		}
	}
	return nil
}

// messageSubject is a message, with the deliveries that it began.
type messageSubject struct {
	id       domain.MessageID
	demanded map[domain.SubscriptionID]bool // after confirm
}

func (s *messageSubject) stream() string { return domain.MessageStream(s.id) }

func (s *messageSubject) confirm(ctx context.Context, x *Fold) error {
	s.demanded = map[domain.SubscriptionID]bool{}
	m, err := x.loadMessage(ctx, s.id)
	if err != nil {
		return err
	}
	for _, t := range m.published.Targets {
		if s.demanded[t.Subscription], err = x.demands(ctx, m, t.Subscription); err != nil {
			return err
		}
	}
	return nil
}

// examine looks for the rows of the targets that the publisher recorded.
func (s *messageSubject) examine(m *models, facts []placed, f *findings) error {
	if len(facts) == 0 {
		return nil
	}
	p := facts[0]
	published, ok := p.fact.(*domain.MessagePublished)
	if !ok || p.Revision != 0 {
		return nil
	}
	m.directory.mu.RLock()
	_, owned := m.directory.organizations[published.Organization]
	m.directory.mu.RUnlock()
	if !owned {
		return nil
	}
	if err := f.row(m, "deliveries", messageKey(m.in(messageSpace), s.id), nil); err != nil {
		return err
	}
	if published.Client != "" {
		key := appendClientKey(nil, m.in(clientSpace), published.Organization, published.Client)
		if err := f.row(m, "clients", key, nil); err != nil {
			return err
		}
	}
	of := published.Of(p.meta)
	for _, t := range published.Targets {
		if demanded, known := s.demanded[t.Subscription]; known && !demanded {
			continue
		}
		r := newRow(s.id, of, t, t.Revision, p.RecordedAt)
		key := appendDeliveryKey(nil, m.in(deliverySpace), t.Subscription, r.Of.PublishedAt.UnixMilli(), r.id)
		_, ok, err := m.store.value(key)
		if err != nil {
			return err
		}
		if !ok {
			f.note("deliveries", showKey(deliverySpace, key[1:]), nil, json.RawMessage(fmt.Sprintf(`{"message":%q}`, s.id)))
		}
	}
	return nil
}
