package dispatcher

import (
	"sync"
	"sync/atomic"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// made remembers the attempts that were made here until the fold shows their outcomes, and a moment longer: who looks at a
// delivery before that finds it as it was, and must not attempt it again. Attempts are forgotten by the generation, so that
// remembering one costs no more than its place in a map. Guarded by lanes.mu.
type made struct {
	young, old *generation
}

// generation holds the attempts that ended between two rounds of the sweep.
type generation struct {
	// attempts are the numbers of the last attempts.
	attempts map[domain.DeliveryID]int
	// unrecorded counts those whose outcome is on its way into the log.
	unrecorded atomic.Int64

	mu sync.Mutex
	// last is the greatest position of an outcome. It is set before the outcome is counted as recorded.
	last eventlog.Position
}

// hugeGeneration is the number of attempts from which on a map is made anew, because emptying it costs what it once held.
const hugeGeneration = 1 << 14

func newMade() made { return made{newGeneration(), newGeneration()} }

func newGeneration() *generation { return &generation{attempts: map[domain.DeliveryID]int{}} }

// add remembers a task's attempt. Its outcome is folded, unless it is said to be on its way.
func (m *made) add(t *task, underway bool) {
	m.young.attempts[t.id] = t.known.Attempts + 1
	if underway {
		t.made = m.young
		t.made.unrecorded.Add(1)
	}
}

// stale reports whether a delivery looked at when it had that many attempts has had another one here.
func (m *made) stale(id domain.DeliveryID, attempts int) bool {
	return attempts < max(m.young.attempts[id], m.old.attempts[id])
}

// forget drops an attempt whose outcome could not be recorded.
func (m *made) forget(t *task) { delete(t.made.attempts, t.id) }

// turn forgets the older attempts, if everything that they led to is folded.
func (m *made) turn(folded eventlog.Position) {
	if !m.old.seen(folded) {
		return
	}
	if len(m.old.attempts) > hugeGeneration {
		m.old.attempts = map[domain.DeliveryID]int{}
	}
	clear(m.old.attempts)
	m.young, m.old = m.old, m.young
}

func (g *generation) seen(folded eventlog.Position) bool {
	if g.unrecorded.Load() > 0 {
		return false
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return !g.last.After(folded)
}

// recorded notes where an outcome is in the log; nowhere if it could not be recorded. Anybody may call it.
func (g *generation) recorded(at eventlog.Position) {
	g.mu.Lock()
	if at.After(g.last) {
		g.last = at
	}
	g.mu.Unlock()
	g.unrecorded.Add(-1)
}
