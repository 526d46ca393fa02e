package dispatcher

import (
	"context"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/hooklog/hooklog/dispatcher/egress"
	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/webhook"
)

// recipient is what an attempt needs of a subscription, opened.
type recipient struct {
	id       string // the subscription's, as it is written
	revision uint64
	url      string
	// keys are those of the secrets, oldest first. All but the last are good until previousUntil.
	keys          []*webhook.Key
	previousUntil time.Time
	headers       []egress.Field
}

// signing returns the keys of the secrets in force, oldest first.
func (r *recipient) signing(now time.Time) []*webhook.Key {
	if now.Before(r.previousUntil) {
		return r.keys
	}
	return r.keys[len(r.keys)-1:]
}

// recipients keeps opened subscriptions, so that secrets are not opened for every attempt. It holds at most
// maxRecipients and forgets all of them when it is full.
type recipients struct {
	mu sync.RWMutex
	of map[domain.SubscriptionID]*recipient
}

const maxRecipients = 1 << 15

// recipient opens a subscription, or returns it as it was opened at the same revision. Its profile never changes.
func (d *Dispatcher) recipient(ctx context.Context, s domain.Subscription, p *webhook.Profile) (*recipient, error) {
	x := &d.recipients
	x.mu.RLock()
	r := x.of[s.ID]
	x.mu.RUnlock()
	if r != nil && r.revision == s.Revision {
		return r, nil
	}
	r, err := d.open(ctx, s, p)
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

func (d *Dispatcher) open(ctx context.Context, s domain.Subscription, p *webhook.Profile) (*recipient, error) {
	key, err := d.Recorder.DataKey(ctx, s.Organization)
	if err != nil {
		return nil, err
	}
	id := s.ID.String()
	owner := []byte(id)
	r := &recipient{id: id, revision: s.Revision, url: s.URL, previousUntil: s.PreviousUntil}
	all := [][]byte{s.Secret}
	if s.PreviousSecret != nil {
		all = [][]byte{s.PreviousSecret, s.Secret}
	}
	var secrets []string
	for _, sealed := range all {
		secret, err := key.Open(sealed, owner)
		if err != nil {
			return nil, err
		}
		secrets = append(secrets, string(secret))
	}
	if r.keys, err = p.Keys(secrets...); err != nil {
		return nil, err
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
