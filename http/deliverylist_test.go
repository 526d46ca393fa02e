package http_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/webhook"
)

// delivered is a webhook with deliveries of which each status has some, the earliest first.
type delivered struct {
	*house
	key, path string
	webhook   domain.SubscriptionID
	ids       []domain.DeliveryID
	of        []domain.DeliveryOf
}

// answers says what came of the deliveries, in turn.
var answers = []struct {
	code   int
	status string
}{{200, "success"}, {500, "failed"}, {400, "dead_letter"}, {0, "pending"}}

func deliver(t *testing.T, n int) *delivered {
	t.Helper()
	d := &delivered{house: build(t)}
	d.want(201, "POST", orgs, d.operator, `{"slug":"acme","name":"Acme","profile":"vantagekit"}`)
	d.key = d.partnerKey("acme")
	d.eventType("acme", "order.paid")
	d.eventType("acme", "order.sent")
	id := d.want(201, "POST", managed, d.key, `{"url":"https://example.com/a","events":["order.*"]}`).text(t, "id")
	d.path = managed + "/" + id
	platform := d.platformKey()
	var err error
	d.webhook, err = domain.ParseSubscriptionID(id)
	d.must(err)
	for i := range n {
		a := d.want(202, "POST", events, platform, fmt.Sprintf(`{"type":"order.%s","data":{"n":%d}}`, []string{"paid", "sent"}[i/len(answers)%2], i))
		m, err := domain.ParseMessageID(a.text(t, "event_id"))
		d.must(err)
		loaded, err := d.commands.LoadMessage(t.Context(), m)
		d.must(err)
		of := domain.DeliveryOf{Message: m, Subscription: d.webhook, Organization: loaded.Published.Organization, EventType: loaded.Published.EventType, PublishedAt: loaded.Meta.At}
		d.ids, d.of = append(d.ids, of.ID()), append(d.of, of)
		if code := answers[i%len(answers)].code; code != 0 {
			d.attempt(i, code)
		}
		time.Sleep(2 * time.Millisecond) // so that their ids are in order, too
	}
	return d
}

// attempt records an attempt of a delivery, and waits until it is shown.
func (d *delivered) attempt(i, code int) {
	d.Helper()
	known, err := d.commands.LoadDelivery(d.Context(), d.of[i], 0)
	d.must(err)
	profile, _ := webhook.ByName("vantagekit")
	o := domain.Outcome{StartedAt: time.Now(), Took: 12 * time.Millisecond, Status: code, Address: "203.0.113.7:443"}
	if !webhook.Success(code) {
		o.Reason = domain.StatusReason(code)
		key, err := d.commands.DataKey(d.Context(), d.of[i].Organization)
		d.must(err)
		o.Answer, err = key.Seal([]byte("no \xff thanks"), []byte(d.ids[i].String()))
		d.must(err)
	}
	_, at, err := d.commands.RecordOutcome(d.Context(), by, known, o, domain.PolicyOf(profile, domain.OrganizationSettings{}, domain.SubscriptionSettings{}), eventlog.ID{})
	d.must(err)
	d.must(d.fold.WaitFor(d.Context(), at))
}

// listed walks over all pages of a query and returns the ids, oldest first.
func (d *delivered) listed(query string) (ids []string) {
	d.Helper()
	for cursor, pages := "", 0; ; pages++ {
		a := d.want(200, "GET", d.path+"/deliveries?limit=3&cursor="+cursor+query, d.key, "")
		for _, item := range a.json(d, "items").([]any) {
			ids = append(ids, item.(map[string]any)["id"].(string))
		}
		next, more := a.json(d, "next_cursor").(string)
		if !more || pages > 100 {
			slices.Reverse(ids)
			return ids
		}
		cursor = next
	}
}

// TestDeliveriesAreListedAndFiltered holds the row webhooks.deliveries.
func TestDeliveriesAreListedAndFiltered(t *testing.T) {
	t.Parallel()
	d := deliver(t, 16)
	want := func(keep func(i int) bool) (ids []string) {
		for i, id := range d.ids {
			if keep(i) {
				ids = append(ids, id.String())
			}
		}
		return ids
	}
	check := func(query string, keep func(i int) bool) {
		t.Helper()
		if got := d.listed(query); !slices.Equal(got, want(keep)) {
			t.Errorf("%s: got %v, want %v", query, got, want(keep))
		}
	}
	check("", func(int) bool { return true })
	for at, a := range answers {
		check("&status="+a.status, func(i int) bool { return i%len(answers) == at })
	}
	check("&event_type=order.sent", func(i int) bool { return i/len(answers)%2 == 1 })
	check("&event_type=no.such", func(int) bool { return false })
	from, to := d.of[3].PublishedAt.Format(time.RFC3339Nano), d.of[12].PublishedAt.Format(time.RFC3339Nano)
	check("&from="+from+"&to="+to, func(i int) bool { return i >= 3 && i < 12 })
	check("&from="+to+"&to="+from, func(int) bool { return false })
	check("&from="+from+"&status=success&event_type=order.paid", func(i int) bool { return i == 8 })
	d.want(200, "PATCH", d.path, d.key, `{"enabled":false}`)
	check("&status=cancelled", func(i int) bool { return i%len(answers) == 1 || i%len(answers) == 3 })
}

// TestAttemptsAreShownWithAnswersToOwnersAndAddressesToAuditors holds the row webhooks.delivery.
func TestAttemptsAreShownWithAnswersToOwnersAndAddressesToAuditors(t *testing.T) {
	t.Parallel()
	d := deliver(t, 3)
	auditor := d.house.key("/api/v1/keys", `{"scopes":["audit:read"],"mode":"live"}`)
	reader := d.house.key("/api/v1/keys", `{"scopes":["audit:read","payloads:read"],"mode":"live"}`)
	for _, c := range []struct {
		who, key, query string
		answer, address bool
	}{
		{"partner", d.key, "", true, false}, {"operator", d.operator, "&organization=acme", true, true},
		{"auditor", auditor, "&organization=acme", false, true}, {"reader", reader, "&organization=acme", true, true},
	} {
		a := d.want(200, "GET", d.path+"/deliveries?status=dead_letter"+c.query, c.key, "")
		attempt := a.json(t, "items.0.attempts.0").(map[string]any)
		if attempt["attempt"] != 1.0 || attempt["response_code"] != 400.0 || attempt["response_time_ms"] != 12.0 || attempt["reason"] != "http_400" || attempt["status"] != "failed" {
			t.Errorf("%s: %v", c.who, attempt)
		}
		if got := attempt["answer"]; (got == "no \uFFFD thanks") != c.answer || !c.answer && got != nil {
			t.Errorf("%s sees the answer %v", c.who, got)
		}
		if got := attempt["remote_address"]; (got == "203.0.113.7:443") != c.address || !c.address && got != nil {
			t.Errorf("%s sees the address %v", c.who, got)
		}
	}
	a := d.want(200, "GET", d.path+"/deliveries?status=success", d.key, "")
	if strings.Contains(a.body, "answer") || a.json(t, "items.0.attempts.0.status") != "success" || a.json(t, "items.0.next_attempt_at") != nil {
		t.Errorf("success %s", a.body)
	}
	if a = d.want(200, "GET", d.path+"/deliveries?status=failed", d.key, ""); a.json(t, "items.0.next_attempt_at") == nil {
		t.Errorf("failed %s", a.body)
	}
}

// TestARedeliveryOpensARoundAndARecoveryMany holds the rows webhooks.redeliver, webhooks.recover, webhooks.recovery and
// webhooks.rounds.
func TestARedeliveryOpensARoundAndARecoveryMany(t *testing.T) {
	t.Parallel()
	d := deliver(t, 8)
	again := "/api/v1/deliveries/" + d.ids[2].String() + "/redeliver"
	a := d.want(202, "POST", again, d.key, "")
	if a.text(t, "id") != d.ids[2].String() || a.text(t, "status") != "pending" || a.json(t, "round") != 2.0 || a.header.Get("Hooklog-Position") == "" {
		t.Errorf("redelivered %s", a.body)
	}
	d.want(409, "POST", again, d.key, "")
	d.attempt(2, 400)
	d.want(202, "POST", again, d.key, "")
	d.attempt(2, 400)

	span := func(members string) string {
		return `{"from":"` + d.of[0].PublishedAt.Format(time.RFC3339Nano) + `","to":"2999-01-01T00:00:00Z"` + members + `}`
	}
	for members, n := range map[string]float64{`,"dry_run":true`: 2, `,"dry_run":true,"status":"success"`: 2, `,"dry_run":true,"status":"cancelled"`: 0} {
		if a = d.want(200, "POST", d.path+"/recover", d.key, span(members)); a.json(t, "deliveries") != n || strings.Contains(a.body, `"id"`) {
			t.Errorf("%s: %s", members, a.body)
		}
	}
	a = d.want(202, "POST", d.path+"/recover", d.key, span(""))
	progress := d.path + "/recoveries/" + a.text(t, "id")
	if a.json(t, "deliveries") != 2.0 {
		t.Errorf("asked for: %s", a.body)
	}
	if a = d.want(200, "GET", progress, d.key, ""); a.text(t, "status") != "running" || a.json(t, "redelivered") != 0.0 || a.json(t, "ended_at") != nil {
		t.Errorf("at the beginning %s", a.body)
	}
	d.recoverAll()
	if a = d.want(200, "GET", progress, d.key, ""); a.text(t, "status") != "done" || a.json(t, "redelivered") != 2.0 || a.text(t, "statuses.1") != "cancelled" {
		t.Errorf("at the end %s", a.body)
	}
	d.want(409, "POST", again, d.key, "")
	d.want(200, "PATCH", d.path, d.key, `{"enabled":false}`)
	d.want(409, "POST", "/api/v1/deliveries/"+d.ids[0].String()+"/redeliver", d.key, "")
}

// recoverAll does what the dispatcher does, which is not part of this house.
func (d *delivered) recoverAll() {
	d.Helper()
	for {
		open := d.fold.OpenRecoveries()
		if len(open) == 0 {
			return
		}
		page, err := d.fold.RecoveryPage(open[0], 1)
		d.must(err)
		d.must(d.commands.StepRecovery(d.Context(), by, open[0], page, func(context.Context) error { return nil }))
		d.wait(func() bool {
			now := d.fold.OpenRecoveries()
			return len(now) == 0 || now[0].Revision != open[0].Revision
		})
	}
}

func (d *delivered) wait(holds func() bool) {
	d.Helper()
	for !holds() {
		if d.Context().Err() != nil {
			d.Fatal("waited in vain")
		}
		time.Sleep(time.Millisecond)
	}
}
