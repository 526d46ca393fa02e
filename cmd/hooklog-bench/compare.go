package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
)

// contender is one of two programs that are set against each other.
type contender struct {
	*bench
	node *noded // nil on its own log
}

// measureCompare sets two programs against each other: both work at the same time under the same load, so that what the
// machine does meanwhile, it does to both. The CPU time of a delivery can so be compared to about 2 %, where rounds that
// follow each other differ by 15 %.
func (b *bench) measureCompare(ctx context.Context) error {
	return b.compare(ctx, func(ctx context.Context, c *contender) error { return c.startAlone(ctx) })
}

// measureCompareESDB is measureCompare with a log node for each program, which is that program, too.
func (b *bench) measureCompareESDB(ctx context.Context) error {
	return b.compare(ctx, func(ctx context.Context, c *contender) (err error) {
		if c.receiver, err = startSink(ctx); err == nil {
			c.node, err = c.startOnLogNode(ctx)
		}
		return err
	})
}

func (b *bench) compare(ctx context.Context, start func(context.Context, *contender) error) error {
	if b.against == "" {
		return errors.New("-against names the other program")
	}
	var sides [2]*contender
	for i, binary := range []string{b.hooklog, b.against} {
		sides[i] = &contender{bench: &bench{options: b.options, out: b.out, dir: filepath.Join(b.dir, fmt.Sprint(i))}}
		sides[i].hooklog = binary
		sides[i].connections = max(1, b.connections/len(sides))
	}
	err := b.compareSides(ctx, sides, start)
	for _, s := range sides {
		b.faults = append(b.faults, s.faults...)
		if s.node != nil {
			err = errors.Join(err, s.node.stop())
		}
		err = errors.Join(err, s.stop())
	}
	return err
}

func (b *bench) compareSides(ctx context.Context, sides [2]*contender, start func(context.Context, *contender) error) error {
	for _, s := range sides {
		if err := errors.Join(os.Mkdir(s.dir, 0o700), start(ctx, s)); err != nil {
			return err
		}
	}
	fmt.Fprintf(b.out, "\n%s beside %s: %d rounds of %.3g s, %d connections each; median (least–greatest).\n\n", b.hooklog, b.against,
		b.rounds, b.seconds, sides[0].connections)
	for _, batch := range []int{1, 100} {
		ours, theirs := &part{}, &part{}
		for range b.rounds {
			g, ctx := errgroup.WithContext(ctx)
			for i, p := range []*part{ours, theirs} {
				g.Go(func() error {
					f, err := sides[i].publish(ctx, batch)
					sides[i].note(sides[i].hooklog, f)
					p.rounds = append(p.rounds, f)
					return err
				})
			}
			if err := g.Wait(); err != nil {
				return err
			}
		}
		fmt.Fprintf(b.out, "  %3d a request: %s and %s deliveries/s; %s and %s µs of CPU a delivery; ratio %s\n", batch,
			spreadOf(ours.of(rateOf)).format("%.0f"), spreadOf(theirs.of(rateOf)).format("%.0f"),
			spreadOf(ours.of(serviceOf)).format("%.1f"), spreadOf(theirs.of(serviceOf)).format("%.1f"),
			ratios(ours, theirs, serviceOf).format("%.3f"))
		if sides[0].node != nil {
			fmt.Fprintf(b.out, "\tof the log nodes %s and %s µs; ratio %s\n", spreadOf(ours.of(logOf)).format("%.1f"),
				spreadOf(theirs.of(logOf)).format("%.1f"), ratios(ours, theirs, logOf).format("%.3f"))
		}
	}
	return b.compareTurns(ctx, sides)
}

// compareTurns sets latencies at the brisk rate against each other, in turns: at the same time either would wait for the
// other's bursts, too.
func (b *bench) compareTurns(ctx context.Context, sides [2]*contender) error {
	if b.brisk == 0 {
		return nil
	}
	var turns [2]part
	for range b.rounds {
		for i, s := range sides {
			f, err := s.publishSteadily(ctx, briskRate, duration(b.brisk))
			if err != nil {
				return err
			}
			s.note(s.hooklog, f)
			turns[i].rounds = append(turns[i].rounds, f)
		}
	}
	fmt.Fprintf(b.out, "\n  At %.0f/s, %.3g s in turns, ms from publish to arrival:\n", float64(briskRate), b.brisk)
	for _, p := range percentiles {
		fmt.Fprintf(b.out, "  %s %s and %s; ratio %s\n", p.name, spreadOf(turns[0].of(p.of)).format("%.2f"),
			spreadOf(turns[1].of(p.of)).format("%.2f"), ratios(&turns[0], &turns[1], p.of).format("%.2f"))
	}
	return nil
}

// publish measures a round of one contender.
func (c *contender) publish(ctx context.Context, batch int) (figures, error) {
	if c.node != nil {
		return c.node.flow(c.bench, batch)(ctx)
	}
	return c.flow(c.server.process, c.server.publisher(slug, c.key, c.options, batch, 1))(ctx)
}

// publishSteadily measures one contender at a rate.
func (c *contender) publishSteadily(ctx context.Context, rate float64, length time.Duration) (figures, error) {
	s, key := c.server, c.key
	if c.node != nil {
		s, key = c.node.server, c.node.key
	}
	p := s.publisher(slug, key, c.options, 1, 1)
	defer p.poster.close()
	return measureFlow(ctx, c.receiver, s.process, 1, func(run int) (int, error) { return p.pace(ctx, run, rate, length) })
}
