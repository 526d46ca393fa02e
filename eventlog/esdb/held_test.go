package esdb_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/esdb"
	"github.com/hooklog/hooklog/eventlog/esdbserver"
)

func sameMemory(a, b []byte) bool { return len(a) == len(b) && len(a) > 0 && &a[0] == &b[0] }

// TestWhatWasAppendedComesBackInItsMemory holds that subscriptions and groups give an event the memory that it was
// appended from, and never that of another with the same id.
func TestWhatWasAppendedComesBackInItsMemory(t *testing.T) {
	t.Parallel()
	n := newNode(t, esdbserver.Config{Insecure: true})
	l, other := open(t, n.url()), open(t, n.url())
	group := eventlog.Group{Name: "g", TypePrefixes: []string{"t"}, MessageTimeout: time.Minute, MaxRetries: 1}
	ctx, stop := context.WithCancel(soon(t))
	got := make(chan eventlog.Recorded, 8) // once from either
	subscribed := make(chan error, 1)
	go func() {
		subscribed <- l.Subscribe(ctx, eventlog.Position{}, func(_ context.Context, b eventlog.Batch) error {
			for _, e := range b.Events {
				got <- e
			}
			return nil
		})
	}()
	consumed := consume(ctx, l, group, func(_ context.Context, h eventlog.Handed) eventlog.Verdict {
		got <- h.Recorded
		return eventlog.Ack
	})
	joined(t, l, group.Name)
	mine := newEvent("t")
	forged := mine
	forged.Data = []byte(`{"a":2}`)
	for i, by := range []*esdb.Log{l, other} {
		e := []eventlog.Event{mine, forged}[i]
		if _, err := by.Append(soon(t), []string{"mine", "forged"}[i], eventlog.NoStream, e); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			switch r := <-got; {
			case string(r.Data) != string(e.Data) || string(r.Metadata) != string(e.Metadata):
				t.Errorf("%s: got %s, %s", r.Stream, r.Data, r.Metadata)
			case by == l && (!sameMemory(r.Data, e.Data) || !sameMemory(r.Metadata, e.Metadata)):
				t.Errorf("%s came in memory of its own", r.Stream)
			}
		}
	}
	stop()
	if err := errors.Join(<-subscribed, <-consumed); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
