package projections

import (
	"context"
	"crypto/sha256"

	"github.com/hooklog/hooklog/domain"
)

// Getters says who would get a message of a type: who asks for it and gets it, and who asks for it and would not.
type Getters struct {
	// Targets and Withheld are a page of both, the targets first, in order of their ids.
	Targets  []Getter
	Withheld []Getter
	// TargetTotal and WithheldTotal count them all; NotAsking counts the organization's other subscriptions.
	TargetTotal, WithheldTotal, NotAsking int
	// Next is empty on the last page.
	Next string
}

// Getter is a subscription that asks for a type.
type Getter struct {
	domain.Subscription
	// Asks are the names and patterns by which it does.
	Asks []string
	// Why is empty for one that gets the message.
	Why domain.WithheldWhy
}

// WhoWouldGet tells who would get a message of a type and folder, now or as of a moment that this node must have
// reached; limit 0 is all. A closed organization's subscriptions get nothing.
func (x *Fold) WhoWouldGet(ctx context.Context, org domain.OrganizationID, eventType, client string, past *Moment, limit int, cursor string) (Getters, error) {
	l := list{gettersList, typeOwner(org, eventType, client)}
	place, err := l.place(cursor)
	if err != nil {
		return Getters{}, err
	}
	subscribers, closed, err := x.subscribersOf(ctx, org, past)
	if err != nil {
		return Getters{}, err
	}
	matching := subscribers.Match(eventType, client)
	if closed {
		matching = domain.Matching{Withheld: withheldByClosing(matching)}
	}
	g := Getters{TargetTotal: len(matching.Targets), WithheldTotal: len(matching.Withheld)}
	g.NotAsking = subscribers.Len() - g.TargetTotal - g.WithheldTotal
	if matching, g.Next, err = pageOfMatching(l, matching, place, limit); err != nil {
		return Getters{}, err
	}
	getter := func(id domain.SubscriptionID, why domain.WithheldWhy) Getter {
		s, _ := subscribers.Get(id)
		return Getter{*s, s.Asks(eventType), why}
	}
	for _, t := range matching.Targets {
		g.Targets = append(g.Targets, getter(t.Subscription, ""))
	}
	for _, w := range matching.Withheld {
		g.Withheld = append(g.Withheld, getter(w.Subscription, w.Why))
	}
	return g, nil
}

// typeOwner stands for the list of those who ask for a type.
func typeOwner(org domain.OrganizationID, eventType, client string) (owner [idSize]byte) {
	sum := sha256.Sum256([]byte(string(org[:]) + eventType + "\x00" + client))
	copy(owner[:], sum[:])
	return owner
}

// subscribersOf returns a copy of an organization's subscriptions as they are, or were at a moment, and whether it is or
// was closed.
func (x *Fold) subscribersOf(ctx context.Context, org domain.OrganizationID, past *Moment) (*domain.Subscribers, bool, error) {
	if past != nil {
		o, err := x.OrganizationAt(ctx, org, *past)
		if err != nil {
			return nil, false, err
		}
		subscribers, err := x.subscribersAt(ctx, org, *past)
		return subscribers, o.Closed(), err
	}
	d := x.now().directory
	d.mu.RLock()
	defer d.mu.RUnlock()
	subscribers := domain.NewSubscribers()
	o, ok := d.organizations[org]
	if !ok {
		return subscribers, false, nil
	}
	for _, id := range o.members {
		subscribers.Put(d.subscriptions[id].state)
	}
	return subscribers, o.state.Closed(), nil
}

// withheldByClosing withholds from everybody who asks.
func withheldByClosing(m domain.Matching) []domain.Withheld {
	all := m.Withheld
	for _, t := range m.Targets {
		all = append(all, domain.Withheld{Subscription: t.Subscription})
	}
	for i := range all {
		all[i].Why = domain.WithheldClosed
	}
	domain.SortWithheld(all)
	return all
}

// The two halves of the list of who gets a message and who does not.
const (
	targetsHalf byte = iota
	withheldHalf
)

// pageOfMatching takes the page after a place from who gets a message, followed by who does not.
func pageOfMatching(l list, m domain.Matching, place []byte, limit int) (page domain.Matching, next string, err error) {
	if place != nil {
		if len(place) != 1+idSize || place[0] > withheldHalf {
			return page, "", domain.Refuse(domain.BadCursor, "the cursor is malformed")
		}
		last := domain.SubscriptionID(place[1:])
		if place[0] == targetsHalf {
			m.Targets = laterThan(m.Targets, last, func(t domain.Target) domain.SubscriptionID { return t.Subscription })
		} else {
			m.Targets = nil
			m.Withheld = laterThan(m.Withheld, last, func(w domain.Withheld) domain.SubscriptionID { return w.Subscription })
		}
	}
	if limit <= 0 || len(m.Targets)+len(m.Withheld) <= limit {
		return m, "", nil
	}
	page.Targets = m.Targets[:min(limit, len(m.Targets))]
	page.Withheld = m.Withheld[:limit-len(page.Targets)]
	if len(page.Withheld) > 0 {
		return page, l.cursor(halfPlace(withheldHalf, page.Withheld[len(page.Withheld)-1].Subscription)), nil
	}
	return page, l.cursor(halfPlace(targetsHalf, page.Targets[len(page.Targets)-1].Subscription)), nil
}

func halfPlace(half byte, id domain.SubscriptionID) []byte { return append([]byte{half}, id[:]...) }

// laterThan drops what is not after an id from an ascending list.
func laterThan[T any](all []T, last domain.SubscriptionID, id func(T) domain.SubscriptionID) []T {
	for len(all) > 0 && compareIDs(id(all[0]), last) <= 0 {
		all = all[1:]
	}
	return all
}
