package projections

import (
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/hooklog/hooklog/domain"
)

func TestFirstAttemptsHaveTheirGrace(t *testing.T) {
	t.Parallel()
	s := newScribe(t)
	org := s.organization("vantageclaw")
	sub := s.subscription(org, "a.b")
	id, of := s.publish(org, "a.b", 1, domain.Target{Subscription: sub})
	delivery := deliveryTo(id, of, sub)
	eligible := of.PublishedAt.Add(domain.OfferGrace)
	x := folded(t, s)
	if got, ok := x.NextDue(of.PublishedAt); !ok || !got.Equal(eligible) {
		t.Errorf("next due %v %t, want %v", got, ok, eligible)
	}
	if got := offered(t, x, eligible.Add(-time.Microsecond)); len(got) != 0 {
		t.Errorf("offered before its grace is over: %v", got)
	}
	if got := offered(t, x, eligible); !slices.Equal(got, []domain.DeliveryID{delivery.ID()}) {
		t.Errorf("offered %v after its grace", got)
	}
	if x.OpenDeliveries() != 1 || x.UnsentDeliveries() != 1 {
		t.Errorf("%d open, %d unsent; want 1 and 1", x.OpenDeliveries(), x.UnsentDeliveries())
	}

	// A hand-over by the clock begins the grace anew.
	s.now = eligible
	s.write(domain.DeliveryStream(delivery.ID()), &domain.RetryDue{DeliveryOf: delivery, Round: 1, Number: 1, DueAt: of.PublishedAt})
	foldOn(t, x, s)
	if got := offered(t, x, eligible.Add(domain.OfferGrace-time.Microsecond)); len(got) != 0 {
		t.Errorf("offered again within its grace: %v", got)
	}
	if got := offered(t, x, eligible.Add(domain.OfferGrace)); len(got) != 1 {
		t.Errorf("not offered again after its grace")
	}

	// A retry has none, and is this node's.
	s.fail(delivery, 1, 10*time.Second)
	due := s.now.Add(10*time.Second - time.Millisecond) // the scribe's clock has moved on
	foldOn(t, x, s)
	if got := offered(t, x, due.Add(-time.Microsecond)); len(got) != 0 {
		t.Errorf("a retry is offered before its time: %v", got)
	}
	rows, err := x.Due(sub, due, 10, nil)
	if err != nil || len(rows) != 1 || rows[0].Node != "node:a" || !rows[0].Due.Equal(due) || rows[0].Next != 2 {
		t.Errorf("due %+v, error %v", rows, err)
	}
	if x.OpenDeliveries() != 1 || x.UnsentDeliveries() != 0 {
		t.Errorf("%d open, %d unsent; want 1 and 0", x.OpenDeliveries(), x.UnsentDeliveries())
	}
	s.succeed(delivery, 2)
	foldOn(t, x, s)
	if got := offered(t, x, due.Add(time.Hour)); len(got) != 0 || x.OpenDeliveries() != 0 {
		t.Errorf("offered %v after its end; %d open", got, x.OpenDeliveries())
	}
	if at, ok := x.NextDue(time.Time{}); ok {
		t.Errorf("next due %v, though everything has ended and was looked at", at)
	}
}

// How old a first attempt is the log's time tells, whatever the clock of the publisher said: his is shown and nothing more.
func TestTheGraceOfAFirstAttemptGoesByTheLogsTime(t *testing.T) {
	t.Parallel()
	for name, behind := range map[string]time.Duration{"behind": 24 * time.Hour, "ahead": -24 * time.Hour} {
		s := newScribe(t)
		org := s.organization("vantageclaw")
		sub := s.subscription(org, "a.b")
		s.behind = behind
		recorded := s.now
		id, of := s.publish(org, "a.b", 1, domain.Target{Subscription: sub})
		delivery := deliveryTo(id, of, sub)
		fs := vfs.NewMem()
		x := openOn(t, fs)
		foldOn(t, x, s)
		goesBy := func(recorded time.Time) {
			t.Helper()
			eligible := recorded.Add(domain.OfferGrace)
			if got := offered(t, x, eligible.Add(-time.Microsecond)); len(got) != 0 {
				t.Errorf("%s: offered before its grace is over: %v", name, got)
			}
			if got, ok := x.NextDue(time.Time{}); !ok || !got.Equal(eligible) {
				t.Errorf("%s: next due %v %t, want %v", name, got, ok, eligible)
			}
			due, err := x.Due(sub, eligible, 10, nil)
			if err != nil || len(due) != 1 || !due[0].Opened.Equal(recorded) {
				t.Errorf("%s: due %+v after the grace, error %v", name, due, err)
			}
		}
		goesBy(recorded)
		if got := standing(t, x, delivery); !got.Due.Equal(of.PublishedAt) || !got.Of.PublishedAt.Equal(recorded.Add(-behind)) {
			t.Errorf("%s: it is shown as %+v", name, got)
		}
		closeFold(t, x)
		x = openOn(t, fs)
		goesBy(recorded)
		// A redelivery through the same node.
		s.fail(delivery, 1, 0)
		recorded = s.now
		s.write(domain.DeliveryStream(delivery.ID()), &domain.RedeliveryRequested{DeliveryOf: delivery, Round: 2, Revision: 0})
		foldOn(t, x, s)
		goesBy(recorded)
		closeFold(t, x)
	}
}

func TestDueDeliveriesComeOldestFirst(t *testing.T) {
	t.Parallel()
	s := newScribe(t)
	org := s.organization("vantageclaw")
	sub := s.subscription(org, "a.b")
	var all []domain.DeliveryOf
	for range 5 {
		id, of := s.publish(org, "a.b", 1, domain.Target{Subscription: sub})
		all = append(all, deliveryTo(id, of, sub))
	}
	for i, wait := range []time.Duration{50, 20, 40, 10, 30} {
		s.fail(all[i], 1, wait*time.Second)
	}
	fs := vfs.NewMem()
	x := openOn(t, fs)
	foldOn(t, x, s)
	closeFold(t, x)
	x = openOn(t, fs)
	defer closeFold(t, x)
	rows, err := x.Due(sub, s.now.Add(time.Minute), 3, nil)
	if err != nil || len(rows) != 3 {
		t.Fatalf("%d due, error %v", len(rows), err)
	}
	for i, want := range []int{3, 1, 4} {
		if rows[i].Of.ID() != all[want].ID() {
			t.Errorf("place %d holds another delivery", i)
		}
	}
	if rows, err := x.Due(sub, s.now.Add(25*time.Second), 10, nil); err != nil || len(rows) != 2 {
		t.Errorf("%d due after 25 s, error %v, want 2", len(rows), err)
	}
	sought := x.store.sought.Load()
	rows, err = x.Due(sub, s.now.Add(time.Minute), 3, func(id domain.DeliveryID) bool { return id == all[1].ID() })
	if err != nil || len(rows) != 3 || rows[0].Of.ID() != all[3].ID() || rows[1].Of.ID() != all[4].ID() || rows[2].Of.ID() != all[2].ID() {
		t.Errorf("without one of them: %+v, error %v", rows, err)
	}
	if n := x.store.sought.Load() - sought; n != 1+3 {
		t.Errorf("the store was asked %d times, want once for the index and for each of 3 rows", n)
	}
	if rows, err := x.Due(sub, s.now.Add(time.Minute), 0, nil); err != nil || rows != nil {
		t.Errorf("limit 0 gives %v, %v", rows, err)
	}
}

func TestDueSubscriptionsComeEarliestFirst(t *testing.T) {
	t.Parallel()
	s := newScribe(t)
	org := s.organization("vantageclaw")
	subs := make([]domain.SubscriptionID, 6)
	for i := range subs {
		subs[i] = s.subscription(org, "a.b")
	}
	var of []domain.DeliveryOf
	for i, sub := range subs {
		for range 2 {
			id, m := s.publish(org, "a.b", 6, domain.Target{Subscription: sub})
			of = append(of, deliveryTo(id, m, sub))
			s.fail(of[len(of)-1], 1, time.Duration(60-10*i)*time.Second)
		}
	}
	x := folded(t, s)
	// The first row of the fourth goes away: the second, a little later, takes its place.
	s.succeed(of[6], 2)
	// The last one's go both.
	s.succeed(of[10], 2)
	s.succeed(of[11], 2)
	foldOn(t, x, s)
	for range 2 { // the second time nothing is doubtful any more
		var got []domain.SubscriptionID
		last := time.Time{}
		x.DueSubscriptions(s.now.Add(45*time.Second), func(id domain.SubscriptionID, at time.Time) bool {
			if at.Before(last) {
				t.Error("an earlier one comes later")
			}
			got, last = append(got, id), at
			return true
		})
		if want := []domain.SubscriptionID{subs[4], subs[3], subs[2]}; !slices.Equal(got, want) {
			t.Errorf("due are %v, want %v", got, want)
		}
	}
	first := 0
	x.DueSubscriptions(s.now.Add(time.Hour), func(domain.SubscriptionID, time.Time) bool { first++; return false })
	if first != 1 {
		t.Errorf("yield was called %d times, want once", first)
	}
}

func TestDueChangedPulsesForAnEarlierTime(t *testing.T) {
	t.Parallel()
	s := newScribe(t)
	org := s.organization("vantageclaw")
	sub := s.subscription(org, "a.b")
	pulsed := func(x *Fold) bool {
		select {
		case <-x.DueChanged():
			return true
		default:
			return false
		}
	}
	id, of := s.publish(org, "a.b", 1, domain.Target{Subscription: sub})
	x := folded(t, s)
	if !pulsed(x) {
		t.Error("no pulse for the first row")
	}
	later, ofLater := s.publish(org, "a.b", 1, domain.Target{Subscription: sub})
	foldOn(t, x, s)
	if pulsed(x) {
		t.Error("a pulse for a later row")
	}
	s.fail(deliveryTo(later, ofLater, sub), 1, time.Second)
	foldOn(t, x, s)
	if !pulsed(x) {
		t.Error("no pulse for an earlier row")
	}
	s.succeed(deliveryTo(id, of, sub), 1)
	foldOn(t, x, s)
	if pulsed(x) {
		t.Error("a pulse for a row that went away")
	}
}

// A row that is added while a doubtful bound is looked up must not be forgotten.
func TestLookingUpABoundNeverLosesARow(t *testing.T) {
	t.Parallel()
	x := newDueIndex()
	id := domain.SubscriptionID{1}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	x.change(dueChange{id, at, true})
	x.change(dueChange{id, at, false})
	seen := x.until(at)
	if len(seen) != 1 || seen[0].exact {
		t.Fatalf("copies %+v, want one that is doubtful", seen)
	}
	x.change(dueChange{id, at.Add(time.Second), true})
	x.settle(seen[0], time.Time{}, false) // looked up before the row was there
	if next, ok := x.earliest(); !ok || next.After(at.Add(time.Second)) {
		t.Errorf("the row is forgotten: next %v %t", next, ok)
	}
}
