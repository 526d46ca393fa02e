package esdb

import (
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"

	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/esdbwire"
)

// shown is a ReadResp of a call that follows the log.
type shown struct {
	kind shownKind
	// event is there if kind is shownEvent; without a stream there is none.
	event eventlog.Recorded
}

// shownKind is the number of the field that a ReadResp has.
type shownKind = esdbwire.Number

const (
	shownEvent shownKind = 1
	caughtUp   shownKind = 8
	fellBehind shownKind = 9
)

// tick is the unit of the times on the wire, in nanoseconds.
const tick = 100

// Parse implements [esdbwire.Read].
func (s *shown) Parse(b []byte) error {
	for f, err := range esdbwire.Fields(b) {
		if err != nil {
			return err
		}
		s.kind = f.Number
		if f.Number == shownEvent {
			if err := s.parseEvent(f.Bytes); err != nil {
				return err
			}
		}
	}
	return nil
}

// parseEvent reads a ReadEvent. Links are not resolved, so it has an event and no link.
func (s *shown) parseEvent(b []byte) error {
	for f, err := range esdbwire.Fields(b) {
		if err != nil {
			return err
		}
		if f.Number == 1 { // event
			if err := parseRecorded(f.Bytes, &s.event); err != nil {
				return err
			}
		}
	}
	return nil
}

func parseRecorded(b []byte, e *eventlog.Recorded) error {
	var commit, prepare uint64
	e.Opaque = true
	for f, err := range esdbwire.Fields(b) {
		if err != nil {
			return err
		}
		switch f.Number {
		case 1: // id
			e.ID, err = parseID(f.Bytes)
		case 2: // stream_identifier
			e.Stream, err = parseStream(f.Bytes)
		case 3: // stream_revision
			e.Revision = eventlog.Revision(f.N)
		case 4: // prepare_position
			prepare = f.N
		case 5: // commit_position
			commit = f.N
		case 6: // metadata
			err = parseSystem(f.Bytes, e)
		case 7: // custom_metadata
			e.Metadata = f.Bytes
		case 8: // data
			e.Data = f.Bytes
		}
		if err != nil {
			return err
		}
	}
	e.Position = eventlog.PositionOf(commit, prepare)
	return nil
}

// parseSystem reads an entry of an event's system metadata.
func parseSystem(b []byte, e *eventlog.Recorded) error {
	key, value, err := esdbwire.Entry(b)
	if err != nil {
		return err
	}
	switch string(key) {
	case "type":
		e.Type = string(value)
	case "content-type":
		e.Opaque = string(value) != jsonContent
	case "created":
		ticks, err := strconv.ParseInt(string(value), 10, 64)
		if err != nil {
			return fmt.Errorf("the time of an event: %w", err)
		}
		e.RecordedAt = time.Unix(0, ticks*tick).UTC()
	}
	return nil
}

// parseID reads an id in either form.
func parseID(b []byte) (id eventlog.ID, err error) {
	for f, err := range esdbwire.Fields(b) {
		if err != nil {
			return id, err
		}
		switch f.Number {
		case 1: // structured
			high, low, err := parsePair(f.Bytes)
			if err != nil {
				return id, err
			}
			binary.BigEndian.PutUint64(id[:], high)
			binary.BigEndian.PutUint64(id[8:], low)
		case 2: // string
			u, err := uuid.ParseBytes(f.Bytes)
			if err != nil {
				return id, err
			}
			id = eventlog.ID(u)
		}
	}
	return id, nil
}

func parseStream(b []byte) (name string, err error) {
	for f, err := range esdbwire.Fields(b) {
		if err != nil {
			return "", err
		}
		if f.Number == 3 { // stream_name
			name = string(f.Bytes)
		}
	}
	return name, nil
}
