package domain

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"
	"time"
)

// Change is what a fact changed of one member of a subscription.
type Change struct {
	// Member is named as the API names it.
	Member string
	// Before and After are nil where the member was not set.
	Before, After any
	// Kept says in place of Before and After what happened to a member that is never shown.
	Kept string
}

// MarshalJSON leaves out what is never shown.
func (c Change) MarshalJSON() ([]byte, error) {
	if c.Kept != "" {
		return json.Marshal(struct {
			Member string `json:"member"`
			Kept   string `json:"kept"`
		}{c.Member, c.Kept})
	}
	return appendJSON(nil, struct {
		Member string `json:"member"`
		Before any    `json:"before"`
		After  any    `json:"after"`
	}{c.Member, c.Before, c.After})
}

// What is told of members that are never shown.
const (
	Rotated  = "rotated"
	Replaced = "replaced"
)

// The states of a subscription in changes.
const (
	stateActive   = "active"
	stateDisabled = "disabled"
	stateDeleted  = "deleted"
)

// Changes compares a subscription before and after a fact, member by member in the order in which the API shows them.
// Where the subscription did not exist before, everything that was set is a change.
func (s Subscription) Changes(after Subscription) []Change {
	var changes []Change
	differ := func(member string, before, now any, same bool) {
		if !same {
			changes = append(changes, Change{Member: member, Before: before, After: now})
		}
	}
	differ("url", some(s.URL), some(after.URL), s.URL == after.URL)
	differ("events", someOf(s.Events, s.Exists()), someOf(after.Events, true), s.Exists() && slices.Equal(s.Events, after.Events))
	differ("clients", someOf(s.Clients, false), someOf(after.Clients, false), slices.Equal(s.Clients, after.Clients))
	differ("name", some(s.Name), some(after.Name), s.Name == after.Name)
	differ("description", some(s.Description), some(after.Description), s.Description == after.Description)
	differ("email", some(s.Email), some(after.Email), s.Email == after.Email)
	differ("retry_schedule", someOf(s.RetrySchedule, false), someOf(after.RetrySchedule, false), slices.Equal(s.RetrySchedule, after.RetrySchedule))
	differ("timeout", some(s.Timeout), some(after.Timeout), s.Timeout == after.Timeout)
	differ("rate_limit", some(s.RateLimit), some(after.RateLimit), s.RateLimit == after.RateLimit)
	differ("filter", some(s.Filter), some(after.Filter), reflect.DeepEqual(s.Filter, after.Filter))
	differ("ordered", some(s.Ordered), some(after.Ordered), s.Ordered == after.Ordered)
	differ("status", some(s.status()), some(after.status()), s.status() == after.status())
	if !slices.EqualFunc(s.Headers, after.Headers, sameHeader) {
		changes = append(changes, Change{Member: "headers", Kept: Replaced})
	}
	if s.Exists() && !bytes.Equal(s.Secret, after.Secret) {
		changes = append(changes, Change{Member: "secret", Kept: Rotated})
		differ("previous_secret_until", someTime(s.PreviousUntil), someTime(after.PreviousUntil), s.PreviousUntil.Equal(after.PreviousUntil))
	}
	return changes
}

func sameHeader(a, b SealedHeader) bool { return a.Name == b.Name && bytes.Equal(a.Value, b.Value) }

// status is the subscription's state in a word; empty if it does not exist.
func (s Subscription) status() string {
	switch {
	case !s.Exists():
		return ""
	case s.Deleted:
		return stateDeleted
	case s.Disabled != nil:
		return stateDisabled
	}
	return stateActive
}

// some returns nil for a value that is not set.
func some[T comparable](v T) any {
	var none T
	if v == none {
		return nil
	}
	return v
}

// someOf returns nil for an empty list, unless an empty one says something.
func someOf[T any](list []T, empty bool) any {
	if len(list) == 0 && !empty {
		return nil
	}
	if list == nil {
		return []T{}
	}
	return list
}

func someTime(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t
}
