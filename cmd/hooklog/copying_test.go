package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded"
	"github.com/hooklog/hooklog/eventlog/esdb"
)

// memoryLog is an embedded log in memory.
func memoryLog(t *testing.T) *embedded.Log {
	t.Helper()
	log, err := embedded.Open("log", embedded.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Error(err)
		}
	})
	return log
}

// history appends events at random to streams of Hooklog, of others and of EventStoreDB itself.
func history(t *testing.T, log eventlog.Streams, random *rand.Rand, appends int) {
	t.Helper()
	for range appends {
		stream := [...]string{"hl_message-%d", "hl_delivery-%d", "hl_key-%d", "others-%d", "$$hl_key-%d"}[random.IntN(5)]
		var events []eventlog.Event
		for range 1 + random.IntN(3) {
			e := eventlog.Event{Type: fmt.Sprintf("t%d", random.IntN(4)), Opaque: random.IntN(5) == 0,
				Data: fmt.Appendf(nil, `{"n":%d,"text":%q}`, random.Uint64(), strings.Repeat("ü", random.IntN(200)))}
			if random.IntN(3) > 0 {
				e.Metadata = []byte(`{"at":"2026-01-01T00:00:00Z"}`)
			}
			for i := range e.ID {
				e.ID[i] = byte(random.Uint32())
			}
			events = append(events, e)
		}
		if _, err := log.Append(t.Context(), fmt.Sprintf(stream, random.IntN(30)), eventlog.Any, events...); err != nil {
			t.Fatal(err)
		}
	}
}

func copyFrom(t *testing.T, from, to eventlog.Log) (copied, error) {
	t.Helper()
	return (&copying{from: from, to: to, bar: newProgressBar(io.Discard)}).run(t.Context())
}

// sameHistory compares two logs event by event.
func sameHistory(t *testing.T, a, b eventlog.Log, prefix string) {
	t.Helper()
	read := func(log eventlog.Log) (all []eventlog.Recorded) {
		for e, err := range log.ReadAll(t.Context(), eventlog.Position{}) {
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(e.Stream, prefix) {
				all = append(all, e)
			}
		}
		return all
	}
	x, y := read(a), read(b)
	if len(x) != len(y) || len(x) == 0 {
		t.Fatalf("%d events and %d", len(x), len(y))
	}
	for i := range x {
		if !sameFact(&x[i], &y[i]) {
			t.Fatalf("event %d: %+v and %+v", i, x[i], y[i])
		}
	}
}

func TestACopyHoldsTheWholeHistory(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(1, 2))
	source, target := memoryLog(t), memoryLog(t)
	history(t, source, random, 500)
	made, err := copyFrom(t, source, target)
	if err != nil || made.Copied != made.Facts || made.Found != 0 || made.LeftOut == 0 {
		t.Fatalf("%+v, %v", made, err)
	}
	sameHistory(t, source, target, "hl_")
	again, err := copyFrom(t, source, target)
	if err != nil || again.Copied != 0 || again.Found != made.Facts || again.SHA256 != made.SHA256 {
		t.Errorf("once more: %+v, %v", again, err)
	}
	history(t, source, random, 50)
	more, err := copyFrom(t, source, target)
	if err != nil || more.Found != made.Facts || more.Copied == 0 || more.SHA256 == made.SHA256 {
		t.Errorf("after the source went on: %+v, %v", more, err)
	}
	sameHistory(t, source, target, "hl_")

	all := memoryLog(t)
	whole := &copying{from: source, to: all, everything: true, bar: newProgressBar(io.Discard)}
	if made, err := whole.run(t.Context()); err != nil || made.Facts <= more.Facts {
		t.Errorf("everything: %+v, %v", made, err)
	}
	sameHistory(t, source, all, "others-")
}

// cutLog breaks off after a number of events, or passes over some.
type cutLog struct {
	eventlog.Log
	after  int
	hidden func(eventlog.Recorded) bool
}

var errCut = errors.New("cut")

func (l cutLog) ReadAll(ctx context.Context, after eventlog.Position) iter.Seq2[eventlog.Recorded, error] {
	return func(yield func(eventlog.Recorded, error) bool) {
		n := 0
		for e, err := range l.Log.ReadAll(ctx, after) {
			if n++; n > l.after {
				yield(eventlog.Recorded{}, errCut)
				return
			}
			if l.hidden != nil && l.hidden(e) {
				continue
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

func TestACopyThatBrokeOffGoesOn(t *testing.T) {
	t.Parallel()
	source, target := memoryLog(t), memoryLog(t)
	history(t, source, rand.New(rand.NewPCG(3, 4)), 400)
	for _, after := range []int{1, 100, 101, 350, 700} {
		if _, err := copyFrom(t, cutLog{Log: source, after: after}, target); !errors.Is(err, errCut) {
			t.Fatalf("cut after %d: %v", after, err)
		}
	}
	made, err := copyFrom(t, source, target)
	if err != nil || made.Found == 0 || made.Copied == 0 {
		t.Fatalf("%+v, %v", made, err)
	}
	sameHistory(t, source, target, "hl_")
}

func TestACopyOfSomethingElseIsRefused(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(5, 6))
	source := memoryLog(t)
	history(t, source, random, 500)
	strange := memoryLog(t)
	history(t, strange, random, 5)
	if _, err := copyFrom(t, source, strange); !errors.Is(err, errOtherCopy) {
		t.Errorf("a strange log: %v", err)
	}
	longer := memoryLog(t)
	if _, err := copyFrom(t, source, longer); err != nil {
		t.Fatal(err)
	}
	if _, err := longer.Append(t.Context(), "hl_key-x", eventlog.Any, eventlog.Event{ID: eventlog.ID{1}, Type: "t", Data: []byte(`{}`)}); err != nil {
		t.Fatal(err)
	}
	if _, err := copyFrom(t, source, longer); !errors.Is(err, errOtherCopy) {
		t.Errorf("a copy that went on: %v", err)
	}
	first := func(e eventlog.Recorded) bool { return e.Stream == "hl_key-1" && e.Revision == 0 }
	if _, err := copyFrom(t, cutLog{Log: source, after: 1e6, hidden: first}, memoryLog(t)); err == nil || !strings.Contains(err.Error(), "of hl_key-1 cannot have the same revision") {
		t.Errorf("a stream that lacks its beginning: %v", err)
	}
}

func TestACopyOverEventStoreDBsProtocol(t *testing.T) {
	t.Parallel()
	source, node, target := memoryLog(t), startLogNode(t), memoryLog(t)
	history(t, source, rand.New(rand.NewPCG(7, 8)), 200)
	over, err := esdb.Open(t.Context(), esdb.Config{URL: node.url()})
	if err != nil {
		t.Fatal(err)
	}
	defer over.Close()
	there, err := copyFrom(t, source, over)
	if err != nil {
		t.Fatal(err)
	}
	back, err := copyFrom(t, over, target)
	if err != nil || back.SHA256 != there.SHA256 {
		t.Fatalf("%+v, then %+v, %v", there, back, err)
	}
	sameHistory(t, source, target, "hl_")
}

func TestCopyCommand(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	h := startHook(t)
	s := serve(t, from)
	s.begin(t, "acme", h, "1s")
	s.publish(t, "acme", `{}`)
	eventually(t, "it arrives", func() bool { return len(h.got()) == 1 })
	fail(t, exitFailed, nil, []string{"log", "copy", "--from", from, "--to", to}, "stop the server first")
	s.stop()
	made := decode[copied](t, succeed(t, nil, "log", "copy", "--from", from, "--to", to, "--json"))
	if made.Copied == 0 || made.Copied != made.Facts || len(made.SHA256) != 64 {
		t.Errorf("%+v", made)
	}
	out := succeed(t, nil, "log", "copy", "--from", from, "--to", to)
	if !strings.Contains(out, "Copied 0 facts") || strings.Count(out, made.SHA256) != 2 {
		t.Errorf("once more: %s", out)
	}
	node := startLogNode(t)
	env := []string{"HOOKLOG_ESDB_URL=" + node.url()}
	if out := succeed(t, env, "log", "copy", "--from", to, "--to", "esdb-url"); !strings.Contains(out, made.SHA256) {
		t.Errorf("to the setting: %s", out)
	}
	fail(t, exitUsage, nil, []string{"log", "copy", "--from", from}, "--from and --to")
	fail(t, exitUsage, nil, []string{"log", "copy", "--from", "esdb-url", "--to", to}, "esdb-url is empty")
	fail(t, exitFailed, nil, []string{"log", "copy", "--from", filepath.Join(dir, "none"), "--to", to}, "open what is copied")
	fail(t, exitFailed, nil, []string{"log", "copy", "--from", from, "--to", from}, "open the copy")
}
