package dispatcher

import (
	"context"
	"math"
	"time"

	"golang.org/x/time/rate"

	"github.com/hooklog/hooklog/domain"
)

// pace spreads a subscription's attempts evenly. It is guarded by lanes.mu.
type pace struct {
	bound   domain.Rate
	limiter *rate.Limiter
}

// burstTime is the time whose attempts may begin together, so that a high rate is reached although timers are coarse.
const burstTime = 20 * time.Millisecond

// changed returns the pace for a bound: the same if that is the same, nil if there is none. What was taken stays taken.
func (p *pace) changed(bound domain.Rate) *pace {
	switch {
	case bound.IsZero():
		return nil
	case p != nil && p.bound == bound:
		return p
	}
	limit := rate.Limit(bound.PerSecond())
	burst := max(1, int(bound.PerSecond()*burstTime.Seconds()))
	if p == nil {
		return &pace{bound, rate.NewLimiter(limit, burst)}
	}
	p.limiter.SetLimit(limit)
	p.limiter.SetBurst(burst)
	p.bound = bound
	return p
}

// ready reports whether an attempt may begin; take counts one that does.
func (p *pace) ready(now time.Time) bool { return p.limiter.TokensAt(now) >= 1 }

func (p *pace) take(now time.Time) { p.limiter.AllowN(now, 1) }

// until is how long it takes until the nth attempt from now may begin.
func (p *pace) until(now time.Time, n int) time.Duration {
	missing := float64(n) - p.limiter.TokensAt(now)
	if missing <= 0 {
		return 0
	}
	// Rounded up, so that who waits so long does not find it a hair too early.
	return time.Duration(math.Ceil(missing/p.bound.PerSecond()*1e6)) * time.Microsecond
}

// soon is how many attempts may begin until the clock comes round again. Those of a rate below one a round are offered when
// they may begin.
func (p *pace) soon(now time.Time) int {
	tokens, each := p.limiter.TokensAt(now), p.bound.PerSecond()*clockLongest.Seconds()
	if each < 1 {
		each = 0
	}
	return int(tokens + each)
}

// startPaced returns the tasks that may start now that waited for their lane's pace, and how long it takes until the
// next one may; 0 if none waits for that.
func (x *lanes) startPaced() (next []*task, wait time.Duration) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for l := range x.waiting {
		if l.pace != nil {
			x.markReady(l)
		}
	}
	next = x.startReady()
	now := time.Now()
	for l := range x.waiting {
		if l.pace == nil || l.pace.ready(now) {
			continue // it waits for a slot, which wakes it when it is given back
		}
		if until := l.pace.until(now, 1); wait == 0 || until < wait {
			wait = until
		}
	}
	return next, wait
}

// runPace starts what waited for its lane's pace, when that allows it.
func (d *Dispatcher) runPace(ctx context.Context) {
	for {
		next, wait := d.lanes.startPaced()
		for _, t := range next {
			go d.run(t)
		}
		var due <-chan time.Time
		if wait > 0 {
			due = time.After(wait)
		}
		select {
		case <-ctx.Done():
			return
		case <-due:
		case <-d.lanes.paced:
		}
	}
}
