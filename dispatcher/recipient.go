package dispatcher

import (
	"context"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/hooklog/hooklog/dispatcher/egress"
	"github.com/hooklog/hooklog/domain"
)

// recipient is what an attempt needs of a subscription, opened.
type recipient struct {
	revision uint64
	url      string
	secret   string
	// previous is the secret before, good until previousUntil.
	previous      string
	previousUntil time.Time
	headers       []egress.Field
}

// secrets returns those in force, oldest first.
func (r *recipient) secrets(now time.Time) []string {
	if r.previous != "" && now.Before(r.previousUntil) {
		return []string{r.previous, r.secret}
	}
	return []string{r.secret}
}

// recipients keeps opened subscriptions, so that secrets are not opened for every attempt. It holds at most
// maxRecipients and forgets all of them when it is full.
type recipients struct {
	mu sync.RWMutex
	of map[domain.SubscriptionID]*recipient
}

const maxRecipients = 1 << 15

// recipient opens a subscription, or returns it as it was opened at the same revision.
func (d *Dispatcher) recipient(ctx context.Context, s domain.Subscription) (*recipient, error) {
	x := &d.recipients
	x.mu.RLock()
	r := x.of[s.ID]
	x.mu.RUnlock()
	if r != nil && r.revision == s.Revision {
		return r, nil
	}
	r, err := d.open(ctx, s)
	if err != nil {
		return nil, fmt.Errorf("open the secrets of %s: %w", s.ID, err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.of == nil || len(x.of) >= maxRecipients {
		x.of = map[domain.SubscriptionID]*recipient{}
	}
	x.of[s.ID] = r
	return r, nil
}

func (d *Dispatcher) open(ctx context.Context, s domain.Subscription) (*recipient, error) {
	key, err := d.Recorder.DataKey(ctx, s.Organization)
	if err != nil {
		return nil, err
	}
	owner := []byte(s.ID.String())
	r := &recipient{revision: s.Revision, url: s.URL, previousUntil: s.PreviousUntil}
	secret, err := key.Open(s.Secret, owner)
	if err != nil {
		return nil, err
	}
	r.secret = string(secret)
	if s.PreviousSecret != nil {
		previous, err := key.Open(s.PreviousSecret, owner)
		if err != nil {
			return nil, err
		}
		r.previous = string(previous)
	}
	for _, h := range s.Headers {
		value, err := key.Open(h.Value, owner)
		if err != nil {
			return nil, err
		}
		r.headers = append(r.headers, egress.Field{Name: h.Name, Value: string(value)})
	}
	return r, nil
}

// laneOf finds the lane of a subscription.
func (d *Dispatcher) laneOf(s domain.Subscription) *lane {
	return d.lanes.of(s, d.brake(s.ID))
}

// brake is how many more failures in a row a failing subscription may have before its profile disables it, or -1 if it
// is not failing or there is no such number. With it no attempt is on the wire that the disabling would find superfluous.
func (d *Dispatcher) brake(id domain.SubscriptionID) int {
	p, ok := d.Fold.Policy(id)
	if !ok {
		return -1
	}
	h := d.Fold.Health(id)
	if h.Limit != nil {
		return 0
	}
	limit := p.Profile.DisableRule().ConsecutiveFailures
	if limit == 0 || h.Consecutive == 0 {
		return -1
	}
	return max(1, limit-h.Consecutive)
}

// hostOf returns the host and port of a URL.
func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return raw
	}
	return u.Host
}
