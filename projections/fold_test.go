package projections

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded"
	"github.com/hooklog/hooklog/sealing"
)

func TestFollowingALog(t *testing.T) {
	t.Parallel()
	r := follow(t)
	s := newScribe(t)
	org := s.organization("vantageclaw")
	sub := s.subscription(org, "a.b")
	id, of := s.publish(org, "a.b", 1, domain.Target{Subscription: sub})
	at := r.append(s, 0)
	if r.Position() != at {
		t.Errorf("position %s, want %s", r.Position(), at)
	}
	if d := standing(t, r.Fold, deliveryTo(id, of, sub)); d.State != domain.Scheduled || d.Next != 0 {
		t.Errorf("the delivery stands as %+v", d)
	}
	for !r.Live() || r.Lag() != 0 { // Both are told soon after.
		time.Sleep(time.Millisecond)
	}
	before := len(s.events)
	s.succeed(deliveryTo(id, of, sub), 1)
	r.append(s, before)
	if d := standing(t, r.Fold, deliveryTo(id, of, sub)); d.State != domain.Succeeded || d.Next != 1 || d.Attempts != 1 {
		t.Errorf("after the success: %+v", d)
	}
	if err := r.end(); err != nil {
		t.Errorf("run ended with %v", err)
	}
	if r.Live() {
		t.Error("a fold that does not run is live")
	}
}

func TestWaitForGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	r := follow(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.WaitFor(ctx, eventlog.PositionOf(0, 1000)); !errors.Is(err, context.Canceled) {
		t.Errorf("WaitFor: %v, want that the context ended", err)
	}
	r.progress.mu.Lock()
	defer r.progress.mu.Unlock()
	if n := len(r.progress.waiters); n != 0 {
		t.Errorf("%d waiters are left behind", n)
	}
}

func TestAnUnknownFactStopsTheFoldByName(t *testing.T) {
	t.Parallel()
	r := follow(t)
	s := newScribe(t)
	org := s.organization("vantageclaw")
	at := r.append(s, 0)
	_, err := r.log.Append(t.Context(), "hl_moon-1", eventlog.NoStream,
		eventlog.Event{ID: s.id(), Type: "hooklog.MoonReached.v7", Data: []byte("{}"), Metadata: []byte("{}")})
	if err != nil {
		t.Fatal(err)
	}
	err = <-r.done
	r.done <- nil
	if !errors.Is(err, domain.ErrUnknownFact) || !strings.Contains(err.Error(), "MoonReached") {
		t.Errorf("run ended with %v, want the unknown type by name", err)
	}
	if r.Position() != at {
		t.Errorf("folded up to %s, want up to the last known fact at %s", r.Position(), at)
	}
	if _, ok := r.Organization(org); !ok {
		t.Error("what was before the unknown fact is not folded")
	}
}

func TestForeignForgedAndMisplacedEventsAreCounted(t *testing.T) {
	t.Parallel()
	s := newScribe(t)
	org := s.organization("vantageclaw")
	sub := s.subscription(org, "a.b")
	before := len(s.events)
	s.put("somebody-else", eventlog.Event{ID: s.id(), Type: "Else.v1", Data: []byte("{}"), Metadata: []byte("{}")})

	// An organization of another keyset, and a fact that is copied to a stream where it was not written.
	other, err := sealing.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	s.codec = domain.NewCodec(other)
	forged := s.organization("vantageclaw")
	s.codec = codec()
	copied := s.events[1].Event
	s.put(domain.SubscriptionStream(domain.SubscriptionID(s.id())), copied)

	s.put(domain.DeliveryStream(domain.DeliveryID(s.id())), eventlog.Event{ID: s.id(), Type: "hooklog.RetryDue.v1", Data: []byte("[]"), Metadata: []byte("{}")})

	// Outcomes need no MAC; so they must not begin a delivery, nor be told of another one's stream.
	id, of := domain.MessageID(s.id()), domain.MessageOf{Organization: org, EventType: "a.b", PublishedAt: s.now}
	s.succeed(deliveryTo(id, of, sub), 1)
	s.write(domain.DeliveryStream(domain.DeliveryID(s.id())), &domain.AttemptSucceeded{Attempt: s.attempt(deliveryTo(id, of, sub), 1, 1, 0, 200)})

	x := folded(t, s)
	got := x.Skipped()
	want := map[string]uint64{"foreign": 1, "forged": 2, "malformed": 1, "misplaced": 2}
	for reason, n := range want {
		if got[reason] != n {
			t.Errorf("%s: %d, want %d", reason, got[reason], n)
		}
	}
	if _, ok := x.Organization(forged); ok {
		t.Error("a forged organization is believed")
	}
	if _, ok, err := x.Delivery(deliveryTo(id, of, sub)); ok || err != nil {
		t.Errorf("an outcome began a delivery (error %v)", err)
	}
	if _, low := x.Position().Halves(); int(low) != len(s.events) || before >= len(s.events) {
		t.Errorf("position %d, want past all %d events", low, len(s.events))
	}
}

func TestALogOlderThanTheReadModelsIsRefusedWithAWayOut(t *testing.T) {
	t.Parallel()
	s := newScribe(t)
	s.organization("vantageclaw")
	fs := vfs.NewMem()
	x := openOn(t, fs)
	foldOn(t, x, s)
	closeFold(t, x)
	log, err := embedded.Open("log", embedded.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	x, err = Open(Config{Dir: "projections", FS: fs, Feed: log, Streams: log, Codec: codec()})
	if err != nil {
		t.Fatal(err)
	}
	defer closeFold(t, x)
	err = x.Run(t.Context())
	if !errors.Is(err, eventlog.ErrAhead) || !strings.Contains(err.Error(), "delete that folder") {
		t.Errorf("run ended with %v, want ErrAhead and what to do", err)
	}
}

func TestAnotherFormatIsFoldedAnew(t *testing.T) {
	t.Parallel()
	s := newScribe(t)
	org := s.organization("vantageclaw")
	fs := vfs.NewMem()
	x := openOn(t, fs)
	foldOn(t, x, s)
	if err := x.store.Set(formatKey, []byte("hooklog-projections-0"), pebble.NoSync); err != nil {
		t.Fatal(err)
	}
	closeFold(t, x)
	x = openOn(t, fs)
	defer closeFold(t, x)
	if !x.Position().IsZero() {
		t.Errorf("position %s, want the start", x.Position())
	}
	if _, ok := x.Organization(org); ok {
		t.Error("something of the other format is left")
	}
	foldOn(t, x, s)
	if _, ok := x.Organization(org); !ok {
		t.Error("the log was not folded again")
	}
}

// Without a write-ahead log a power loss takes what was not flushed; what is left is a place in the log from which
// folding on gives what folding without the loss had given.
func TestPowerLossCostsOnlyFolding(t *testing.T) {
	t.Parallel()
	s := newScribe(t)
	busy(s, 400)
	disk := vfs.NewCrashableMem()
	x := openOn(t, disk)
	var clones []*vfs.MemFS
	for part := range slices.Chunk(s.events, 37) {
		if err := x.receive(t.Context(), eventlog.Batch{Events: part}); err != nil {
			t.Fatal(err)
		}
		if len(clones)%3 == 1 {
			if err := x.store.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		clones = append(clones, disk.CrashClone(vfs.CrashCloneCfg{}))
	}
	want := dump(t, x)
	closeFold(t, x)
	kept := map[uint64]bool{}
	for _, clone := range clones {
		y := openOn(t, clone)
		_, low := y.Position().Halves()
		kept[low] = true
		foldOn(t, y, s)
		sameStore(t, "after a power loss", dump(t, y), want)
		closeFold(t, y)
	}
	if len(kept) < 3 {
		t.Errorf("the losses left only %d different places; they show nothing", len(kept))
	}
}

// busy writes a mix of everything.
func busy(s *scribe, messages int) {
	org := s.organization("vantageclaw")
	subs := []domain.SubscriptionID{s.subscription(org, "a.b"), s.subscription(org, "*"), s.subscription(org, "a.*")}
	for i := range messages {
		targets := make([]domain.Target, len(subs))
		for j, sub := range subs {
			targets[j] = domain.Target{Subscription: sub}
		}
		id, of := s.publish(org, "a.b", 3, targets...)
		for j, sub := range subs {
			switch (i + j) % 4 {
			case 0:
				s.succeed(deliveryTo(id, of, sub), 1)
			case 1:
				s.fail(deliveryTo(id, of, sub), 1, time.Minute)
			case 2:
				s.fail(deliveryTo(id, of, sub), 1, 0)
			}
		}
	}
}
