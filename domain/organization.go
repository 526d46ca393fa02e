package domain

import (
	"regexp"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/hooklog/hooklog/webhook"
)

// KeysetProbed holds a value that only the keyset of this log can open.
type KeysetProbed struct {
	Sealed []byte `json:"sealed"`
}

// SlugReserved gives a slug to an organization, for ever.
type SlugReserved struct {
	Organization OrganizationID `json:"organization"`
	Slug         string         `json:"slug"`
}

// OrganizationRegistered begins an organization.
type OrganizationRegistered struct {
	Slug    string `json:"slug"`
	Profile string `json:"profile"`
	OrganizationSettings
}

// OrganizationChanged replaces the settings of an organization; its slug and profile never change.
type OrganizationChanged struct {
	OrganizationSettings
}

// SubscriptionAdmitted counts a subscription against the organization's limit, where its profile has one.
type SubscriptionAdmitted struct {
	Subscription SubscriptionID `json:"subscription"`
	// Released are subscriptions admitted before that no longer count: deleted ones, and those that were never created.
	Released []SubscriptionID `json:"released,omitempty"`
}

// OrganizationClosed ends an organization: its keys are refused, its pending deliveries cancelled.
type OrganizationClosed struct{}

// DataKeyMade holds the organization's data key, wrapped by the keyset.
type DataKeyMade struct {
	Organization OrganizationID `json:"organization"`
	Wrapped      []byte         `json:"wrapped"`
}

// FactType names the fact in the log.
func (*KeysetProbed) FactType() string { return "hooklog.KeysetProbed.v1" }

// FactType names the fact in the log.
func (*SlugReserved) FactType() string { return "hooklog.SlugReserved.v1" }

// FactType names the fact in the log.
func (*OrganizationRegistered) FactType() string { return "hooklog.OrganizationRegistered.v1" }

// FactType names the fact in the log.
func (*OrganizationChanged) FactType() string { return "hooklog.OrganizationChanged.v1" }

// FactType names the fact in the log.
func (*SubscriptionAdmitted) FactType() string { return "hooklog.SubscriptionAdmitted.v1" }

// FactType names the fact in the log.
func (*OrganizationClosed) FactType() string { return "hooklog.OrganizationClosed.v1" }

// FactType names the fact in the log.
func (*DataKeyMade) FactType() string { return "hooklog.DataKeyMade.v1" }

// OrganizationSettings is what of an organization can change. A nil schedule and a zero timeout leave the profile's.
type OrganizationSettings struct {
	Name          string     `json:"name"`
	RetrySchedule []Duration `json:"retry_schedule,omitempty"`
	Timeout       Duration   `json:"timeout,omitzero"`
}

func (s OrganizationSettings) check() []FieldError {
	var bad []FieldError
	if n := utf8.RuneCountInString(s.Name); n < 1 || n > 200 {
		bad = append(bad, FieldError{"name", "must have 1 to 200 characters"})
	}
	bad = append(bad, checkSchedule("retry_schedule", s.RetrySchedule)...)
	return append(bad, checkTimeout("timeout", s.Timeout)...)
}

func (s OrganizationSettings) equal(t OrganizationSettings) bool {
	return s.Name == t.Name && s.Timeout == t.Timeout && slices.Equal(s.RetrySchedule, t.RetrySchedule)
}

// Organization is a partner: the owner of keys, subscriptions, event types and a profile.
type Organization struct {
	ID      OrganizationID `json:"id"`
	Slug    string         `json:"slug"`
	Profile string         `json:"profile"`
	OrganizationSettings
	CreatedAt time.Time `json:"created_at"`
	ClosedAt  time.Time `json:"closed_at,omitzero"`
}

// Exists reports whether the organization was registered.
func (o Organization) Exists() bool { return o.Slug != "" }

// Closed reports whether the organization has ended.
func (o Organization) Closed() bool { return !o.ClosedAt.IsZero() }

// Apply folds one fact of the organization's stream.
func (o Organization) Apply(f Fact, m Meta) Organization {
	switch f := f.(type) {
	case *OrganizationRegistered:
		o.Slug, o.Profile, o.OrganizationSettings, o.CreatedAt = f.Slug, f.Profile, f.OrganizationSettings, m.At
	case *OrganizationChanged:
		o.OrganizationSettings = f.OrganizationSettings
	case *OrganizationClosed:
		if !o.Closed() {
			o.ClosedAt = m.At
		}
	}
	return o
}

var slugPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// DecideRegister registers an organization that does not exist yet (docs/contract.md).
func DecideRegister(slug, profile string, s OrganizationSettings) (*OrganizationRegistered, error) {
	bad := s.check()
	if !slugPattern.MatchString(slug) {
		bad = append(bad, FieldError{"slug", "must match [a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"})
	}
	if _, ok := webhook.ByName(profile); !ok {
		bad = append(bad, FieldError{"profile", "is not a known profile"})
	}
	if err := RefuseFields(bad...); err != nil {
		return nil, err
	}
	return &OrganizationRegistered{Slug: slug, Profile: profile, OrganizationSettings: s}, nil
}

// DecideChange replaces an organization's settings; nil if nothing changes.
func (o Organization) DecideChange(s OrganizationSettings) (Fact, error) {
	if err := o.CheckOpen(); err != nil {
		return nil, err
	}
	if err := RefuseFields(s.check()...); err != nil {
		return nil, err
	}
	if o.equal(s) {
		return nil, nil
	}
	return &OrganizationChanged{s}, nil
}

// DecideClose ends the organization; nil if it has ended already.
func (o Organization) DecideClose() (Fact, error) {
	if !o.Exists() {
		return nil, errNoOrganization
	}
	if o.Closed() {
		return nil, nil
	}
	return &OrganizationClosed{}, nil
}

var errNoOrganization = Refuse(NotFound, "no such organization")

// CheckOpen refuses what needs an organization that exists and is not closed.
func (o Organization) CheckOpen() error {
	if !o.Exists() {
		return errNoOrganization
	}
	if o.Closed() {
		return Refuse(Conflict, "the organization is closed")
	}
	return nil
}
