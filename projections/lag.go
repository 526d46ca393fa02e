package projections

import (
	"context"
	"time"

	"github.com/hooklog/hooklog/eventlog"
)

// What a fold holds is as good as the log's last word. So the log is asked for its head all the time, and once everything
// up to that head is folded, the fold is proven to be current as of the time of asking. A log that says nothing any more,
// a subscription that stands still and a fold that cannot keep up all show in the same way: the last proof grows old.

const (
	// askEvery is how often the log is asked, askPatience how long for an answer.
	askEvery    = 500 * time.Millisecond
	askPatience = 5 * time.Second
	// fresh is how old a proof may be while nothing is wrong.
	fresh = 2 * time.Second
	// unproven is how far behind a fold is at least that has not been at the head since it began. Until then there are
	// only the times of facts, which are of their writers' clocks.
	unproven = time.Minute
)

// Lag is how old what is not yet folded may be: the time since it was last proven, by an answer of the log, that nothing
// was missing; 0 while the proof is at most 2 s old. It grows with a clock that nobody sets. A fold that was not at the
// head since Run began is a minute behind at least.
func (x *Fold) Lag() time.Duration { return x.progress.lag(x.Now()) }

// lag takes the time of the clock that facts are timed by.
func (p *progress) lag(now time.Time) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.current.IsZero() && p.lastAt.IsZero():
		return unproven
	case p.current.IsZero():
		return max(unproven, now.Sub(p.lastAt))
	}
	if behind := time.Since(p.current); behind > fresh {
		return behind
	}
	return 0
}

// prove notes that everything which was recorded by a time is folded.
func (p *progress) prove(asOf time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.current = asOf
}

// proveCurrent asks and folds on until ctx ends. Failures need no telling: while they last, the lag grows.
func (x *Fold) proveCurrent(ctx context.Context) {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for ctx.Err() == nil {
		asked := time.Now()
		if head, err := x.ask(ctx); err == nil && x.progress.wait(ctx, head) == nil {
			x.progress.prove(asked)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
}

// ask asks the log for its head.
func (x *Fold) ask(ctx context.Context) (head eventlog.Position, err error) {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	return x.Feed.Head(ctx)
}
