package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

const (
	// soakWindows divide a soak; the one that ends the first quarter is compared with the last one.
	soakWindows = 20
	// soakFailures is how many deliveries there are to one that fails at first.
	soakFailures = 20
	// soakReceivers is how many subscriptions share the messages.
	soakReceivers = 100
	// soakSamples is how often a window looks at the process.
	soakSamples = 10
)

// health is how a process stands. Of its descriptors, files are those of files.
type health struct{ goroutines, descriptors, files, memory float64 }

// soaked is one window: the flow, and the medians of how the process stood during it.
type soaked struct {
	figures
	health
}

// measureSoak runs at half the saturating rate for long, and looks for what grows.
func (b *bench) measureSoak(ctx context.Context) error {
	receivers, err := startFlock(ctx, soakReceivers, "-fail-every", strconv.Itoa(soakFailures))
	if err != nil {
		return err
	}
	b.receiver = receivers.sink
	if b.server, err = startHooklog(ctx, b.hooklog, filepath.Join(b.dir, "data")); err != nil {
		return err
	}
	key, err := b.server.organizeApart(ctx, slug, receivers, map[string]any{"profile": "standard"})
	if err != nil {
		return err
	}
	saturating, err := b.saturating(ctx, receivers, key)
	if err != nil {
		return err
	}
	rate, length := saturating.median/2, b.soak/soakWindows
	fmt.Fprintf(b.out, "\n%v in %d windows of %v each, %d subscriptions, profile standard, 1 in %d first attempts fails. Saturating rate before:\n"+
		"%s deliveries/s; published at half of it, %.0f/s. Latency: publish to arrival of the first attempt. The process: medians of %d looks.\n\n",
		b.soak, soakWindows, length, receivers.size, soakFailures, saturating.format("%.0f"), rate, soakSamples)
	w := tabwriter.NewWriter(b.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "window\tp50 ms\tp99 ms\tgreatest\tgoroutines\tdescriptors\tof files\tMiB\tCPU µs/delivery\tlost\ttwice")
	var windows []soaked
	for i := range soakWindows {
		x, err := b.soakOnce(ctx, receivers, key, rate, length)
		if err != nil {
			return fmt.Errorf("window %d: %w", i+1, err)
		}
		windows = append(windows, x)
		b.note(fmt.Sprintf("window %d", i+1), x.figures)
		fmt.Fprintf(w, "%d\t%.2f\t%.2f\t%.1f\t%.0f\t%.0f\t%.0f\t%.0f\t%.0f\t%d\t%d\n", i+1, ms(x.Latency.P50), ms(x.Latency.P99), ms(x.Latency.Max),
			x.goroutines, x.descriptors, x.files, x.memory/(1<<20), micros(x.service), x.Lost, x.Duplicates)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	early, late := windows[soakWindows/4-1], windows[soakWindows-1]
	fmt.Fprintf(b.out, "\n  window %d to window %d: goroutines %.2f ×, descriptors %.2f × (of files %.2f ×), memory %.2f ×, p99 %.2f ×\n", soakWindows, soakWindows/4,
		late.goroutines/early.goroutines, late.descriptors/early.descriptors, late.files/early.files, late.memory/early.memory, ms(late.Latency.P99)/ms(early.Latency.P99))
	return b.awaitRetries(ctx)
}

// soakOnce publishes for one window.
func (b *bench) soakOnce(ctx context.Context, receivers flock, key string, rate float64, length time.Duration) (x soaked, err error) {
	p := b.server.publisher(slug, key, b.options, 1, 1)
	p.encode = spreadOver(typeOf, receivers.size)
	defer p.poster.close()
	looked := make(chan error, 1)
	x.figures, err = measureFlow(ctx, receivers.sink, b.server.process, 1, func(run int) (int, error) {
		go func() {
			var err error
			x.health, err = b.server.lookOften(ctx, length/(soakSamples+1))
			looked <- err
		}()
		n, err := p.pace(ctx, run, rate, length)
		return n, errors.Join(err, <-looked)
	})
	return x, err
}

// lookOften looks at the server several times and returns the medians.
func (s *server) lookOften(ctx context.Context, every time.Duration) (health, error) {
	var goroutines, descriptors, files, memory []float64
	for range soakSamples {
		if err := pause(ctx, every); err != nil {
			return health{}, err
		}
		n, err1 := s.metric(ctx, "go_goroutines")
		open, ofFiles, err2 := s.descriptors()
		now, _, err3 := s.memory()
		if err := errors.Join(err1, err2, err3); err != nil {
			return health{}, err
		}
		goroutines, memory = append(goroutines, n), append(memory, float64(now))
		descriptors, files = append(descriptors, float64(open)), append(files, float64(ofFiles))
	}
	return health{spreadOf(goroutines).median, spreadOf(descriptors).median, spreadOf(files).median, spreadOf(memory).median}, nil
}

// metric reads one number without labels from /metrics.
func (s *server) metric(ctx context.Context, name string) (float64, error) {
	resp, err := s.look(ctx, "/metrics")
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			return strconv.ParseFloat(value, 64)
		}
	}
	return 0, errors.Join(lines.Err(), fmt.Errorf("/metrics has no %s", name))
}

// awaitRetries waits until everything that failed has come again; what does not is stranded.
func (b *bench) awaitRetries(ctx context.Context) error {
	for until := time.Now().Add(patience); ; {
		n, err := b.receiver.failing(ctx)
		if err != nil {
			return err
		}
		if n == 0 {
			return nil
		}
		if time.Now().After(until) {
			b.faults = append(b.faults, fmt.Sprintf("%d failed deliveries were not attempted again", n))
			return nil
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}
