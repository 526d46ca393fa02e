package projections

import (
	"maps"
	"sync"
)

// mismatches counts by projection what was found to be other than the log says.
type mismatches struct {
	mu     sync.Mutex
	counts map[string]uint64
}

func newMismatches() *mismatches {
	m := &mismatches{counts: map[string]uint64{}}
	for _, p := range table {
		m.counts[p.name] = 0
	}
	return m
}

func (m *mismatches) add(name string, n uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts[name] += n
}

// Mismatches counts, by projection and since the start of this process, the rows and what is held in memory that the
// continuous reconcile and Verify found to be other than the log says. Every projection has a count.
func (x *Fold) Mismatches() map[string]uint64 {
	x.mismatches.mu.Lock()
	defer x.mismatches.mu.Unlock()
	return maps.Clone(x.mismatches.counts)
}
