package esdbserver

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/hooklog/hooklog/eventlog"
)

// linkType is the type of an event whose data, NUMBER@STREAM, is another event's place.
const linkType = "$>"

// resolver follows links if the client asked for it.
type resolver struct {
	log     eventlog.Streams
	resolve bool
}

// follow looks an event's target up if it is a link. One that leads nowhere is found without an event.
func (r resolver) follow(ctx context.Context, e *eventlog.Recorded) (found, error) {
	if !r.resolve || e.Type != linkType {
		return found{event: e}, nil
	}
	stream, revision, ok := linkTarget(e.Data)
	if !ok {
		return found{link: e}, nil
	}
	for target, err := range r.log.Read(ctx, stream, revision) {
		if err != nil {
			return found{}, fmt.Errorf("follow a link: %w", err)
		}
		if target.Revision == revision {
			return found{event: &target, link: e}, nil
		}
		break
	}
	return found{link: e}, nil
}

func linkTarget(data []byte) (stream string, revision eventlog.Revision, ok bool) {
	number, stream, ok := strings.Cut(string(data), "@")
	n, err := strconv.ParseUint(number, 10, 63)
	return stream, eventlog.Revision(n), ok && err == nil && stream != ""
}

func linkTo(e *eventlog.Recorded) []byte { return fmt.Appendf(nil, "%d@%s", e.Revision, e.Stream) }
