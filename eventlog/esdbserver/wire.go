package esdbserver

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/persistent"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
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

// wireID writes an id in the form that the client asked for.
func wireID(id eventlog.ID, asString bool) *shared.UUID {
	if asString {
		return &shared.UUID{Value: &shared.UUID_String_{String_: id.String()}}
	}
	return &shared.UUID{Value: &shared.UUID_Structured_{Structured: &shared.UUID_Structured{
		MostSignificantBits:  int64(binary.BigEndian.Uint64(id[:])),
		LeastSignificantBits: int64(binary.BigEndian.Uint64(id[8:])),
	}}}
}

// proposed reads an event as appenders send it.
func proposed(id *shared.UUID, system map[string]string, custom, data []byte) (eventlog.Event, error) {
	e := eventlog.Event{Type: system[typeKey], Data: data, Metadata: custom, Opaque: system[contentKey] != jsonContent}
	if _, ok := system[typeKey]; !ok {
		return e, errMissingMetadata
	}
	if _, ok := system[contentKey]; !ok {
		return e, errMissingMetadata
	}
	var err error
	if e.ID, err = eventID(id); err != nil {
		return e, fmt.Errorf("%w: %w", eventlog.ErrInvalid, err)
	}
	return e, nil
}

func systemMetadata(e *eventlog.Recorded) map[string]string {
	content := jsonContent
	if e.Opaque {
		content = anyContent
	}
	return map[string]string{
		typeKey:    e.Type,
		contentKey: content,
		createdKey: strconv.FormatInt(e.RecordedAt.UnixNano()/tick, 10),
	}
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

func readEvent(f found, asString bool) *streams.ReadResp {
	return &streams.ReadResp{Content: &streams.ReadResp_Event{Event: &streams.ReadResp_ReadEvent{
		Event:    recordedEvent(f.event, asString),
		Link:     recordedEvent(f.link, asString),
		Position: &streams.ReadResp_ReadEvent_CommitPosition{CommitPosition: position(f.original().Position)},
	}}}
}

func recordedEvent(e *eventlog.Recorded, asString bool) *streams.ReadResp_ReadEvent_RecordedEvent {
	if e == nil {
		return nil
	}
	at := position(e.Position)
	return &streams.ReadResp_ReadEvent_RecordedEvent{
		Id: wireID(e.ID, asString), StreamIdentifier: identifier(e.Stream), StreamRevision: shownRevision(e),
		CommitPosition: at, PreparePosition: at,
		Metadata: systemMetadata(e), CustomMetadata: e.Metadata, Data: e.Data,
	}
}

func handedEvent(f found, retries int, asString bool) *persistent.ReadResp {
	return &persistent.ReadResp{Content: &persistent.ReadResp_Event{Event: &persistent.ReadResp_ReadEvent{
		Event:    handedRecord(f.event, asString),
		Link:     handedRecord(f.link, asString),
		Position: &persistent.ReadResp_ReadEvent_CommitPosition{CommitPosition: position(f.original().Position)},
		Count:    &persistent.ReadResp_ReadEvent_RetryCount{RetryCount: int32(retries)},
	}}}
}

func handedRecord(e *eventlog.Recorded, asString bool) *persistent.ReadResp_ReadEvent_RecordedEvent {
	if e == nil {
		return nil
	}
	at := position(e.Position)
	return &persistent.ReadResp_ReadEvent_RecordedEvent{
		Id: wireID(e.ID, asString), StreamIdentifier: identifier(e.Stream), StreamRevision: shownRevision(e),
		CommitPosition: at, PreparePosition: at,
		Metadata: systemMetadata(e), CustomMetadata: e.Metadata, Data: e.Data,
	}
}
