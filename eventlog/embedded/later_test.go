package embedded_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded"
)

func TestAppendsHandedOverAreMadeInThatOrder(t *testing.T) {
	t.Parallel()
	log, err := embedded.Open("log", embedded.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	const many = 3000
	var waits []func() (eventlog.Appended, error)
	for i := range many {
		e := eventlog.Event{ID: eventlog.ID{1, byte(i >> 8), byte(i)}, Type: fmt.Sprint(i), Data: []byte(`{}`)}
		expected := eventlog.NoStream
		if i == many/2 {
			expected = eventlog.Exactly(7)
		}
		wait, err := log.AppendLater(t.Context(), fmt.Sprintf("s-%d", i), expected, e)
		if err != nil {
			t.Fatal(err)
		}
		waits = append(waits, wait)
	}
	for i, wait := range waits {
		_, err := wait()
		if conflict := errors.Is(err, eventlog.ErrRevisionConflict); conflict != (i == many/2) || !conflict && err != nil {
			t.Errorf("append %d: %v", i, err)
		}
	}
	next := 0
	for e, err := range log.ReadAll(t.Context(), eventlog.Position{}) {
		if err != nil {
			t.Fatal(err)
		}
		if next == many/2 {
			next++
		}
		if e.Type != fmt.Sprint(next) {
			t.Fatalf("found %s where %d was handed over", e.Type, next)
		}
		next++
	}
	if next != many {
		t.Errorf("found events up to %d", next)
	}
	if _, err := log.AppendLater(t.Context(), "", eventlog.Any, eventlog.Event{}); !errors.Is(err, eventlog.ErrInvalid) {
		t.Errorf("without a stream: %v", err)
	}
}
