package domain

import (
	"cmp"
	"slices"
	"strings"

	"github.com/hooklog/hooklog/webhook"
)

// Subscribers is an organization's subscriptions, arranged for matching. It is not safe for concurrent change.
type Subscribers struct {
	// Seen counts the subscription facts folded.
	Seen uint64

	all map[SubscriptionID]*Subscription
	// asking finds subscriptions by what they list: by a name, or by what comes before the star of a pattern, which is
	// empty or ends in a dot and so is no name.
	asking map[string][]*Subscription
}

// NewSubscribers returns an organization without subscriptions.
func NewSubscribers() *Subscribers {
	return &Subscribers{all: map[SubscriptionID]*Subscription{}, asking: map[string][]*Subscription{}}
}

// Len returns the number of subscriptions that are not deleted.
func (x *Subscribers) Len() int { return len(x.all) }

// Get returns a subscription that is not deleted.
func (x *Subscribers) Get(id SubscriptionID) (*Subscription, bool) {
	s, ok := x.all[id]
	return s, ok
}

// Put takes in a subscription's present state, replacing the one before; a deleted one is dropped. The state must not
// be changed afterwards.
func (x *Subscribers) Put(s *Subscription) {
	if old, ok := x.all[s.ID]; ok {
		x.drop(old)
	}
	if s.Deleted {
		return
	}
	x.all[s.ID] = s
	for _, listed := range s.Events {
		place := placeOf(listed)
		x.asking[place] = append(x.asking[place], s)
	}
}

// placeOf is where a name or pattern that subscriptions list is found.
func placeOf(listed string) string { return strings.TrimSuffix(listed, "*") }

func (x *Subscribers) drop(old *Subscription) {
	delete(x.all, old.ID)
	for _, listed := range old.Events {
		place := placeOf(listed)
		rest := slices.DeleteFunc(x.asking[place], func(s *Subscription) bool { return s == old })
		if len(rest) > 0 {
			x.asking[place] = rest
		} else {
			delete(x.asking, place)
		}
	}
}

// each calls consider once for each subscription that lists a type or a pattern of it. It looks at no others.
func (x *Subscribers) each(eventType string, consider func(*Subscription)) {
	at := func(place string) {
		for _, s := range x.asking[place] {
			first := slices.IndexFunc(s.Events, func(listed string) bool { return webhook.Matches(listed, eventType) })
			if first >= 0 && placeOf(s.Events[first]) == place {
				consider(s)
			}
		}
	}
	at(eventType)
	for i := range eventType {
		if eventType[i] == '.' {
			at(eventType[:i+1])
		}
	}
	at("") // "*"
}

// Matching is the answer to: who gets a message, and who asks for its type and does not.
type Matching struct {
	Targets  []Target   // in order of subscription ids
	Withheld []Withheld // in order of subscription ids
	// filtered are the targets that depend on the message's data.
	filtered map[SubscriptionID]*Filter
}

// ReadsData reports whether a target depends on the message's data. As long as Filter is not called, all of them count
// as admitted.
func (m Matching) ReadsData() bool { return len(m.filtered) > 0 }

// Filter withholds a message from the targets whose filter its canonical data does not meet.
func (m Matching) Filter(data []byte) Matching {
	if !m.ReadsData() {
		return m
	}
	d := ReadDocument(data)
	return m.keep(func(id SubscriptionID) bool { return m.filtered[id].Admits(d) })
}

// FilterAs is Filter for a message whose data cannot be read: what was recorded of the filtered targets stands.
func (m Matching) FilterAs(recorded func(SubscriptionID) bool) Matching { return m.keep(recorded) }

// keep withholds the message from those filtered targets that are not to be kept.
func (m Matching) keep(kept func(SubscriptionID) bool) Matching {
	all := m
	m = Matching{Withheld: slices.Clone(all.Withheld)}
	for _, t := range all.Targets {
		if all.filtered[t.Subscription] == nil || kept(t.Subscription) {
			m.Targets = append(m.Targets, t)
		} else {
			m.Withheld = append(m.Withheld, Withheld{t.Subscription, WithheldFiltered})
		}
	}
	SortWithheld(m.Withheld)
	return m
}

// Match answers for one message but for its data, which [Matching.Filter] looks at. It is pure: the same subscriptions
// give the same answer, wherever it is asked.
func (x *Subscribers) Match(eventType, client string) Matching {
	var m Matching
	x.each(eventType, func(s *Subscription) {
		if why := withhold(s, client); why != "" {
			m.Withheld = append(m.Withheld, Withheld{s.ID, why})
		} else {
			m.Targets = append(m.Targets, Target{s.ID, s.Revision})
			if s.Filter != nil {
				m.needs(s)
			}
		}
	})
	slices.SortFunc(m.Targets, func(a, b Target) int { return compareIDs(a.Subscription, b.Subscription) })
	SortWithheld(m.Withheld)
	return m
}

// needs notes that a target depends on the message's data.
func (m *Matching) needs(s *Subscription) {
	if m.filtered == nil {
		m.filtered = map[SubscriptionID]*Filter{}
	}
	m.filtered[s.ID] = s.Filter
}

// SortWithheld brings withheld subscriptions into the order of their ids.
func SortWithheld(all []Withheld) {
	slices.SortFunc(all, func(a, b Withheld) int { return compareIDs(a.Subscription, b.Subscription) })
}

// withhold says why a subscription that asks for a message's type gets nothing; empty if it gets the message.
func withhold(s *Subscription, client string) WithheldWhy {
	switch {
	case s.Disabled != nil && s.Disabled.By == ByFailures:
		return WithheldFailures
	case s.Disabled != nil:
		return WithheldDisabled
	case len(s.Clients) > 0 && !slices.Contains(s.Clients, client):
		return WithheldClient
	}
	return ""
}

// WouldGet says why a subscription, were it active, would not get a message; empty if it would.
func (s Subscription) WouldGet(eventType, client string, data []byte) WithheldWhy {
	s.Disabled = nil
	if len(s.Asks(eventType)) == 0 {
		return WithheldNotAsked
	}
	if why := withhold(&s, client); why != "" {
		return why
	}
	if !s.Filter.Admits(ReadDocument(data)) {
		return WithheldFiltered
	}
	return ""
}

// Correct compares the targets that a publisher recorded with those that its place in the log demands.
func Correct(recorded, right []Target) (added []Target, removed []SubscriptionID) {
	has := make(map[SubscriptionID]bool, len(recorded))
	for _, t := range recorded {
		has[t.Subscription] = true
	}
	for _, t := range right {
		if !has[t.Subscription] {
			added = append(added, t)
		}
		delete(has, t.Subscription)
	}
	for _, t := range recorded {
		if has[t.Subscription] {
			removed = append(removed, t.Subscription)
		}
	}
	return added, removed
}

func compareIDs[K kind](a, b ID[K]) int {
	for i := range a {
		if a[i] != b[i] {
			return cmp.Compare(a[i], b[i])
		}
	}
	return 0
}
