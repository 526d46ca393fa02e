package projections

import (
	"context"
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// reticent hands over what a log holds, in small batches, and never says that it is at the head.
type reticent struct{ eventlog.Feed }

func (f reticent) Subscribe(ctx context.Context, after eventlog.Position, receive func(context.Context, eventlog.Batch) error) error {
	var events []eventlog.Recorded
	hand := func() error {
		b := eventlog.Batch{Events: events}
		events = nil
		return receive(ctx, b)
	}
	for e, err := range f.ReadAll(ctx, after) {
		if err != nil {
			return err
		}
		if events = append(events, e); len(events) < 7 {
			continue
		}
		if err := hand(); err != nil {
			return err
		}
	}
	if err := hand(); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

// TestCatchingUpGivesWhatFollowingGives folds a log at the start, and is killed on the way.
func TestCatchingUpGivesWhatFollowingGives(t *testing.T) {
	t.Parallel()
	log := logWith(t, 1500)
	want := served(t, folded(t, log.scribe))
	disk := vfs.NewCrashableMem()
	for kill := range 4 {
		r := runWith(t, log.Log, disk, func(*Config) {}, func(x *Fold) { x.gather = 100 + 900*kill })
		if err := r.WaitFor(t.Context(), eventlog.PositionOf(0, uint64(log.facts*(kill+1)/4))); err != nil {
			t.Fatal(err)
		}
		if err := r.store.Flush(); err != nil {
			t.Fatal(err)
		}
		if kill == 3 {
			sameStore(t, "in the end", served(t, r.Fold), want)
		}
		clone := disk.CrashClone(vfs.CrashCloneCfg{})
		if err := r.end(); err != nil {
			t.Fatalf("run: %v", err)
		}
		closeFold(t, r.Fold)
		disk = clone
	}
}

// TestWhatWasReadIsFoldedThoughNothingFollows: facts do not wait for more of them.
func TestWhatWasReadIsFoldedThoughNothingFollows(t *testing.T) {
	t.Parallel()
	log := logWith(t, 100)
	r := runWith(t, log.Log, vfs.NewMem(), func(c *Config) { c.Feed = reticent{log.Log} })
	defer closeFold(t, r.Fold)
	log.folded(t, r.Fold)
	if r.Live() {
		t.Error("a fold is live though the log never said so")
	}
	if err := r.end(); err != nil {
		t.Errorf("run: %v", err)
	}
}

// TestNobodySeesWhatIsGathered: whoever lets the fold stand still while it catches up finds everything committed.
func TestNobodySeesWhatIsGathered(t *testing.T) {
	t.Parallel()
	log := logWith(t, 1500)
	r := runWith(t, log.Log, vfs.NewMem(), func(c *Config) { c.Feed = reticent{log.Log} }, func(x *Fold) { x.gather = 50 })
	defer closeFold(t, r.Fold)
	for r.Position() != log.last {
		r.folding.Lock()
		if n := r.projector.batch.facts; n != 0 {
			t.Errorf("%d facts are gathered", n)
		}
		r.folding.Unlock()
	}
	if err := r.end(); err != nil {
		t.Errorf("run: %v", err)
	}
}

// TestCatchingUpStopsBeforeWhatItCannotFold commits what is gathered before an unknown fact.
func TestCatchingUpStopsBeforeWhatItCannotFold(t *testing.T) {
	t.Parallel()
	log := logWith(t, 300)
	_, err := log.Append(t.Context(), "hl_moon-1", eventlog.NoStream,
		eventlog.Event{ID: log.scribe.id(), Type: "hooklog.MoonReached.v7", Data: []byte("{}"), Metadata: []byte("{}")})
	if err != nil {
		t.Fatal(err)
	}
	r := runWith(t, log.Log, vfs.NewMem(), func(*Config) {})
	defer closeFold(t, r.Fold)
	if err := <-r.done; !errors.Is(err, domain.ErrUnknownFact) {
		t.Errorf("run ended with %v, want the unknown fact", err)
	}
	if r.Position() != log.last {
		t.Errorf("folded up to %s, want up to the last known fact at %s", r.Position(), log.last)
	}
	sameStore(t, "before the unknown fact", served(t, r.Fold), served(t, folded(t, log.scribe)))
}
