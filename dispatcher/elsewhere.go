package dispatcher

import (
	"sync"
	"time"

	"github.com/hooklog/hooklog/domain"
)

// elsewhere remembers the retries that this node offered and that another one may have been handed: room is kept for them in
// their lanes, and given back once the fold shows what came of them. Without that a node would keep room for ten seconds for
// most of what it offers, and offer only so much.
type elsewhere struct {
	mu      sync.Mutex
	offered map[domain.DeliveryID]offeredRetry
}

type offeredRetry struct {
	lane     *lane
	of       domain.DeliveryOf
	attempts int
	at       time.Time
}

func (e *elsewhere) add(l *lane, known domain.Delivery) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.offered == nil {
		e.offered = map[domain.DeliveryID]offeredRetry{}
	}
	e.offered[known.Of.ID()] = offeredRetry{l, known.Of, known.Attempts, time.Now()}
}

// take removes the retries of which settled is true, and those for which room is kept no longer, and returns the former.
func (e *elsewhere) take(settled func(offeredRetry) bool) []offeredRetry {
	e.mu.Lock()
	defer e.mu.Unlock()
	var taken []offeredRetry
	now := time.Now()
	for id, o := range e.offered {
		done := settled(o)
		if done {
			taken = append(taken, o)
		}
		if done || now.Sub(o.at) >= reservedFor {
			delete(e.offered, id)
		}
	}
	return taken
}

// settleElsewhere gives back the room of retries that were attempted, here or on another node.
func (d *Dispatcher) settleElsewhere() {
	settled := d.elsewhere.take(func(o offeredRetry) bool {
		known, found, err := d.Fold.Delivery(o.of)
		return err == nil && (!found || !known.Open() || known.Attempts > o.attempts)
	})
	for _, o := range settled {
		d.lanes.release(o.lane, o.of.ID(), false)
	}
	if len(settled) > 0 {
		pulse(d.lanes.roomMade)
	}
}
