package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

const (
	// healthy is how many receivers answer at once.
	healthy = 10
	// hanging is how long the other ones take over every request.
	hanging = 10 * time.Second
	// isolationRate is how many messages a second are published.
	isolationRate = 200
	// isolationTime is how long each run publishes; isolationTurns how often each is done, in turn.
	isolationTime  = 15 * time.Second
	isolationTurns = 2
)

// disturbance is a number of subscriptions whose receiver hangs.
type disturbance struct {
	name          string
	subscriptions int
	// apart says that they belong to an organization of their own, which is published to beside the healthy one's;
	// otherwise they get the very messages that the healthy ones get.
	apart bool
}

// measureIsolation compares what healthy receivers see beside hanging ones with what they see alone.
func measureIsolation(ctx context.Context, o options, out io.Writer) (err error) {
	b := &bench{options: o, out: out}
	if b.dir, err = os.MkdirTemp(o.dir, "hooklog-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if err := b.describeMachine(); err != nil {
		return err
	}
	if b.hooklog == "" {
		if b.hooklog, err = buildHooklog(ctx, b.dir); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, "\n%d healthy receivers, profile standard, %d messages a second to all of them, %v a run, beside receivers that take\n"+
		"%v over every request. Milliseconds from publish to arrival at the healthy ones; each line a fresh server.\n\n",
		healthy, isolationRate, isolationTime, hanging)
	for _, d := range []disturbance{
		{name: "1 of the same organization, 200/s to it", subscriptions: 1},
		{name: "100 of another organization, 200/s to them in all", subscriptions: 100, apart: true},
	} {
		if err := b.compare(ctx, d); err != nil {
			return err
		}
	}
	return b.verdict()
}

// compare measures without and with a disturbance, in turn.
func (b *bench) compare(ctx context.Context, d disturbance) error {
	none := disturbance{name: "none"}
	var alone, beside []float64
	for turn := range isolationTurns {
		for _, now := range []disturbance{none, d} {
			f, memory, err := b.disturbed(ctx, now, fmt.Sprintf("%d-%d-%d", d.subscriptions, turn, now.subscriptions))
			if err != nil {
				return fmt.Errorf("%s: %w", now.name, err)
			}
			b.note(now.name, f)
			fmt.Fprintf(b.out, "  hanging: %-52s p50 %6.2f  p99 %6.2f  greatest %7.2f  %5d MiB at most  %d lost, %d twice\n",
				now.name, ms(f.Latency.P50), ms(f.Latency.P99), ms(f.Latency.Max), memory>>20, f.Lost, f.Duplicates)
			if now.subscriptions == 0 {
				alone = append(alone, ms(f.Latency.P99))
			} else {
				beside = append(beside, ms(f.Latency.P99))
			}
		}
	}
	fmt.Fprintf(b.out, "  p99 of the healthy ones beside hanging ones to alone: %.2f ×\n\n", spreadOf(beside).median/spreadOf(alone).median)
	return nil
}

// disturbed runs a fresh server with the healthy receivers and the hanging ones.
func (b *bench) disturbed(ctx context.Context, d disturbance, name string) (f figures, memory int64, err error) {
	good, err := startSink(ctx, "-listeners", strconv.Itoa(healthy))
	if err != nil {
		return f, 0, err
	}
	defer func() { err = errors.Join(err, good.stop()) }()
	bad, err := startSink(ctx, "-listeners", strconv.Itoa(max(1, d.subscriptions)), "-hang", hanging.String())
	if err != nil {
		return f, 0, err
	}
	defer func() { err = errors.Join(err, bad.stop()) }()
	s, err := startHooklog(ctx, b.hooklog, filepath.Join(b.dir, "data-"+name))
	if err != nil {
		return f, 0, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	key, err := s.organize(ctx, slug, "standard")
	if err != nil {
		return f, 0, err
	}
	for i, url := range good.Targets {
		if err := s.subscribe(ctx, slug, fmt.Sprintf("%s/%d", url, i)); err != nil {
			return f, 0, err
		}
	}
	also, err := b.disturb(ctx, s, d, bad, key)
	if err != nil {
		return f, 0, err
	}
	p := s.publisher(slug, key, b.options, 1, healthy)
	defer p.poster.close()
	f, err = measureFlow(ctx, good, s.process, healthy, func(run int) (int, error) {
		var beside sync.WaitGroup
		var failed error
		beside.Go(func() { failed = also(ctx) })
		n, err := p.pace(ctx, run, isolationRate, isolationTime)
		beside.Wait()
		return n, errors.Join(err, failed)
	})
	if err != nil {
		return f, 0, fmt.Errorf("%w; the server's last words: %s", err, s.lastWords())
	}
	_, memory, err = s.memory()
	return f, memory, err
}

// disturb subscribes the hanging receivers, and returns what has to be published to them beside the healthy ones' messages.
func (b *bench) disturb(ctx context.Context, s *server, d disturbance, bad *sink, key string) (func(context.Context) error, error) {
	owner := slug
	if d.apart {
		owner = "hanging"
		var err error
		if key, err = s.organize(ctx, owner, "standard"); err != nil {
			return nil, err
		}
	}
	for _, url := range bad.Targets[:d.subscriptions] {
		if err := s.subscribe(ctx, owner, url+"/0"); err != nil {
			return nil, err
		}
	}
	if !d.apart {
		return func(context.Context) error { return nil }, nil
	}
	return func(ctx context.Context) error {
		p := s.publisher(owner, key, b.options, 1, d.subscriptions)
		defer p.poster.close()
		_, err := p.pace(ctx, 0, isolationRate/float64(d.subscriptions), isolationTime)
		return err
	}, nil
}
