package http

import (
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/hooklog/hooklog/domain"
)

// window is how long a rate limit counts.
const window = time.Minute

// quota is how a rate limit stands. Its zero value is no limit.
type quota struct {
	limit, remaining int
	// full is the time until the whole limit is there again.
	full time.Duration
}

// headers tells the quota; a key without a limit has no such headers.
func (q quota) headers(h http.Header) {
	if q.limit == 0 {
		return
	}
	h["Ratelimit-Limit"] = []string{strconv.Itoa(q.limit)}
	h["Ratelimit-Remaining"] = []string{strconv.Itoa(q.remaining)}
	h["Ratelimit-Reset"] = []string{strconv.Itoa(q.reset())}
}

// reset is the time until the limit is full again, in whole seconds, rounded up.
func (q quota) reset() int { return int((q.full + time.Second - 1) / time.Second) }

// counted is one window: it begins with its first request.
type counted struct {
	ends time.Time
	used int
}

// windows counts requests against limits, on this node.
type windows struct {
	now func() time.Time

	mu    sync.Mutex
	open  map[string]*counted
	sweep int // the size at which ended windows are dropped
}

func newWindows(now func() time.Time) *windows {
	return &windows{now: now, open: map[string]*counted{}, sweep: 1024}
}

// spend counts one request against whom, if its window has room for it.
func (s *windows) spend(whom string, limit int) (q quota, ok bool) {
	now := s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.open[whom]
	if c == nil {
		c = s.begin(whom, now)
	} else if !now.Before(c.ends) {
		c.ends, c.used = now.Add(window), 0
	}
	if ok = c.used < limit; ok {
		c.used++
	}
	return quota{limit: limit, remaining: max(0, limit-c.used), full: c.ends.Sub(now)}, ok
}

// begin opens a window. Windows that have ended are dropped whenever twice as many as were left last time are there.
func (s *windows) begin(whom string, now time.Time) *counted {
	if len(s.open) >= s.sweep {
		for other, c := range s.open {
			if !now.Before(c.ends) {
				delete(s.open, other)
			}
		}
		s.sweep = max(1024, 2*len(s.open))
	}
	c := &counted{ends: now.Add(window)}
	s.open[whom] = c
	return c
}

// limitOf returns a key's limit a minute and against whom its requests are counted; 0 is no limit.
func (a *API) limitOf(k domain.Key) (whom string, limit int) {
	switch {
	case k.RateLimit > 0:
		return string(k.ID), k.RateLimit
	case k.Partner():
		return k.Organization.String(), a.RateLimit
	}
	return "", 0
}

// spend counts the request against the key's limit and tells how that stands.
func (x *exchange) spend() error {
	whom, limit := x.limitOf(x.key)
	if limit == 0 {
		return nil
	}
	var ok bool
	x.quota, ok = x.windows.spend(whom, limit)
	x.quota.headers(x.w.Header())
	if !ok {
		return refuseUntil(codeTooMany, x.quota.full, "more than %d requests in a minute", limit)
	}
	return nil
}
