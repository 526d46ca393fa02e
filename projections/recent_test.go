package projections

import (
	"encoding/binary"
	"testing"

	"github.com/hooklog/hooklog/domain"
)

func TestTheRowsOfAGenerationAreHeldAndTwoAtMost(t *testing.T) {
	x := newRecent()
	touch := func(n int, removed bool) domain.DeliveryID {
		r := &row{id: domain.DeliveryID{1}}
		binary.BigEndian.PutUint64(r.id[8:], uint64(n))
		x.put([]*touchedRow{{row: r, removed: removed}})
		return r.id
	}
	var ids []domain.DeliveryID
	for n := range 3 * recentRows {
		ids = append(ids, touch(n, false))
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
	touch(last, true)
	if x.get(ids[last]) != nil {
		t.Error("a removed row is held")
	}
	touch(2*recentRows-1, false) // of the old generation, again
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
