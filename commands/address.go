package commands

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// LoadAddress tells whether an organization's notices may go to an address.
func (c *Commands) LoadAddress(ctx context.Context, org domain.OrganizationID, address string) (domain.Address, error) {
	l, err := load(ctx, c, domain.AddressStream(domain.KeyOfAddress(org, address)), domain.Address{}, foldAddress)
	return l.state, err
}

func foldAddress(a domain.Address, f recordedFact) domain.Address { return a.Apply(f.Fact, f.Meta) }

// AskAddress reserves an address for a notice that asks it by a mail with a link, and reports whether that may be sent:
// not if the address is confirmed, or another notice has asked it while its link may still be used.
func (c *Commands) AskAddress(ctx context.Context, by By, org domain.OrganizationID, address string, n domain.NoticeID) (may bool, err error) {
	_, _, err = change(ctx, c, by, domain.AddressStream(domain.KeyOfAddress(org, address)), domain.Address{}, foldAddress,
		func(a domain.Address) (f domain.Fact, _ error) {
			f, may = a.DecideAsk(org, address, n, c.Now())
			return f, nil
		})
	return may, err
}

// SetAddress confirms an address on an operator's word.
func (c *Commands) SetAddress(ctx context.Context, by By, org domain.OrganizationID, address string) (domain.Address, eventlog.Position, error) {
	if _, err := c.openOrganization(ctx, org); err != nil {
		return domain.Address{}, eventlog.Position{}, err
	}
	return change(ctx, c, by, domain.AddressStream(domain.KeyOfAddress(org, address)), domain.Address{}, foldAddress,
		func(a domain.Address) (domain.Fact, error) { return a.DecideSet(org, address) })
}

// vouch confirms an address that comes with something else, on an operator's word; the empty one is none.
func (c *Commands) vouch(ctx context.Context, by By, org domain.OrganizationID, address string) error {
	if address == "" {
		return nil
	}
	_, _, err := c.SetAddress(ctx, by, org, address)
	return err
}

// A link's token: the address's key, the second in which it expires, and a MAC over both.
const (
	linkKeySize  = 16
	linkTimeSize = 8
	linkSize     = linkKeySize + linkTimeSize
	maxToken     = 512
)

var linkUse = []byte("hooklog confirms an address")

// LinkToken makes the token of a link that confirms an address. It does not say the address.
func (c *Commands) LinkToken(org domain.OrganizationID, address string) string {
	k := domain.KeyOfAddress(org, address)
	b := binary.BigEndian.AppendUint64(bytes.Clone(k[:]), uint64(c.Now().Add(domain.LinkLasts).Unix()))
	return base64.RawURLEncoding.EncodeToString(append(b, c.Keys.MAC(linkUse, b)...))
}

// linkOf reads a token; it refuses one that is malformed, forged or expired.
func (c *Commands) linkOf(token string) (k domain.AddressKey, err error) {
	if len(token) > maxToken {
		return k, domain.ErrNoLink
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) <= linkSize || c.Keys.VerifyMAC(b[linkSize:], linkUse, b[:linkSize]) != nil {
		return k, domain.ErrNoLink
	}
	if expires := time.Unix(int64(binary.BigEndian.Uint64(b[linkKeySize:linkSize])), 0); !c.Now().Before(expires) {
		return k, domain.ErrNoLink
	}
	copy(k[:], b)
	return k, nil
}

// LinkedAddress returns the address that a link is for, without confirming it. Links of a closed organization are not
// valid any more.
func (c *Commands) LinkedAddress(ctx context.Context, token string) (domain.Address, error) {
	k, err := c.linkOf(token)
	if err != nil {
		return domain.Address{}, err
	}
	l, err := load(ctx, c, domain.AddressStream(k), domain.Address{}, foldAddress)
	if err != nil {
		return domain.Address{}, err
	}
	if !l.state.Exists() {
		return domain.Address{}, domain.ErrNoLink
	}
	o, err := c.organization(ctx, l.state.Organization)
	if err == nil && o.Closed() {
		err = domain.ErrNoLink
	}
	return l.state, err
}

// ConfirmAddress confirms the address that a link is for.
func (c *Commands) ConfirmAddress(ctx context.Context, by By, token string) (domain.Address, eventlog.Position, error) {
	a, err := c.LinkedAddress(ctx, token)
	if err != nil {
		return domain.Address{}, eventlog.Position{}, err
	}
	return change(ctx, c, by, domain.AddressStream(domain.KeyOfAddress(a.Organization, a.Address)), domain.Address{}, foldAddress, domain.Address.DecideConfirm)
}
