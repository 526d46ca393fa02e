package commands

import (
	"errors"
	"sync"
	"testing"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/sealing"
)

func TestAKeysetIsCheckedAgainstItsLog(t *testing.T) {
	w := newWorld(t)
	if err := w.CheckKeyset(w.ctx, by, false); !errors.Is(err, ErrWrongKeyset) {
		t.Errorf("a log with facts and no probe: %v", err)
	}
	var race sync.WaitGroup
	for range 4 {
		race.Go(func() {
			if err := w.CheckKeyset(w.ctx, by, true); err != nil {
				t.Error(err)
			}
		})
	}
	race.Wait()
	w.holds(domain.KeysetProbeStream, 1)
	w.must(w.CheckKeyset(w.ctx, by, false))
	with := func(keys *sealing.Keyset) *Commands {
		other := *w
		other.keys = keys
		return other.another(w.log)
	}
	rotated, err := w.keys.Rotate()
	w.must(err)
	if err := with(rotated).CheckKeyset(w.ctx, by, false); err != nil {
		t.Errorf("the rotated keyset: %v", err)
	}
	foreign, err := sealing.NewKeyset()
	w.must(err)
	for _, empty := range []bool{true, false} {
		if err := with(foreign).CheckKeyset(w.ctx, by, empty); !errors.Is(err, ErrWrongKeyset) {
			t.Errorf("a foreign keyset, log thought empty %v: %v", empty, err)
		}
	}
	w.holds(domain.KeysetProbeStream, 1)
	full := w.another(troubled{Streams: w.log, before: func(string, []eventlog.Event) error { return eventlog.ErrNoSpace }})
	if err := full.CheckKeyset(w.ctx, by, true); !errors.Is(err, eventlog.ErrNoSpace) {
		t.Errorf("a fault: %v", err)
	}
	w.reopen()
	w.must(w.CheckKeyset(w.ctx, by, false))
}
