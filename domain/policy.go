package domain

import (
	"cmp"
	"time"

	"github.com/hooklog/hooklog/webhook"
)

// Policy is what governs the attempts of a subscription: the profile's rules with the organization's and the
// subscription's overrides.
type Policy struct {
	Profile  *webhook.Profile
	Schedule []time.Duration
	Timeout  time.Duration
	// disable takes the place of the profile's rule where another one is only tried.
	disable *webhook.DisableRule
}

// disableRule says which run of failures disables.
func (p Policy) disableRule() webhook.DisableRule {
	if p.disable != nil {
		return *p.disable
	}
	return p.Profile.DisableRule()
}

// PolicyOf joins a profile with the overrides; the subscription's win.
func PolicyOf(p *webhook.Profile, o OrganizationSettings, s SubscriptionSettings) Policy {
	schedule := p.Schedule()
	if own := firstSchedule(s.RetrySchedule, o.RetrySchedule); own != nil {
		schedule = make([]time.Duration, len(own))
		for i, d := range own {
			schedule[i] = time.Duration(d)
		}
	}
	timeout := cmp.Or(time.Duration(s.Timeout), time.Duration(o.Timeout), p.Timeout())
	return Policy{Profile: p, Schedule: schedule, Timeout: timeout}
}

func firstSchedule(candidates ...[]Duration) []Duration {
	for _, c := range candidates {
		if c != nil {
			return c
		}
	}
	return nil
}

// Delay says what a wait before a retry is made of.
type Delay struct {
	// Scheduled is the schedule's own delay.
	Scheduled Duration `json:"scheduled"`
	// Jitter was added to it, up to a tenth, for delays of a minute and more.
	Jitter Duration `json:"jitter,omitzero"`
	// RetryAfter is what the receiver asked for, if that was longer; it was granted up to the following delay.
	RetryAfter Duration `json:"retry_after,omitzero"`
}

// jitterFrom is the shortest delay to which jitter is added, jitterShare the most of it that is added (docs/contract.md).
const (
	jitterFrom  = time.Minute
	jitterShare = 0.10
)

// next returns the wait after the given failed attempt of a round, counted from 1; false if the schedule is used up.
// retryAfter is the receiver's wish or 0; random is from [0, 1).
func (p Policy) next(failed int, status int, retryAfter time.Duration, random float64) (wait time.Duration, d Delay, ok bool) {
	if failed > len(p.Schedule) {
		return 0, Delay{}, false
	}
	base := p.Schedule[failed-1]
	d.Scheduled = Duration(base)
	wait = base
	if base >= jitterFrom {
		jitter := time.Duration(float64(base) * jitterShare * random).Truncate(time.Millisecond)
		d.Jitter, wait = Duration(jitter), base+jitter
	}
	if p.Profile.RetryAfter(status) && retryAfter > wait {
		if granted := min(retryAfter, p.grantable(failed)); granted > wait {
			d.RetryAfter, wait = Duration(retryAfter), granted
		}
	}
	return wait, d, true
}
