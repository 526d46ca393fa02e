package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"text/tabwriter"
	"time"
)

// unbounded is a rebuild's rate that nothing reaches.
const unbounded = "100000000"

// starts is how often starting is measured.
const starts = 3

// refolded is what it took to fold a log again.
type refolded struct {
	// live and beside are facts a second: folded at the start, by all processors, and folded beside the served read
	// models, by a rebuild without a bound.
	live, beside float64
	// memory are the highest resident sizes, in bytes, of both.
	liveMemory, besideMemory int64
	// start are the times from exec to ready, in seconds, with the read models there.
	start []float64
	// log and models are bytes on disk.
	log, models int64
}

// tellRefolding starts servers on both logs, whose read models have everything to fold. They run when it returns.
func (b *bench) tellRefolding(ctx context.Context, both ...*grown) error {
	fmt.Fprintf(b.out, "\nThe standard mix: a message of %d bytes to one subscription of %d, and its one attempt, of which 1 in %d failed; written by the\n"+
		"write side. Starting: from exec to /readyz 200, %d times.\n\n", payloadSize, mixSubscriptions, mixFailures, starts)
	w := tabwriter.NewWriter(b.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "facts\twritten/s\tfolded at the start, facts/s\tMiB at most\trebuilt beside, facts/s\tMiB at most\tstart, s\tlog, B/delivery\tread models, B/delivery")
	for _, g := range both {
		r, err := g.refold(ctx)
		if err != nil {
			return fmt.Errorf("fold the %s log again: %w", g.name, err)
		}
		deliveries := int64(g.facts / factsPerMessage)
		fmt.Fprintf(w, "%d\t%.0f\t%.0f\t%d\t%.0f\t%d\t%s\t%d\t%d\n", g.facts, g.written, r.live, r.liveMemory>>20, r.beside, r.besideMemory>>20,
			spreadOf(r.start).format("%.2f"), r.log/deliveries, r.models/deliveries)
	}
	return w.Flush()
}

// refold folds everything at the start, measures starting with it folded, and rebuilds all read models.
func (g *grown) refold(ctx context.Context) (r refolded, err error) {
	began := time.Now()
	if err := g.start(ctx); err != nil {
		return r, err
	}
	took, err := g.folded(ctx, began)
	if err != nil {
		return r, err
	}
	r.live = float64(g.facts) / took.Seconds()
	if _, r.liveMemory, err = g.memory(); err != nil {
		return r, err
	}
	for range starts {
		took, err := g.startAgain(ctx)
		if err != nil {
			return r, err
		}
		r.start = append(r.start, took.Seconds())
	}
	kept := g.more
	defer func() { g.more = kept }()
	g.more = append(kept[:len(kept):len(kept)], "--rebuild-rate", unbounded)
	if _, err := g.startAgain(ctx); err != nil {
		return r, err
	}
	if r.beside, err = g.rebuildAll(ctx); err != nil {
		return r, err
	}
	if _, r.besideMemory, err = g.memory(); err != nil {
		return r, err
	}
	if _, err := g.startAgain(ctx); err != nil {
		return r, err
	}
	r.log, err = diskOf(filepath.Join(g.dir, "log"))
	models, failed := diskOf(filepath.Join(g.dir, "projections"))
	r.models = models
	return r, errors.Join(err, failed)
}

// startAgain starts the running server again, and tells how long it took to be ready.
func (s *server) startAgain(ctx context.Context) (time.Duration, error) {
	if err := s.stop(); err != nil {
		return 0, err
	}
	began := time.Now()
	err := s.start(ctx)
	return time.Since(began), err
}

// folded waits until the server's fold is at the head of the log.
func (s *server) folded(ctx context.Context, began time.Time) (time.Duration, error) {
	for {
		live, err := s.live(ctx)
		if err != nil || live {
			return time.Since(began), err
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return 0, err
		}
	}
}

// rebuildAll rebuilds all read models and tells how many facts a second that were.
func (s *server) rebuildAll(ctx context.Context) (factsPerSecond float64, err error) {
	if err := s.call(ctx, "/api/v1/projections/rebuild", nil, nil); err != nil {
		return 0, err
	}
	for {
		r, err := s.rebuildOf(ctx)
		if err != nil {
			return 0, err
		}
		switch r.State {
		case "switched":
			return r.FactsPerSecond, nil
		case "running":
		default:
			return 0, fmt.Errorf("the rebuild ended: %s", r.State)
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return 0, err
		}
	}
}

// rebuildState is how the rebuild of a projection stands.
type rebuildState struct {
	name           string
	State          string  `json:"state"`
	FactsPerSecond float64 `json:"facts_per_second"`
}

// rebuildOf tells how the latest rebuild of the first projection stands.
func (s *server) rebuildOf(ctx context.Context) (r rebuildState, err error) {
	var list struct {
		Items []struct {
			Name    string        `json:"name"`
			Rebuild *rebuildState `json:"rebuild"`
		} `json:"items"`
	}
	if err := s.request(ctx, http.MethodGet, "/api/v1/projections", nil, &list); err != nil {
		return r, err
	}
	if len(list.Items) == 0 || list.Items[0].Rebuild == nil {
		return r, errors.New("no projection tells of a rebuild")
	}
	r = *list.Items[0].Rebuild
	r.name = list.Items[0].Name
	return r, nil
}
