package esdb

import (
	"errors"
	"io"
	"strings"

	client "github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"github.com/hooklog/hooklog/eventlog"
)

// reserved begins the names of what belongs to EventStoreDB itself.
const reserved = "$"

// Content types: of data that is JSON, and the one other that the server knows.
const (
	jsonContent = "application/json"
	anyContent  = "application/octet-stream"
)

// positionOf keeps both halves.
func positionOf(p client.Position) eventlog.Position { return eventlog.PositionOf(p.Commit, p.Prepare) }

// allFrom is the server's form of a place to read or subscribe from.
func allFrom(p eventlog.Position) client.AllPosition {
	if p.IsZero() {
		return client.Start{}
	}
	commit, prepare := p.Halves()
	return client.Position{Commit: commit, Prepare: prepare}
}

// ours says that an event is not EventStoreDB's own.
func ours(stream, eventType string) bool {
	return !strings.HasPrefix(stream, reserved) && !strings.HasPrefix(eventType, reserved)
}

func recordedOf(e *client.RecordedEvent) eventlog.Recorded {
	return eventlog.Recorded{
		Event: eventlog.Event{
			ID: eventlog.ID(e.EventID), Type: e.EventType, Data: e.Data, Metadata: e.UserMetadata,
			Opaque: e.ContentType != jsonContent,
		},
		Stream: e.StreamID, Revision: eventlog.Revision(e.EventNumber), Position: positionOf(e.Position), RecordedAt: e.CreatedDate,
	}
}

// next receives the next event of a read; false at its end.
func next(events *client.ReadStream) (*client.ResolvedEvent, bool, error) {
	e, err := events.Recv()
	switch {
	case errors.Is(err, io.EOF):
		return nil, false, nil
	case err != nil:
		return nil, false, err
	case e.OriginalEvent() == nil:
		return nil, false, errUnexpected
	}
	return e, true, nil
}
