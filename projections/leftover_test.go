package projections

import (
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

func TestLeftoversAreNamed(t *testing.T) {
	t.Parallel()
	r := follow(t)
	s := newScribe(t)
	busy(s, 10)
	r.append(s, 0)
	if names, err := r.Leftovers(); err != nil || len(names) > 0 {
		t.Fatalf("of a fold that was never rebuilt: %q, %v", names, err)
	}
	m := r.reading()
	if _, err := r.Rebuild("failures"); err != nil {
		t.Fatal(err)
	}
	rebuilt(t, r.Fold, "failures")
	time.Sleep(3 * drainPoll)
	if names, err := r.Leftovers(); err != nil || len(names) > 0 {
		t.Errorf("while the old rows are still read: %q, %v", names, err)
	}
	m.done()
	r.shadowing()
	if names, err := r.Leftovers(); err != nil || len(names) > 0 {
		t.Errorf("after a rebuild: %q, %v", names, err)
	}
	left := failureSpace | r.now().colours.other()[failureSpace]
	if err := r.store.write("leave a row", func(b *pebble.Batch) error { return b.Set([]byte{left, 1}, nil, nil) }); err != nil {
		t.Fatal(err)
	}
	if names, err := r.Leftovers(); err != nil || !slices.Equal(names, []string{"failures"}) {
		t.Errorf("with a row in the place that is not served: %q, %v; want failures", names, err)
	}
}
