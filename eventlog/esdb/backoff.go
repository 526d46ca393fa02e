package esdb

import (
	"context"
	"math/rand/v2"
	"time"
)

// Pauses between attempts: they double from the first to the longest.
const (
	firstPause   = 50 * time.Millisecond
	longestPause = 2 * time.Second
)

// backoff makes the pauses between attempts. Its zero value begins with the first.
type backoff struct{ pause time.Duration }

// next returns between half and the whole of the pause that is due, so that many who wait do not come back together.
func (b *backoff) next() time.Duration {
	b.pause = min(max(2*b.pause, firstPause), longestPause)
	return b.pause/2 + rand.N(b.pause/2)
}

func (b *backoff) reset() { b.pause = 0 }

// wait pauses. It fails if ctx ends first.
func (b *backoff) wait(ctx context.Context) error {
	t := time.NewTimer(b.next())
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
