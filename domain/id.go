package domain

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"time"
)

// ID is the identity of one kind of thing: 16 bytes laid out as a ULID with the version and variant bits of a UUIDv7,
// so that it is a valid UUID and sorts by time. It is printed as its kind's prefix and the 8-4-4-4-12 form.
type ID[K kind] [16]byte

type kind interface{ prefix() string }

type (
	organizationKind struct{}
	subscriptionKind struct{}
	messageKind      struct{}
	deliveryKind     struct{}
)

func (organizationKind) prefix() string { return "org_" }
func (subscriptionKind) prefix() string { return "wh_" }
func (messageKind) prefix() string      { return "evt_" }
func (deliveryKind) prefix() string     { return "del_" }

// The identities that the contract shows.
type (
	OrganizationID = ID[organizationKind] // org_…
	SubscriptionID = ID[subscriptionKind] // wh_…
	MessageID      = ID[messageKind]      // evt_…
	DeliveryID     = ID[deliveryKind]     // del_…
)

// ParseOrganizationID reads an org_… id; every spelling but String's is refused.
func ParseOrganizationID(s string) (OrganizationID, error) { return parseID[organizationKind](s) }

// ParseSubscriptionID reads a wh_… id; every spelling but String's is refused.
func ParseSubscriptionID(s string) (SubscriptionID, error) { return parseID[subscriptionKind](s) }

// ParseMessageID reads an evt_… id; every spelling but String's is refused.
func ParseMessageID(s string) (MessageID, error) { return parseID[messageKind](s) }

// ParseDeliveryID reads a del_… id; every spelling but String's is refused.
func ParseDeliveryID(s string) (DeliveryID, error) { return parseID[deliveryKind](s) }

// LayOut makes a ULID's bytes a UUIDv7: the 48 time bits are kept, six bits become version and variant.
func LayOut(ulid [16]byte) [16]byte {
	ulid[6] = ulid[6]&0x0f | 0x70
	ulid[8] = ulid[8]&0x3f | 0x80
	return ulid
}

// IsZero reports whether the id is unset.
func (id ID[K]) IsZero() bool { return id == ID[K]{} }

// Time returns the milliseconds in the id's time bits as a time. Ids that were derived by hash carry none.
func (id ID[K]) Time() time.Time {
	return time.UnixMilli(int64(binary.BigEndian.Uint64(id[:8]) >> 16)).UTC()
}

// UUID returns the id without its prefix.
func (id ID[K]) UUID() string {
	var b [36]byte
	putUUID(b[:], id)
	return string(b[:])
}

// String returns the prefix and the UUID.
func (id ID[K]) String() string {
	b, _ := id.AppendText(make([]byte, 0, 40))
	return string(b)
}

// AppendText appends what String returns. It never fails.
func (id ID[K]) AppendText(b []byte) ([]byte, error) {
	var k K
	b = append(b, k.prefix()...)
	n := len(b)
	b = append(b, "00000000-0000-0000-0000-000000000000"...)
	putUUID(b[n:], id)
	return b, nil
}

// MarshalText returns what String returns. It never fails.
func (id ID[K]) MarshalText() ([]byte, error) { return id.AppendText(make([]byte, 0, 40)) }

// UnmarshalText reads what MarshalText writes.
func (id *ID[K]) UnmarshalText(b []byte) error {
	parsed, err := parseID[K](string(b))
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

func putUUID(b []byte, id [16]byte) {
	hex.Encode(b[:8], id[:4])
	hex.Encode(b[9:13], id[4:6])
	hex.Encode(b[14:18], id[6:8])
	hex.Encode(b[19:23], id[8:10])
	hex.Encode(b[24:36], id[10:])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
}

func parseID[K kind](s string) (ID[K], error) {
	var id ID[K]
	var k K
	p := k.prefix()
	if len(s) != len(p)+36 || s[:len(p)] != p {
		return ID[K]{}, fmt.Errorf("not an id beginning with %s", p)
	}
	u := s[len(p):]
	var packed [32]byte
	copy(packed[:8], u[:8])
	copy(packed[8:12], u[9:13])
	copy(packed[12:16], u[14:18])
	copy(packed[16:20], u[19:23])
	copy(packed[20:], u[24:])
	if _, err := hex.Decode(id[:], packed[:]); err != nil || id.String() != s {
		return ID[K]{}, fmt.Errorf("not an id beginning with %s", p)
	}
	return id, nil
}

// DeriveMessageID makes the message id of a publisher's own id: the same organization and id give the same message id
// for ever. It is a UUID of version 8 and carries no time.
func DeriveMessageID(org OrganizationID, own string) MessageID {
	h := sha256.New()
	h.Write([]byte("hooklog message id\x00"))
	h.Write(org[:])
	h.Write([]byte(own))
	var id MessageID
	copy(id[:], h.Sum(nil))
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id
}

// DeriveDeliveryID makes the id of the delivery of a message to a subscription. Whoever computes it gets the same: the
// time bits of the message, the rest from a hash of both.
func DeriveDeliveryID(m MessageID, s SubscriptionID) DeliveryID {
	var both [32]byte
	copy(both[:16], m[:])
	copy(both[16:], s[:])
	sum := sha256.Sum256(both[:])
	var id [16]byte
	copy(id[:6], m[:6])
	copy(id[6:], sum[:10])
	return DeliveryID(LayOut(id))
}
