package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
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

// A sample counts for the innermost function that is of a stage; what every stage uses counts for its caller.
func TestASampleIsOfItsInnermostStage(t *testing.T) {
	t.Parallel()
	const serve = "net/http.(*conn).serve"
	for _, c := range []struct {
		want  string
		stack []string
	}{
		{"serve", []string{"internal/runtime/syscall/linux.Syscall6", "net.(*conn).Write", "bufio.(*Writer).Flush", serve}},
		{"accept", []string{"runtime.mallocgc", module + "http.(*exchange).readBody", serve}},
		{"publish", []string{module + "domain.(*Codec).Encode", inCommands + "appendLater", inCommands + "publish", inCommands + "PublishLater", module + "http.(*exchange).accept", serve}},
		{"append", []string{inEmbedded + "(*Log).AppendLater", inCommands + "handOver", inCommands + "PublishLater", serve}},
		{"record", []string{module + "domain.(*Codec).Encode", inCommands + "appendLater", inCommands + "RecordOutcomeLater", inDispatcher + "(*Dispatcher).record", inDispatcher + "(*Dispatcher).runOne"}},
		{"sign", []string{module + "projections.(*Fold).Policy", inDispatcher + "(*Dispatcher).prepare", inDispatcher + "(*Dispatcher).runOne"}},
		{"hand-over", []string{"runtime.newobject", inDispatcher + "(*Dispatcher).take", inEmbedded + "(*consumer).work"}},
		{"send", []string{"internal/runtime/syscall/linux.Syscall6", module + "dispatcher/egress.(*exchange).run", inDispatcher + "(*Dispatcher).runOne"}},
		{"project", []string{"github.com/cockroachdb/pebble/v2.(*Batch).Set", module + "projections.(*projector).commit", module + "projections.(*Fold).Run"}},
		{"store", []string{"github.com/cockroachdb/pebble/v2/sstable.(*RawColumnWriter).Add", "github.com/cockroachdb/pebble/v2.(*DB).compact1"}},
		{"runtime", []string{"runtime.gcDrain", "runtime.gcBgMarkWorker"}},
		{"runtime", nil},
	} {
		if got := stages[stageOf(c.stack)].name; got != c.want {
			t.Errorf("%s, want %s, for %v", got, c.want, c.stack)
		}
	}
}

// Every measure of scale runs, in a small size, and tells all that it is for; what it tells is not judged. What was lost or
// came twice fails it.
func TestMeasuresOfScaleInSmall(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program")
	}
	binary, err := buildHooklog(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	small := options{hooklog: binary, against: binary, rounds: 1, seconds: 0.2, connections: 8, fanOut: 40, pending: 1000, facts: 20_000, organizations: 100, soak: 2 * time.Second, only: "cd"}
	for _, c := range []struct {
		measure string
		tells   []string
	}{
		{"speed", []string{"(c) Hooklog, single", "system calls", "collecting garbage"}},
		{"compare", []string{"  1 a request: ", "100 a request: "}},
		{"isolation", []string{"98 good receivers", "1 hangs, 1 drips", "ratio of the medians"}},
		{"fan-out", []string{"1 message to 4 ", "messages to 40 ", "Resident memory"}},
		{"storm", []string{"1000 deliveries to 100 subscriptions", "start minus due", "0 stranded, 0 twice"}},
		{"growth", []string{"rebuilt beside", "page 1000", "delivery by id"}},
		{"organizations", []string{"matching warm, p50", "KiB for 1,000 subscriptions", "p99 with many to few"}},
		{"soak", []string{"\n20 ", "window 20 to window 5"}},
	} {
		t.Run(c.measure, func(t *testing.T) {
			t.Parallel()
			o := small
			o.dir = t.TempDir()
			var err error
			if o.measures, err = measuresNamed(c.measure); err != nil {
				t.Fatal(err)
			}
			var out strings.Builder
			if err := measureAll(t.Context(), o, &out); err != nil {
				t.Fatalf("%v, after\n%s", err, out.String())
			}
			for _, want := range append(c.tells, "cores used", "Nothing was lost, nothing came twice.") {
				if !strings.Contains(out.String(), want) {
					t.Errorf("%q is missing in\n%s", want, out.String())
				}
			}
		})
	}
}

func TestAMeasureIsKnownByItsName(t *testing.T) {
	t.Parallel()
	found, err := measuresNamed("soak,speed")
	if err != nil || len(found) != 2 || found[0].name != "soak" || found[1].name != "speed" {
		t.Errorf("got %v, %v", found, err)
	}
	if _, err := measuresNamed("speed,nonsense"); err == nil || !strings.Contains(err.Error(), "fan-out") {
		t.Errorf("got %v, want an error that lists what there is", err)
	}
}

func TestAReceiverFailsAMessageOnce(t *testing.T) {
	t.Parallel()
	r := &receiver{failing: failing{every: 2, waiting: map[mark]struct{}{}}}
	r.now.Store(newTally(1, 10, 1))
	take := func(seq int) int { return r.take(appendPayload(nil, mark{1, seq, 5}), 0) }
	if got := []int{take(0), take(1), take(0), take(1)}; !slices.Equal(got, []int{500, 200, 200, 200}) {
		t.Errorf("answers %v", got)
	}
	if got := r.now.Load().report(2); got.Arrived != 2 || got.Duplicates != 1 || r.count() != 0 {
		t.Errorf("%+v, %d failing: the retry of the failed one is no repetition, that of the other is", got, r.count())
	}
}

func TestAStormIsDueInOrder(t *testing.T) {
	t.Parallel()
	s := storm{begins: time.Unix(1000, 0), gentle: 100, floods: 1000, saturating: 20}
	for i := 1; i < s.size(); i++ {
		if s.due(i).Before(s.due(i - 1)) {
			t.Fatalf("number %d is due before the one before it", i)
		}
	}
	if got := s.due(50).Sub(s.begins); got != 5*time.Second {
		t.Errorf("number 50 is due after %v, want 5 s at 10 a second", got)
	}
	if got := s.due(1099).Sub(s.flood()); got != 9990*time.Millisecond {
		t.Errorf("the last is due %v into the flood, want 9.99 s at 100 a second", got)
	}
	waits := []uint32{5_000_000, 1_000_000, never, 0} // due 10 ms apart
	if got := s.overtaken(waits); !slices.Equal(got, []uint32{0, 20_000, 30_000}) {
		t.Errorf("overtaken by %v", got)
	}
}
