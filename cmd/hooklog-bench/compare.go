package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"
)

// measureCompare sets two programs against each other: both work at the same time under the same load, so that what the
// machine does meanwhile, it does to both. The CPU time of a delivery can so be compared to about 2 %, where rounds that
// follow each other differ by 15 %.
func (b *bench) measureCompare(ctx context.Context) error {
	if b.against == "" {
		return errors.New("-against names the other program")
	}
	var sides [2]*bench
	for i, binary := range []string{b.hooklog, b.against} {
		sides[i] = &bench{options: b.options, out: b.out, dir: filepath.Join(b.dir, fmt.Sprint(i))}
		sides[i].hooklog = binary
		sides[i].connections = max(1, b.connections/len(sides))
	}
	err := b.compareSides(ctx, sides)
	for _, s := range sides {
		b.faults = append(b.faults, s.faults...)
		err = errors.Join(err, s.stop())
	}
	return err
}

func (b *bench) compareSides(ctx context.Context, sides [2]*bench) error {
	for _, s := range sides {
		if err := errors.Join(os.Mkdir(s.dir, 0o700), s.startAlone(ctx)); err != nil {
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
					s := sides[i]
					f, err := s.flow(s.server.process, s.server.publisher(slug, s.key, s.options, batch, 1))(ctx)
					s.note(s.hooklog, f)
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
	}
	return nil
}
