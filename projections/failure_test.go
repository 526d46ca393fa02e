package projections

import (
	"testing"
	"time"

	"github.com/hooklog/hooklog/domain"
)

func TestFailuresPageThroughEverythingWhileMoreArrive(t *testing.T) {
	t.Parallel()
	s := newScribe(t)
	org := s.organization("vantageclaw")
	sub := s.subscription(org, "a.b")
	id, of := s.publish(org, "a.b", 1, domain.Target{Subscription: sub})
	for n := range 20 {
		s.fail(deliveryTo(id, of, sub), n+1, time.Second)
	}
	x := folded(t, s)
	want := 20 // the attempt number of the next row, downwards
	for cursor, pages := "", 0; ; pages++ {
		page, next, err := x.Failures(org, sub, 6, cursor)
		if err != nil || pages > 3 {
			t.Fatalf("page %d: %v", pages, err)
		}
		for _, f := range page {
			if f.Attempt != want {
				t.Errorf("attempt %d, want %d", f.Attempt, want)
			}
			want--
		}
		s.fail(deliveryTo(id, of, sub), 21+pages, time.Second)
		foldOn(t, x, s)
		if cursor = next; next == "" {
			break
		}
	}
	if want != 0 {
		t.Errorf("%d rows are missing", want)
	}
	// A last page that is just full has nothing after it.
	if page, next, err := x.Failures(org, sub, 24, ""); err != nil || len(page) != 24 || next != "" {
		t.Errorf("%d rows, next %q, error %v; want all 24 on one page", len(page), next, err)
	}
}

func TestAFailureSaysWhatTheContractWants(t *testing.T) {
	t.Parallel()
	s := newScribe(t)
	org := s.organization("vantageclaw")
	sub := s.subscription(org, "a.b")
	publish := func() domain.DeliveryOf {
		id, of := s.publish(org, "a.b", 1, domain.Target{Subscription: sub})
		return deliveryTo(id, of, sub)
	}
	fail := func(of domain.DeliveryOf, f *domain.AttemptFailed) {
		f.Attempt = s.attempt(of, 1, 1, 0, f.Status)
		s.write(domain.DeliveryStream(of.ID()), f)
	}
	first := publish()
	s.fail(first, 1, time.Minute)
	recorded := s.now.Add(-time.Millisecond)
	fail(publish(), &domain.AttemptFailed{Reason: "timeout", Dead: true})
	fail(publish(), &domain.AttemptFailed{Reason: "dns_resolved_to_private:loopback", Dead: true})
	ended := publish()
	s.succeed(ended, 1)
	extra := s.attempt(ended, 1, 2, 0, 500)
	extra.Extra = true
	s.write(domain.DeliveryStream(ended.ID()), &domain.AttemptFailed{Attempt: extra, Reason: "http_500"})
	late := publish()
	s.disable(org, sub)
	fail(late, &domain.AttemptFailed{Reason: "timeout", Dead: true})
	x := folded(t, s)
	page, _, err := x.Failures(org, sub, 0, "")
	if err != nil || len(page) != 5 {
		t.Fatalf("%d rows, error %v", len(page), err)
	}
	for i, want := range []string{"failed", "failed", "rejected_dns", "dead_lettered", "failed"} {
		if page[i].Status != want {
			t.Errorf("row %d (%s): status %s, want %s", i, page[i].Reason, page[i].Status, want)
		}
	}
	got := page[4]
	want := Failure{ID: got.ID, Subscription: sub, EventType: "a.b", Message: first.Message, Status: "failed", Attempt: 1,
		HTTPStatus: 500, Reason: "http_500", At: recorded}
	if got != want || got.ID == "" {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if page[3].HTTPStatus != 0 {
		t.Errorf("a timeout has status %d", page[3].HTTPStatus)
	}
}

func TestFailuresRefuseWhatIsNotTheirs(t *testing.T) {
	t.Parallel()
	s := newScribe(t)
	org, other := s.organization("vantageclaw"), s.organization("vantageclaw")
	sub, second, gone := s.subscription(org, "a.b"), s.subscription(org, "a.b"), s.subscription(org, "a.b")
	id, of := s.publish(org, "a.b", 3, domain.Target{Subscription: sub}, domain.Target{Subscription: second}, domain.Target{Subscription: gone})
	for n := range 3 {
		s.fail(deliveryTo(id, of, sub), n+1, time.Second)
	}
	s.deleteSubscription(org, gone)
	x := folded(t, s)
	_, good, err := x.Failures(org, sub, 1, "")
	if err != nil || good == "" {
		t.Fatalf("cursor %q, error %v", good, err)
	}
	for name, cursor := range map[string]string{
		"garbage": "garbage!", "a part of one": good[:len(good)-2], "another letter": "A" + good[1:], "more": good + "AA",
		"line breaks": good[:4] + "\n" + good[4:], "padding": good + "=", "too short": "AAAA",
	} {
		if _, _, err := x.Failures(org, sub, 1, cursor); domain.CodeOf(err) != domain.BadCursor {
			t.Errorf("%s: %v, want BadCursor", name, err)
		}
	}
	if _, _, err := x.Failures(org, second, 1, good); domain.CodeOf(err) != domain.BadCursor {
		t.Errorf("another subscription's cursor: %v, want BadCursor", err)
	}
	if _, _, err := x.Deliveries(sub, 1, good); domain.CodeOf(err) != domain.BadCursor {
		t.Errorf("a cursor of another list: %v, want BadCursor", err)
	}
	if _, _, err := x.Failures(other, sub, 1, ""); domain.CodeOf(err) != domain.NotFound {
		t.Errorf("another organization's subscription: %v, want NotFound", err)
	}
	if _, _, err := x.Failures(org, gone, 1, ""); domain.CodeOf(err) != domain.NotFound {
		t.Errorf("a deleted subscription: %v, want NotFound", err)
	}
	if page, _, err := x.Failures(org, domain.SubscriptionID(s.id()), 1, ""); err != nil || len(page) != 0 {
		t.Errorf("a subscription not folded yet: %v, %v; want no rows", page, err)
	}
}

func FuzzCursor(f *testing.F) {
	l := list{failureList, [idSize]byte{1, 2, 3}}
	f.Add(l.cursor([]byte("place")))
	f.Add("")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, cursor string) {
		place, err := l.place(cursor)
		if err != nil {
			if domain.CodeOf(err) != domain.BadCursor {
				t.Errorf("refused with %v", err)
			}
			return
		}
		if cursor != "" && l.cursor(place) != cursor {
			t.Errorf("a second spelling of %q is taken", l.cursor(place))
		}
	})
}
