package main

import (
	"context"
	"fmt"

	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/esdb"
)

// serveAt runs a server in this process whose clock is off; the test stops it.
func serveAt(t *testing.T, data string, shift *atomic.Int64, args ...string) *server {
	t.Helper()
	c := &cobra.Command{}
	cfg := configure(c, ofServer)
	args = append([]string{"--data", data, "--listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0", "--allow-insecure-targets", "127.0.0.0/8"}, args...)
	if err := c.ParseFlags(args); err != nil {
		t.Fatal(err)
	}
	if err := cfg.load(c.Flags(), nil); err != nil {
		t.Fatal(err)
	}
	cfg.wallClock = func() time.Time { return time.Now().Round(0).Add(time.Duration(shift.Load())) }
	s := &server{data: data, log: &buffer{}}
	logger, err := newLogger(&cfg.settings, s.log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	n, err := openNode(ctx, &cfg.settings, logger)
	if err != nil {
		t.Fatal(err)
	}
	s.url, s.operator = n.publicURL(), n.operatorURL()
	ended := make(chan error, 1)
	go func() { ended <- n.run(ctx) }()
	s.stop = sync.OnceValue(func() int {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the server ended with %v", err)
		}
		if err := n.close(); err != nil {
			t.Error(err)
		}
		return exitOK
	})
	t.Cleanup(func() { s.stop() })
	return s
}

// clockTold is what a node's metrics say of its clock.
func clockTold(t *testing.T, s *server) (seconds float64, known bool) {
	t.Helper()
	for line := range strings.Lines(fetch(t, s.operator+"/metrics")) {
		if text, found := strings.CutPrefix(line, "hooklog_clock_distance_seconds "); found {
			seconds, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			if err != nil {
				t.Fatal(err)
			}
			return seconds, true
		}
	}
	return 0, false
}

// attemptsBy counts the facts of each type that each actor recorded of deliveries.
func attemptsBy(t *testing.T, url string) map[string]int {
	t.Helper()
	log, err := esdb.Open(t.Context(), esdb.Config{URL: url})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	by := map[string]int{}
	for e, err := range log.ReadAll(t.Context(), eventlog.Position{}) {
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(e.Stream, "hl_delivery-") {
			by[decode[struct{ Actor string }](t, string(e.Metadata)).Actor]++
		}
	}
	return by
}

// A node whose clock is far from the log's time leaves the work to the others, says so, and goes on once it is put right.
func TestANodeWhoseClockIsOffTakesNoWork(t *testing.T) {
	t.Parallel()
	for name, off := range map[string]time.Duration{"30 s ahead": 30 * time.Second, "30 s behind": -30 * time.Second,
		"a day ahead": 24 * time.Hour, "a day behind": -24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			testClock(t, off)
		})
	}
}

func testClock(t *testing.T, off time.Duration) {
	const slack = 10 // seconds that a busy machine may take between two looks at a clock
	h, log, dir := startHook(t), startLogNode(t), t.TempDir()
	keyset := filepath.Join(dir, "keyset.json")
	succeed(t, nil, "keyset", "new", keyset)
	right := serve(t, filepath.Join(dir, "right"), "--esdb-url", log.url(), "--keyset", keyset)
	var shift atomic.Int64
	shift.Store(int64(off))
	wrong := serveAt(t, filepath.Join(dir, "wrong"), &shift, "--esdb-url", log.url(), "--keyset", keyset)
	wrong.data = right.data                                       // where the operator key is
	right.begin(t, "acme", h, "1s", "1s", "1s", "1s", "1s", "1s") // Whichever deliveries fail, none is given up.
	const events, failures = 12, 6
	h.answerNext(slices.Repeat([]int{500}, failures)...)
	for i := range events {
		s := right
		if i%2 == 1 {
			s = wrong
		}
		s.publish(t, "acme", fmt.Sprintf(`{"n":%d}`, i))
	}
	eventually(t, "everything arrives", func() bool {
		total := 0
		for _, n := range arrivals(h, events) {
			if n == 0 {
				return false
			}
			total += n
		}
		return total >= events+failures
	})
	eventually(t, "the distance is told", func() bool {
		seconds, known := clockTold(t, wrong)
		return known && seconds > off.Seconds()-slack && seconds < off.Seconds()+slack
	})
	if seconds, known := clockTold(t, right); !known || seconds < -slack || seconds > slack {
		t.Errorf("the node whose clock is right tells %v, %v", seconds, known)
	}
	eventually(t, "it says so", func() bool { return strings.Contains(wrong.log.String(), "far from the log's time") })
	eventually(t, "all attempts are recorded", func() bool {
		sum := 0
		by := attemptsBy(t, log.url())
		for _, n := range by {
			sum += n
		}
		return sum >= 2*failures+events && len(by) == 1
	})
	total := 0
	for _, n := range arrivals(h, events) {
		total += n
	}
	if total != events+failures {
		t.Errorf("%d requests for %d events of which %d failed once, in all: something came twice", total, events, failures)
	}
}

func TestClocksAreComparedByAppends(t *testing.T) {
	t.Parallel()
	log := memoryLog(t)
	var shift atomic.Int64
	shift.Store(int64(-time.Hour))
	c := newLogClock(log, func() time.Time { return time.Now().Round(0).Add(time.Duration(shift.Load())) }, zerolog.Nop())
	if _, known := c.distance(); known {
		t.Fatal("the distance is known before an append")
	}
	if wait := c.probe(t.Context(), "node:x"); wait != probeEvery {
		t.Fatalf("after a probe it is looked again in %v", wait)
	}
	about := func(want time.Duration) {
		t.Helper()
		if d, known := c.distance(); !known || (d-want).Abs() > 10*time.Second {
			t.Errorf("got %v, %v; want %v", d, known, want)
		}
	}
	about(-time.Hour)
	shift.Store(int64(time.Minute)) // It is put forward; nothing is appended.
	about(time.Minute)
	shift.Store(0)
	about(0)
	head, err := log.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if c.probe(t.Context(), "node:x"); head != second2(log.Head(t.Context())) {
		t.Error("a clock that is right is probed")
	}
	// An append that took an hour explains any distance below that.
	slow := comparedAppend{begun: clockReading{time.Now().Add(-time.Hour), time.Now().Add(-time.Hour)}, ended: c.read(), position: head}
	shift.Store(int64(time.Minute))
	if err := c.compare(t.Context(), slow); err != nil {
		t.Fatal(err)
	}
	about(time.Minute)
	if err := c.compare(t.Context(), comparedAppend{position: eventlog.PositionOf(0, 1<<40)}); err == nil {
		t.Error("an append that is not there was compared")
	}
}

func second2(p eventlog.Position, _ error) eventlog.Position { return p }
