package main

import (
	"context"
	"fmt"
	"os"
	"testing"
	"time"
)

// TestMain plays the roles of the program's own processes when the tests start them.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == roleReceiver || os.Args[1] == roleLoop || os.Args[1] == roleRelay) {
		if err := run(context.Background(), os.Args[1:], os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestAPayloadHasItsSizeAndKeepsItsMark(t *testing.T) {
	t.Parallel()
	for _, m := range []mark{{}, {1, 2, 3}, {9999, 999_999_999, time.Now().UnixNano()}} {
		b := appendPayload([]byte("before "), m)
		if len(b) != payloadSize+len("before ") {
			t.Errorf("%v: %d bytes, want %d", m, len(b), payloadSize)
		}
		if got, ok := findMark(b); !ok || got != m {
			t.Errorf("found %v, %v; want %v", got, ok, m)
		}
	}
	if m, ok := findMark([]byte(`{"bench":"0001`)); ok {
		t.Errorf("found %v in half a payload", m)
	}
}

func TestTheTallyTellsLostFromRepeated(t *testing.T) {
	t.Parallel()
	c := newTally(7, 10, 2)
	at := int64(1_000_000_000)
	for _, seq := range []int{0, 1, 1, 3} {
		c.count(mark{7, seq, at}, 0, at+int64(seq)*1e6)
		c.count(mark{7, seq, at}, 1, at+int64(seq)*1e6)
	}
	c.count(mark{6, 0, at}, 0, at)  // of the measurement before
	c.count(mark{7, 10, at}, 0, at) // past the end
	got := c.report(4)
	want := arrivals{Arrived: 6, Duplicates: 2, Strangers: 2, Lost: 2, Last: at + 3e6, Latency: latency{P50: 1000, P90: 3000, P99: 3000, Max: 3000}}
	if got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestPercentilesAreValuesThatOccurred(t *testing.T) {
	t.Parallel()
	hundred := make([]uint32, 100)
	for i := range hundred {
		hundred[i] = uint32(i + 1)
	}
	for _, c := range []struct {
		share float64
		want  uint32
	}{{0.5, 50}, {0.9, 90}, {0.99, 99}, {1, 100}} {
		if got := percentile(hundred, c.share); got != c.want {
			t.Errorf("percentile %v: %d, want %d", c.share, got, c.want)
		}
	}
	if got := percentile(nil, 0.5); got != 0 {
		t.Errorf("percentile of nothing: %d", got)
	}
}

func TestTheLoopAndTheRelayLoseNothing(t *testing.T) {
	t.Parallel()
	s, err := startSink(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	o := options{connections: 8, seconds: 0.2}
	check := func(name string, f figures, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if f.messages == 0 || f.Arrived != int64(f.messages) || f.Lost != 0 || f.Duplicates != 0 || f.Strangers != 0 || f.rate <= 0 {
			t.Errorf("%s: %+v", name, f)
		}
	}
	f, err := measureLoop(t.Context(), s, o)
	check("loop", f, err)

	relay, told, err := startRole(t.Context(), roleRelay, "-target", s.Targets[0]+"/0", "-connections", "8")
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{options: o, relayURL: told.Targets[0]}
	p := b.relayPublisher()
	f, err = measureFlow(t.Context(), s, relay, 1, func(run int) (int, error) {
		return p.saturate(t.Context(), s, run, duration(o.seconds))
	})
	check("relay", f, err)
	f, err = measureFlow(t.Context(), s, relay, 1, func(run int) (int, error) {
		return p.pace(t.Context(), run, 500, duration(o.seconds))
	})
	check("relay at a steady rate", f, err)
	if f.messages != 100 {
		t.Errorf("0.2 s at 500/s: %d messages, want 100", f.messages)
	}
	p.poster.close()
	if err := relay.stop(); err != nil {
		t.Error(err)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
}
