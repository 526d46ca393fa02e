package e2e_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// The life of a subscription whose receiver always fails (docs/contract.md): seven attempts a delivery, then dead; every
// failed attempt listed; off after the twentieth in a row; and whoever asks is told why nothing comes any more.
func TestTheLifeOfAFailingSubscription(t *testing.T) {
	t.Parallel()
	r := newReceiver(t, func(string, int) int { return http.StatusInternalServerError })
	o := newServer(t).organize(t, "failing", "vantageclaw", []string{"1s", "1s", "1s", "1s", "1s", "1s"}, "")
	w := o.subscribe(t, r.URL+"/hook")

	first := o.publish(t, `{"n":1}`)
	eventually(t, "the first delivery is dead", func() bool {
		rows, _ := o.failures(t, w.ID, 1, "")
		return len(rows) == 1 && rows[0].Status == "dead_lettered"
	})
	checkAttempts(t, r.of(first.EventID))
	rows, next := o.failures(t, w.ID, 200, "")
	if next != "" {
		t.Errorf("a page of 200 with %d rows has a next one", len(rows))
	}
	checkRows(t, rows, w.ID, first.EventID)
	if got := o.webhook(t, w.ID); !got.Active || got.ConsecutiveFailures != 7 || got.AutoDisabledAt != nil {
		t.Errorf("after 7 failures: %+v", got)
	}

	older := pageWhileNewRowsArrive(t, o, w.ID)
	if !slices.EqualFunc(older, rows, func(a, b failure) bool { return a.ID == b.ID }) {
		t.Errorf("paging while new rows arrived gave %d rows, want the 7 that were there when it began:\n%+v", len(older), older)
	}
	foreignCursor(t, o, w.ID)

	// Whatever is missing to twenty failures in a row fails at its first attempts.
	for range 20 {
		o.publish(t, `{"n":2}`)
	}
	eventually(t, "the subscription is off", func() bool { return !o.webhook(t, w.ID).Active })
	got := o.webhook(t, w.ID)
	if got.AutoDisabledAt == nil || got.ConsecutiveFailures != 20 {
		t.Errorf("a subscription disabled by failures: %+v, want the time and a counter of 20", got)
	}
	checkSilence(t, o, r, w)
}

// checkAttempts demands seven requests: the same id and bytes, each with its own time and signature, at least a second apart.
func checkAttempts(t *testing.T, seen []request) {
	t.Helper()
	if len(seen) != 7 {
		t.Fatalf("the receiver saw %d attempts, want 7", len(seen))
	}
	times, signatures := map[string]bool{}, map[string]bool{}
	for i, q := range seen {
		times[q.header.Get("X-VC-Timestamp")], signatures[q.header.Get("X-VC-Signature")] = true, true
		if string(q.body) != string(seen[0].body) {
			t.Errorf("attempt %d has another body", i+1)
		}
		if got := q.header.Get("Content-Type"); got != "application/json" {
			t.Errorf("attempt %d has content type %q", i+1, got)
		}
		if i > 0 && q.at.Sub(seen[i-1].at) < time.Second {
			t.Errorf("attempt %d came %v after the one before: earlier than its schedule", i+1, q.at.Sub(seen[i-1].at))
		}
	}
	if len(times) != 7 || len(signatures) != 7 {
		t.Errorf("7 attempts have %d timestamps and %d signatures", len(times), len(signatures))
	}
}

// checkRows demands a row for each of seven attempts, newest first.
func checkRows(t *testing.T, rows []failure, webhook, event string) {
	t.Helper()
	if len(rows) != 7 {
		t.Fatalf("%d rows, want 7", len(rows))
	}
	for i, row := range rows {
		want := failure{ID: row.ID, SubscriptionID: webhook, EventType: thing, EventID: event, Status: "failed", Attempts: 7 - i,
			HTTPStatus: row.HTTPStatus, Reason: "http_500", CreatedAt: row.CreatedAt}
		if i == 0 {
			want.Status = "dead_lettered"
		}
		if row != want || row.HTTPStatus == nil || *row.HTTPStatus != 500 {
			t.Errorf("row %d: got %+v, want %+v", i, row, want)
		}
		if at, err := time.Parse(time.RFC3339, row.CreatedAt); err != nil || at.Location() != time.UTC || !strings.HasSuffix(row.CreatedAt, "Z") {
			t.Errorf("row %d: created_at %q", i, row.CreatedAt)
		}
		if i > 0 && row.CreatedAt >= rows[i-1].CreatedAt {
			t.Errorf("row %d is not older than the one before", i)
		}
	}
}

// pageWhileNewRowsArrive goes through all failures in pages of three, with a new failed attempt between any two pages.
func pageWhileNewRowsArrive(t *testing.T, o organization, webhook string) []failure {
	t.Helper()
	newest := func() string {
		rows, _ := o.failures(t, webhook, 1, "")
		return rows[0].ID
	}
	const size = 3
	all, cursor := o.failures(t, webhook, size, "")
	for cursor != "" {
		before := newest()
		o.publish(t, `{"n":0}`)
		eventually(t, "a new row", func() bool { return newest() != before })
		var page []failure
		if page, cursor = o.failures(t, webhook, size, cursor); len(page) > size || len(page) == 0 {
			t.Fatalf("a page of %d has %d rows", size, len(page))
		}
		all = append(all, page...)
	}
	return all
}

// foreignCursor tries a cursor at another subscription, and a broken one.
func foreignCursor(t *testing.T, o organization, id string) {
	t.Helper()
	_, cursor := o.failures(t, id, 1, "")
	if cursor == "" {
		t.Fatal("no cursor after one row of many")
	}
	other := o.subscribe(t, "http://127.0.0.1:9/", "*")
	for _, path := range []string{other.ID + "/failures?cursor=" + cursor, id + "/failures?cursor=" + url.QueryEscape(cursor[1:]), id + "/failures?cursor=x"} {
		o.refuses(t, o.partner, http.StatusBadRequest, "GET", "/api/v1/partner/webhooks/"+path, nil)
	}
	o.mustAs(t, o.partner, http.StatusNoContent, "DELETE", "/api/v1/partner/webhooks/"+other.ID, nil, nil)
}

// checkSilence publishes to a disabled subscription: nothing comes, and the server says why.
func checkSilence(t *testing.T, o organization, r *receiver, w webhook) {
	t.Helper()
	p := o.publish(t, `{"n":3}`)
	if p.Deliveries != 0 {
		t.Errorf("a disabled subscription is counted among %d deliveries", p.Deliveries)
	}
	told := o.explain(t, p.EventID)
	if len(told.Deliveries) != 0 || len(told.Withheld) != 1 || told.Withheld[0].SubscriptionID != w.ID || !strings.Contains(told.Withheld[0].Why, "disabled") {
		t.Errorf("nothing says that %s gets nothing because it is disabled: %+v", w.ID, told)
	}
	o.refuses(t, o.partner, http.StatusConflict, "POST", "/api/v1/partner/webhooks/"+w.ID+"/test", map[string]string{"secret": w.Secret})
	quiet := r.snapshot()
	time.Sleep(1500 * time.Millisecond) // longer than the delay of every attempt that was pending
	for event, n := range r.snapshot() {
		if n != quiet[event] {
			t.Errorf("event %s was sent again to a disabled subscription", event)
		}
	}
	if n := r.count(p.EventID); n != 0 {
		t.Errorf("the disabled subscription got the event %d times", n)
	}
	if got := o.webhook(t, w.ID); got.ConsecutiveFailures != 20 {
		t.Errorf("the counter went on to %d", got.ConsecutiveFailures)
	}
}
