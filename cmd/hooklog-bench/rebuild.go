package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"time"
)

const (
	// rebuildRate is how many messages a second are published while everything is folded again.
	rebuildRate = 500
	// rebuildSeconds is how long each run publishes; rebuildTurns how often each is done, in turn.
	rebuildSeconds = 8
	rebuildTurns   = 6
	// rebuildFacts is how many facts the log needs for a rebuild to outlast a run, at the rate that serve allows it.
	rebuildFacts = 150_000
	// factsPerMessage are a message and its one attempt.
	factsPerMessage = 2
)

// measureRebuild compares what receivers see while all read models are rebuilt with what they see without.
func (b *bench) measureRebuild(ctx context.Context) error {
	if err := b.startAlone(ctx); err != nil {
		return err
	}
	return b.compareRebuild(ctx)
}

// startAlone starts a receiver and Hooklog with one subscription.
func (b *bench) startAlone(ctx context.Context) (err error) {
	if b.receiver, err = startSink(ctx); err != nil {
		return err
	}
	if b.server, err = startHooklog(ctx, b.hooklog, filepath.Join(b.dir, "data")); err != nil {
		return err
	}
	if b.key, err = b.server.organize(ctx, slug, "standard"); err != nil {
		return err
	}
	return b.server.subscribe(ctx, slug, b.receiver.Targets[0]+"/0")
}

func (b *bench) compareRebuild(ctx context.Context) error {
	if err := b.fillRunning(ctx, rebuildFacts); err != nil {
		return err
	}
	fmt.Fprintf(b.out, "\nOne receiver, %d messages a second, %d s a run, at %d facts; with and without a rebuild of all read models, in turn.\n"+
		"Milliseconds from publish to arrival.\n\n", rebuildRate, rebuildSeconds, rebuildFacts)
	var without, with, pairs []float64
	for range rebuildTurns {
		for _, rebuilding := range []bool{false, true} {
			f, facts, err := b.pacedRun(ctx, rebuilding)
			if err != nil {
				return err
			}
			name := "without a rebuild"
			if rebuilding {
				name = fmt.Sprintf("with a rebuild (%.0f facts/s)", facts)
				with = append(with, ms(f.Latency.P99))
				pairs = append(pairs, with[len(with)-1]/without[len(without)-1])
			} else {
				without = append(without, ms(f.Latency.P99))
			}
			b.note(name, f)
			fmt.Fprintf(b.out, "  %-34s p50 %6.2f  p90 %6.2f  p99 %6.2f  greatest %7.2f  CPU %4d µs a delivery  %d lost, %d twice\n", name,
				ms(f.Latency.P50), ms(f.Latency.P90), ms(f.Latency.P99), ms(f.Latency.Max), f.service.Microseconds(), f.Lost, f.Duplicates)
		}
	}
	fmt.Fprintf(b.out, "\np99 with a rebuild %s ms, without %s ms; ratio of the medians %.2f ×, of the pairs %s × (aim: 1.2 ×)\n", spreadOf(with).format("%.2f"),
		spreadOf(without).format("%.2f"), spreadOf(with).median/spreadOf(without).median, spreadOf(pairs).format("%.2f"))
	return nil
}

// topUpStep is how long batches are published before it is looked whether there are enough.
const topUpStep = 4 * time.Second

// fillRunning publishes batches until the running server's log holds about that many facts.
func (b *bench) fillRunning(ctx context.Context, facts int) error {
	for held := 0; held < facts; {
		p := b.server.publisher(slug, b.key, b.options, 100, 1)
		f, err := measureFlow(ctx, b.receiver, b.server.process, 1, func(run int) (int, error) {
			return p.saturate(ctx, b.receiver, run, topUpStep)
		})
		p.poster.close()
		if err != nil {
			return fmt.Errorf("fill the log: %w", err)
		}
		b.note("filling the log", f)
		held += f.messages * factsPerMessage
	}
	return nil
}

// pacedRun publishes at a steady rate. It fails if the rebuild does not outlast it: then it would measure less than it
// says. It returns how fast the rebuild folded.
func (b *bench) pacedRun(ctx context.Context, rebuilding bool) (f figures, factsPerSecond float64, err error) {
	if rebuilding {
		if err := b.server.call(ctx, "/api/v1/projections/rebuild", nil, nil); err != nil {
			return f, 0, err
		}
	}
	p := b.server.publisher(slug, b.key, b.options, 1, 1)
	defer p.poster.close()
	f, err = measureFlow(ctx, b.receiver, b.server.process, 1, func(run int) (int, error) {
		return p.pace(ctx, run, rebuildRate, duration(rebuildSeconds))
	})
	if err != nil || !rebuilding {
		return f, 0, err
	}
	factsPerSecond, err = b.server.endRebuild(ctx)
	return f, factsPerSecond, err
}

// endRebuild cancels the rebuild, which must still run, and tells how fast it was.
func (s *server) endRebuild(ctx context.Context) (factsPerSecond float64, err error) {
	r, err := s.rebuildOf(ctx)
	if err != nil {
		return 0, err
	}
	if r.State != "running" {
		return 0, errors.New("the rebuild was over before the run: the log is too short for this measurement")
	}
	return r.FactsPerSecond, s.request(ctx, http.MethodDelete, "/api/v1/projections/"+r.name+"/rebuild", nil, nil)
}
