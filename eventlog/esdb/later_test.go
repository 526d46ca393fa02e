package esdb_test

import (
	"errors"
	"testing"

	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/esdb"
	"github.com/hooklog/hooklog/eventlog/esdbserver"
)

// TestAppendsThatAreHandedOver holds that more appends than may be under way can be handed over before the first is
// waited for, that each is told what came of it, and that those handed over before a connection is lost are repeated.
func TestAppendsThatAreHandedOver(t *testing.T) {
	t.Parallel()
	n := newNode(t, esdbserver.Config{Insecure: true})
	p := newProxy(t, n.address)
	l := open(t, p.url())
	const appends = 3000
	var waits []func() (eventlog.Appended, error)
	for i := range appends {
		expected := []eventlog.Expected{eventlog.NoStream, eventlog.Exactly(7)}[i%2]
		wait, err := l.AppendLater(soon(t), "s-"+newEvent("t").ID.String(), expected, newEvent("t"))
		if err != nil {
			t.Fatal(err)
		}
		waits = append(waits, wait)
		if i == appends/2 {
			p.cut()
		}
	}
	seen := make(map[eventlog.Position]bool)
	for i, wait := range waits {
		a, err := wait()
		switch {
		case i%2 == 0 && (err != nil || seen[a.Position]):
			t.Fatalf("append %d: got %v, %v", i, a, err)
		case i%2 == 1 && !errors.Is(err, eventlog.ErrRevisionConflict):
			t.Fatalf("append %d: got %v, want a conflict", i, err)
		}
		seen[a.Position] = true
	}
	if got := len(n.contents()); got != appends/2 {
		t.Errorf("%d events were appended, want %d", got, appends/2)
	}
	var log eventlog.Pipeline = l
	if log.InOrder() {
		t.Error("a log that repeats appends says that it makes them in order")
	}
}

// TestAnAppendLaterThatIsRefused holds that what nobody may append is not handed over.
func TestAnAppendLaterThatIsRefused(t *testing.T) {
	t.Parallel()
	l := open(t, newNode(t, esdbserver.Config{Insecure: true}).url())
	if _, err := l.AppendLater(soon(t), "$s", eventlog.Any, newEvent("t")); !errors.Is(err, eventlog.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

var _ eventlog.Pipeline = (*esdb.Log)(nil)
