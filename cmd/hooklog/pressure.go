package main

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

const (
	// pressureInterval is how long an answer about backlog and disk stays good: asking for each message would cost more.
	pressureInterval = 100 * time.Millisecond
	backlogRetry     = 5 * time.Second
	diskRetry        = 30 * time.Second
)

// pressure refuses publishing while too many first attempts wait or the disk is short. It is safe for concurrent use.
type pressure struct {
	backlog    func() int
	maxBacklog int
	free       func() (uint64, error)
	minFree    uint64

	last atomic.Pointer[verdict]
}

// verdict is an answer and when it was found.
type verdict struct {
	at     time.Time
	reason string
	retry  time.Duration
}

// Refuse says whether and why publishing is refused now, and when it is worth another try.
func (p *pressure) Refuse() (reason string, retryAfter time.Duration, refuse bool) {
	v := p.last.Load()
	if now := time.Now(); v == nil || now.Sub(v.at) >= pressureInterval {
		v = p.judge(now)
		p.last.Store(v)
	}
	return v.reason, v.retry, v.reason != ""
}

func (p *pressure) judge(now time.Time) *verdict {
	if waiting := p.backlog(); p.maxBacklog > 0 && waiting > p.maxBacklog {
		return &verdict{now, fmt.Sprintf("%d deliveries wait for their first attempt; publishing is refused past %d", waiting, p.maxBacklog), backlogRetry}
	}
	free, err := p.free()
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return &verdict{at: now} // the log itself keeps its own reserve
	case err != nil:
		return &verdict{now, "the free space of the disk cannot be told", diskRetry}
	case free < p.minFree:
		return &verdict{now, "the disk is short of space", diskRetry}
	}
	return &verdict{at: now}
}
