package projections

import (
	"encoding/binary"
	"testing"

	"github.com/hooklog/hooklog/domain"
)

func TestTheRowsOfAGenerationAreHeldAndTwoAtMost(t *testing.T) {
	x := newRecent()
	touch := func(n int, state domain.DeliveryState, removed bool) domain.DeliveryID {
		r := &row{id: domain.DeliveryID{1}, Delivery: domain.Delivery{State: state}}
		binary.BigEndian.PutUint64(r.id[8:], uint64(n))
		x.put([]*touchedRow{{row: r, removed: removed}})
		return r.id
	}
	var ids []domain.DeliveryID
	for n := range 3 * recentRows {
		ids = append(ids, touch(n, domain.Scheduled, false))
	}
	for n, id := range ids {
		held := x.get(id) != nil
		if n >= 2*recentRows && !held {
			t.Fatalf("row %d of %d is not held", n, len(ids))
		}
		if n < recentRows && held {
			t.Fatalf("row %d of %d is still held", n, len(ids))
		}
	}
	last := len(ids) - 1
	touch(last, domain.Scheduled, true)
	if x.get(ids[last]) != nil {
		t.Error("a removed row is held")
	}
	for n, state := range map[int]domain.DeliveryState{last - 1: domain.Succeeded, 2*recentRows - 2: domain.Dead} {
		touch(n, state, false)
		if x.get(ids[n]) != nil {
			t.Errorf("the row of a delivery that is %s is held", state)
		}
	}
	touch(2*recentRows-1, domain.Scheduled, false) // of the old generation, again
	seen := map[domain.DeliveryID]bool{}
	for r := range x.all() {
		if seen[r.id] {
			t.Fatalf("%s is yielded twice", r.id)
		}
		seen[r.id] = true
	}
	if len(seen) < recentRows || len(seen) > 2*recentRows {
		t.Errorf("%d rows are held", len(seen))
	}
}
