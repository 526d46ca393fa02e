package projections

import (
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/hooklog/hooklog/domain"
)

// Whichever is recorded first ends a round: its success, its death, or the closure of subscription or organization.
func TestTheFirstEndOfARoundCounts(t *testing.T) {
	t.Parallel()
	type ends struct {
		s   *scribe
		org domain.OrganizationID
		sub domain.SubscriptionID
		of  domain.DeliveryOf
	}
	disable := func(e ends) { e.s.disable(e.org, e.sub) }
	enable := func(e ends) { e.s.enable(e.org, e.sub) }
	remove := func(e ends) { e.s.deleteSubscription(e.org, e.sub) }
	closeAll := func(e ends) { e.s.write(domain.OrganizationStream(e.org), &domain.OrganizationClosed{}) }
	succeed := func(e ends) { e.s.succeed(e.of, 1) }
	die := func(e ends) { e.s.fail(e.of, 1, 0) }
	retry := func(e ends) { e.s.fail(e.of, 1, time.Minute) }
	offer := func(e ends) {
		e.s.write(domain.DeliveryStream(e.of.ID()), &domain.RetryDue{DeliveryOf: e.of, Round: 1, Number: 1, DueAt: e.s.now})
	}
	again := func(revision uint64) func(ends) {
		return func(e ends) {
			e.s.write(domain.DeliveryStream(e.of.ID()), &domain.RedeliveryRequested{DeliveryOf: e.of, Round: 2, Revision: revision})
		}
	}
	for _, c := range []struct {
		name     string
		steps    []func(ends)
		want     domain.DeliveryState
		attempts int
		due      int
		by       string
	}{
		{"success", []func(ends){succeed}, domain.Succeeded, 1, 0, ""},
		{"success, then disabled", []func(ends){succeed, disable}, domain.Succeeded, 1, 0, ""},
		{"disabled, then success", []func(ends){disable, succeed}, domain.Cancelled, 1, 0, "subscription_disabled"},
		{"disabled, then dead", []func(ends){disable, die}, domain.Cancelled, 1, 0, "subscription_disabled"},
		{"disabled, then a retry", []func(ends){disable, retry}, domain.Cancelled, 1, 0, "subscription_disabled"},
		{"disabled, then offered", []func(ends){disable, offer}, domain.Cancelled, 0, 0, "subscription_disabled"},
		{"a retry, then disabled", []func(ends){retry, disable}, domain.Cancelled, 1, 0, "subscription_disabled"},
		{"enabling revives none", []func(ends){retry, disable, enable}, domain.Cancelled, 1, 0, "subscription_disabled"},
		{"enabled, then success", []func(ends){disable, enable, succeed}, domain.Cancelled, 1, 0, "subscription_disabled"},
		{"deleted, then success", []func(ends){remove, succeed}, domain.Cancelled, 1, 0, "subscription_deleted"},
		{"deleted", []func(ends){remove}, domain.Cancelled, 0, 0, "subscription_deleted"},
		{"closed", []func(ends){closeAll}, domain.Cancelled, 0, 0, "organization_closed"},
		{"closed, then success", []func(ends){closeAll, succeed}, domain.Cancelled, 1, 0, "organization_closed"},
		{"closed after success", []func(ends){succeed, closeAll}, domain.Succeeded, 1, 0, ""},
		{"disabled, closed later", []func(ends){disable, closeAll}, domain.Cancelled, 0, 0, "subscription_disabled"},
		{"dead, then redelivered", []func(ends){die, again(0)}, domain.Scheduled, 1, 1, ""},
		{"cancelled, enabled, redelivered", []func(ends){disable, enable, again(2)}, domain.Scheduled, 0, 1, ""},
		{"redelivered, then disabled", []func(ends){die, again(0), disable}, domain.Cancelled, 1, 0, "subscription_disabled"},
		{"cancelled by an outcome, redelivered", []func(ends){disable, succeed, enable, again(2)}, domain.Scheduled, 1, 1, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newScribe(t)
			org := s.organization("vantageclaw")
			sub := s.subscription(org, "a.b")
			id, of := s.publish(org, "a.b", 1, domain.Target{Subscription: sub})
			e := ends{s, org, sub, deliveryTo(id, of, sub)}
			// Once a batch each, with a new start in between, and once all together.
			fs := vfs.NewMem()
			x := openOn(t, fs)
			foldOn(t, x, s)
			for _, step := range c.steps {
				step(e)
				foldOn(t, x, s)
				closeFold(t, x)
				x = openOn(t, fs)
			}
			defer closeFold(t, x)
			for _, x := range []*Fold{x, folded(t, s)} {
				d := standing(t, x, e.of)
				if d.State != c.want || d.Attempts != c.attempts {
					t.Errorf("%s after %d attempts, want %s after %d", d.State, d.Attempts, c.want, c.attempts)
				}
				if got := offered(t, x, s.now.Add(time.Hour)); len(got) != c.due || x.OpenDeliveries() != c.due {
					t.Errorf("%d are due, %d counted; want %d", len(got), x.OpenDeliveries(), c.due)
				}
				page, _, err := x.Deliveries(sub, 0, "")
				if err != nil || len(page) != 1 || page[0].CancelledBy != c.by || (c.by != "") == page[0].CancelledAt.IsZero() {
					t.Errorf("listed as %+v, error %v; want cancelled by %q", page, err, c.by)
				}
			}
		})
	}
}

func TestDeliveriesAreListedNewestFirstInPages(t *testing.T) {
	t.Parallel()
	s := newScribe(t)
	org := s.organization("vantageclaw")
	sub, other := s.subscription(org, "a.b"), s.subscription(org, "c.d")
	var want []domain.DeliveryID
	for range 25 {
		id, of := s.publish(org, "a.b", 2, domain.Target{Subscription: sub})
		s.publish(org, "c.d", 2, domain.Target{Subscription: other})
		want = append(want, deliveryTo(id, of, sub).ID())
		if len(want)%2 == 0 {
			s.succeed(deliveryTo(id, of, sub), 1)
		}
	}
	slices.Reverse(want)
	x := folded(t, s)
	var got []domain.DeliveryID
	for cursor, pages := "", 0; ; pages++ {
		page, next, err := x.Deliveries(sub, 7, cursor)
		if err != nil || pages > 4 {
			t.Fatalf("page %d: %v", pages, err)
		}
		for _, row := range page {
			got = append(got, row.ID)
		}
		if cursor = next; next == "" {
			break
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("%d deliveries, want %d in their order", len(got), len(want))
	}
	page, _, err := x.Deliveries(sub, 1, "")
	if err != nil || page[0].Last != (Attempt{}) {
		t.Errorf("the last one was not attempted; listed as %+v, error %v", page[0].Last, err)
	}
	page, _, err = x.Deliveries(sub, 2, "")
	if err != nil || page[1].Last.Status != 200 || page[1].Last.Took != 1500*time.Microsecond || !page[1].Last.Succeeded {
		t.Errorf("the one before succeeded; listed as %+v, error %v", page[1].Last, err)
	}
	_, next, err := x.Deliveries(sub, 7, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := x.Deliveries(other, 7, next); domain.CodeOf(err) != domain.BadCursor {
		t.Errorf("another subscription's cursor: %v, want BadCursor", err)
	}
}

func TestARowKeepsEverything(t *testing.T) {
	t.Parallel()
	s := newScribe(t)
	of := deliveryTo(domain.MessageID(s.id()), domain.MessageOf{Organization: domain.OrganizationID(s.id()), EventType: "a.b", PublishedAt: s.now}, domain.SubscriptionID(s.id()))
	want := &row{Delivery: domain.Delivery{Of: of, State: domain.Dead, Round: 3, Attempts: 9, RoundAttempts: 4, RoundRevision: 77,
		Due: s.now.Add(time.Hour), Next: 12, Offered: 10, OfferedAt: s.now}, id: of.ID(), cancelled: true,
		last: Attempt{At: s.now, Took: time.Second, Status: 503, Succeeded: true}, node: "node:x"}
	got, err := parseRow(of.Subscription, want.id, want.append(nil))
	if err != nil || *got != *want {
		t.Errorf("got %+v, error %v, want %+v", got, err, want)
	}
	fresh := &row{Delivery: domain.NewDelivery(of, 1), id: of.ID()}
	if got, err = parseRow(of.Subscription, fresh.id, fresh.append(nil)); err != nil || *got != *fresh {
		t.Errorf("got %+v, error %v, want %+v", got, err, fresh)
	}
	fresh.opened, fresh.order, fresh.Ordered, fresh.waits = s.now, 5, true, true
	if got, err = parseRow(of.Subscription, fresh.id, fresh.append(nil)); err != nil || *got != *fresh {
		t.Errorf("got %+v, error %v, want %+v", got, err, fresh)
	}
	whole := want.append(nil)
	for n := range whole {
		if _, err := parseRow(of.Subscription, want.id, whole[:n]); err == nil {
			t.Errorf("a row cut off after %d of %d bytes is taken", n, len(whole))
		}
	}
}

// Anybody who can write to the log can write an outcome, which has no MAC: on a delivery's stream it counts for that alone.
func TestAnOutcomeOnAnotherDeliverysStreamDoesNotCount(t *testing.T) {
	t.Parallel()
	s := newScribe(t)
	org := s.organization("vantageclaw")
	first, second := s.subscription(org, "a.b"), s.subscription(org, "a.b")
	id, of := s.publish(org, "a.b", 2, domain.Target{Subscription: first}, domain.Target{Subscription: second})
	begun := deliveryTo(id, of, first)
	ofAnotherMessage, toAnother := begun, deliveryTo(id, of, second)
	ofAnotherMessage.Message = domain.MessageID(s.id())
	for _, named := range []domain.DeliveryOf{ofAnotherMessage, toAnother} {
		s.write(domain.DeliveryStream(begun.ID()), &domain.AttemptSucceeded{Attempt: s.attempt(named, 1, 1, 0, 200)})
	}
	x := folded(t, s)
	if n := x.Skipped()["misplaced"]; n != 2 {
		t.Errorf("%d facts are misplaced, want 2", n)
	}
	for _, d := range []domain.DeliveryOf{begun, toAnother} {
		if now, ok, err := x.Delivery(d); err != nil || !ok || !now.Open() || now.Attempts != 0 {
			t.Errorf("%s: got %+v, %v, %v, want it without an attempt", d.ID(), now, ok, err)
		}
	}
}
