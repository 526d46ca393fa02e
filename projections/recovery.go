package projections

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/hooklog/hooklog/domain"
)

// recoveries holds those that have not ended. The goroutine that folds is the only one that changes it, under mu; it may
// read without.
type recoveries struct {
	mu   sync.RWMutex
	open map[domain.RecoveryID]domain.Recovery
}

func newRecoveries() *recoveries {
	return &recoveries{open: map[domain.RecoveryID]domain.Recovery{}}
}

func recoveryKey(space byte, id domain.RecoveryID) []byte { return append([]byte{space}, id[:]...) }

func (x *projector) foldRecovery(p placed) error {
	id, ok := domain.RecoveryOfStream(p.Stream)
	if !ok {
		return fmt.Errorf("%w: not a recovery's stream", errMisplaced)
	}
	o := x.recoveries
	r, known := o.open[id]
	r.ID = id
	r, err := nextRecovery(r, known, p)
	if err != nil {
		return err
	}
	key := recoveryKey(x.in(recoverySpace), id)
	o.mu.Lock()
	if r.Ended() {
		delete(o.open, id)
	} else {
		o.open[id] = r
	}
	o.mu.Unlock()
	x.batch.recovered = true
	if r.Ended() {
		return x.batch.delete(key)
	}
	return x.writeJSON(key, r)
}

// nextRecovery applies a fact to a recovery that is open or not.
func nextRecovery(r domain.Recovery, open bool, p placed) (domain.Recovery, error) {
	if _, begins := p.fact.(*domain.RecoveryRequested); begins == open || begins != (p.Revision == 0) {
		return r, fmt.Errorf("%w: the recovery is open already, not yet, or no more", errMisplaced)
	}
	next := r.Apply(p.fact, p.meta, uint64(p.Revision))
	if !next.Exists() {
		return r, fmt.Errorf("%w: the recovery of no subscription", errMisplaced)
	}
	return next, nil
}

func (x *models) loadRecoveries() error {
	return x.loadEach(recoverySpace, func(_, value []byte) error {
		var r domain.Recovery
		if err := json.Unmarshal(value, &r); err != nil {
			return fmt.Errorf("%w: %w", errRow, err)
		}
		x.recoveries.open[r.ID] = r
		return nil
	})
}

func (m *models) holdsRecoveries() held {
	h := held{space: recoverySpace, rows: map[string]func() ([]byte, error){}}
	for id, r := range m.recoveries.open {
		h.rows[string(id[:])] = document(r)
	}
	return h
}

func showRecoveryKey(rest []byte) string {
	if len(rest) != idSize {
		return ""
	}
	return "recovery " + domain.RecoveryID(rest).String()
}

// OpenRecoveries returns the recoveries that have not ended, the oldest first.
func (x *Fold) OpenRecoveries() []domain.Recovery {
	o := x.now().recoveries
	o.mu.RLock()
	defer o.mu.RUnlock()
	all := make([]domain.Recovery, 0, len(o.open))
	for _, r := range o.open {
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b domain.Recovery) int { return compareIDs(a.ID, b.ID) })
	return all
}

// RecoveriesChanged pulses when OpenRecoveries has changed.
func (x *Fold) RecoveriesChanged() <-chan struct{} { return x.recoveriesChanged }

// recoveryScan is the most deliveries that are looked at for one page of a recovery.
const recoveryScan = 20_000

// RecoveryPage returns the next deliveries that a recovery may have to see to, at most limit: those in its range that
// ended as it asks for, and those with more rounds than one, which it may have opened before a crash.
func (x *Fold) RecoveryPage(r domain.Recovery, limit int) (page domain.RecoveryPage, err error) {
	scanned := 0
	page.Done = true
	err = x.scanRange(r.Subscription, r.Range(), r.After, func(d domain.Delivery, id domain.DeliveryID) bool {
		if len(page.Deliveries) == limit || scanned == recoveryScan {
			page.Done = false
			return false
		}
		scanned++
		page.After = domain.DeliveryPlace{PublishedAt: d.Of.PublishedAt, Delivery: id}
		if r.Range().Holds(d) || d.Round > 1 {
			page.Deliveries = append(page.Deliveries, d)
		}
		return true
	})
	return page, err
}

// CountRecoverable counts the deliveries of a subscription that are in a range now.
func (x *Fold) CountRecoverable(ctx context.Context, sub domain.SubscriptionID, within domain.RecoveryRange) (n int, err error) {
	scanned := 0
	err = x.scanRange(sub, within, domain.DeliveryPlace{}, func(d domain.Delivery, _ domain.DeliveryID) bool {
		if within.Holds(d) {
			n++
		}
		scanned++
		return scanned%1024 != 0 || ctx.Err() == nil
	})
	return n, errors.Join(err, ctx.Err())
}

// scanRange calls each with the deliveries of a subscription that were published in a range, to the millisecond, after a
// place and in order, until it returns false.
func (x *Fold) scanRange(sub domain.SubscriptionID, within domain.RecoveryRange, place domain.DeliveryPlace, each func(domain.Delivery, domain.DeliveryID) bool) (err error) {
	m := x.reading()
	defer m.done()
	space := m.in(deliverySpace)
	from := appendDeliveryKey(nil, space, sub, within.From.UnixMilli(), domain.DeliveryID{})
	if !place.Delivery.IsZero() {
		from = append(appendDeliveryKey(nil, space, sub, place.PublishedAt.UnixMilli(), place.Delivery), 0)
	}
	to := appendDeliveryKey(nil, space, sub, within.To.UnixMilli()+1, domain.DeliveryID{})
	it, err := m.store.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return fmt.Errorf("list deliveries: %w", err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return fmt.Errorf("list deliveries: %w", err)
		}
		id := domain.DeliveryID(it.Key()[dueKeySize-idSize:])
		r, err := parseRow(sub, id, value)
		if err != nil {
			return err
		}
		if !each(m.view(r), id) {
			return nil
		}
	}
	return it.Error()
}
