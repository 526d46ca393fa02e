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

	all      map[SubscriptionID]*Subscription
	byName   map[string][]*Subscription // exact names
	patterns []*Subscription            // those with at least one pattern
}

// NewSubscribers returns an organization without subscriptions.
func NewSubscribers() *Subscribers {
	return &Subscribers{all: map[SubscriptionID]*Subscription{}, byName: map[string][]*Subscription{}}
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
	patterned := false
	for _, name := range s.Events {
		if strings.HasSuffix(name, "*") {
			patterned = true
			continue
		}
		x.byName[name] = append(x.byName[name], s)
	}
	if patterned {
		x.patterns = append(x.patterns, s)
	}
}

func (x *Subscribers) drop(old *Subscription) {
	delete(x.all, old.ID)
	is := func(s *Subscription) bool { return s == old }
	for _, name := range old.Events {
		if rest := slices.DeleteFunc(x.byName[name], is); len(rest) > 0 {
			x.byName[name] = rest
		} else {
			delete(x.byName, name)
		}
	}
	x.patterns = slices.DeleteFunc(x.patterns, is)
}

// Matching is the answer to: who gets a message, and who asks for its type and does not.
type Matching struct {
	Targets  []Target   // in order of subscription ids
	Withheld []Withheld // in order of subscription ids
}

// Match answers for one message. It is pure: the same subscriptions give the same answer, wherever it is asked.
func (x *Subscribers) Match(eventType, client string) Matching {
	var m Matching
	consider := func(s *Subscription) {
		if why := withhold(s, client); why != "" {
			m.Withheld = append(m.Withheld, Withheld{s.ID, why})
		} else {
			m.Targets = append(m.Targets, Target{s.ID, s.Revision})
		}
	}
	exact := x.byName[eventType]
	for _, s := range exact {
		consider(s)
	}
	for _, s := range x.patterns {
		if !slices.Contains(s.Events, eventType) && slices.ContainsFunc(s.Events, func(p string) bool { return webhook.Matches(p, eventType) }) {
			consider(s)
		}
	}
	slices.SortFunc(m.Targets, func(a, b Target) int { return compareIDs(a.Subscription, b.Subscription) })
	SortWithheld(m.Withheld)
	return m
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
