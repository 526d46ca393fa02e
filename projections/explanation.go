package projections

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

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
	// Targets get it; Withheld asked for its type and do not: a page of both, the targets first, in order of their ids.
	Targets  []ExplainedTarget
	Withheld []domain.Withheld
	// TargetTotal and WithheldTotal count them all; NotAsking counts the organization's other subscriptions.
	TargetTotal, WithheldTotal, NotAsking int
	// Next is empty on the last page.
	Next string
}

// ExplainedTarget is a subscription that gets the message, and what became of its delivery.
type ExplainedTarget struct {
	domain.Target
	Delivery DeliveryRow
	// Begun is false as long as the target is not recorded: then Delivery is empty.
	Begun bool
	// Reason is that of the last attempt, empty if it succeeded or there was none.
	Reason string
	// Why and EndedAt say why and when the present round ended; nothing while it is open.
	Why     domain.Ending
	EndedAt time.Time
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

// WhoGets matches a message of the organization again, at its place in the log, which this node waits to have folded.
// With a moment, which this node must have reached, it is matched as of that one instead, and its deliveries are told as
// they stood then. limit 0 is all.
func (x *Fold) WhoGets(ctx context.Context, org domain.OrganizationID, id domain.MessageID, past *Moment, limit int, cursor string) (Explanation, error) {
	l := list{gettersList, id}
	place, err := l.place(cursor)
	if err != nil {
		return Explanation{}, err
	}
	m, err := x.loadMessage(ctx, id)
	if err != nil {
		return Explanation{}, err
	}
	if m.published.Organization != org {
		return Explanation{}, domain.Refuse(domain.NotFound, "no such event")
	}
	matching, all, err := x.matchAt(ctx, m, past)
	if err != nil {
		return Explanation{}, err
	}
	e := Explanation{Message: id, Published: m.published, Meta: m.meta, Position: m.position, TargetTotal: len(matching.Targets),
		WithheldTotal: len(matching.Withheld), NotAsking: all - len(matching.Targets) - len(matching.Withheld)}
	if matching, e.Next, err = pageOfMatching(l, matching, place, limit); err != nil {
		return Explanation{}, err
	}
	e.Withheld = matching.Withheld
	for _, t := range matching.Targets {
		shown, err := x.explainTarget(ctx, m, t, past)
		if err != nil {
			return Explanation{}, err
		}
		e.Targets = append(e.Targets, shown)
	}
	return e, nil
}

// explainTarget tells what became of the delivery of a message to a target, until now or until a moment.
func (x *Fold) explainTarget(ctx context.Context, m message, t domain.Target, past *Moment) (ExplainedTarget, error) {
	e := ExplainedTarget{Target: t}
	of := m.deliveryTo(t.Subscription)
	var err error
	if past == nil {
		e.Delivery, e.Begun, err = x.presentRow(of)
	} else {
		e.Delivery, e.Begun, err = x.pastDelivery(ctx, of, *past)
	}
	if err != nil || !e.Begun || e.Delivery.Next == 0 {
		return e.cancelled(), err
	}
	profile := x.profileOf(m.published.Organization)
	until := presentMoment
	if past != nil {
		until = *past
	}
	err = x.readFacts(ctx, domain.DeliveryStream(of.ID()), func(p placed) bool {
		if named, ok := deliveryOf(p.fact); ok && named.ID() == of.ID() && until.holds(p.Position, p.meta.At) && uint64(p.Revision) < e.Delivery.Next {
			e.follow(p, profile)
		}
		return true
	})
	return e.cancelled(), err
}

// profileOf is what an organization's profile alone demands, which never changes; it is without a profile if this release
// does not know that.
func (x *Fold) profileOf(org domain.OrganizationID) domain.Policy {
	o, _ := x.Organization(org)
	p, _ := o.PolicyFor(domain.SubscriptionSettings{})
	return p
}

// follow takes in a fact of the delivery.
func (e *ExplainedTarget) follow(p placed, profile domain.Policy) {
	switch f := p.fact.(type) {
	case *domain.AttemptSucceeded:
		if e.Reason = ""; !f.Extra {
			e.Why, e.EndedAt = domain.BySuccess, p.meta.At
		}
	case *domain.AttemptFailed:
		if e.Reason = f.Reason; f.Dead && !f.Extra {
			e.Why, e.EndedAt = f.WhyDead(profile), p.meta.At
		}
	case *domain.RedeliveryRequested:
		e.Why, e.EndedAt = "", time.Time{}
	}
}

// cancelled says of a delivery that was cancelled that this is why it ended.
func (e ExplainedTarget) cancelled() ExplainedTarget {
	if e.Delivery.State == domain.Cancelled {
		e.Why, e.EndedAt = domain.ByCancellation, e.Delivery.CancelledAt
	}
	return e
}

// presentRow shows a delivery as it stands; false if it has not begun.
func (x *Fold) presentRow(of domain.DeliveryOf) (DeliveryRow, bool, error) {
	now := x.reading()
	defer now.done()
	r, err := now.find(of.Subscription, of.PublishedAt.UnixMilli(), of.ID())
	if err != nil || r == nil {
		return DeliveryRow{}, false, err
	}
	shown, err := now.showRow(r)
	return shown, true, err
}

// pastDelivery shows a delivery as it stood at a moment; false if it had not begun.
func (x *Fold) pastDelivery(ctx context.Context, of domain.DeliveryOf, m Moment) (DeliveryRow, bool, error) {
	l, err := x.lifelineOf(ctx, of.Subscription)
	if err != nil {
		return DeliveryRow{}, false, err
	}
	r, err := x.pastRow(ctx, of, l, m)
	if err != nil || r == nil {
		return DeliveryRow{}, false, err
	}
	return l.showPast(r, m), true, nil
}

func (m message) deliveryTo(sub domain.SubscriptionID) domain.DeliveryOf {
	of := m.published.Of(m.meta)
	return domain.DeliveryOf{Message: m.id, Subscription: sub, Organization: of.Organization, EventType: of.EventType,
		PublishedAt: domain.Time(of.PublishedAt)}
}

// matchAgain matches a message at its place in the log, and says how many subscriptions the organization had there.
func (x *Fold) matchAgain(ctx context.Context, m message) (matching domain.Matching, all int, err error) {
	return x.matchAt(ctx, m, nil)
}

// matchAt matches a message as of a moment, or else at its place in the log, and says how many subscriptions the
// organization had there.
func (x *Fold) matchAt(ctx context.Context, m message, past *Moment) (matching domain.Matching, all int, err error) {
	at := Moment{Position: m.position}
	if past != nil {
		at = *past
	} else if err := x.WaitFor(ctx, m.position); err != nil {
		return matching, 0, fmt.Errorf("wait until %s is folded: %w", m.id, err)
	}
	subscribers, err := x.subscribersAt(ctx, m.published.Organization, at)
	if err != nil {
		return matching, 0, err
	}
	if !m.published.Only {
		matching, err = x.filtered(ctx, subscribers.Match(m.published.EventType, m.published.Client), m)
		return matching, subscribers.Len(), err
	}
	matching.Targets = activeAlone(subscribers, m.published.Targets)
	if len(matching.Targets) == 0 && len(m.published.Targets) > 0 {
		matching.Withheld = []domain.Withheld{{Subscription: m.published.Targets[0].Subscription, Why: domain.WithheldDisabled}}
	}
	return matching, max(subscribers.Len(), len(matching.Withheld)), nil
}

// filtered judges a message's targets by its data, or, where that cannot be read, by what is recorded of them.
func (x *Fold) filtered(ctx context.Context, matching domain.Matching, m message) (domain.Matching, error) {
	if !matching.ReadsData() {
		return matching, nil
	}
	data, err := x.contents.open(ctx, m.id, m.published)
	if errors.Is(err, errUnreadable) {
		return matching.FilterAs(m.recorded), nil
	}
	if err != nil {
		return matching, err
	}
	return matching.Filter(data), nil
}

// recorded reports whether a subscription is a recorded target of the message that nobody removed.
func (m message) recorded(id domain.SubscriptionID) bool {
	return slices.ContainsFunc(m.targets, func(t domain.Target) bool { return t.Subscription == id }) && !slices.Contains(m.removed, id)
}

// subscribersAt returns an organization's subscriptions as they were at a moment.
func (x *Fold) subscribersAt(ctx context.Context, org domain.OrganizationID, at Moment) (*domain.Subscribers, error) {
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

// subscriptionAt folds a subscription's stream up to a moment. One that has not changed since a place in the log is as
// the fold has it.
func (x *Fold) subscriptionAt(ctx context.Context, id domain.SubscriptionID, at Moment) (domain.Subscription, error) {
	if at.Time.IsZero() {
		now := x.reading()
		state, last, err := now.present(id)
		now.done()
		if err != nil || !last.After(at.Position) {
			return state, err
		}
	}
	state := domain.Subscription{ID: id}
	err := x.readFacts(ctx, domain.SubscriptionStream(id), func(p placed) bool {
		if at.holds(p.Position, p.meta.At) {
			state = state.Apply(p.fact, p.meta, uint64(p.Revision))
		}
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
