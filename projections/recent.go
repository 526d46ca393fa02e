package projections

import (
	"encoding/binary"
	"sync"

	"github.com/hooklog/hooklog/domain"
)

// recentSlots bounds the rows kept in memory; a power of two.
const recentSlots = 1 << 15

// recentRows holds the rows committed last, so that the outcome of a delivery just begun is folded without reading the
// store. Each id has one slot; who comes later takes it.
type recentRows struct {
	mu    sync.RWMutex
	slots [recentSlots]*row
}

// slot uses bits of the id that are a hash.
func slot(id domain.DeliveryID) uint32 {
	return binary.BigEndian.Uint32(id[12:]) % recentSlots
}

func (x *recentRows) get(id domain.DeliveryID) *row {
	x.mu.RLock()
	defer x.mu.RUnlock()
	if r := x.slots[slot(id)]; r != nil && r.id == id {
		return r
	}
	return nil
}

// put takes in committed rows, and forgets those that were removed.
func (x *recentRows) put(touched []*touchedRow) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, t := range touched {
		place := &x.slots[slot(t.row.id)]
		switch {
		case !t.removed:
			*place = t.row
		case *place != nil && (*place).id == t.row.id:
			*place = nil
		}
	}
}
