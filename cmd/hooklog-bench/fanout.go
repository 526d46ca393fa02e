package main

import (
	"context"
	"fmt"
	"path/filepath"
	"text/tabwriter"
)

// crowd is an organization whose messages go to all of its subscriptions.
type crowd struct {
	flock
	slug, key string
}

// measureFanOut compares one message to many subscriptions with the bare loop, in deliveries a second,
// and says where the CPU of many messages to the most goes.
func (b *bench) measureFanOut(ctx context.Context) (err error) {
	if b.receiver, err = startSink(ctx); err != nil {
		return err
	}
	if b.server, err = startHooklog(ctx, b.hooklog, filepath.Join(b.dir, "data"), "--pprof"); err != nil {
		return err
	}
	parts := []*part{{letter: "a", name: "bare client loop", measure: func(ctx context.Context) (figures, error) {
		return measureLoop(ctx, b.receiver, b.options)
	}}}
	for _, size := range []int{b.fanOut / 10, b.fanOut} {
		c, err := b.gather(ctx, size)
		if err != nil {
			return err
		}
		defer c.stop()
		parts = append(parts, b.crowdParts(c)...)
	}
	if err := b.runRounds(ctx, parts); err != nil {
		return err
	}
	if err := b.printFanOut(parts); err != nil {
		return err
	}
	return b.measureStages(ctx, parts[len(parts)-1])
}

// gather makes an organization with so many subscriptions to one event type.
func (b *bench) gather(ctx context.Context, size int) (c *crowd, err error) {
	c = &crowd{slug: fmt.Sprintf("crowd-%d", size)}
	if c.flock, err = startFlock(ctx, size); err != nil {
		return nil, err
	}
	if c.key, err = b.server.organize(ctx, c.slug, "standard"); err != nil {
		return nil, err
	}
	return c, b.server.subscribeTogether(ctx, c.slug, size, func(i int) (string, string) { return c.url(i, i), eventType })
}

// crowdParts are one message alone, and one after the other.
func (b *bench) crowdParts(c *crowd) []*part {
	p := b.server.publisher(c.slug, c.key, b.options, 1, c.size)
	p.connections = max(1, min(p.connections, window/c.size)) // each holds a message
	flow := func(publish func(ctx context.Context, run int) (int, error)) func(context.Context) (figures, error) {
		return func(ctx context.Context) (figures, error) {
			return measureFlow(ctx, c.sink, b.server.process, c.size, func(run int) (int, error) { return publish(ctx, run) })
		}
	}
	return []*part{
		{letter: "one", name: fmt.Sprintf("1 message to %d", c.size), measure: flow(func(ctx context.Context, run int) (int, error) {
			return p.pace(ctx, run, 1, duration(1))
		})},
		{letter: "many", name: fmt.Sprintf("messages to %d", c.size), measure: flow(func(ctx context.Context, run int) (int, error) {
			return p.saturate(ctx, c.sink, run, duration(b.seconds))
		})},
	}
}

func (b *bench) printFanOut(parts []*part) error {
	fmt.Fprintf(b.out, "\n%d rounds, interleaved; median (least–greatest). Profile standard; one message alone, and messages for %.3g s, at most\n"+
		"%d deliveries on their way but always one message. From the first publish to the last arrival.\n\n", b.rounds, b.seconds, window)
	w := tabwriter.NewWriter(b.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "\tdeliveries/s\tof the loop\tCPU of the process, µs/delivery\tlast arrival, ms\tlost\ttwice")
	for _, p := range parts {
		var lost, twice int64
		for _, f := range p.rounds {
			lost, twice = lost+f.Lost, twice+f.Duplicates
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%.1f\t%.1f\t%d\t%d\n", p.name, spreadOf(p.of(rateOf)).format("%.0f"), ratios(p, parts[0], rateOf).format("%.2f"),
			spreadOf(p.of(serviceOf)).median, spreadOf(p.of(func(f figures) float64 { return ms(f.Latency.Max) })).median, lost, twice)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	now, highest, err := b.server.memory()
	fmt.Fprintf(b.out, "\nResident memory of the server: %d MiB now, %d MiB at its highest.\n", now>>20, highest>>20)
	return err
}
