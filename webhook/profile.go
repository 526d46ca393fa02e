package webhook

import (
	"slices"
	"strings"
	"time"
)

// Profile is one published contract. Profiles are values of this package and cannot be changed: whatever a method
// returns is the caller's own copy. They may be used from any number of goroutines.
type Profile struct {
	name      string
	envelope  envelope
	headers   []header
	signature signature
	policy    policy
	secret    secretRule
	catalogue []EventType
	reserved  []string
	testData  string
}

// ByName returns the profile called name, as Name gives it, and whether there is one.
func ByName(name string) (*Profile, bool) {
	for _, p := range profiles {
		if p.name == name {
			return p, true
		}
	}
	return nil, false
}

// Profiles returns all profiles, the default one first.
func Profiles() []*Profile { return slices.Clone(profiles) }

// Default returns the profile of an organization that names none.
func Default() *Profile { return profiles[0] }

// Name is the profile's name in the API and in facts; it never changes.
func (p *Profile) Name() string { return p.name }

// Timeout bounds one attempt, unless organization or subscription say otherwise.
func (p *Profile) Timeout() time.Duration { return p.policy.timeout }

// Schedule returns the delays before the second and every further attempt, counted from the failure before it.
func (p *Profile) Schedule() []time.Duration { return slices.Clone(p.policy.schedule) }

// Attempts is the number of attempts in all when every one fails retryably: one more than there are delays.
func (p *Profile) Attempts() int { return len(p.policy.schedule) + 1 }

// Permanent tells whether an answer with this status ends a delivery without a retry. (An address refused by the
// egress guard does so in every profile; that is no status.)
func (p *Profile) Permanent(status int) bool { return p.policy.permanent.has(status) }

// Disables tells whether one answer with this status disables the subscription.
func (p *Profile) Disables(status int) bool { return p.policy.disable.onStatus.has(status) }

// DisableRule returns what disables a subscription beside Disables.
func (p *Profile) DisableRule() DisableRule { return p.policy.disable.rule }

// UnhealthyAt is the number of consecutive failures from which a subscription is unhealthy; 0 means never. An unhealthy
// subscription is still delivered to, and one success heals it.
func (p *Profile) UnhealthyAt() int { return p.policy.unhealthyAt }

// Warnings returns at which shares, in per cent and rising, of the way to disabling by DisableRule there is a
// CauseWarning; none where nothing disables.
func (p *Profile) Warnings() []int { return slices.Clone(p.policy.warnings) }

// Notices returns who is told of what, one row a cause; who is told of nothing has no row.
func (p *Profile) Notices() []Notice { return slices.Clone(p.policy.notices) }

// RetryAfter tells whether Retry-After of an answer with this status may push the next attempt later.
func (p *Profile) RetryAfter(status int) bool { return retryAfter.has(status) && !p.Permanent(status) }

// MaxSubscriptions bounds the subscriptions of one organization; 0 means without bound.
func (p *Profile) MaxSubscriptions() int { return p.policy.maxSubscriptions }

// Catalogue returns the event types that every organization of the profile has from the start, in published order.
func (p *Profile) Catalogue() []EventType { return slices.Clone(p.catalogue) }

// EventType returns the catalogue's entry called name, and whether there is one.
func (p *Profile) EventType(name string) (EventType, bool) {
	for _, t := range p.catalogue {
		if t.Name == name {
			return t, true
		}
	}
	return EventType{}, false
}

// ReservedPrefixes returns the beginnings of type names that subscriptions may ask for and that never fire.
func (p *Profile) ReservedPrefixes() []string { return slices.Clone(p.reserved) }

// Reserved tells whether name, a type name or a pattern, begins with a reserved prefix.
func (p *Profile) Reserved(name string) bool {
	return slices.ContainsFunc(p.reserved, func(prefix string) bool { return strings.HasPrefix(name, prefix) })
}

// TestData returns the canonical data of a message of TestType.
func (p *Profile) TestData() []byte { return []byte(p.testData) }

// OwnsHeader tells whether the profile sets the header called name (in any case), so that a subscription may not.
// Content-Type counts; User-Agent does only where the contract fixes it.
func (p *Profile) OwnsHeader(name string) bool {
	return slices.ContainsFunc(p.headers, func(h header) bool {
		return strings.EqualFold(h.name, name) && h != defaultUserAgent
	})
}
