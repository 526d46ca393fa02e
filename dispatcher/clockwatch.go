package dispatcher

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// How the wall clock is watched. A clock that jumped against the monotonic one makes every due time doubtful: nothing
// is taken on for a while, so that people or NTP can put it right.
const (
	watchEvery = time.Second
	jumpLimit  = 5 * time.Second
	distrust   = time.Minute
)

// clockWatch compares the wall clock with the monotonic one.
type clockWatch struct {
	wall func() time.Time

	mu      sync.Mutex
	until   time.Time          // not trusted before this monotonic time
	context context.Context    // ends when trust does; nil while there is none
	cancel  context.CancelFunc // of context
}

func newClockWatch(wall func() time.Time) *clockWatch { return &clockWatch{wall: wall} }

// run watches until ctx ends.
func (w *clockWatch) run(ctx context.Context, log zerolog.Logger) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	wall, mono := w.wall(), time.Now()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		nowWall, nowMono := w.wall(), time.Now()
		if jump := nowWall.Sub(wall) - nowMono.Sub(mono); jump > jumpLimit || jump < -jumpLimit {
			log.Error().Dur("jump", jump).Dur("pause", distrust).Msg("the clock jumped: no attempts until it has stood for a while")
			w.lose(nowMono.Add(distrust))
		}
		wall, mono = nowWall, nowMono
	}
}

// lose withdraws trust until the given time.
func (w *clockWatch) lose(until time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.until = until
	if w.cancel != nil {
		w.cancel()
		w.context, w.cancel = nil, nil
	}
}

// ok reports whether the clock can be trusted now.
func (w *clockWatch) ok() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return !time.Now().Before(w.until)
}

// trusted waits until the clock can be trusted and returns a context that ends when it no longer can, or with ctx.
func (w *clockWatch) trusted(ctx context.Context) (context.Context, error) {
	for {
		w.mu.Lock()
		wait := time.Until(w.until)
		if wait <= 0 {
			if w.context == nil || w.context.Err() != nil {
				w.context, w.cancel = context.WithCancel(ctx)
			}
			trusted := w.context
			w.mu.Unlock()
			return trusted, nil
		}
		w.mu.Unlock()
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(wait):
		}
	}
}
