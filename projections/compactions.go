package projections

import (
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

const (
	// heldRuns is how many runs are gathered before they are merged while the past is folded. A merge reads and writes again
	// what the level below holds, however few the runs are that come to it, so the more of them the cheaper; but who looks
	// for a row looks into every one, and each is a table to keep open.
	heldRuns = 48
	// factsPerLookup is how many facts there are to a row that is looked for, at least, for the gathering to pay.
	factsPerLookup = 16
)

// compactions lets Pebble merge runs as it does of itself, except while that is held back.
type compactions struct {
	// ConcurrencyLimitScheduler is Pebble's own but for a timer, which is only of use where others compete for the disk.
	*pebble.ConcurrencyLimitScheduler
	held *atomic.Bool
}

func newCompactions() compactions {
	return compactions{pebble.NewConcurrencyLimitSchedulerWithNoPeriodicGrantingForTest(), new(atomic.Bool)}
}

// Register implements [pebble.CompactionScheduler].
func (c compactions) Register(goroutines int, db pebble.DBForCompaction) {
	c.ConcurrencyLimitScheduler.Register(goroutines, heldBack{db, c.held})
}

// heldBack allows no merge while merges are held back. Those under way go on.
type heldBack struct {
	pebble.DBForCompaction
	held *atomic.Bool
}

// GetAllowedWithoutPermission implements [pebble.DBForCompaction].
func (d heldBack) GetAllowedWithoutPermission() int {
	if d.held.Load() {
		return 0
	}
	return d.DBForCompaction.GetAllowedWithoutPermission()
}

// letGo holds merges back no longer, and begins with the one that waits.
func (c compactions) letGo() {
	if !c.held.Swap(false) {
		return
	}
	if ok, handle := c.TrySchedule(); ok {
		handle.Done() // the place that was taken is given to the merge that waits, if any
	}
}

// holdMerges holds merges back as long as there are fewer than heldRuns runs and few rows are looked for. Whoever folds the
// past calls it again and again, with how many facts it has folded since, and lets them go in the end.
func (s *store) holdMerges(facts int) {
	now, runs := s.sought.Load(), s.Metrics().Levels[0].Sublevels
	sought := now - s.folded.Swap(now)
	switch {
	case runs >= heldRuns || sought*factsPerLookup > int64(facts):
		s.compactions.letGo()
	case runs < heldRuns/2:
		s.compactions.held.Store(true)
	}
}
