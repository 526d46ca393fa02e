package projections

import "time"

// The states of a projection.
const (
	StateLive       = "live"
	StateCatchingUp = "catching_up"
	StateRebuilding = "rebuilding"
)

// ProjectionState is how one projection stands.
type ProjectionState struct {
	Name    string
	Version int
	// State is StateRebuilding while it is folded again; else StateLive at the head of the log, StateCatchingUp before.
	State string
	// Lag is how old what is not yet folded may be.
	Lag time.Duration
	// With are the projections that are switched together with it when it is rebuilt.
	With []string
	// Rebuild is the rebuild that runs or, since the start of this process, ran last; nil if there was none.
	Rebuild *RebuildProgress
}

// State tells how every projection stands. Those that are served are fed together, so they stand alike.
func (x *Fold) State() []ProjectionState {
	state, lag := StateCatchingUp, x.Lag()
	if x.Live() {
		state = StateLive
	}
	r := &x.rebuilds
	r.mu.Lock()
	defer r.mu.Unlock()
	var states []ProjectionState
	for _, p := range table {
		s := ProjectionState{Name: p.name, Version: p.version, State: state, Lag: lag, With: p.with()}
		if last, ok := r.last[p.part]; ok {
			s.Rebuild = &last
		}
		if r.job != nil && r.job.wanted[p.part] {
			running := x.tell(r.job)
			s.State, s.Rebuild = StateRebuilding, &running
		}
		states = append(states, s)
	}
	return states
}

// with are the other projections of the same part.
func (p projection) with() (names []string) {
	for _, other := range table {
		if other.part == p.part && other.name != p.name {
			names = append(names, other.name)
		}
	}
	return names
}
