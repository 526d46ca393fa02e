package projections

import (
	"context"
	"iter"

	"github.com/hooklog/hooklog/eventlog"
)

// written is a feed of what a scribe wrote, for who only reads all of it.
type written struct {
	eventlog.Feed
	events []eventlog.Recorded
}

// ReadAll yields the events after a position.
func (w written) ReadAll(_ context.Context, after eventlog.Position) iter.Seq2[eventlog.Recorded, error] {
	return func(yield func(eventlog.Recorded, error) bool) {
		for _, e := range w.events {
			if e.Position.After(after) && !yield(e, nil) {
				return
			}
		}
	}
}
