package projections

import (
	"slices"
	"testing"
	"time"

	"github.com/hooklog/hooklog/domain"
)

// begun lists to whom a message's deliveries were begun, of the given subscriptions.
func begun(t *testing.T, x *Fold, id domain.MessageID, of domain.MessageOf, subs ...domain.SubscriptionID) []bool {
	t.Helper()
	found := make([]bool, len(subs))
	for i, sub := range subs {
		_, ok, err := x.Delivery(deliveryTo(id, of, sub))
		if err != nil {
			t.Fatal(err)
		}
		found[i] = ok
	}
	return found
}

func TestAMessageGoesToWhomItsPlaceInTheLogSays(t *testing.T) {
	t.Parallel()
	s := newScribe(t)
	org := s.organization("vantageclaw")
	early, gone := s.subscription(org, "a.b"), s.subscription(org, "a.b")
	back := s.subscription(org, "a.b")
	late := s.subscription(org, "a.b")
	s.disable(org, back)
	s.enable(org, back)
	s.deleteSubscription(org, gone)
	// The publisher had seen three subscriptions, before the fourth was created and two were changed.
	id, of := s.publish(org, "a.b", 3, domain.Target{Subscription: early}, domain.Target{Subscription: gone}, domain.Target{Subscription: back})
	x := folded(t, s)
	if got := begun(t, x, id, of, early, gone, back, late); !slices.Equal(got, []bool{true, false, true, true}) {
		t.Errorf("begun to %v", got)
	}
	// The one that was disabled in between is matched with its revision at the message's place, so it is not cancelled.
	if d := standing(t, x, deliveryTo(id, of, back)); d.State != domain.Scheduled || d.RoundRevision != 2 {
		t.Errorf("the delivery stands as %+v", d)
	}
	right, seen, pending := x.Correction(id)
	if !pending || seen != 7 || len(right) != 3 {
		t.Errorf("correction of %d targets, seen %d, pending %t", len(right), seen, pending)
	}
	if got := x.PendingCorrections(10); !slices.Equal(got, []domain.MessageID{id}) {
		t.Errorf("pending are %v", got)
	}
	before := dump(t, x)
	s.write(domain.MessageStream(id), &domain.TargetsCorrected{MessageOf: of, Added: []domain.Target{{Subscription: late}},
		Removed: []domain.SubscriptionID{gone}, Seen: 7})
	foldOn(t, x, s)
	if _, _, pending := x.Correction(id); pending || len(x.PendingCorrections(10)) != 0 {
		t.Error("the correction is still pending")
	}
	now := dump(t, x)
	for _, rows := range []map[string]string{before, now} { // what every fact changes
		delete(rows, string(checkpointKey))
		delete(rows, string(x.now().journalKey()))
	}
	delete(before, string(messageKey(correctionSpace, id)))
	if mark, ok := now[string(messageKey(correctionSpace, id))]; !ok || mark != "" {
		t.Errorf("no mark of the correction is left")
	}
	delete(now, string(messageKey(correctionSpace, id)))
	sameStore(t, "after the correction", now, before)
}

func TestSeenOtherwiseButMatchedTheSameNeedsNoCorrection(t *testing.T) {
	t.Parallel()
	s := newScribe(t)
	org := s.organization("vantageclaw")
	sub := s.subscription(org, "a.b")
	s.disable(org, sub)
	s.enable(org, sub)
	id, of := s.publish(org, "a.b", 1, domain.Target{Subscription: sub})
	x := folded(t, s)
	if _, _, pending := x.Correction(id); pending {
		t.Error("a correction that corrects nothing")
	}
	if d := standing(t, x, deliveryTo(id, of, sub)); d.State != domain.Scheduled || d.RoundRevision != 2 {
		t.Errorf("the delivery stands as %+v", d)
	}
}

func TestPartsAddTargetsUnlessTheMessageIsCorrected(t *testing.T) {
	t.Parallel()
	for _, seen := range []uint64{2, 3} {
		s := newScribe(t)
		org := s.organization("vantageclaw")
		first, second := s.subscription(org, "a.b"), s.subscription(org, "a.b")
		wrong := s.subscription(org, "c.d")
		id := domain.MessageID(s.id())
		of := s.publishAs(id, &domain.MessagePublished{Organization: org, EventType: "a.b", OccurredAt: s.now,
			Targets: []domain.Target{{Subscription: first}}, Total: 3, Seen: seen})
		part := &domain.MessageTargets{MessageOf: of, Targets: []domain.Target{{Subscription: second}, {Subscription: wrong}}}
		s.write(domain.MessageStream(id), part)
		s.write(domain.MessageStream(id), part) // a part twice begins nothing anew
		s.succeed(deliveryTo(id, of, second), 1)
		x := folded(t, s)
		s.write(domain.MessageStream(id), part)
		foldOn(t, x, s)
		want := []bool{true, true, seen == 3}
		if got := begun(t, x, id, of, first, second, wrong); !slices.Equal(got, want) {
			t.Errorf("seen %d: begun to %v, want %v", seen, got, want)
		}
		if _, _, pending := x.Correction(id); pending != (seen != 3) {
			t.Errorf("seen %d: correction pending %t", seen, pending)
		}
		if d := standing(t, x, deliveryTo(id, of, second)); d.State != domain.Succeeded {
			t.Errorf("seen %d: a repeated part began a delivery anew: %+v", seen, d)
		}
		if seen == 3 {
			continue
		}
		// Parts that come after the correction add nothing either.
		s.write(domain.MessageStream(id), &domain.TargetsCorrected{MessageOf: of, Seen: 3})
		s.write(domain.MessageStream(id), part)
		foldOn(t, x, s)
		s.write(domain.MessageStream(id), part)
		foldOn(t, x, s)
		if got := begun(t, x, id, of, wrong); got[0] {
			t.Error("a part after the correction is believed")
		}
	}
}

func TestThePartsOfAMessageAreBegunWithoutLookingForThem(t *testing.T) {
	t.Parallel()
	s := newScribe(t)
	org := s.organization("vantageclaw")
	var subs []domain.SubscriptionID
	var targets []domain.Target
	for range 12 {
		subs = append(subs, s.subscription(org, "a.b"))
	}
	slices.SortFunc(subs, compareIDs)
	for _, sub := range subs {
		targets = append(targets, domain.Target{Subscription: sub})
	}
	id := domain.MessageID(s.id())
	of := s.publishAs(id, &domain.MessagePublished{Organization: org, EventType: "a.b", OccurredAt: s.now, Targets: targets[:2], Total: 9, Seen: 12})
	x := folded(t, s)
	part := func(targets ...domain.Target) (sought int64) {
		t.Helper()
		s.write(domain.MessageStream(id), &domain.MessageTargets{MessageOf: of, Targets: targets})
		before := x.store.sought.Load()
		foldOn(t, x, s)
		return x.store.sought.Load() - before
	}
	if n := part(targets[2:7]...); n != 0 {
		t.Errorf("a part was looked for %d times", n)
	}
	if n := part(targets[7:9]...); n != 0 {
		t.Errorf("the last part was looked for %d times", n)
	}
	if got := begun(t, x, id, of, subs...); !slices.Equal(got, []bool{true, true, true, true, true, true, true, true, true, false, false, false}) {
		t.Errorf("begun to %v", got)
	}
	if n := part(targets[9:]...); n != 3 {
		t.Errorf("what comes after the last part was looked for %d times, want 3", n)
	}
}

func TestAPartThatIsOutOfOrderBeginsNothingTwice(t *testing.T) {
	t.Parallel()
	for name, parts := range map[string][][]int{
		"the same again":         {{2, 3}, {2, 3}, {4, 5}},
		"one of an earlier part": {{2, 3}, {3, 4}, {4, 5}},
		"not in order":           {{2, 4}, {5, 3}, {2, 5}},
		"one twice":              {{2, 3, 3}, {4, 5, 4}},
		"one of the first":       {{2, 1}, {3, 4}, {4, 5}},
	} {
		s := newScribe(t)
		org := s.organization("vantageclaw")
		var subs []domain.SubscriptionID
		for range 6 {
			subs = append(subs, s.subscription(org, "a.b"))
		}
		slices.SortFunc(subs, compareIDs)
		id := domain.MessageID(s.id())
		of := s.publishAs(id, &domain.MessagePublished{Organization: org, EventType: "a.b", OccurredAt: s.now,
			Targets: []domain.Target{{Subscription: subs[0]}, {Subscription: subs[1]}}, Total: 6, Seen: 6})
		ended := map[int]bool{0: true, 1: true}
		s.succeed(deliveryTo(id, of, subs[0]), 1)
		s.succeed(deliveryTo(id, of, subs[1]), 1)
		x := folded(t, s)
		for _, part := range parts {
			f := &domain.MessageTargets{MessageOf: of}
			for _, i := range part {
				f.Targets = append(f.Targets, domain.Target{Subscription: subs[i]})
			}
			s.write(domain.MessageStream(id), f)
			foldOn(t, x, s)
			for _, i := range part {
				if !ended[i] {
					s.succeed(deliveryTo(id, of, subs[i]), 1)
					ended[i] = true
				}
			}
			foldOn(t, x, s)
		}
		for i := range ended {
			if d := standing(t, x, deliveryTo(id, of, subs[i])); d.State != domain.Succeeded || d.Attempts != 1 {
				t.Errorf("%s: the delivery to %d began anew: %+v", name, i, d)
			}
		}
		if len(ended) != 6 || x.OpenDeliveries() != 0 {
			t.Errorf("%s: %d ended, %d open", name, len(ended), x.OpenDeliveries())
		}
	}
}

func TestACorrectionThatWasNotAskedForHereIsFollowed(t *testing.T) {
	t.Parallel()
	s := newScribe(t)
	org := s.organization("vantageclaw")
	kept, removed, tried, added := s.subscription(org, "a.b"), s.subscription(org, "a.b"), s.subscription(org, "a.b"), s.subscription(org, "a.b")
	id, of := s.publish(org, "a.b", 4, domain.Target{Subscription: kept}, domain.Target{Subscription: removed}, domain.Target{Subscription: tried})
	s.fail(deliveryTo(id, of, tried), 1, time.Minute)
	correction := &domain.TargetsCorrected{MessageOf: of, Added: []domain.Target{{Subscription: added}, {Subscription: kept}},
		Removed: []domain.SubscriptionID{removed, tried}, Seen: 4}
	s.write(domain.MessageStream(id), correction)
	x := folded(t, s)
	s.write(domain.MessageStream(id), correction)
	foldOn(t, x, s)
	if got := begun(t, x, id, of, kept, removed, tried, added); !slices.Equal(got, []bool{true, false, true, true}) {
		t.Errorf("begun to %v", got)
	}
	if x.OpenDeliveries() != 3 {
		t.Errorf("%d open, want 3", x.OpenDeliveries())
	}
	if got := offered(t, x, s.now.Add(time.Hour)); len(got) != 3 {
		t.Errorf("%d due, want 3", len(got))
	}
}

func TestATestGoesToItsSubscriptionIfThatIsActive(t *testing.T) {
	t.Parallel()
	s := newScribe(t)
	org := s.organization("vantageclaw")
	sub, all := s.subscription(org), s.subscription(org, "*")
	only := func() (domain.MessageID, domain.MessageOf) {
		id := domain.MessageID(s.id())
		return id, s.publishAs(id, &domain.MessagePublished{Organization: org, EventType: testType, OccurredAt: s.now,
			Targets: []domain.Target{{Subscription: sub}}, Total: 1, Only: true})
	}
	active, ofActive := only()
	s.disable(org, sub)
	inactive, ofInactive := only()
	s.enable(org, sub)
	again, ofAgain := only()
	x := folded(t, s)
	if got := begun(t, x, active, ofActive, sub, all); !slices.Equal(got, []bool{true, false}) {
		t.Errorf("while active: begun to %v", got)
	}
	if got := begun(t, x, inactive, ofInactive, sub); got[0] {
		t.Error("begun to a disabled subscription")
	}
	if d := standing(t, x, deliveryTo(again, ofAgain, sub)); d.State != domain.Scheduled {
		t.Errorf("enabled again: %+v", d)
	}
	if len(x.PendingCorrections(10)) != 0 {
		t.Error("a test asks for a correction")
	}
}
