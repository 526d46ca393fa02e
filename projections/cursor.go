package projections

import (
	"crypto/sha256"
	"encoding/base64"

	"github.com/hooklog/hooklog/domain"
)

// list names what a cursor belongs to: the kind of list and whose it is.
type list struct {
	kind  byte
	owner [idSize]byte
}

// The kinds of lists. They are part of cursors that are out: numbers are never used again.
const (
	failureList byte = iota + 1
	deliveryList
	subscriptionList
	organizationList
	keyList
	eventTypeList
	changeList
	countedList
	gettersList
	factList
)

// checkSize is the length of a cursor's check. It tells a mistake from a cursor; it keeps nothing secret.
const checkSize = 8

// cursor writes the place after which the next page begins.
func (l list) cursor(place []byte) string {
	return base64.RawURLEncoding.EncodeToString(append(l.check(place), place...))
}

// place reads what cursor wrote, for the same list; nil for the empty cursor. Anything else is refused with BadCursor.
func (l list) place(cursor string) ([]byte, error) {
	if cursor == "" {
		return nil, nil
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || len(b) <= checkSize || l.cursor(b[checkSize:]) != cursor {
		return nil, domain.Refuse(domain.BadCursor, "the cursor is malformed or belongs to another list")
	}
	return b[checkSize:], nil
}

func (l list) check(place []byte) []byte {
	h := sha256.New()
	h.Write([]byte("hooklog cursor\x00"))
	h.Write([]byte{l.kind})
	h.Write(l.owner[:])
	h.Write(place)
	return h.Sum(nil)[:checkSize]
}
