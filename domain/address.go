package domain

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
)

// AddressAsked records that an address is asked, by a notice's mail with a link, whether it wants an organization's notices.
type AddressAsked struct {
	Organization OrganizationID `json:"organization"`
	Address      string         `json:"address"`
	Notice       NoticeID       `json:"notice"`
}

// AddressConfirmed admits an address for an organization's notices.
type AddressConfirmed struct {
	Organization OrganizationID `json:"organization"`
	Address      string         `json:"address"`
	By           ConfirmedBy    `json:"by"`
}

// ConfirmedBy says who confirmed an address.
type ConfirmedBy string

// Who can confirm an address: whoever reads its mail, or an operator.
const (
	ByLink            ConfirmedBy = "link"
	ConfirmedOperator ConfirmedBy = "operator"
)

// FactType names the fact in the log.
func (*AddressAsked) FactType() string { return "hooklog.AddressAsked.v1" }

// FactType names the fact in the log.
func (*AddressConfirmed) FactType() string { return "hooklog.AddressConfirmed.v1" }

// AddressKey tells an address of an organization apart from all others, without saying it. The case of letters does
// not count.
type AddressKey [16]byte

// String returns hexadecimal digits.
func (k AddressKey) String() string { return hex.EncodeToString(k[:]) }

// KeyOfAddress returns the key of an address.
func KeyOfAddress(org OrganizationID, address string) (k AddressKey) {
	h := sha256.New()
	h.Write([]byte("hooklog address\x00"))
	h.Write(org[:])
	h.Write([]byte(strings.ToLower(address)))
	copy(k[:], h.Sum(nil))
	return k
}

// Address is a mailbox to which an organization's notices may or may not go.
type Address struct {
	Organization OrganizationID
	Address      string
	// Asked is the notice that asked last, at AskedAt.
	Asked       NoticeID
	AskedAt     time.Time
	ConfirmedAt time.Time
}

// Exists reports whether the address was ever asked or confirmed.
func (a Address) Exists() bool { return a.Address != "" }

// Confirmed reports whether notices may go there.
func (a Address) Confirmed() bool { return !a.ConfirmedAt.IsZero() }

// Apply folds one fact of the address's stream.
func (a Address) Apply(f Fact, m Meta) Address {
	switch f := f.(type) {
	case *AddressAsked:
		a.Organization, a.Address, a.Asked, a.AskedAt = f.Organization, f.Address, f.Notice, m.At
	case *AddressConfirmed:
		a.Organization, a.Address, a.ConfirmedAt = f.Organization, f.Address, m.At
	}
	return a
}

// LinkLasts is how long a link that confirms an address is good, and how long an address is not asked again.
const LinkLasts = 7 * 24 * time.Hour

// DecideAsk lets a notice ask an address, which may be recorded already. It may not if the address is confirmed, or was
// asked by another notice whose link may still be used.
func (a Address) DecideAsk(org OrganizationID, address string, n NoticeID, now time.Time) (f Fact, may bool) {
	switch {
	case a.Confirmed():
		return nil, false
	case a.Exists() && a.AskedAt.Add(LinkLasts).After(now):
		return nil, a.Asked == n
	}
	return &AddressAsked{org, address, n}, true
}

// ErrNoLink is the refusal for a link that is malformed, expired or was never sent.
var ErrNoLink = Refuse(NotFound, "this link is not valid, or no longer")

// DecideConfirm confirms an address that was asked; nil if that is done already.
func (a Address) DecideConfirm() (Fact, error) {
	switch {
	case !a.Exists():
		return nil, ErrNoLink
	case a.Confirmed():
		return nil, nil
	}
	return &AddressConfirmed{a.Organization, a.Address, ByLink}, nil
}

// DecideSet confirms an address on an operator's word; nil if it is confirmed already.
func (a Address) DecideSet(org OrganizationID, address string) (Fact, error) {
	if bad := checkEmail(address); address == "" || bad != nil {
		return nil, RefuseFields(FieldError{"email", "must be an address such as ops@example.com"})
	}
	if a.Confirmed() {
		return nil, nil
	}
	return &AddressConfirmed{org, address, ConfirmedOperator}, nil
}
