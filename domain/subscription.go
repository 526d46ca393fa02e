package domain

import (
	"cmp"
	"fmt"
	"net/mail"
	"reflect"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/hooklog/hooklog/webhook"
)

// SubscriptionCreated begins a subscription. Its secret and the values of its extra headers are sealed with the
// organization's data key under the subscription's id.
type SubscriptionCreated struct {
	Organization OrganizationID `json:"organization"`
	Secret       []byte         `json:"secret"`
	SubscriptionSettings
}

// SubscriptionChanged replaces the settings of a subscription.
type SubscriptionChanged struct {
	Organization OrganizationID `json:"organization"`
	SubscriptionSettings
}

// SecretRotated gives a subscription a new secret; the old one counts until PreviousUntil.
type SecretRotated struct {
	Organization  OrganizationID `json:"organization"`
	Secret        []byte         `json:"secret"`
	PreviousUntil time.Time      `json:"previous_until"`
}

// DisabledBy says who disabled a subscription.
type DisabledBy string

// Who can disable a subscription.
const (
	ByFailures DisabledBy = "failures"
	ByOwner    DisabledBy = "owner"
	ByOperator DisabledBy = "operator"
)

// SubscriptionDisabled stops a subscription and cancels its pending deliveries.
type SubscriptionDisabled struct {
	Organization OrganizationID `json:"organization"`
	By           DisabledBy     `json:"by"`
	// Cause is the id of the failed attempt that reached the limit, if failures did it.
	Cause string `json:"cause,omitempty"`
	// Why is a sentence for people.
	Why string `json:"why,omitempty"`
}

// SubscriptionEnabled starts a disabled subscription again, with no failures counted.
type SubscriptionEnabled struct {
	Organization OrganizationID `json:"organization"`
}

// SubscriptionDeleted ends a subscription and cancels its pending deliveries.
type SubscriptionDeleted struct {
	Organization OrganizationID `json:"organization"`
}

// FactType names the fact in the log.
func (*SubscriptionCreated) FactType() string { return "hooklog.SubscriptionCreated.v1" }

// FactType names the fact in the log.
func (*SubscriptionChanged) FactType() string { return "hooklog.SubscriptionChanged.v1" }

// FactType names the fact in the log.
func (*SecretRotated) FactType() string { return "hooklog.SecretRotated.v1" }

// FactType names the fact in the log.
func (*SubscriptionDisabled) FactType() string { return "hooklog.SubscriptionDisabled.v1" }

// FactType names the fact in the log.
func (*SubscriptionEnabled) FactType() string { return "hooklog.SubscriptionEnabled.v1" }

// FactType names the fact in the log.
func (*SubscriptionDeleted) FactType() string { return "hooklog.SubscriptionDeleted.v1" }

// SubscriptionSettings is what of a subscription its owner can change.
type SubscriptionSettings struct {
	URL string `json:"url"`
	// Events are type names and patterns, in the order given; none means tests only.
	Events []string `json:"events"`
	// Clients limits the subscription to messages of these folders; none means all.
	Clients       []string       `json:"clients,omitempty"`
	Name          string         `json:"name,omitempty"`
	Description   string         `json:"description,omitempty"`
	Email         string         `json:"email,omitempty"`
	Headers       []SealedHeader `json:"headers,omitempty"`
	RetrySchedule []Duration     `json:"retry_schedule,omitempty"`
	Timeout       Duration       `json:"timeout,omitzero"`
	// RateLimit bounds the attempts of each node.
	RateLimit Rate `json:"rate_limit,omitzero"`
	// Filter is what the data of messages must meet; nil is nothing.
	Filter *Filter `json:"filter,omitempty"`
	// Ordered says that deliveries begun from now on are attempted one after the other: none before the one begun before it
	// has ended.
	Ordered bool `json:"ordered,omitempty"`
}

// SealedHeader is an extra header of a subscription; its value is ciphertext.
type SealedHeader struct {
	Name  string `json:"name"`
	Value []byte `json:"value"`
}

// Closure is a moment at which a subscription's pending deliveries were cancelled.
type Closure struct {
	Revision uint64     `json:"revision"`
	At       time.Time  `json:"at"`
	Deleted  bool       `json:"deleted,omitempty"`
	By       DisabledBy `json:"by,omitempty"`
}

// Reason says in one word what ended the deliveries.
func (c Closure) Reason() string {
	if c.Deleted {
		return "subscription_deleted"
	}
	return "subscription_disabled"
}

// Subscription is a partner's URL with its event types, secret and state.
type Subscription struct {
	ID           SubscriptionID `json:"id"`
	Organization OrganizationID `json:"organization"`
	// Revision is that of the last fact folded.
	Revision uint64 `json:"revision"`
	SubscriptionSettings
	Secret         []byte    `json:"secret"`
	PreviousSecret []byte    `json:"previous_secret,omitempty"`
	PreviousUntil  time.Time `json:"previous_until,omitzero"`
	CreatedAt      time.Time `json:"created_at"`
	// UpdatedAt is the time of the last fact folded.
	UpdatedAt time.Time `json:"updated_at,omitzero"`
	// Disabled is nil while the subscription is active.
	Disabled *Disabling `json:"disabled,omitempty"`
	Deleted  bool       `json:"deleted,omitempty"`
	// Lifecycle is the revision of the last fact that created, enabled, disabled or deleted the subscription.
	Lifecycle uint64 `json:"lifecycle"`
	// Closures are the moments that cancelled pending deliveries, oldest first.
	Closures []Closure `json:"closures,omitempty"`
}

// Disabling tells when and by whom a subscription was disabled.
type Disabling struct {
	By DisabledBy `json:"by"`
	At time.Time  `json:"at"`
}

// Exists reports whether the subscription was ever created.
func (s Subscription) Exists() bool { return !s.Organization.IsZero() }

// Active reports whether messages are matched with the subscription.
func (s Subscription) Active() bool { return s.Exists() && !s.Deleted && s.Disabled == nil }

// ClosedAfter returns the first closure later than the given revision: what cancelled a round opened at it.
func (s Subscription) ClosedAfter(revision uint64) (Closure, bool) {
	i, _ := slices.BinarySearchFunc(s.Closures, revision+1, func(c Closure, r uint64) int { return cmp.Compare(c.Revision, r) })
	if i == len(s.Closures) {
		return Closure{}, false
	}
	return s.Closures[i], true
}

// IsSubscriptionFact reports whether a fact belongs to a subscription's stream and counts towards what a publisher
// must have seen of its organization.
func IsSubscriptionFact(f Fact) bool {
	switch f.(type) {
	case *SubscriptionCreated, *SubscriptionChanged, *SecretRotated, *SubscriptionDisabled, *SubscriptionEnabled, *SubscriptionDeleted:
		return true
	}
	return false
}

// Apply folds one fact of the subscription's stream, at its revision there.
func (s Subscription) Apply(f Fact, m Meta, revision uint64) Subscription {
	switch f := f.(type) {
	case *SubscriptionCreated:
		s.Organization, s.Secret, s.SubscriptionSettings, s.CreatedAt = f.Organization, f.Secret, f.SubscriptionSettings, m.At
		s.Lifecycle = revision
	case *SubscriptionChanged:
		s.SubscriptionSettings = f.SubscriptionSettings
	case *SecretRotated:
		s.PreviousSecret, s.PreviousUntil, s.Secret = s.Secret, f.PreviousUntil, f.Secret
	case *SubscriptionDisabled:
		s.Disabled, s.Lifecycle = &Disabling{f.By, m.At}, revision
		s.Closures = append(slices.Clip(s.Closures), Closure{Revision: revision, At: m.At, By: f.By})
	case *SubscriptionEnabled:
		s.Disabled, s.Lifecycle = nil, revision
	case *SubscriptionDeleted:
		s.Deleted, s.Lifecycle = true, revision
		s.Closures = append(slices.Clip(s.Closures), Closure{Revision: revision, At: m.At, Deleted: true})
	}
	s.Revision, s.UpdatedAt = revision, m.At
	return s
}

// Limits of a subscription's settings.
const (
	MaxURL           = 2048
	MaxEvents        = 200
	MaxClients       = 200
	MaxHeaders       = 20
	maxNameRunes     = 200
	maxSentenceRunes = 2000
)

// DecideCreate begins a subscription. known reports whether a type name may be subscribed to; the URL was judged by
// the egress guard before.
func DecideCreate(org Organization, s SubscriptionSettings, sealedSecret []byte, known func(name string) bool) (*SubscriptionCreated, error) {
	if err := org.CheckOpen(); err != nil {
		return nil, err
	}
	if err := RefuseFields(s.check(known)...); err != nil {
		return nil, err
	}
	if s.Events == nil {
		s.Events = []string{}
	}
	return &SubscriptionCreated{Organization: org.ID, Secret: sealedSecret, SubscriptionSettings: s}, nil
}

// Check refuses settings that break a rule. known reports whether a type name may be subscribed to.
func (s SubscriptionSettings) Check(known func(name string) bool) error {
	return RefuseFields(s.check(known)...)
}

func (s SubscriptionSettings) check(known func(name string) bool) []FieldError {
	var bad []FieldError
	if n := utf8.RuneCountInString(s.URL); n < 1 || n > MaxURL {
		bad = append(bad, FieldError{"url", fmt.Sprintf("must have 1 to %d characters", MaxURL)})
	}
	bad = append(bad, checkEvents(s.Events, known)...)
	if len(s.Clients) > MaxClients {
		bad = append(bad, FieldError{"clients", fmt.Sprintf("must name at most %d", MaxClients)})
	}
	for i, c := range s.Clients {
		if CheckClient(c) != nil || c == "" {
			bad = append(bad, FieldError{fmt.Sprintf("clients[%d]", i), "must have 1 to 128 visible characters"})
		}
	}
	if utf8.RuneCountInString(s.Name) > maxNameRunes {
		bad = append(bad, FieldError{"name", fmt.Sprintf("must have at most %d characters", maxNameRunes)})
	}
	if utf8.RuneCountInString(s.Description) > maxSentenceRunes {
		bad = append(bad, FieldError{"description", fmt.Sprintf("must have at most %d characters", maxSentenceRunes)})
	}
	bad = append(bad, checkEmail(s.Email)...)
	bad = append(bad, checkSchedule("retry_schedule", s.RetrySchedule)...)
	return append(bad, checkTimeout("timeout", s.Timeout)...)
}

// maxEmail is the most characters of an address that mail servers take.
const maxEmail = 254

// checkEmail refuses what is not the bare address of one mailbox; empty is none.
func checkEmail(email string) []FieldError {
	if email == "" {
		return nil
	}
	a, err := mail.ParseAddress(email)
	if err != nil || a.Address != email || len(email) > maxEmail || strings.ContainsFunc(email, unicode.IsControl) {
		return []FieldError{{"email", "must be an address such as ops@example.com"}}
	}
	return nil
}

func checkEvents(events []string, known func(string) bool) []FieldError {
	if len(events) > MaxEvents {
		return []FieldError{{"events", fmt.Sprintf("must name at most %d", MaxEvents)}}
	}
	var bad []FieldError
	for i, name := range events {
		field := fmt.Sprintf("events[%d]", i)
		if err := webhook.CheckPattern(name); err != nil {
			bad = append(bad, FieldError{field, err.Error()})
		} else if slices.Contains(events[:i], name) {
			bad = append(bad, FieldError{field, fmt.Sprintf("%s is named twice", name)})
		} else if name[len(name)-1] != '*' && !known(name) {
			bad = append(bad, FieldError{field, fmt.Sprintf("%s is not in the organization's catalogue", name)})
		}
	}
	return bad
}

// CheckClient refuses what cannot name a folder. The empty name is no folder and allowed.
func CheckClient(c string) error {
	if len(c) > 128 || !utf8.ValidString(c) {
		return RefuseFields(FieldError{"client", "must have at most 128 bytes of UTF-8"})
	}
	for _, r := range c {
		if r < ' ' || r == 0x7f {
			return RefuseFields(FieldError{"client", "must not have control characters"})
		}
	}
	return nil
}

// DecideChange replaces the settings with edited ones, and enables or disables the subscription unless enabled is nil. It
// decides upon no fact where nothing changes. A type that the subscription names already may be one that new ones may not.
func (s Subscription) DecideChange(edited SubscriptionSettings, enabled *bool, by DisabledBy, known func(name string) bool) ([]Fact, error) {
	if err := s.mustBeThere(); err != nil {
		return nil, err
	}
	if err := edited.Check(func(name string) bool { return slices.Contains(s.Events, name) || known(name) }); err != nil {
		return nil, err
	}
	var facts []Fact
	if edited.Events == nil {
		edited.Events = []string{}
	}
	if !reflect.DeepEqual(edited, s.SubscriptionSettings) {
		facts = append(facts, &SubscriptionChanged{s.Organization, edited})
	}
	switch {
	case enabled == nil || *enabled == (s.Disabled == nil):
	case *enabled:
		facts = append(facts, &SubscriptionEnabled{s.Organization})
	default:
		facts = append(facts, &SubscriptionDisabled{Organization: s.Organization, By: by})
	}
	return facts, nil
}

// DecideRotate gives the subscription a new secret; the old one stays good for the overlap. While one overlap lasts there
// is no other, so that a receiver that has only the older secret is not cut off; without any the switch is always possible.
func (s Subscription) DecideRotate(sealed []byte, overlap time.Duration, now time.Time) (Fact, error) {
	if err := s.mustBeThere(); err != nil {
		return nil, err
	}
	if overlap < 0 || overlap > MaxOverlap {
		return nil, RefuseFields(FieldError{"overlap", "must be from 0s to 720h"})
	}
	if overlap > 0 && s.PreviousSecret != nil && now.Before(s.PreviousUntil) {
		return nil, Refuse(Conflict, "the secret is being rotated until %s; an overlap of 0s switches at once", s.PreviousUntil.UTC().Format(time.RFC3339))
	}
	return &SecretRotated{Organization: s.Organization, Secret: sealed, PreviousUntil: Time(now.Add(overlap))}, nil
}

// DecideDelete ends the subscription. One that is deleted is not found.
func (s Subscription) DecideDelete() (Fact, error) {
	if err := s.mustBeThere(); err != nil {
		return nil, err
	}
	return &SubscriptionDeleted{s.Organization}, nil
}

// DecideEnable starts a disabled subscription; nil if it is active.
func (s Subscription) DecideEnable() (Fact, error) {
	if err := s.mustBeThere(); err != nil {
		return nil, err
	}
	if s.Disabled == nil {
		return nil, nil
	}
	return &SubscriptionEnabled{s.Organization}, nil
}

// DecideDisable stops an active subscription on somebody's word; nil if it is disabled already.
func (s Subscription) DecideDisable(by DisabledBy, why string) (Fact, error) {
	if err := s.mustBeThere(); err != nil {
		return nil, err
	}
	if s.Disabled != nil {
		return nil, nil
	}
	return &SubscriptionDisabled{Organization: s.Organization, By: by, Why: why}, nil
}

// DecideDisableFailing stops a subscription that reached its limit of failures. Nothing is decided if the subscription
// was enabled, disabled or deleted since the failures were counted: then its lifecycle is another.
func (s Subscription) DecideDisableFailing(lifecycle uint64, cause, why string) Fact {
	if !s.Active() || s.Lifecycle != lifecycle {
		return nil
	}
	return &SubscriptionDisabled{Organization: s.Organization, By: ByFailures, Cause: cause, Why: why}
}

// ErrNoSubscription is the refusal for an id that is unknown, malformed, deleted or another organization's.
var ErrNoSubscription = Refuse(NotFound, "no such webhook")

func (s Subscription) mustBeThere() error {
	if !s.Exists() || s.Deleted {
		return ErrNoSubscription
	}
	return nil
}
