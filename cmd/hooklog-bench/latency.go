package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"
)

// briskRate is the brisk one of the steady rates, messages a second.
const briskRate = 5000

// percentiles are what is shown of latencies, in milliseconds.
var percentiles = []struct {
	name string
	of   func(figures) float64
}{
	{"p50", func(f figures) float64 { return ms(f.Latency.P50) }},
	{"p90", func(f figures) float64 { return ms(f.Latency.P90) }},
	{"p99", func(f figures) float64 { return ms(f.Latency.P99) }},
}

// measureRates compares the way from publish to arrival at two steady rates, a gentle and a brisk one, with what the disk
// takes at such a rate: Hooklog waits for it, the relay does not.
func (b *bench) measureRates(ctx context.Context) error {
	fmt.Fprintf(b.out, "\nFrom publish to arrival at a steady rate, ms (the message carries the time of its publish; one clock):\n")
	w := tabwriter.NewWriter(b.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "  rate\t\tp50\tp90\tp99\tgreatest\tarrived/s\tlost\ttwice")
	for _, r := range []struct {
		rate    float64
		seconds float64
	}{{50, b.gentle}, {briskRate, b.brisk}} {
		if r.seconds == 0 {
			continue
		}
		relay, hooklog, err := b.measureRate(ctx, r.rate, duration(r.seconds))
		if err != nil {
			return err
		}
		took, err := fsyncTimes(b.dir, min(int(r.rate*r.seconds), fsyncs), duration(1/r.rate))
		if err != nil {
			return fmt.Errorf("measure fsync at %.0f/s: %w", r.rate, err)
		}
		row(w, r.rate, "relay", relay)
		row(w, r.rate, "Hooklog", hooklog)
		printAbove(w, r.rate, relay.Latency, hooklog.Latency, took)
	}
	return w.Flush()
}

// quickFsync is what a quick disk takes, in milliseconds: what one takes longer is not laid at Hooklog's door.
const quickFsync = 0.2

// printAbove prints what Hooklog adds to the relay's way, what an fsync takes at that rate, and what is added without it.
func printAbove(w *tabwriter.Writer, rate float64, relay, hooklog latency, fsync []float64) {
	shares := []float64{0.50, 0.90, 0.99}
	above := []float64{ms(hooklog.P50) - ms(relay.P50), ms(hooklog.P90) - ms(relay.P90), ms(hooklog.P99) - ms(relay.P99)}
	line := func(name, verb string, of func(i int) float64) {
		fmt.Fprintf(w, "  %.0f/s\t%s", rate, name)
		for i := range shares {
			fmt.Fprintf(w, "\t"+verb, of(i))
		}
		fmt.Fprintln(w)
	}
	line("Hooklog above relay", "%+.2f", func(i int) float64 { return above[i] })
	line("one fsync", "%.2f", func(i int) float64 { return quantile(fsync, shares[i]) })
	line(fmt.Sprintf("above relay, but for what an fsync takes over %.1f ms", quickFsync), "%+.2f", func(i int) float64 {
		return above[i] - max(0, quantile(fsync, shares[i])-quickFsync)
	})
}

func row(w *tabwriter.Writer, rate float64, name string, f figures) {
	l := f.Latency
	fmt.Fprintf(w, "  %.0f/s\t%s\t%.2f\t%.2f\t%.2f\t%.2f\t%.0f\t%d\t%d\n", rate, name, ms(l.P50), ms(l.P90), ms(l.P99), ms(l.Max), f.rate, f.Lost, f.Duplicates)
}

func ms(micros uint32) float64 { return float64(micros) / 1e3 }

func (b *bench) measureRate(ctx context.Context, rate float64, length time.Duration) (relay, hooklog figures, err error) {
	paced := func(name string, service *process, p *publisher) (figures, error) {
		defer p.poster.close()
		f, err := measureFlow(ctx, b.receiver, service, 1, func(run int) (int, error) { return p.pace(ctx, run, rate, length) })
		if err != nil {
			return f, fmt.Errorf("%s at %.0f/s: %w", name, rate, err)
		}
		b.note(fmt.Sprintf("%s at %.0f/s", name, rate), f)
		return f, nil
	}
	if relay, err = paced("bare relay", b.relay, b.relayPublisher()); err != nil {
		return relay, hooklog, err
	}
	hooklog, err = paced("Hooklog", b.server.process, b.server.publisher(slug, b.key, b.options, 1, 1))
	return relay, hooklog, err
}
