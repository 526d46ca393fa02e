package domain

import "time"

// Health is what a subscription's attempts say of it: the failed attempts in log order since the last success or since
// it was enabled, counting those that were made with a revision after that.
type Health struct {
	// Consecutive counts failed attempts. It stands still at the profile's limit.
	Consecutive int `json:"consecutive,omitempty"`
	// FailingSince is the time of the first of them.
	FailingSince time.Time `json:"failing_since,omitzero"`
	// Since is the revision that last created or enabled the subscription; attempts made before it do not count.
	Since uint64 `json:"since,omitempty"`
	// Limit is the failure that reached the profile's limit, until the subscription is disabled or enabled.
	Limit *LimitReached `json:"limit,omitempty"`
	// Off says that the subscription is disabled or deleted: the count stands.
	Off bool `json:"off,omitempty"`
}

// LimitReached names the failed attempt that reached a limit, and why that is one.
type LimitReached struct {
	Fact string    `json:"fact"`
	At   time.Time `json:"at"`
	Why  string    `json:"why"`
}

// Unhealthy reports whether a profile that flags failing subscriptions flags this one.
func (h Health) Unhealthy(p Policy) bool {
	return p.Profile.UnhealthyAt() > 0 && h.Consecutive >= p.Profile.UnhealthyAt()
}

// Lifecycle folds a fact of the subscription's own stream.
func (h Health) Lifecycle(f Fact, revision uint64) Health {
	switch f.(type) {
	case *SubscriptionCreated, *SubscriptionEnabled:
		return Health{Since: revision}
	case *SubscriptionDisabled, *SubscriptionDeleted:
		h.Limit, h.Off = nil, true
	}
	return h
}

// Counts reports whether an attempt made with a revision counts. A limit once reached stays reached, and what was on
// the wire when the subscription was disabled moves nothing: the log's order decides.
func (h Health) Counts(revision uint64) bool {
	return revision >= h.Since && h.Limit == nil && !h.Off
}

// Succeeded folds an attempt that was answered with 2xx.
func (h Health) Succeeded(f *AttemptSucceeded) Health {
	if !h.Counts(f.Revision) {
		return h
	}
	return Health{Since: h.Since}
}

// Failed folds a failed attempt, known in the log by the given id and recorded at the given time.
func (h Health) Failed(f *AttemptFailed, p Policy, fact string, at time.Time) Health {
	if !h.Counts(f.Revision) {
		return h
	}
	disable := p.disableRule()
	if disable.ConsecutiveFailures == 0 || h.Consecutive < disable.ConsecutiveFailures {
		h.Consecutive++
	}
	if h.Consecutive == 1 {
		h.FailingSince = at
	}
	if why := reached(h, f, p, at); why != "" {
		h.Limit = &LimitReached{Fact: fact, At: at, Why: why}
	}
	return h
}

// reached says why a failed attempt disables its subscription; empty if it does not.
func reached(h Health, f *AttemptFailed, p Policy, at time.Time) string {
	disable := p.disableRule()
	switch {
	case f.Status != 0 && p.Profile.Disables(f.Status):
		return "the receiver answered " + StatusReason(f.Status)[len("http_"):]
	case disable.ConsecutiveFailures > 0 && h.Consecutive >= disable.ConsecutiveFailures:
		return "consecutive failures reached the limit"
	case disable.FailingFor > 0 && at.Sub(h.FailingSince) >= disable.FailingFor:
		return "every attempt failed for " + Duration(disable.FailingFor).String()
	}
	return ""
}
