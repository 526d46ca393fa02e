package projections

import (
	"context"
	"fmt"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// Explanation says who gets a message, who does not, and why.
type Explanation struct {
	Message   domain.MessageID
	Published *domain.MessagePublished
	Meta      domain.Meta
	// Position is the message's place in the log, which decides who gets it.
	Position eventlog.Position
	// Targets get it; Withheld asked for its type and do not; NotAsking counts the organization's other subscriptions.
	Targets   []ExplainedTarget
	Withheld  []domain.Withheld
	NotAsking int
}

// ExplainedTarget is a subscription that gets the message, and how its delivery stands.
type ExplainedTarget struct {
	domain.Target
	Delivery DeliveryRow
	// Begun is false as long as the target is not recorded: then Delivery is empty.
	Begun bool
}

// message is a message as its stream tells it.
type message struct {
	id        domain.MessageID
	published *domain.MessagePublished
	meta      domain.Meta
	position  eventlog.Position
	// targets are all that were ever recorded.
	targets []domain.Target
	// removed are those that a correction took away.
	removed []domain.SubscriptionID
}

// loadMessage folds a message's stream; NotFound if there is none.
func (x *Fold) loadMessage(ctx context.Context, id domain.MessageID) (message, error) {
	m := message{id: id}
	err := x.readFacts(ctx, domain.MessageStream(id), func(p placed) bool {
		switch f := p.fact.(type) {
		case *domain.MessagePublished:
			m.published, m.meta, m.position = f, p.meta, p.Position
			m.targets = append(m.targets, f.Targets...)
		case *domain.MessageTargets:
			m.targets = append(m.targets, f.Targets...)
		case *domain.TargetsCorrected:
			m.targets, m.removed = append(m.targets, f.Added...), append(m.removed, f.Removed...)
		}
		return true
	})
	if err == nil && m.published == nil {
		err = domain.Refuse(domain.NotFound, "no such event")
	}
	return m, err
}

// readFacts decodes a stream and calls each with its facts until it returns false. Events that may not be folded are
// passed over: the fold itself counts and reports them.
func (x *Fold) readFacts(ctx context.Context, stream string, each func(placed) bool) error {
	return x.readFactsFrom(ctx, stream, 0, each)
}

func (x *Fold) readFactsFrom(ctx context.Context, stream string, from eventlog.Revision, each func(placed) bool) error {
	for r, err := range x.Streams.Read(ctx, stream, from) {
		if err != nil {
			return fmt.Errorf("read %s: %w", stream, err)
		}
		f, m, err := x.Codec.Decode(placeOf(&r), r.Type, r.Data, r.Metadata)
		if domain.Skippable(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read %s: %w", stream, err)
		}
		if !each(placed{f, m, &r}) {
			return nil
		}
	}
	return nil
}

// MatchAgain finds the targets that a message's place in the log demands.
func (x *Fold) MatchAgain(ctx context.Context, id domain.MessageID) ([]domain.Target, error) {
	m, err := x.loadMessage(ctx, id)
	if err != nil {
		return nil, err
	}
	matching, _, err := x.matchAgain(ctx, m)
	return matching.Targets, err
}

// WhoGets matches a message of the organization again, at its place in the log. It waits until this node has folded
// that place.
func (x *Fold) WhoGets(ctx context.Context, org domain.OrganizationID, id domain.MessageID) (Explanation, error) {
	m, err := x.loadMessage(ctx, id)
	if err != nil {
		return Explanation{}, err
	}
	if m.published.Organization != org {
		return Explanation{}, domain.Refuse(domain.NotFound, "no such event")
	}
	matching, all, err := x.matchAgain(ctx, m)
	if err != nil {
		return Explanation{}, err
	}
	e := Explanation{Message: id, Published: m.published, Meta: m.meta, Position: m.position, Withheld: matching.Withheld,
		NotAsking: all - len(matching.Targets) - len(matching.Withheld)}
	now := x.reading()
	defer now.done()
	for _, t := range matching.Targets {
		shown, err := now.explain(m, t)
		if err != nil {
			return Explanation{}, err
		}
		e.Targets = append(e.Targets, shown)
	}
	return e, nil
}

func (x *models) explain(m message, t domain.Target) (ExplainedTarget, error) {
	of := m.deliveryTo(t.Subscription)
	r, err := x.find(of.Subscription, of.PublishedAt.UnixMilli(), of.ID())
	if err != nil || r == nil {
		return ExplainedTarget{Target: t}, err
	}
	shown, err := x.showRow(r)
	return ExplainedTarget{t, shown, true}, err
}

func (m message) deliveryTo(sub domain.SubscriptionID) domain.DeliveryOf {
	of := m.published.Of(m.meta)
	return domain.DeliveryOf{Message: m.id, Subscription: sub, Organization: of.Organization, EventType: of.EventType,
		PublishedAt: domain.Time(of.PublishedAt)}
}

// matchAgain matches a message at its place in the log, and says how many subscriptions the organization had there.
func (x *Fold) matchAgain(ctx context.Context, m message) (matching domain.Matching, all int, err error) {
	if err := x.WaitFor(ctx, m.position); err != nil {
		return matching, 0, fmt.Errorf("wait until %s is folded: %w", m.id, err)
	}
	subscribers, err := x.subscribersAt(ctx, m.published.Organization, m.position)
	if err != nil {
		return matching, 0, err
	}
	if !m.published.Only {
		return subscribers.Match(m.published.EventType, m.published.Client), subscribers.Len(), nil
	}
	matching.Targets = activeAlone(subscribers, m.published.Targets)
	if len(matching.Targets) == 0 && len(m.published.Targets) > 0 {
		matching.Withheld = []domain.Withheld{{Subscription: m.published.Targets[0].Subscription, Why: domain.WithheldDisabled}}
	}
	return matching, max(subscribers.Len(), len(matching.Withheld)), nil
}

// subscribersAt returns an organization's subscriptions as they were at a place in the log.
func (x *Fold) subscribersAt(ctx context.Context, org domain.OrganizationID, at eventlog.Position) (*domain.Subscribers, error) {
	now := x.reading()
	ids, err := now.members(org)
	now.done()
	if err != nil {
		return nil, err
	}
	subscribers := domain.NewSubscribers()
	for _, id := range ids {
		s, err := x.subscriptionAt(ctx, id, at)
		if err != nil {
			return nil, err
		}
		if s.Exists() {
			subscribers.Put(&s)
		}
	}
	return subscribers, nil
}

// members returns every subscription that an organization ever had.
func (x *models) members(org domain.OrganizationID) (ids []domain.SubscriptionID, err error) {
	prefix := memberKey(x.in(memberSpace), org, domain.SubscriptionID{})[:1+idSize]
	err = x.store.scan(prefix, after(prefix), func(key, _ []byte) (bool, error) {
		if len(key) != 1+2*idSize {
			return false, errRow
		}
		ids = append(ids, domain.SubscriptionID(key[1+idSize:]))
		return true, nil
	})
	return ids, err
}

// subscriptionAt folds a subscription's stream up to a place in the log. One that has not changed since is as the fold
// has it.
func (x *Fold) subscriptionAt(ctx context.Context, id domain.SubscriptionID, at eventlog.Position) (domain.Subscription, error) {
	now := x.reading()
	state, last, err := now.present(id)
	now.done()
	if err != nil || !last.After(at) {
		return state, err
	}
	state = domain.Subscription{ID: id}
	err = x.readFacts(ctx, domain.SubscriptionStream(id), func(p placed) bool {
		if p.Position.After(at) {
			return false
		}
		state = state.Apply(p.fact, p.meta, uint64(p.Revision))
		return true
	})
	return state, err
}

// present returns a subscription as the fold has it, with the place of its last fact.
func (x *models) present(id domain.SubscriptionID) (domain.Subscription, eventlog.Position, error) {
	d := x.directory
	d.mu.RLock()
	if s, ok := d.subscriptions[id]; ok {
		defer d.mu.RUnlock()
		return *s.state, s.at, nil
	}
	d.mu.RUnlock()
	state, at, _, err := x.storedSubscription(id)
	return state, at, err
}
