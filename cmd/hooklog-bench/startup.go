package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/hooklog/hooklog/eventlog/embedded"
)

// topUpStep is how long batches are published before the log's length is looked at again.
const topUpStep = 4 * time.Second

// measureStart fills the log up to the wanted number of facts with deliveries, and measures how long the program takes
// from being executed to being ready: with its projections, and without them, so that all are folded again.
func (b *bench) measureStart(ctx context.Context) error {
	if b.facts == 0 {
		return nil
	}
	_, highest, err := b.server.memory()
	if err != nil {
		return err
	}
	facts, err := b.fill(ctx)
	if err != nil {
		return err
	}
	var warm []float64
	for range 3 {
		took, err := b.startAgain(ctx)
		if err != nil {
			return err
		}
		warm = append(warm, took.Seconds())
	}
	if err := b.server.stop(); err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(b.server.dir, "projections")); err != nil {
		return err
	}
	began := time.Now()
	if err := b.server.start(ctx); err != nil {
		return err
	}
	cold := time.Since(began)
	live, err := b.folded(ctx, began)
	if err != nil {
		return err
	}
	_, rebuilding, err := b.server.memory()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(b.out, "\nStarting at %d facts, from exec to /readyz 200: %s s; without projections: ready after %.2f s, everything folded\n"+
		"after %.2f s (%.0f facts/s). Resident memory at its highest: %d MiB while measuring, %d MiB while folding all again.\n",
		facts, spreadOf(warm).format("%.2f"), cold.Seconds(), live.Seconds(), float64(facts)/live.Seconds(), highest>>20, rebuilding>>20)
	return err
}

// fill publishes batches until the log has the wanted number of facts; the server is stopped afterwards.
func (b *bench) fill(ctx context.Context) (int, error) {
	for {
		if err := b.server.stop(); err != nil {
			return 0, err
		}
		facts, err := b.logLength(ctx)
		if err != nil || facts >= b.facts {
			return facts, err
		}
		if err := b.server.start(ctx); err != nil {
			return 0, err
		}
		p := b.server.publisher(slug, b.key, b.options, 100, 1)
		f, err := measureFlow(ctx, b.receiver, b.server.process, 1, func(run int) (int, error) {
			return p.saturate(ctx, b.receiver, run, topUpStep)
		})
		p.poster.close()
		if err != nil {
			return 0, fmt.Errorf("fill the log: %w", err)
		}
		b.note("filling the log", f)
	}
}

// logLength is how many facts the log of the stopped server holds.
func (b *bench) logLength(ctx context.Context) (int, error) {
	log, err := embedded.Open(filepath.Join(b.server.dir, "log"), embedded.Options{ReadOnly: true, ErrIfMissing: true})
	if err != nil {
		return 0, err
	}
	head, err := log.Head(ctx)
	if closed := log.Close(); err == nil {
		err = closed
	}
	_, n := head.Halves() // The embedded log's positions are dense from 1.
	return int(n), err
}

// startAgain starts the server, stopping it before if it runs, and tells how long it took to be ready.
func (b *bench) startAgain(ctx context.Context) (time.Duration, error) {
	select {
	case <-b.server.ended:
	default:
		if err := b.server.stop(); err != nil {
			return 0, err
		}
	}
	began := time.Now()
	err := b.server.start(ctx)
	return time.Since(began), err
}

// folded waits until the server's fold is at the head of the log.
func (b *bench) folded(ctx context.Context, began time.Time) (time.Duration, error) {
	for {
		live, err := b.server.live(ctx)
		if err != nil || live {
			return time.Since(began), err
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return 0, err
		}
	}
}
