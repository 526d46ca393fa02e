package domain

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// KeyID is the public half of an API key: it begins with test_ or live_.
type KeyID string

// OperatorKeyID is the key that the first serve on a new log issues.
const OperatorKeyID KeyID = "live_operator"

// Check refuses what is not the id of a key.
func (id KeyID) Check() error {
	rest, live := strings.CutPrefix(string(id), "live_")
	if !live {
		var test bool
		if rest, test = strings.CutPrefix(string(id), "test_"); !test {
			return fmt.Errorf("a key id begins with live_ or test_")
		}
	}
	if len(rest) < 1 || len(rest) > 64 {
		return fmt.Errorf("a key id has 1 to 64 characters after its prefix")
	}
	for i := range len(rest) {
		if c := rest[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '_' {
			return fmt.Errorf("a key id has only a-z, 0-9 and _ after its prefix")
		}
	}
	return nil
}

// Scope is what a key may be used for.
type Scope string

// The scopes of docs/contract.md.
const (
	ScopeIdentity Scope = "identity:read"
	ScopeWebhooks Scope = "webhooks:manage"
	ScopePublish  Scope = "events:publish"
	ScopeAudit    Scope = "audit:read"
	ScopePayloads Scope = "payloads:read"
	ScopeOperator Scope = "operator"
)

var (
	partnerScopes  = []Scope{ScopeIdentity, ScopeWebhooks}
	platformScopes = []Scope{ScopePublish, ScopeAudit, ScopePayloads, ScopeOperator}
	// reservedScopes are the published contract's, for products that Hooklog is not.
	reservedScopes = []Scope{"leads:read", "leads:write", "intakes:read", "intakes:write", "records:read",
		"records:write", "skills:read", "skills:author", "skills:execute", "agents:invoke", "tenants:provision"}
)

// KeyIssued begins a key. A partner key belongs to one organization; a platform or auditor key may be limited to some.
type KeyIssued struct {
	Organization  OrganizationID   `json:"organization,omitzero"`
	Organizations []OrganizationID `json:"organizations,omitempty"`
	Scopes        []Scope          `json:"scopes"`
	Mode          string           `json:"mode"`
	SecretHash    string           `json:"secret_hash"`
	RateLimit     int              `json:"rate_limit_per_minute,omitempty"`
	ExpiresAt     time.Time        `json:"expires_at,omitzero"`
}

// KeyRotated gives a key a new secret; the old one works until PreviousUntil.
type KeyRotated struct {
	SecretHash    string    `json:"secret_hash"`
	PreviousUntil time.Time `json:"previous_until"`
}

// KeyRevoked ends a key.
type KeyRevoked struct{}

// FactType names the fact in the log.
func (*KeyIssued) FactType() string { return "hooklog.KeyIssued.v1" }

// FactType names the fact in the log.
func (*KeyRotated) FactType() string { return "hooklog.KeyRotated.v1" }

// FactType names the fact in the log.
func (*KeyRevoked) FactType() string { return "hooklog.KeyRevoked.v1" }

// Key is an API key: who may call, and what for. Only hashes of its secrets are known.
type Key struct {
	ID KeyID `json:"key_id"`
	KeyIssued
	CreatedAt     time.Time `json:"created_at"`
	PreviousHash  string    `json:"previous_hash,omitempty"`
	PreviousUntil time.Time `json:"previous_until,omitzero"`
	RevokedAt     time.Time `json:"revoked_at,omitzero"`
}

// Exists reports whether the key was issued.
func (k Key) Exists() bool { return k.SecretHash != "" }

// Live reports whether the key is neither revoked nor expired at the given time.
func (k Key) Live(now time.Time) bool {
	return k.Exists() && k.RevokedAt.IsZero() && (k.ExpiresAt.IsZero() || now.Before(k.ExpiresAt))
}

// Hash returns which hash of the secrets that are good at the given time fits, the present one asked first; false if none does.
func (k Key) Hash(now time.Time, fits func(hash string) bool) (hash string, ok bool) {
	switch {
	case fits(k.SecretHash):
		return k.SecretHash, true
	case k.PreviousHash != "" && now.Before(k.PreviousUntil) && fits(k.PreviousHash):
		return k.PreviousHash, true
	}
	return "", false
}

// Has reports whether the key has a scope. An operator has all of them.
func (k Key) Has(s Scope) bool {
	return slices.Contains(k.Scopes, s) || slices.Contains(k.Scopes, ScopeOperator)
}

// Partner reports whether the key belongs to one organization.
func (k Key) Partner() bool { return !k.Organization.IsZero() }

// Reaches reports whether the key may be used on an organization.
func (k Key) Reaches(org OrganizationID) bool {
	if k.Partner() {
		return k.Organization == org
	}
	return len(k.Organizations) == 0 || slices.Contains(k.Organizations, org)
}

// TokenPrefix returns what a key's token begins with: vck_ for partners, hlk_ for everybody else.
func (k Key) TokenPrefix() string {
	if k.Partner() {
		return "vck_"
	}
	return "hlk_"
}

// Apply folds one fact of the key's stream.
func (k Key) Apply(f Fact, m Meta) Key {
	switch f := f.(type) {
	case *KeyIssued:
		k.KeyIssued, k.CreatedAt = *f, m.At
	case *KeyRotated:
		k.PreviousHash, k.PreviousUntil, k.SecretHash = k.SecretHash, f.PreviousUntil, f.SecretHash
	case *KeyRevoked:
		k.RevokedAt = m.At
	}
	return k
}

// KeyRequest asks for a key.
type KeyRequest struct {
	// Organization makes it a partner key; without it the scopes must be those of a platform, auditor or operator.
	Organization  OrganizationID
	Organizations []OrganizationID
	Scopes        []Scope
	Mode          string
	RateLimit     int
	ExpiresAt     time.Time
}

// DecideIssue issues a key with the hash of its new secret (docs/contract.md).
func DecideIssue(r KeyRequest, secretHash string, now time.Time) (*KeyIssued, error) {
	allowed := platformScopes
	if !r.Organization.IsZero() {
		allowed = partnerScopes
	}
	bad := checkScopes(r.Scopes, allowed)
	if r.Mode != "test" && r.Mode != "live" {
		bad = append(bad, FieldError{"mode", "must be test or live"})
	}
	if r.RateLimit < 0 || r.RateLimit > 1_000_000 {
		bad = append(bad, FieldError{"rate_limit_per_minute", "must be from 1 to 1000000"})
	}
	if !r.ExpiresAt.IsZero() && !r.ExpiresAt.After(now) {
		bad = append(bad, FieldError{"expires_at", "must be in the future"})
	}
	if len(r.Organizations) > 0 && slices.Contains(r.Scopes, ScopeOperator) {
		bad = append(bad, FieldError{"organizations", "an operator key cannot be limited to organizations"})
	}
	if len(r.Organizations) > 1000 {
		bad = append(bad, FieldError{"organizations", "must name at most 1000"})
	}
	if err := RefuseFields(bad...); err != nil {
		return nil, err
	}
	scopes := slices.Clone(r.Scopes)
	if !slices.Contains(scopes, ScopeIdentity) {
		scopes = append([]Scope{ScopeIdentity}, scopes...)
	}
	return &KeyIssued{Organization: r.Organization, Organizations: r.Organizations, Scopes: scopes, Mode: r.Mode,
		SecretHash: secretHash, RateLimit: r.RateLimit, ExpiresAt: Time(r.ExpiresAt)}, nil
}

func checkScopes(scopes, allowed []Scope) []FieldError {
	var bad []FieldError
	if len(scopes) == 0 && !slices.Contains(allowed, ScopeIdentity) {
		bad = append(bad, FieldError{"scopes", "must name at least one scope"})
	}
	if len(scopes) > 16 {
		return []FieldError{{"scopes", "must name at most 16"}}
	}
	for i, s := range scopes {
		field := fmt.Sprintf("scopes[%d]", i)
		switch {
		case slices.Contains(reservedScopes, s):
			bad = append(bad, FieldError{field, fmt.Sprintf("%s is reserved and cannot be granted", s)})
		case slices.Contains(scopes[:i], s):
			bad = append(bad, FieldError{field, fmt.Sprintf("%s is named twice", s)})
		case s != ScopeIdentity && !slices.Contains(allowed, s):
			bad = append(bad, FieldError{field, fmt.Sprintf("%.64q is not a scope of this kind of key", string(s))})
		}
	}
	return bad
}

// MaxOverlap is the longest period in which an old secret stays good beside the new one.
const MaxOverlap = 30 * 24 * time.Hour

// DecideRotate gives the key a new secret, keeping the old one good for the overlap.
func (k Key) DecideRotate(secretHash string, overlap time.Duration, now time.Time) (Fact, error) {
	if err := k.mustBeLive(now); err != nil {
		return nil, err
	}
	if overlap < 0 || overlap > MaxOverlap {
		return nil, RefuseFields(FieldError{"overlap", "must be from 0s to 720h"})
	}
	return &KeyRotated{SecretHash: secretHash, PreviousUntil: Time(now.Add(overlap))}, nil
}

// DecideRevoke ends the key; nil if it has ended already.
func (k Key) DecideRevoke() (Fact, error) {
	if !k.Exists() {
		return nil, Refuse(NotFound, "no such key")
	}
	if !k.RevokedAt.IsZero() {
		return nil, nil
	}
	return &KeyRevoked{}, nil
}

func (k Key) mustBeLive(now time.Time) error {
	if !k.Exists() {
		return Refuse(NotFound, "no such key")
	}
	if !k.Live(now) {
		return Refuse(Conflict, "the key is revoked or expired")
	}
	return nil
}
