package projections

import (
	"iter"
	"maps"
	"sync"

	"github.com/hooklog/hooklog/domain"
)

// recentRows is how many rows one generation of the recent ones holds.
const recentRows = 16 << 10

// recent holds those of the rows committed last whose deliveries have no end, at least recentRows of them and less than
// twice as many, so that the outcome of a delivery just begun is folded without reading the store: of one that has ended
// hardly anything is folded any more. It forgets a whole generation at a time.
type recent struct {
	mu         sync.RWMutex
	young, old map[domain.DeliveryID]*row
}

func newRecent() *recent { return &recent{young: map[domain.DeliveryID]*row{}} }

func (x *recent) get(id domain.DeliveryID) *row {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if r := x.young[id]; r != nil {
		return r
	}
	return x.old[id]
}

// put takes in committed rows, and forgets those that were removed or whose deliveries ended.
func (x *recent) put(touched []*touchedRow) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, t := range touched {
		if t.removed || !t.row.Open() {
			delete(x.young, t.row.id)
			delete(x.old, t.row.id)
			continue
		}
		if len(x.young) >= recentRows {
			x.young, x.old = make(map[domain.DeliveryID]*row, recentRows), x.young
		}
		x.young[t.row.id] = t.row
	}
}

// all yields every row that is held, as it stands.
func (x *recent) all() iter.Seq[*row] {
	return func(yield func(*row) bool) {
		x.mu.RLock()
		defer x.mu.RUnlock()
		for r := range maps.Values(x.young) {
			if !yield(r) {
				return
			}
		}
		for id, r := range x.old {
			if x.young[id] == nil && !yield(r) {
				return
			}
		}
	}
}
