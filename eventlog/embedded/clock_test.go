package embedded_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded"
)

// handedAt tells when an event was handed out.
type handedAt struct {
	after   time.Duration
	retries int
}

// TestGroupKeepsTime runs a log in virtual time: a whole history of timeouts and retries to the millisecond.
func TestGroupKeepsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, err := embedded.Open("log", embedded.Options{FS: vfs.NewMem()})
		if err != nil {
			t.Fatal(err)
		}
		g := eventlog.Group{Name: "g", TypePrefixes: []string{"part"}, MessageTimeout: 90 * time.Second, MaxRetries: 4}
		ctx, cancel := context.WithCancel(t.Context())
		var mu sync.Mutex
		var got []handedAt
		var start time.Time
		done := make(chan error, 1)
		go func() {
			done <- l.Consume(ctx, g, 10, func(_ context.Context, h eventlog.Handed) eventlog.Verdict {
				mu.Lock()
				got = append(got, handedAt{time.Since(start), h.Retries})
				mu.Unlock()
				if h.Retries == 1 {
					time.Sleep(2 * time.Minute) // Its verdict comes too late.
					return eventlog.Park
				}
				return eventlog.Retry
			})
		}()
		synctest.Wait()
		start = time.Now()
		if _, err := l.Append(ctx, "s", eventlog.NoStream, batchOf(1, 0)...); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		want := []handedAt{
			{0, 0},
			{100 * time.Millisecond, 1}, // and not answered in time
			{90*time.Second + 100*time.Millisecond, 2},
			{90*time.Second + 400*time.Millisecond, 3},
			{90*time.Second + 800*time.Millisecond, 4},
		}
		mu.Lock()
		defer mu.Unlock()
		if !slices.Equal(got, want) {
			t.Errorf("handed out %v, want %v", got, want)
		}
		s, err := l.Stats(ctx, "g")
		if err != nil || s.Parked != 1 || s.InFlight != 0 || s.Checkpoint != s.LastKnown {
			t.Errorf("afterwards: %+v, %v", s, err)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("consume: %v", err)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}
