package esdbserver

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/hooklog/hooklog/eventlog"
)

// Keys of an event's system metadata, and the two content types that are told apart.
const (
	typeKey     = "type"
	contentKey  = "content-type"
	createdKey  = "created"
	jsonContent = "application/json"
	anyContent  = "application/octet-stream"
)

// tick is the unit of the times on the wire, in nanoseconds.
const tick = 100

// position makes the one number of a position on the wire.
func position(p eventlog.Position) uint64 {
	_, low := p.Halves()
	return low
}

// placed reads a position from the wire. Prepare positions say nothing more.
func placed(commit uint64) eventlog.Position { return eventlog.PositionOf(0, commit) }

// before is the place after which the event at n is the first.
func before(n uint64) eventlog.Position {
	if n == 0 {
		return eventlog.Position{}
	}
	return eventlog.PositionOf(0, n-1)
}

var errNoID = errors.New("there is no event id")

// eventID reads an id in either form. The halves of the structured form are big-endian.
func eventID(u *shared.UUID) (eventlog.ID, error) {
	var id eventlog.ID
	switch v := u.GetValue().(type) {
	case *shared.UUID_Structured_:
		binary.BigEndian.PutUint64(id[:], uint64(v.Structured.GetMostSignificantBits()))
		binary.BigEndian.PutUint64(id[8:], uint64(v.Structured.GetLeastSignificantBits()))
		return id, nil
	case *shared.UUID_String_:
		return eventlog.ParseID(strings.ToLower(v.String_))
	}
	return id, errNoID
}

func wireID(id eventlog.ID) *shared.UUID {
	return &shared.UUID{Value: &shared.UUID_Structured_{Structured: &shared.UUID_Structured{
		MostSignificantBits:  int64(binary.BigEndian.Uint64(id[:])),
		LeastSignificantBits: int64(binary.BigEndian.Uint64(id[8:])),
	}}}
}

// proposed reads an event as appenders send it.
func proposed(id *shared.UUID, system map[string]string, custom, data []byte) proposal {
	e := proposal{Event: eventlog.Event{Type: system[typeKey], Data: data, Metadata: custom, Opaque: system[contentKey] != jsonContent}}
	_, kind := system[typeKey]
	_, content := system[contentKey]
	if !kind || !content {
		e.err = errMissingMetadata
	} else if e.ID, e.err = eventID(id); e.err != nil {
		e.err = fmt.Errorf("%w: %w", eventlog.ErrInvalid, e.err)
	}
	return e
}

func contentType(e *eventlog.Recorded) string {
	if e.Opaque {
		return anyContent
	}
	return jsonContent
}

// tombstoneRevision is the revision that is shown of the event that ended a stream.
const tombstoneRevision = math.MaxInt64

func shownRevision(e *eventlog.Recorded) uint64 {
	if e.Type == eventlog.TombstoneType {
		return tombstoneRevision
	}
	return uint64(e.Revision)
}

func identifier(stream string) *shared.StreamIdentifier {
	return &shared.StreamIdentifier{StreamName: []byte(stream)}
}

// found is an event as it is handed to a client: with the link that led to it, if one did. Event is nil if the link
// leads nowhere.
type found struct{ event, link *eventlog.Recorded }

// original is the event that was read: the link if there is one.
func (f found) original() *eventlog.Recorded {
	if f.link != nil {
		return f.link
	}
	return f.event
}

// size is how many bytes of data it holds.
func (f found) size() int {
	n := 0
	for _, e := range [...]*eventlog.Recorded{f.event, f.link} {
		if e != nil {
			n += len(e.Data) + len(e.Metadata)
		}
	}
	return n
}
