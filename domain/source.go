package domain

import (
	"slices"
	"time"

	"github.com/hooklog/hooklog/webhook"
)

// Source says which of those that can set a part of a policy did.
type Source string

// The sources, from the weakest.
const (
	FromProfile      Source = "profile"
	FromOrganization Source = "organization"
	FromSubscription Source = "subscription"
)

// PolicySources says where the parts of a policy are from.
type PolicySources struct {
	Schedule Source
	Timeout  Source
}

// SourcesOf says where the parts of the policy are from that PolicyOf makes of the same settings.
func SourcesOf(o OrganizationSettings, s SubscriptionSettings) PolicySources {
	from := PolicySources{Schedule: FromProfile, Timeout: FromProfile}
	switch {
	case s.RetrySchedule != nil:
		from.Schedule = FromSubscription
	case o.RetrySchedule != nil:
		from.Schedule = FromOrganization
	}
	switch {
	case s.Timeout != 0:
		from.Timeout = FromSubscription
	case o.Timeout != 0:
		from.Timeout = FromOrganization
	}
	return from
}

// Explains reports whether what followed from a failed attempt, the given one of its round counted from 1, is what a
// policy demands. Jitter is random and Retry-After the receiver's; only the schedule's own delay is compared.
func (p Policy) Explains(f *AttemptFailed, failed int) bool {
	switch {
	case f.Extra:
		return true
	case f.Dead:
		return f.WhyDead(p) != ByUsedSchedule || failed > len(p.Schedule)
	case f.Delay == nil || p.Profile == nil:
		return false
	}
	return failed >= 1 && failed <= len(p.Schedule) && Duration(p.Schedule[failed-1]) == f.Delay.Scheduled
}

// Wait is what a recorded delay comes to under a policy, after the given failed attempt of a round, counted from 1; and
// how much of what the receiver asked for by Retry-After was granted, 0 if it asked for nothing more than the schedule.
func (p Policy) Wait(failed int, d Delay) (wait, granted time.Duration) {
	if d.RetryAfter == 0 {
		return time.Duration(d.Scheduled + d.Jitter), 0
	}
	granted = min(time.Duration(d.RetryAfter), p.grantable(failed))
	return granted, granted
}

// grantable is the longest wait that Retry-After can bring about after a failed attempt of a round: the following delay,
// or the schedule's own where none follows.
func (p Policy) grantable(failed int) time.Duration {
	base := p.Schedule[failed-1]
	if failed < len(p.Schedule) {
		return max(base, p.Schedule[failed])
	}
	return base
}

// Ending says why a round of a delivery ended.
type Ending string

// Why rounds end.
const (
	BySuccess         Ending = "succeeded"
	ByRefusedAddress  Ending = "address_refused"
	ByPermanentStatus Ending = "permanent_status"
	ByUsedSchedule    Ending = "schedule_used_up"
	ByCancellation    Ending = "cancelled"
)

// WhyDead says why a failed attempt ended its round, under the policy of its time.
func (f *AttemptFailed) WhyDead(p Policy) Ending {
	switch {
	case f.Refused():
		return ByRefusedAddress
	case p.Profile != nil && p.Profile.Permanent(f.Status):
		return ByPermanentStatus
	}
	return ByUsedSchedule
}

// Asks returns the names and patterns of a subscription that fit an event type.
func (s SubscriptionSettings) Asks(eventType string) []string {
	return slices.DeleteFunc(slices.Clone(s.Events), func(p string) bool { return p != eventType && !webhook.Matches(p, eventType) })
}
