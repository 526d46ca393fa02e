package projections

import (
	"errors"
	"maps"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// errMisplaced means that a fact makes no sense where it stands: on another stream, or of a thing that is not there.
var errMisplaced = errors.New("a fact that makes no sense at its place")

// skipTold is how long the log keeps quiet after telling of a skipped event for a reason.
const skipTold = time.Minute

// skips counts the events that were passed over since the start.
type skips struct {
	mu     sync.Mutex
	counts map[string]uint64
	told   map[string]time.Time
}

func skipReason(err error) string {
	switch {
	case errors.Is(err, domain.ErrForeign):
		return "foreign"
	case errors.Is(err, domain.ErrForged):
		return "forged"
	case errors.Is(err, domain.ErrMalformed):
		return "malformed"
	}
	return "misplaced"
}

// note counts an event and now and then tells of it. Foreign events are nobody's fault and are only counted.
func (x *skips) note(r *eventlog.Recorded, err error, now time.Time, logger zerolog.Logger) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.counts == nil {
		x.counts, x.told = map[string]uint64{}, map[string]time.Time{}
	}
	reason := skipReason(err)
	x.counts[reason]++
	if last, ever := x.told[reason]; reason == "foreign" || ever && now.Sub(last) < skipTold {
		return
	}
	x.told[reason] = now
	logger.Warn().Err(err).Str("stream", r.Stream).Stringer("position", r.Position).Str("type", r.Type).
		Uint64("since_start", x.counts[reason]).Msg("an event was passed over")
}

func (x *skips) snapshot() map[string]uint64 {
	x.mu.Lock()
	defer x.mu.Unlock()
	return maps.Clone(x.counts)
}
