package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded"
)

// witness writes down what appenders were told and readers were shown. Its notes at a moment before a power loss are
// what must be true after it.
type witness struct {
	mu           sync.Mutex
	acknowledged []acknowledgement
	shown        map[eventlog.Position]eventlog.ID
}

func (w *witness) acknowledge(a acknowledgement) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acknowledged = append(w.acknowledged, a)
}

func (w *witness) show(e eventlog.Recorded) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.shown[e.Position] = e.ID
}

func (w *witness) notes() ([]acknowledgement, map[eventlog.Position]eventlog.ID) {
	w.mu.Lock()
	defer w.mu.Unlock()
	shown := make(map[eventlog.Position]eventlog.ID, len(w.shown))
	for p, id := range w.shown {
		shown[p] = id
	}
	return w.acknowledged[:len(w.acknowledged):len(w.acknowledged)], shown
}

// powerLosses appends and reads, cuts the power several times with the given part of unsynced blocks surviving, and
// returns what was then missing.
func powerLosses(t *testing.T, opts embedded.Options, cuts int, survives func() int) (found []string, acknowledged int) {
	t.Helper()
	disk := vfs.NewCrashableMem()
	opts.FS, opts.SegmentSize = disk, 64<<10 // every sync of this disk costs what the file holds
	l, err := embedded.Open("data/log", opts)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	w := &witness{shown: make(map[eventlog.Position]eventlog.ID)}
	ctx, cancel := context.WithCancel(t.Context())
	var tasks sync.WaitGroup
	work(ctx, t, &tasks, l, w)
	var checks []func()
	for range cuts {
		time.Sleep(time.Duration(5+rand.IntN(40)) * time.Millisecond)
		told, shown := w.notes()
		for len(told) == acknowledged && t.Context().Err() == nil { // Whatever the machine is busy with, every cut meets something new.
			time.Sleep(time.Millisecond)
			told, shown = w.notes()
		}
		after := disk.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: survives(), RNG: rand.New(rand.NewPCG(rand.Uint64(), 1))})
		acknowledged = len(told)
		checks = append(checks, func() { found = append(found, missing(t, after, told, shown)...) })
	}
	cancel()
	tasks.Wait()
	if err := l.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	for _, check := range checks { // Afterwards, so that the log does not grow meanwhile.
		check()
	}
	return found, acknowledged
}

// work runs appenders, a subscriber and a group until ctx ends.
func work(ctx context.Context, t *testing.T, tasks *sync.WaitGroup, l *embedded.Log, w *witness) {
	for n := range uint64(8) {
		tasks.Go(func() {
			for i := uint64(0); ctx.Err() == nil; i++ {
				stream, events := fmt.Sprintf("power-%d.%d", n, i/5), batchOf(n+1, i)
				a, err := l.Append(ctx, stream, eventlog.Any, events...)
				if err == nil {
					w.acknowledge(acknowledgement{stream, a.Revision, events[len(events)-1].ID, len(events)})
				} else if ctx.Err() == nil {
					t.Errorf("append: %v", err)
				}
			}
		})
	}
	tasks.Go(func() {
		err := l.Subscribe(ctx, eventlog.Position{}, func(_ context.Context, b eventlog.Batch) error {
			for _, e := range b.Events {
				w.show(e)
			}
			return nil
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("subscribe: %v", err)
		}
	})
	tasks.Go(func() {
		g := eventlog.Group{Name: "workers", TypePrefixes: []string{"part."}, MessageTimeout: time.Minute, MaxRetries: 3}
		err := l.Consume(ctx, g, 64, func(_ context.Context, h eventlog.Handed) eventlog.Verdict {
			w.show(h.Recorded)
			return eventlog.Ack
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("consume: %v", err)
		}
	})
}

// missing opens what a power loss left and compares.
func missing(t *testing.T, disk vfs.FS, told []acknowledgement, shown map[eventlog.Position]eventlog.ID) []string {
	t.Helper()
	l, err := embedded.Open("data/log", embedded.Options{FS: disk})
	if err != nil {
		return []string{fmt.Sprintf("open after a power loss: %v", err)}
	}
	defer func() {
		if err := l.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}()
	found := losses(t.Context(), l, told)
	for e, err := range l.ReadAll(t.Context(), eventlog.Position{}) {
		if err != nil {
			return append(found, err.Error())
		}
		if id, ok := shown[e.Position]; ok && id == e.ID {
			delete(shown, e.Position)
		}
	}
	if len(shown) > 0 {
		found = append(found, fmt.Sprintf("%d events that a reader was shown are missing", len(shown)))
	}
	return found
}

// cutsADisk is how often the power of one disk is cut: all that was told before is looked at again after every cut.
const cutsADisk = 12

// disks is how many are taken, one after the other.
func disks() int {
	if os.Getenv("HOOKLOG_LONG") != "" {
		return 17
	}
	return 1
}

func TestPowerLoss(t *testing.T) {
	for name, survives := range map[string]func() int{
		"what was not synced is gone":      func() int { return 0 },
		"what was not synced may be there": func() int { return rand.IntN(101) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for range disks() {
				found, acknowledged := powerLosses(t, embedded.Options{}, cutsADisk, survives)
				if len(found) > 0 {
					t.Errorf("after power losses: %d faults, such as %.10q", len(found), found)
				}
				if acknowledged == 0 {
					t.Error("nothing was acknowledged")
				}
				t.Logf("%d acknowledged appends, %d power losses", acknowledged, cutsADisk)
			}
		})
	}
}

// TestPowerLossIsNoticed shows that the test above can fail.
func TestPowerLossIsNoticed(t *testing.T) {
	t.Parallel()
	found, _ := powerLosses(t, embedded.Options{NoSync: true}, 4, func() int { return 0 })
	if len(found) == 0 {
		t.Error("without syncing nothing was lost")
	}
}
