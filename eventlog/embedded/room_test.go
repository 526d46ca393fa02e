package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded"
)

// What is released is read into again; what is not stays as it is.
func TestOnlyReleasedBatchesAreReadIntoAgain(t *testing.T) {
	t.Parallel()
	const many = 5000
	disk := vfs.NewMem()
	writeNumbers(t, disk, many)
	log, err := embedded.Open("log", embedded.Options{FS: disk}) // which reads from its files: nothing is in memory
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	var kept [][]eventlog.Recorded
	memory := map[*byte]bool{}
	next, again := 0, 0
	done := errors.New("done")
	err = log.Subscribe(t.Context(), eventlog.Position{}, func(_ context.Context, b eventlog.Batch) error {
		next = checkNumbers(t, b.Events, next)
		if b.Release == nil {
			t.Fatal("a batch from the files cannot be released")
		}
		if memory[&b.Events[0].Data[0]] {
			again++
		}
		if len(kept) <= len(memory) {
			kept = append(kept, b.Events)
		} else {
			memory[&b.Events[0].Data[0]] = true
			b.Release()
		}
		if next == many {
			return done
		}
		return nil
	})
	if !errors.Is(err, done) {
		t.Fatal(err)
	}
	if again == 0 {
		t.Error("no memory was read into again")
	}
	for _, events := range kept {
		first := 0
		if _, err := fmt.Sscan(events[0].Type, &first); err != nil {
			t.Fatal(err)
		}
		checkNumbers(t, events, first)
	}
}

func writeNumbers(t *testing.T, disk vfs.FS, many int) {
	t.Helper()
	log, err := embedded.Open("log", embedded.Options{FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	appendNumbers(t, log, many)
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
}

func appendNumbers(t *testing.T, log *embedded.Log, many int) {
	t.Helper()
	for i := range many {
		e := eventlog.Event{ID: eventlog.ID{1, byte(i >> 8), byte(i)}, Type: fmt.Sprint(i), Data: fmt.Appendf(nil, `{"n":%d}`, i), Metadata: []byte(`{}`)}
		if _, err := log.Append(t.Context(), "numbers", eventlog.Any, e); err != nil {
			t.Fatal(err)
		}
	}
}

// checkNumbers returns the number that comes after the events.
func checkNumbers(t *testing.T, events []eventlog.Recorded, next int) int {
	t.Helper()
	for _, e := range events {
		if want := fmt.Sprintf(`{"n":%d}`, next); e.Type != fmt.Sprint(next) || string(e.Data) != want {
			t.Fatalf("got %s %s, want %s", e.Type, e.Data, want)
		}
		next++
	}
	return next
}

// A group that passes over whole batches reads into their memory again, but not into that of what it hands out.
func TestWhatAGroupHandsOutStaysAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many = 5000
		disk := vfs.NewMem()
		g := eventlog.Group{Name: "g", TypePrefixes: []string{"12", "49"}, MessageTimeout: time.Minute, MaxRetries: 3}
		consumeUntilStill(t, disk, g, nil) // which makes the group: it begins at the head
		writeNumbers(t, disk, many)
		var mu sync.Mutex
		handed := map[string]string{}
		consumeUntilStill(t, disk, g, func(ctx context.Context, h eventlog.Handed) eventlog.Verdict {
			<-ctx.Done() // when the group has read everything
			mu.Lock()
			defer mu.Unlock()
			handed[h.Type] = string(h.Data)
			return eventlog.Ack
		})
		for n, data := range handed {
			if want := `{"n":` + n + `}`; data != want {
				t.Errorf("event %s: got %s, want %s", n, data, want)
			}
		}
		if want := 2 * (1 + 10 + 100); len(handed) != want { // 12, 120 to 129 and 1200 to 1299, and as many with 49
			t.Errorf("%d events, want %d", len(handed), want)
		}
	})
}

// consumeUntilStill opens the log and lets a consumer join until nothing happens any more.
func consumeUntilStill(t *testing.T, disk vfs.FS, g eventlog.Group, handle func(context.Context, eventlog.Handed) eventlog.Verdict) {
	t.Helper()
	log, err := embedded.Open("log", embedded.Options{FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	ctx, leave := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- log.Consume(ctx, g, 1000, handle) }()
	synctest.Wait()
	leave()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestAGroupTakesFarAheadOnlyWhatIsInMemory lets a consumer of one event at a time hang, while the log grows and after a
// restart, when nothing is in memory and each event that waits may keep a chunk of a file.
func TestAGroupTakesFarAheadOnlyWhatIsInMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const many, few = 5000, 1024
		disk := vfs.NewMem()
		g := eventlog.Group{Name: "g", TypePrefixes: []string{""}, MessageTimeout: time.Hour, MaxRetries: 3}
		consumeUntilStill(t, disk, g, nil)
		ahead := func(grow int) uint64 {
			log, err := embedded.Open("log", embedded.Options{FS: disk})
			if err != nil {
				t.Fatal(err)
			}
			ctx, leave := context.WithCancel(t.Context())
			done := make(chan error, 1)
			go func() {
				done <- log.Consume(ctx, g, 1, func(ctx context.Context, _ eventlog.Handed) eventlog.Verdict {
					<-ctx.Done()
					return eventlog.Retry
				})
			}()
			synctest.Wait()
			appendNumbers(t, log, grow)
			synctest.Wait()
			stats, err := log.Stats(ctx, g.Name)
			if err != nil {
				t.Fatal(err)
			}
			if leave(); !errors.Is(<-done, context.Canceled) {
				t.Error("the consumer did not end with its context")
			}
			if err := log.Close(); err != nil {
				t.Fatal(err)
			}
			_, read := stats.LastKnown.Halves()
			_, finished := stats.Checkpoint.Halves()
			return read - finished
		}
		if n := ahead(many); n != many {
			t.Errorf("of %d events in memory %d were taken", many, n)
		}
		if n := ahead(0); n == 0 || n > few {
			t.Errorf("of %d events in files %d were taken", many, n)
		}
	})
}
