package dispatcher

import (
	"context"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// How the wall clock is watched. A clock that jumped against the monotonic one makes every due time doubtful: nothing
// is taken on for a while, so that people or NTP can put it right. Nor is anything taken on while the clock is far from
// the log's time, by which all nodes on one log are compared, or before that is known.
const (
	watchEvery    = time.Second
	jumpLimit     = 5 * time.Second
	distanceLimit = 5 * time.Second
	distrust      = time.Minute
	// unknownWait is how long to wait for the first measurement until it is looked for again.
	unknownWait = 10 * time.Millisecond
)

// clockWatch compares the wall clock with the monotonic one, and with the log's.
type clockWatch struct {
	wall     func() time.Time
	distance func() (d time.Duration, known bool) // nil where the log has this machine's clock

	mu      sync.Mutex
	until   time.Time          // not trusted before this monotonic time
	context context.Context    // ends when trust does; nil while there is none
	cancel  context.CancelFunc // of context
}

func newClockWatch(wall func() time.Time, distance func() (time.Duration, bool)) *clockWatch {
	return &clockWatch{wall: wall, distance: distance}
}

// run watches until ctx ends.
func (w *clockWatch) run(ctx context.Context, log zerolog.Logger) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	wall, mono, far := w.wall(), time.Now(), false
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
		far = w.compare(log, nowMono, far)
	}
}

// compare withdraws trust while the clock is far from the log's time, and tells when that begins and ends.
func (w *clockWatch) compare(log zerolog.Logger, now time.Time, was bool) (far bool) {
	d, known := w.toLog()
	if far = known && tooFar(d); far {
		w.lose(now)
	}
	switch {
	case far && !was:
		log.Error().Dur("distance", d).Dur("limit", distanceLimit).Msg("this node's clock is far from the log's time: no attempts until it is put right")
	case was && known && !far:
		log.Warn().Dur("distance", d).Msg("this node's clock agrees with the log's time again")
	case was && !known:
		far = was
	}
	return far
}

func tooFar(d time.Duration) bool { return d > distanceLimit || d < -distanceLimit }

func (w *clockWatch) toLog() (time.Duration, bool) {
	if w.distance == nil {
		return 0, true
	}
	return w.distance()
}

// lose withdraws trust until the given time.
func (w *clockWatch) lose(until time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if until.After(w.until) {
		w.until = until
	}
	if w.cancel != nil {
		w.cancel()
		w.context, w.cancel = nil, nil
	}
}

// ok reports whether the clock can be trusted now.
func (w *clockWatch) ok() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.waitLocked() <= 0
}

// waitLocked is how long to wait until it is worth asking again whether the clock can be trusted; 0 if it can.
func (w *clockWatch) waitLocked() time.Duration {
	d, known := w.toLog()
	switch {
	case !known:
		return unknownWait
	case tooFar(d):
		return watchEvery
	}
	return max(0, time.Until(w.until))
}

// trusted waits until the clock can be trusted and returns a context that ends when it no longer can, or with ctx.
func (w *clockWatch) trusted(ctx context.Context) (context.Context, error) {
	for {
		w.mu.Lock()
		wait := w.waitLocked()
		if wait == 0 {
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
