package projections

import (
	"context"
	"fmt"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// Moment is a place in the past that is asked for: a position in the log, or a time. As of a position is what all facts
// not after it make; as of a time is what those facts make whose own time is not after it, in each stream. Facts that
// were recorded at the same time by several nodes have the times of those nodes' clocks, so only a position is a place
// at which everybody agrees.
type Moment struct {
	Position eventlog.Position
	// Time, unless zero, counts instead of Position.
	Time time.Time
}

// presentMoment is the one at which all that was recorded had happened.
var presentMoment = Moment{Position: afterAll}

// ParseMoment reads an RFC 3339 time of the years 1 to 9999, or a position as answers spell it. Anything else is refused
// with BadCursor.
func ParseMoment(s string) (Moment, error) {
	if p, err := eventlog.ParsePosition(s); err == nil && !p.IsZero() {
		return Moment{Position: p}, nil
	}
	t, err := time.Parse(time.RFC3339, s)
	if err != nil || t.IsZero() || t.UTC().Year() < 1 || t.UTC().Year() > 9999 {
		return Moment{}, domain.Refuse(domain.BadCursor, "a moment is a time such as 2026-01-30T14:30:00Z or a position that an answer gave")
	}
	return Moment{Time: t}, nil
}

// String returns what ParseMoment reads.
func (m Moment) String() string {
	if m.Time.IsZero() {
		return m.Position.String()
	}
	return m.Time.UTC().Format(time.RFC3339Nano)
}

// holds reports whether a fact at a place and of a time had happened.
func (m Moment) holds(at eventlog.Position, when time.Time) bool {
	if m.Time.IsZero() {
		return !at.After(m.Position)
	}
	return !when.After(m.Time)
}

// after is the first place that does not need to be looked at; zero means the head.
func (m Moment) after() eventlog.Position {
	if !m.Time.IsZero() {
		return eventlog.Position{}
	}
	high, low := m.Position.Halves()
	if low+1 == 0 {
		return eventlog.PositionOf(high+1, 0)
	}
	return eventlog.PositionOf(high, low+1)
}

// Reach waits until this node has folded everything that belongs to a moment: up to a position, or, for a time, up to
// where the log ends now. A time after this node's clock is refused with Invalid. It fails with ctx's error if that ends
// first.
func (x *Fold) Reach(ctx context.Context, m Moment) error {
	to := m.Position
	if !m.Time.IsZero() {
		if m.Time.After(x.Now()) {
			return domain.RefuseFields(domain.FieldError{Field: "at", Message: "must not be in the future"})
		}
		head, err := x.Feed.Head(ctx)
		if err != nil {
			return fmt.Errorf("find the head of the log: %w", err)
		}
		to = head
	}
	return x.WaitFor(ctx, to)
}
