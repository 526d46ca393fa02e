package projections

import (
	"context"
	"errors"
	"fmt"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// Simulate replays what the log holds under another policy. It walks the log from its beginning to the window's end and
// somewhat further, and the window's part of it a second time; nothing is appended or sent. It fails when ctx ends, and
// with a *domain.Error if the request breaks a rule.
func Simulate(ctx context.Context, feed eventlog.Feed, codec *domain.Codec, r domain.SimulationRequest) (domain.SimulationReport, error) {
	if err := r.Check(); err != nil {
		return domain.SimulationReport{}, err
	}
	w := simulationWalk{simulation: domain.NewSimulation(r), feed: feed, codec: codec}
	if err := w.observe(ctx); err != nil {
		return domain.SimulationReport{}, fmt.Errorf("gather how receivers answered: %w", err)
	}
	if err := w.replay(ctx); err != nil {
		return domain.SimulationReport{}, fmt.Errorf("replay the log: %w", err)
	}
	return w.simulation.Report(), nil
}

// Simulate replays what this node's log holds under another policy, as the function does. It asks no read model.
func (x *Fold) Simulate(ctx context.Context, r domain.SimulationRequest) (domain.SimulationReport, error) {
	return Simulate(ctx, x.Feed, x.Codec, r)
}

// simulationWalk takes a simulation through the log.
type simulationWalk struct {
	simulation *domain.Simulation
	feed       eventlog.Feed
	codec      *domain.Codec
	// The second walk goes from after before to last. before is the last place at which the first walk had not begun.
	before, last eventlog.Position
}

func (w *simulationWalk) observe(ctx context.Context) error {
	for e, err := range w.feed.ReadAll(ctx, eventlog.Position{}) {
		if err := errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		goesOn, err := w.observeOne(e)
		if err != nil || !goesOn {
			return err
		}
		w.last = e.Position
	}
	return nil
}

// observeOne hands one event to the simulation. A message that begins the window may stand before the first fact that
// is observed in it: so the second walk begins after the last fact that was observed before.
func (w *simulationWalk) observeOne(e eventlog.Recorded) (goesOn bool, err error) {
	if !w.simulation.Observes(e.Type) {
		return true, nil
	}
	p, ok, err := w.place(e)
	if err != nil {
		return false, err
	}
	if ok && !w.simulation.Observe(p) {
		return false, nil
	}
	if !w.simulation.Begun() {
		w.before = e.Position
	}
	return true, nil
}

func (w *simulationWalk) replay(ctx context.Context) error {
	if w.last.IsZero() {
		return nil
	}
	for e, err := range w.feed.ReadAll(ctx, w.before) {
		if err := errors.Join(err, ctx.Err()); err != nil {
			return err
		}
		if e.Position.After(w.last) {
			return nil
		}
		if !w.simulation.Replays(e.Type) {
			continue
		}
		p, ok, err := w.place(e)
		if err != nil {
			return err
		}
		if ok {
			w.simulation.Replay(p)
		}
	}
	return nil
}

// place decodes a fact. What a fold would pass over is passed over.
func (w *simulationWalk) place(e eventlog.Recorded) (p domain.PlacedFact, ok bool, err error) {
	f, m, err := w.codec.Decode(placeOf(&e), e.Type, e.Data, e.Metadata)
	if domain.Skippable(err) {
		return p, false, nil
	}
	if err != nil {
		return p, false, fmt.Errorf("the event at %s of %s: %w", e.Position, e.Stream, err)
	}
	return domain.PlacedFact{Fact: f, Meta: m, Stream: e.Stream, Revision: uint64(e.Revision)}, true, nil
}
