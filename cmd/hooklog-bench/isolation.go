package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

const (
	// neighbours is how many receivers there are, the bad ones of the same organization included.
	neighbours = 100
	// hanging is how long a receiver that hangs takes over every request.
	hanging = 10 * time.Second
	// isolationRate is how many messages a second are published in all, each to one of the receivers.
	isolationRate = 2000
)

// disturbance is a number of subscriptions whose receivers are bad.
type disturbance struct {
	name string
	// holes hang, drips answer one byte a second without an end. They get as many messages each as the good ones.
	holes, drips int
	// apart says that they belong to an organization of their own.
	apart bool
}

func (d disturbance) size() int { return d.holes + d.drips }

// measureIsolation compares what good receivers see beside bad ones of their organization with what they see alone.
func (b *bench) measureIsolation(ctx context.Context) error {
	return b.compareDisturbed(ctx, disturbance{name: "1 hangs, 1 drips", holes: 1, drips: 1})
}

// measureIsolationApart compares what good receivers see beside bad ones of another organization with what they see
// alone.
func (b *bench) measureIsolationApart(ctx context.Context) error {
	return b.compareDisturbed(ctx, disturbance{name: "100 of another organization hang", holes: 100, apart: true})
}

// compareDisturbed measures without and with a disturbance, in turn.
func (b *bench) compareDisturbed(ctx context.Context, d disturbance) error {
	good := neighbours
	if !d.apart {
		good -= d.size()
	}
	fmt.Fprintf(b.out, "\n%d good receivers, profile standard, %d messages a second, each to one of them or of the bad ones; those that hang take\n"+
		"%v over every request, those that drip answer one byte a second. %d runs of %v each, in turn, each a fresh server.\n"+
		"Milliseconds from publish to arrival at the good ones.\n\n", good, isolationRate, hanging, b.rounds, b.isolationTime())
	var alone, beside []float64
	for round := range b.rounds {
		for _, now := range []disturbance{{name: "none"}, d} {
			f, memory, err := b.disturbed(ctx, now, good, fmt.Sprintf("%d-%d", round, now.size()))
			if err != nil {
				return fmt.Errorf("%s: %w", now.name, err)
			}
			b.note(now.name, f)
			fmt.Fprintf(b.out, "  bad: %-32s p50 %6.2f  p99 %6.2f  greatest %7.2f  %5d MiB at most  %d lost, %d twice\n",
				now.name, ms(f.Latency.P50), ms(f.Latency.P99), ms(f.Latency.Max), memory>>20, f.Lost, f.Duplicates)
			if now.size() == 0 {
				alone = append(alone, ms(f.Latency.P99))
			} else {
				beside = append(beside, ms(f.Latency.P99))
			}
		}
	}
	fmt.Fprintf(b.out, "\n  p99 of the good ones: alone %s ms, beside bad ones %s ms; ratio of the medians %.2f ×, of the pairs %s ×\n",
		spreadOf(alone).format("%.2f"), spreadOf(beside).format("%.2f"), spreadOf(beside).median/spreadOf(alone).median,
		quotients(beside, alone).format("%.2f"))
	return nil
}

// isolationTime is how long each run publishes: longer than a receiver that hangs takes, so that it has its full effect.
func (b *bench) isolationTime() time.Duration { return 3 * duration(b.seconds) }

// disturbed runs a fresh server with the good receivers and the bad ones.
func (b *bench) disturbed(ctx context.Context, d disturbance, good int, name string) (f figures, memory int64, err error) {
	receivers, err := startFlock(ctx, good)
	if err != nil {
		return f, 0, err
	}
	defer func() { err = errors.Join(err, receivers.stop()) }()
	s, err := startHooklog(ctx, b.hooklog, filepath.Join(b.dir, "data-"+name))
	if err != nil {
		return f, 0, err
	}
	defer func() { err = errors.Join(err, s.stop()) }()
	key, err := s.organizeApart(ctx, slug, receivers, map[string]any{"profile": "standard"})
	if err != nil {
		return f, 0, err
	}
	bad := &badReceivers{owner: slug, key: key}
	defer func() { err = errors.Join(err, bad.stop()) }()
	if err := bad.start(ctx, s, d); err != nil {
		return f, 0, err
	}
	p := s.publisher(slug, key, b.options, 1, 1)
	p.encode = spreadOver(typeOf, good)
	defer p.poster.close()
	const each = float64(isolationRate) / neighbours
	f, err = measureFlow(ctx, receivers.sink, s.process, 1, func(run int) (int, error) {
		var beside sync.WaitGroup
		var failed error
		beside.Go(func() { failed = bad.publish(ctx, s, b.options, each, b.isolationTime()) })
		n, err := p.pace(ctx, run, each*float64(good), b.isolationTime())
		beside.Wait()
		return n, errors.Join(err, failed)
	})
	if err != nil {
		return f, 0, fmt.Errorf("%w; the server's last words: %s", err, s.lastWords())
	}
	_, memory, err = s.memory()
	return f, memory, err
}

// badReceivers are the receivers of a disturbance; each has an event type of its own.
type badReceivers struct {
	owner, key string
	size       int
	sinks      []*sink
}

func badTypeOf(i int) string { return "bad." + typeOf(i) }

// start starts the bad receivers and subscribes them.
func (x *badReceivers) start(ctx context.Context, s *server, d disturbance) (err error) {
	if d.apart {
		x.owner = "apart"
		if x.key, err = s.organize(ctx, x.owner, "standard"); err != nil {
			return err
		}
	}
	for _, kind := range []struct {
		n    int
		args []string
	}{{d.holes, []string{"-hang", hanging.String()}}, {d.drips, []string{"-drip"}}} {
		if kind.n == 0 {
			continue
		}
		sink, err := startSink(ctx, append(kind.args, "-listeners", strconv.Itoa(kind.n))...)
		if err != nil {
			return err
		}
		x.sinks = append(x.sinks, sink)
		for _, url := range sink.Targets {
			name := badTypeOf(x.size)
			if err := errors.Join(s.defineType(ctx, x.owner, name), s.subscribeTo(ctx, x.owner, url+"/0", name)); err != nil {
				return err
			}
			x.size++
		}
	}
	return nil
}

// publish publishes to the bad receivers, at a rate for each of them.
func (x *badReceivers) publish(ctx context.Context, s *server, o options, each float64, length time.Duration) error {
	if x.size == 0 {
		return nil
	}
	p := s.publisher(x.owner, x.key, o, 1, 1)
	p.encode = spreadOver(badTypeOf, x.size)
	defer p.poster.close()
	_, err := p.pace(ctx, 0, each*float64(x.size), length)
	return err
}

func (x *badReceivers) stop() error {
	var err error
	for _, s := range x.sinks {
		err = errors.Join(err, s.stop())
	}
	return err
}
