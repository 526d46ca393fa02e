package esdbserver

import (
	"encoding/binary"
	"strconv"

	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/esdbwire"
)

// eventMessage is a ReadResp that holds an event, of the service Streams or, if it is handed out, of
// PersistentSubscriptions. What both have is the same on the wire.
type eventMessage struct {
	found
	asString  bool // the form of ids
	handedOut bool
	retries   int
}

// Numbers of fields.
const (
	respEvent    esdbwire.Number = 1 // of a ReadResp: a ReadEvent
	eventEvent   esdbwire.Number = 1 // of a ReadEvent: a RecordedEvent
	eventLink    esdbwire.Number = 2 // likewise
	eventCommit  esdbwire.Number = 3
	eventRetries esdbwire.Number = 5

	recordedID       esdbwire.Number = 1 // of a RecordedEvent: a UUID
	recordedStream   esdbwire.Number = 2 // a StreamIdentifier
	recordedRevision esdbwire.Number = 3
	recordedPrepare  esdbwire.Number = 4
	recordedCommit   esdbwire.Number = 5
	recordedSystem   esdbwire.Number = 6 // entries of a map
	recordedCustom   esdbwire.Number = 7
	recordedData     esdbwire.Number = 8

	idStructured esdbwire.Number = 1 // of a UUID: a message of two numbers
	idString     esdbwire.Number = 2
	idMost       esdbwire.Number = 1
	idLeast      esdbwire.Number = 2

	streamName esdbwire.Number = 3 // of a StreamIdentifier
)

// otherBytes is more than what a recorded event takes besides its names and data.
const otherBytes = 256

// Most implements [esdbwire.Written].
func (m *eventMessage) Most() int {
	n := otherBytes
	for _, e := range [...]*eventlog.Recorded{m.event, m.link} {
		if e != nil {
			n += len(e.Stream) + len(e.Type) + len(e.Metadata) + len(e.Data) + otherBytes
		}
	}
	return n
}

// Append implements [esdbwire.Written].
func (m *eventMessage) Append(b []byte) []byte {
	return esdbwire.AppendMessage(b, respEvent, func(b []byte) []byte {
		b = appendRecorded(b, eventEvent, m.event, m.asString)
		b = appendRecorded(b, eventLink, m.link, m.asString)
		b = esdbwire.AppendNumber(b, eventCommit, position(m.original().Position))
		if m.handedOut {
			b = esdbwire.AppendNumber(b, eventRetries, uint64(m.retries))
		}
		return b
	})
}

func appendRecorded(b []byte, field esdbwire.Number, e *eventlog.Recorded, asString bool) []byte {
	if e == nil {
		return b
	}
	return esdbwire.AppendMessage(b, field, func(b []byte) []byte {
		b = appendID(b, recordedID, e.ID, asString)
		b = esdbwire.AppendMessage(b, recordedStream, func(b []byte) []byte { return esdbwire.AppendText(b, streamName, e.Stream) })
		b = esdbwire.AppendNumber(b, recordedRevision, shownRevision(e))
		b = esdbwire.AppendNumber(b, recordedPrepare, position(e.Position))
		b = esdbwire.AppendNumber(b, recordedCommit, position(e.Position))
		b = esdbwire.AppendEntry(b, recordedSystem, typeKey, e.Type)
		b = esdbwire.AppendEntry(b, recordedSystem, contentKey, contentType(e))
		b = esdbwire.AppendEntry(b, recordedSystem, createdKey, strconv.FormatInt(e.RecordedAt.UnixNano()/tick, 10))
		b = esdbwire.AppendBytes(b, recordedCustom, e.Metadata)
		return esdbwire.AppendBytes(b, recordedData, e.Data)
	})
}

func appendID(b []byte, field esdbwire.Number, id eventlog.ID, asString bool) []byte {
	return esdbwire.AppendMessage(b, field, func(b []byte) []byte {
		if asString {
			return esdbwire.AppendText(b, idString, id.String())
		}
		return esdbwire.AppendMessage(b, idStructured, func(b []byte) []byte {
			b = esdbwire.AppendNumber(b, idMost, binary.BigEndian.Uint64(id[:]))
			return esdbwire.AppendNumber(b, idLeast, binary.BigEndian.Uint64(id[8:]))
		})
	})
}
