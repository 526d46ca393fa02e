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
	asking map[string][]asker
}

// asker is a subscription that lists a name or pattern, with what most messages need to know of it: it alone is read for
// them, so that matching one touches little memory.
type asker struct {
	Target
	of  *Subscription
	all bool // it gets every message that it asks for
}

// NewSubscribers returns an organization without subscriptions.
func NewSubscribers() *Subscribers {
	return &Subscribers{all: map[SubscriptionID]*Subscription{}, asking: map[string][]asker{}}
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
		x.asking[place] = append(x.asking[place], asker{Target{s.ID, s.Revision}, s, getsAll(s)})
	}
}

// getsAll reports whether a subscription gets every message that it asks for.
func getsAll(s *Subscription) bool {
	return s.Disabled == nil && len(s.Clients) == 0 && s.Filter == nil
}

// placeOf is where a name or pattern that subscriptions list is found.
func placeOf(listed string) string { return strings.TrimSuffix(listed, "*") }

func (x *Subscribers) drop(old *Subscription) {
	delete(x.all, old.ID)
	for _, listed := range old.Events {
		place := placeOf(listed)
		rest := slices.DeleteFunc(x.asking[place], func(a asker) bool { return a.of == old })
		if len(rest) > 0 {
			x.asking[place] = rest
		} else {
			delete(x.asking, place)
		}
	}
}

// each calls consider for each subscription that lists a type or a pattern of it, once for each that it lists. It looks at
// no others.
func (x *Subscribers) each(eventType string, consider func(*asker)) {
	at := func(place string) {
		for i, asking := 0, x.asking[place]; i < len(asking); i++ {
			consider(&asking[i])
		}
	}
	if eventType != "" && !strings.HasSuffix(eventType, ".") { // else it is no name, and where patterns are found
		at(eventType)
	}
	for i := range len(eventType) - 1 {
		if eventType[i] == '.' {
			at(eventType[:i+1])
		}
	}
	if webhook.Matches("*", eventType) {
		at("")
	}
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
	x.each(eventType, func(a *asker) {
		if a.all {
			m.Targets = append(m.Targets, a.Target)
			return
		}
		if why := withhold(a.of, client); why != "" {
			m.Withheld = append(m.Withheld, Withheld{a.Subscription, why})
		} else {
			m.Targets = append(m.Targets, a.Target)
			if a.of.Filter != nil {
				m.needs(a.of)
			}
		}
	})
	m.Targets = sortedOnce(m.Targets, func(t Target) SubscriptionID { return t.Subscription })
	m.Withheld = sortedOnce(m.Withheld, func(w Withheld) SubscriptionID { return w.Subscription })
	return m
}

// sortedOnce brings what is known of subscriptions into the order of their ids, each once.
func sortedOnce[T comparable](all []T, id func(T) SubscriptionID) []T {
	if len(all) < 2 {
		return all
	}
	slices.SortFunc(all, func(a, b T) int { return compareIDs(id(a), id(b)) })
	return slices.Compact(all)
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
