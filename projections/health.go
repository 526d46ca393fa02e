package projections

import (
	"encoding/binary"

	"github.com/hooklog/hooklog/domain"
)

// foldHealth folds an attempt into its subscription's health. A deleted subscription has none any more.
func (x *projector) foldHealth(p placed, id domain.SubscriptionID) error {
	d := x.directory
	s, ok := d.subscriptions[id]
	if !ok || s.state.Deleted {
		return nil
	}
	health := s.health
	switch f := p.fact.(type) {
	case *domain.AttemptSucceeded:
		if health = health.Succeeded(f); s.told != (domain.Told{}) && s.health.Counts(f.Revision) {
			if err := x.tellOfSuccess(p, s, f); err != nil {
				return err
			}
		}
	case *domain.AttemptFailed:
		policy, ok := d.policyOf(s)
		if !ok {
			return nil
		}
		health = health.Failed(f, policy, p.ID.String(), p.meta.At)
		if s.health.Counts(f.Revision) {
			if err := x.tellOfFailure(p, s, f, health, policy); err != nil {
				return err
			}
		}
	}
	if health == s.health {
		return nil
	}
	if health.Limit != nil && s.health.Limit == nil {
		x.batch.limited = true
	}
	d.mu.Lock()
	d.putHealth(id, s, health)
	d.mu.Unlock()
	x.batch.health[id] = s
	return nil
}

func appendHealth(b []byte, h domain.Health) []byte {
	var flags byte
	if h.Off {
		flags |= 1
	}
	if h.Limit != nil {
		flags |= 2
	}
	b = append(b, flags)
	b = binary.AppendUvarint(b, uint64(h.Consecutive))
	b = appendTime(b, h.FailingSince)
	b = binary.AppendUvarint(b, h.Since)
	if h.Limit != nil {
		b = appendString(b, h.Limit.Fact)
		b = appendTime(b, h.Limit.At)
		b = appendString(b, h.Limit.Why)
	}
	return b
}

func parseHealth(value []byte) (domain.Health, error) {
	in := reader{rest: value}
	flags := in.byte()
	h := domain.Health{Off: flags&1 != 0, Consecutive: int(in.number()), FailingSince: in.time(), Since: in.number()}
	if flags&2 != 0 {
		h.Limit = &domain.LimitReached{Fact: in.string(), At: in.time(), Why: in.string()}
	}
	return h, in.end()
}

// Health returns the health of a subscription that is not deleted.
func (x *Fold) Health(id domain.SubscriptionID) domain.Health {
	d := x.now().directory
	d.mu.RLock()
	defer d.mu.RUnlock()
	if s, ok := d.subscriptions[id]; ok {
		return s.health
	}
	return domain.Health{}
}

// LimitedSubscription is an active subscription that failures are to disable, and the lifecycle it had when they were
// counted.
type LimitedSubscription struct {
	ID        domain.SubscriptionID
	Lifecycle uint64
	Limit     domain.LimitReached
}

// AtLimit returns the active subscriptions whose limit of failures is reached.
func (x *Fold) AtLimit() []LimitedSubscription {
	d := x.now().directory
	d.mu.RLock()
	defer d.mu.RUnlock()
	var limited []LimitedSubscription
	for id := range d.limited {
		if s := d.subscriptions[id]; s.state.Active() {
			limited = append(limited, LimitedSubscription{id, s.state.Lifecycle, *s.health.Limit})
		}
	}
	return limited
}

// LimitReached pulses when AtLimit may have grown.
func (x *Fold) LimitReached() <-chan struct{} { return x.limit }
