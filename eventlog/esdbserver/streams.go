package esdbserver

import (
	"fmt"
	"strings"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/hooklog/hooklog/eventlog"
)

// streamService is the service Streams.
type streamService struct {
	streams.UnimplementedStreamsServer
	*Server
}

// named is a request's stream.
func named(s *shared.StreamIdentifier) string { return string(s.GetStreamName()) }

// checkStream refuses what is no name of a stream: that includes metadata of metadata and of nothing.
func checkStream(name string) error {
	described, ok := strings.CutPrefix(name, eventlog.MetadataPrefix)
	if ok && (described == "" || strings.HasPrefix(described, eventlog.MetadataPrefix)) {
		return fmt.Errorf("%w: stream %q", eventlog.ErrInvalid, name)
	}
	return eventlog.CheckName("stream", name)
}

// exactly reads a revision that is expected; false if no stream can have it.
func exactly(revision uint64) (eventlog.Expected, bool) {
	e := eventlog.Expected(revision)
	return e, e >= 0
}
