package webhook

import (
	"errors"
	"fmt"
	"time"
)

// Message is what an attempt delivers.
type Message struct {
	// Type is the event type, as CheckTypeName admits it.
	Type string
	// ID is the public id, evt_… .
	ID string
	// SubscriptionID is the receiving subscription's public id, wh_… .
	SubscriptionID string
	// OccurredAt is when it happened; a profile that shows it cuts it to its own precision.
	OccurredAt time.Time
	// Data is a JSON object in the spelling of Canonical. It goes into the body as it is.
	Data []byte
}

var (
	// ErrNotObject: data that is JSON but no object.
	ErrNotObject = errors.New("data is not a JSON object")
	// ErrReservedMember: data with a member that the profile's envelope has itself.
	ErrReservedMember = errors.New("data has a member that the profile reserves")
)

// source names a value that differs from message to message or from attempt to attempt. Envelopes, headers and
// signatures are lists of sources.
type source int

const (
	constant source = iota // the entry's own text
	eventType
	messageID
	subscriptionID
	occurredAt
	messageData
	body
	deliveryID
	attemptTime
	signatureList
)

// envelope is the shape of a body: its members in order. A member of messageData without a name stands for the data's
// own members.
type envelope struct {
	members    []member
	timeLayout string
}

type member struct {
	name  string
	value source
}

// Layouts of occurredAt; the time is in UTC.
const (
	microseconds = "2006-01-02T15:04:05.000000Z07:00"
	wholeSeconds = "2006-01-02T15:04:05Z07:00"
)

// CheckData tells whether canonical data can be delivered in this profile: ErrNotObject or ErrReservedMember if not.
func (p *Profile) CheckData(canonical []byte) error {
	if !IsObject(canonical) {
		return ErrNotObject
	}
	if !p.envelope.spreads() {
		return nil
	}
	for _, m := range p.envelope.members {
		if m.name != "" && hasMember(canonical, m.name) {
			return fmt.Errorf("%w: %s", ErrReservedMember, m.name)
		}
	}
	return nil
}

// AppendBody appends the body of m: compact JSON with the profile's members in their published order. The same message
// gives the same bytes at every attempt. Nothing is appended on an error.
func (p *Profile) AppendBody(dst []byte, m Message) ([]byte, error) {
	if err := CheckTypeName(m.Type); err != nil {
		return dst, fmt.Errorf("make a %s body: %w", p.name, err)
	}
	if err := p.CheckData(m.Data); err != nil {
		return dst, fmt.Errorf("make a %s body: %w", p.name, err)
	}
	out := append(dst, '{')
	for i, member := range p.envelope.members {
		var err error
		if out, err = p.envelope.append(out, i > 0, member, m); err != nil {
			return dst, fmt.Errorf("make a %s body: %w", p.name, err)
		}
	}
	return append(out, '}'), nil
}

func (e envelope) append(dst []byte, follows bool, member member, m Message) ([]byte, error) {
	if member.name == "" {
		return appendMembers(dst, follows, m.Data), nil
	}
	if follows {
		dst = append(dst, ',')
	}
	dst = append(dst, '"')
	dst = append(dst, member.name...)
	dst = append(dst, `":`...)
	switch member.value {
	case eventType:
		return appendText(dst, m.Type)
	case messageID:
		return appendText(dst, m.ID)
	case subscriptionID:
		return appendText(dst, m.SubscriptionID)
	case occurredAt:
		return e.appendTime(dst, m.OccurredAt)
	default:
		return append(dst, m.Data...), nil
	}
}

// appendMembers appends an object's members without its braces, and a comma before them if something precedes.
func appendMembers(dst []byte, follows bool, object []byte) []byte {
	members := object[1 : len(object)-1]
	if follows && len(members) > 0 {
		dst = append(dst, ',')
	}
	return append(dst, members...)
}

func (e envelope) appendTime(dst []byte, at time.Time) ([]byte, error) {
	at = at.UTC()
	if year := at.Year(); year < 0 || year > 9999 {
		return dst, fmt.Errorf("year %d has no RFC 3339 form", year)
	}
	dst = append(dst, '"')
	dst = at.AppendFormat(dst, e.timeLayout)
	return append(dst, '"'), nil
}

func (e envelope) spreads() bool { return e.members[len(e.members)-1].name == "" }

// IsObject tells whether canonical, a result of Canonical, is an object.
func IsObject(canonical []byte) bool {
	return len(canonical) >= 2 && canonical[0] == '{' && canonical[len(canonical)-1] == '}'
}

// hasMember tells whether a canonical object has a member called name at its top level. In canonical JSON a name of
// plain letters has one spelling, so bytes can be compared.
func hasMember(object []byte, name string) bool {
	depth, isName := 0, false
	for i := 0; i < len(object); i++ {
		switch object[i] {
		case '{', '[':
			depth++
			isName = depth == 1
		case '}', ']':
			depth--
		case ',':
			isName = depth == 1
		case '"':
			end := stringEnd(object, i)
			if isName && string(object[i+1:end]) == name {
				return true
			}
			isName = false
			i = end
		}
	}
	return false
}

// stringEnd returns the index of the quote that ends the string beginning at start.
func stringEnd(text []byte, start int) int {
	for i := start + 1; i < len(text); i++ {
		switch text[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return len(text)
}
