package main

import (
	"context"
	"fmt"
	"text/tabwriter"
	"time"
)

// measureRates compares the way from publish to arrival at two steady rates, a gentle and a brisk one, with what the disk
// takes at such a rate: Hooklog waits for it, the relay does not.
func (b *bench) measureRates(ctx context.Context) error {
	fmt.Fprintf(b.out, "\nFrom publish to arrival at a steady rate, ms (the message carries the time of its publish; one clock):\n")
	w := tabwriter.NewWriter(b.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "  rate\t\tp50\tp90\tp99\tgreatest\tarrived/s\tlost\ttwice")
	for _, r := range []struct {
		rate    float64
		seconds float64
	}{{50, b.gentle}, {5000, b.brisk}} {
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
		fmt.Fprintf(w, "  %.0f/s\tHooklog above relay\t%+.2f\t%+.2f\t%+.2f\n", r.rate, ms(hooklog.Latency.P50)-ms(relay.Latency.P50),
			ms(hooklog.Latency.P90)-ms(relay.Latency.P90), ms(hooklog.Latency.P99)-ms(relay.Latency.P99))
		fmt.Fprintf(w, "  %.0f/s\tone fsync\t%.2f\t%.2f\t%.2f\t%.2f\n", r.rate, quantile(took, 0.50), quantile(took, 0.90), quantile(took, 0.99), quantile(took, 1))
	}
	return w.Flush()
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
