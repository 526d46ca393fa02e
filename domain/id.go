package domain

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/hooklog/hooklog/webhook"
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
	recoveryKind     struct{}
	noticeKind       struct{}
)

func (organizationKind) prefix() string { return "org_" }
func (subscriptionKind) prefix() string { return "wh_" }
func (messageKind) prefix() string      { return "evt_" }
func (deliveryKind) prefix() string     { return "del_" }
func (recoveryKind) prefix() string     { return "rec_" }
func (noticeKind) prefix() string       { return "ntc_" }

// The identities that the contract shows.
type (
	OrganizationID = ID[organizationKind] // org_…
	SubscriptionID = ID[subscriptionKind] // wh_…
	MessageID      = ID[messageKind]      // evt_…
	DeliveryID     = ID[deliveryKind]     // del_…
	RecoveryID     = ID[recoveryKind]     // rec_…
	NoticeID       = ID[noticeKind]       // ntc_…
)

// ParseOrganizationID reads an org_… id; every spelling but String's is refused.
func ParseOrganizationID(s string) (OrganizationID, error) { return parseID[organizationKind](s) }

// ParseSubscriptionID reads a wh_… id; every spelling but String's is refused.
func ParseSubscriptionID(s string) (SubscriptionID, error) { return parseID[subscriptionKind](s) }

// ParseMessageID reads an evt_… id; every spelling but String's is refused.
func ParseMessageID(s string) (MessageID, error) { return parseID[messageKind](s) }

// ParseDeliveryID reads a del_… id; every spelling but String's is refused.
func ParseDeliveryID(s string) (DeliveryID, error) { return parseID[deliveryKind](s) }

// ParseRecoveryID reads a rec_… id; every spelling but String's is refused.
func ParseRecoveryID(s string) (RecoveryID, error) { return parseID[recoveryKind](s) }

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
	parsed, err := parseID[K](b)
	if err != nil {
		return err
	}
	*id = parsed
	return nil
}

const hexDigits = "0123456789abcdef"

// uuidPlaces are the places of the 16 bytes' digits in the 8-4-4-4-12 form.
var uuidPlaces = [16]uint8{0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34}

func putUUID(b []byte, id [16]byte) {
	_ = b[35]
	for i, at := range uuidPlaces {
		b[at], b[at+1] = hexDigits[id[i]>>4], hexDigits[id[i]&15]
	}
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
}

// readUUID reads what putUUID puts, and nothing else.
func readUUID[T string | []byte](s T) (id [16]byte, ok bool) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return id, false
	}
	bad := byte(0)
	for i, at := range uuidPlaces {
		high, low := nibbles[s[at]], nibbles[s[at+1]]
		bad |= high | low
		id[i] = high<<4 | low&15
	}
	return id, bad&notHex == 0
}

// notHex marks in nibbles what is no lower-case hexadecimal digit.
const notHex = 0x80

var nibbles = func() (values [256]byte) {
	for c := range values {
		values[c] = notHex
	}
	for value, c := range []byte(hexDigits) {
		values[c] = byte(value)
	}
	return values
}()

// readID reads what String returns, and nothing else.
func readID[K kind, T string | []byte](s T) (ID[K], bool) {
	var k K
	p := k.prefix()
	if len(s) < len(p) || string(s[:len(p)]) != p {
		return ID[K]{}, false
	}
	id, ok := readUUID(s[len(p):])
	return ID[K](id), ok
}

func parseID[K kind, T string | []byte](s T) (ID[K], error) {
	id, ok := readID[K](s)
	if !ok {
		return ID[K]{}, idError[K]{}
	}
	return id, nil
}

// idError says that a text is no id of a kind. Many a text is tried as an id before it is taken for a name, so it costs nothing.
type idError[K kind] struct{}

// Error names what an id of the kind begins with.
func (idError[K]) Error() string {
	var k K
	return "not an id beginning with " + k.prefix()
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

// DeriveNoticeID makes the id of the notice of a cause: the fact that brought it about, or what stands for it. It is a
// UUID of version 8 and carries no time.
func DeriveNoticeID(c webhook.Cause, org OrganizationID, fact string) (id NoticeID) {
	h := sha256.New()
	h.Write([]byte("hooklog notice id\x00"))
	h.Write(org[:])
	h.Write([]byte(string(c) + "\x00" + fact))
	copy(id[:], h.Sum(nil))
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	return id
}

// MessageOfNotice is the id of the operational message that tells of a notice. No publisher's own id gives it.
func MessageOfNotice(org OrganizationID, id NoticeID) MessageID {
	return DeriveMessageID(org, "notice/"+id.String()) // a slash is in no publisher's own id
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
