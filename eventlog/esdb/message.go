package esdb

import (
	"encoding/binary"
	"time"

	"github.com/google/uuid"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/esdbwire"
)

// What a message of an append takes besides names and data, at most: of the append, and of each event.
const (
	requestBytes  = 256
	proposedBytes = 128
)

// Most implements [esdbwire.Written].
func (s *sending) Most() int {
	n := requestBytes + len(s.stream)
	for i := range s.events {
		e := &s.events[i]
		n += proposedBytes + len(e.Type) + len(e.Metadata) + len(e.Data)
	}
	return n
}

// Append implements [esdbwire.Written]. It appends a BatchAppendReq, which holds the append whole.
func (s *sending) Append(b []byte) []byte {
	b = appendID(b, 1, s.own, s.id)                   // correlation_id
	b = esdbwire.AppendMessage(b, 2, s.appendOptions) // options
	for i := range s.events {
		b = esdbwire.AppendMessage(b, 3, func(b []byte) []byte { return appendProposed(b, &s.events[i]) }) // proposed_messages
	}
	return esdbwire.AppendNumber(b, 4, 1) // is_final
}

func (s *sending) appendOptions(b []byte) []byte {
	b = esdbwire.AppendMessage(b, 1, func(b []byte) []byte { return esdbwire.AppendText(b, 3, s.stream) }) // stream_identifier
	switch s.expected {
	case eventlog.NoStream:
		b = esdbwire.AppendBytes(b, 3, nil) // no_stream
	case eventlog.Any:
		b = esdbwire.AppendBytes(b, 4, nil) // any
	case eventlog.StreamExists:
		b = esdbwire.AppendBytes(b, 5, nil) // stream_exists
	default:
		b = esdbwire.AppendNumber(b, 2, uint64(s.expected)) // stream_position
	}
	within := max(0, time.Until(s.until))
	return esdbwire.AppendMessage(b, 7, func(b []byte) []byte { // deadline
		b = esdbwire.AppendNumber(b, 1, uint64(within/time.Second))
		return esdbwire.AppendNumber(b, 2, uint64(within%time.Second))
	})
}

func appendProposed(b []byte, e *eventlog.Event) []byte {
	content := jsonContent
	if e.Opaque {
		content = anyContent
	}
	b = appendID(b, 1, binary.BigEndian.Uint64(e.ID[:]), binary.BigEndian.Uint64(e.ID[8:]))
	b = esdbwire.AppendEntry(b, 2, "type", e.Type)
	b = esdbwire.AppendEntry(b, 2, "content-type", content)
	b = esdbwire.AppendBytes(b, 3, e.Metadata) // custom_metadata
	return esdbwire.AppendBytes(b, 4, e.Data)
}

// appendID appends an id of 16 bytes, given as two big-endian halves.
func appendID(b []byte, field esdbwire.Number, high, low uint64) []byte {
	return esdbwire.AppendMessage(b, field, func(b []byte) []byte {
		return esdbwire.AppendMessage(b, 1, func(b []byte) []byte {
			return esdbwire.AppendNumber(esdbwire.AppendNumber(b, 1, high), 2, low)
		})
	})
}

// answer is a BatchAppendResp, or why there is none.
type answer struct {
	// id is the lower half of the correlation id; 0 is nobody's.
	id        uint64
	succeeded bool
	at        eventlog.Appended
	refused   *spb.Status
	err       error
}

// Parse implements [esdbwire.Read].
func (a *answer) Parse(b []byte) error {
	for f, err := range esdbwire.Fields(b) {
		if err != nil {
			return err
		}
		switch f.Number {
		case 1: // correlation_id
			a.id, err = parseCorrelation(f.Bytes)
		case 2: // error
			a.refused = new(spb.Status)
			err = proto.Unmarshal(f.Bytes, a.refused)
		case 3: // success
			a.succeeded = true
			err = a.parseSuccess(f.Bytes)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// parseSuccess reads where the append ended. The answer to a repetition may lack the position.
func (a *answer) parseSuccess(b []byte) error {
	for f, err := range esdbwire.Fields(b) {
		if err != nil {
			return err
		}
		switch f.Number {
		case 1: // current_revision
			a.at.Revision = eventlog.Revision(f.N)
		case 3: // position
			commit, prepare, err := parsePair(f.Bytes)
			if err != nil {
				return err
			}
			a.at.Position = eventlog.PositionOf(commit, prepare)
		}
	}
	return nil
}

// parsePair reads a message of two numbers.
func parsePair(b []byte) (first, second uint64, err error) {
	for f, err := range esdbwire.Fields(b) {
		switch {
		case err != nil:
			return 0, 0, err
		case f.Number == 1:
			first = f.N
		case f.Number == 2:
			second = f.N
		}
	}
	return first, second, nil
}

// parseCorrelation reads the lower half of an id in either form.
func parseCorrelation(b []byte) (low uint64, err error) {
	for f, err := range esdbwire.Fields(b) {
		if err != nil {
			return 0, err
		}
		switch f.Number {
		case 1: // structured
			if _, low, err = parsePair(f.Bytes); err != nil {
				return 0, err
			}
		case 2: // string
			if u, err := uuid.ParseBytes(f.Bytes); err == nil {
				low = binary.BigEndian.Uint64(u[8:])
			}
		}
	}
	return low, nil
}
