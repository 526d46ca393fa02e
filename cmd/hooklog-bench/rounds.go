package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// part is one of the things that are compared within a round.
type part struct {
	letter, name string
	measure      func(context.Context) (figures, error)
	// ofHooklog says that it is the server that works, whose stages are worth a look.
	ofHooklog bool
	rounds    []figures
}

// bench is one measure under way, with everything it started.
type bench struct {
	options
	out      io.Writer
	dir      string
	receiver *sink
	relay    *process
	relayURL string
	server   *server
	key      string
	// faults are lost and repeated deliveries, in words.
	faults []string
}

const slug = "bench"

// measureSpeed compares Hooklog with a bare loop and a bare relay.
func (b *bench) measureSpeed(ctx context.Context) error {
	if err := b.start(ctx); err != nil {
		return err
	}
	parts := b.parts()
	if err := b.runRounds(ctx, parts); err != nil {
		return err
	}
	b.printRounds(parts)
	for _, p := range parts {
		if p.ofHooklog {
			if err := b.measureStages(ctx, p); err != nil {
				return err
			}
		}
	}
	if b.only != "" {
		return nil
	}
	for _, step := range []func(context.Context) error{b.measureRates, b.measureLog, b.lateArrivals} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return nil
}

// start starts the receiver, the relay and Hooklog with one subscription.
func (b *bench) start(ctx context.Context) (err error) {
	if b.receiver, err = startSink(ctx); err != nil {
		return err
	}
	var told addresses
	if b.relay, told, err = startRole(ctx, roleRelay, "-target", b.receiver.Targets[0]+"/0", "-connections", fmt.Sprint(b.connections)); err != nil {
		return err
	}
	b.relayURL = told.Targets[0]
	if b.server, err = startHooklog(ctx, b.hooklog, filepath.Join(b.dir, "data"), "--pprof"); err != nil {
		return err
	}
	if b.key, err = b.server.organize(ctx, slug, "vantageclaw"); err != nil {
		return err
	}
	return b.server.subscribe(ctx, slug, b.receiver.Targets[0]+"/0")
}

func (b *bench) stop() error {
	var err error
	if b.server != nil && b.server.process != nil {
		err = errors.Join(err, b.server.stop())
	}
	if b.relay != nil {
		err = errors.Join(err, b.relay.stop())
	}
	if b.receiver != nil {
		err = errors.Join(err, b.receiver.stop())
	}
	return err
}

// runRounds measures one part after the other, again and again.
func (b *bench) runRounds(ctx context.Context, parts []*part) error {
	for round := range b.rounds {
		fmt.Fprintf(os.Stderr, "round %d of %d\n", round+1, b.rounds)
		for _, p := range parts {
			f, err := p.measure(ctx)
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			b.note(p.name, f)
			p.rounds = append(p.rounds, f)
		}
	}
	return nil
}

func (b *bench) parts() []*part {
	relay, single := b.relayPublisher(), b.server.publisher(slug, b.key, b.options, 1, 1)
	batches := b.server.publisher(slug, b.key, b.options, 100, 1)
	all := []*part{
		{letter: "a", name: "bare client loop", measure: func(ctx context.Context) (figures, error) {
			return measureLoop(ctx, b.receiver, b.options)
		}},
		{letter: "b", name: "bare relay", measure: b.flow(b.relay, relay)},
		{letter: "c", name: "Hooklog, single", ofHooklog: true, measure: b.flow(b.server.process, single)},
		{letter: "d", name: "Hooklog, 100 a batch", ofHooklog: true, measure: b.flow(b.server.process, batches)},
	}
	return b.wanted(all)
}

// wanted are those of some parts that the options ask for.
func (b *bench) wanted(all []*part) (some []*part) {
	for _, p := range all {
		if b.only == "" || strings.Contains(b.only, p.letter) {
			some = append(some, p)
		}
	}
	return some
}

// flow measures publishing as fast as it goes to a service.
func (b *bench) flow(service *process, p *publisher) func(context.Context) (figures, error) {
	return func(ctx context.Context) (figures, error) {
		defer p.poster.close()
		return measureFlow(ctx, b.receiver, service, 1, func(run int) (int, error) {
			return p.saturate(ctx, b.receiver, run, duration(b.seconds))
		})
	}
}

func (b *bench) relayPublisher() *publisher {
	return &publisher{poster: newPoster(b.relayURL, "", b.connections), connections: b.connections, batch: 1, targets: 1,
		want: 202, encode: encodePlain}
}

// note remembers what was lost or came twice.
func (b *bench) note(name string, f figures) {
	if f.Lost > 0 || f.Duplicates > 0 {
		b.faults = append(b.faults, fmt.Sprintf("%s: %d lost, %d twice, of %d", name, f.Lost, f.Duplicates, f.messages))
	}
}

// lateArrivals looks for deliveries that came after their measurement: repetitions.
func (b *bench) lateArrivals(ctx context.Context) error {
	n, err := b.receiver.late(ctx)
	if err == nil && n > 0 {
		b.faults = append(b.faults, fmt.Sprintf("%d deliveries came after their measurement had ended", n))
	}
	return err
}

// verdict fails if anything was lost or came twice.
func (b *bench) verdict() error {
	if len(b.faults) == 0 {
		fmt.Fprintln(b.out, "\nNothing was lost, nothing came twice.")
		return nil
	}
	return errors.New(strings.Join(b.faults, "; "))
}
