package http_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// attempts records outcomes of a delivery as a dispatcher would: 0 is a success, everything else the status of a failure.
func (s *scene) attempts(event, subscription string, statuses ...int) {
	s.Helper()
	id, err := domain.ParseDeliveryID(s.delivery(event, subscription))
	s.must(err)
	h, err := s.fold.DeliveryByID(s.Context(), id)
	s.must(err)
	policy, ok := s.fold.Policy(h.Of.Subscription)
	if !ok {
		s.Fatalf("no policy of %s", subscription)
	}
	key, err := s.commands.DataKey(s.Context(), h.Of.Organization)
	s.must(err)
	known := h.Delivery
	sub, _ := s.fold.Subscription(h.Of.Subscription)
	for _, status := range statuses {
		o := domain.Outcome{StartedAt: time.Now(), Took: 1500 * time.Microsecond, Status: 200, Address: "192.0.2.7:443", BodySHA256: bytes.Repeat([]byte{0xab}, 32), Revision: sub.Revision}
		if status != 0 {
			o.Status, o.Reason = status, domain.StatusReason(status)
			o.Answer, err = key.Seal([]byte("sorry \xff"), []byte(id.String()))
			s.must(err)
		}
		if status == -1 {
			o.Status, o.Address, o.Answer, o.Reason, o.Refused = 0, "", nil, "dns_resolved_to_private:loopback", true
		}
		f, at, err := s.commands.RecordOutcome(s.Context(), by, known, o, policy, eventlog.ID{})
		s.must(err)
		known = known.Apply(f, domain.Meta{At: time.Now()}, known.Next)
		s.must(s.fold.WaitFor(s.Context(), at))
	}
}

// TestFailures holds the row partner.failures.
func TestFailures(t *testing.T) {
	t.Parallel()
	s := stage(t)
	s.attempts(s.event, s.active, 500, 503, 429, 400, 500, 500, 502)
	second := s.want(202, "POST", events, s.platform, `{"type":"order.paid","data":{}}`)
	s.want(200, "GET", me, s.partner, "", "Hooklog-Position", second.text(t, "position"))
	s.attempts(second.text(t, "event_id"), s.active, -1)

	var rows []map[string]any
	cursor, pages := "", 0
	for {
		a := s.want(200, "GET", webhooks+"/"+s.active+"/failures?limit=3"+cursor, s.partner, "")
		var page struct {
			Items []map[string]any `json:"items"`
			Next  *string          `json:"next_cursor"`
		}
		s.must(json.Unmarshal([]byte(a.body), &page))
		rows, pages = append(rows, page.Items...), pages+1
		if page.Next == nil {
			break
		}
		if pages == 1 { // a new row does not disturb the pages that follow
			third := s.want(202, "POST", events, s.platform, `{"type":"order.paid","data":{}}`)
			s.want(200, "GET", me, s.partner, "", "Hooklog-Position", third.text(t, "position"))
			s.attempts(third.text(t, "event_id"), s.active, 500)
			for _, foreign := range []string{webhooks + "/" + s.foreign + "/failures?organization=other&cursor=", webhooks + "/" + s.disabled + "/failures?organization=acme&cursor="} {
				s.want(400, "GET", foreign+*page.Next, s.operator, "")
			}
		}
		cursor = "&cursor=" + *page.Next
	}
	if len(rows) != 8 || pages != 3 {
		t.Fatalf("%d rows on %d pages", len(rows), pages)
	}
	var got []string
	for _, r := range rows {
		got = append(got, fmt.Sprint(r["status"], " ", r["attempts"], " ", r["http_status"], " ", r["reason"]))
		if len(r) != 9 || r["subscription_id"] != s.active || r["event_type"] != "order.paid" || !strings.HasSuffix(r["created_at"].(string), "Z") {
			t.Errorf("row %v", r)
		}
	}
	want := []string{"rejected_dns 1 <nil> dns_resolved_to_private:loopback", "dead_lettered 7 502 http_502", "failed 6 500 http_500", "failed 5 500 http_500",
		"failed 4 400 http_400", "failed 3 429 http_429", "failed 2 503 http_503", "failed 1 500 http_500"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if a := s.want(200, "GET", webhooks, s.partner, ""); a.json(t, "1.id") != s.active || a.json(t, "1.consecutive_failures") != 9.0 {
		t.Errorf("the webhook's failures: %s", a.body)
	}
}

func TestADisabledWebhookSaysSince(t *testing.T) {
	t.Parallel()
	s := stage(t)
	id, err := domain.ParseSubscriptionID(s.active)
	s.must(err)
	sub, _ := s.fold.Subscription(id)
	s.must(s.commands.DisableFailing(t.Context(), by, id, sub.Lifecycle, domain.LimitReached{Why: "a test"}))
	a := s.want(202, "POST", events, s.platform, `{"type":"order.paid","data":{}}`)
	list := s.want(200, "GET", webhooks, s.partner, "", "Hooklog-Position", a.text(t, "position"))
	if list.json(t, "1.active") != false || list.json(t, "1.auto_disabled_at") == nil {
		t.Errorf("disabled by failures: %s", list.body)
	}
	if list.json(t, "0.active") != false || list.json(t, "0.auto_disabled_at") != nil {
		t.Errorf("disabled by an operator: %s", list.body)
	}
	e := s.want(200, "GET", events+"/"+a.text(t, "event_id"), s.platform, "")
	if e.json(t, "withheld.0.subscription_id") != s.active || e.json(t, "withheld.0.why") != "disabled_by_failures" {
		t.Errorf("explained: %s", e.body)
	}
}

// TestWhoGetsAnEvent holds the row publish.why.
func TestWhoGetsAnEvent(t *testing.T) {
	t.Parallel()
	s := stage(t)
	path := events + "/" + s.event
	a := s.want(200, "GET", path, s.auditor, "")
	want := map[string]any{"event_id": s.event, "type": "order.paid", "test": false, "not_asking": 1.0, "deliveries.0.id": s.delivery(s.event, s.active),
		"deliveries.0.subscription_id": s.active, "deliveries.0.status": "pending", "deliveries.0.attempts": 0.0,
		"data_sha256": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}
	for member, value := range want {
		if got := a.json(t, member); got != value {
			t.Errorf("%s is %v, want %v", member, got, value)
		}
	}
	for _, member := range []string{"position", "published_at", "occurred_at", "deliveries.0.next_attempt_at"} {
		if a.text(t, member) == "" {
			t.Errorf("no %s in %s", member, a.body)
		}
	}
	for _, step := range []struct {
		status int
		shown  string
	}{{500, "pending"}, {0, "success"}} {
		s.attempts(s.event, s.active, step.status)
		if a = s.want(200, "GET", path, s.platform, ""); a.json(t, "deliveries.0.status") != step.shown {
			t.Errorf("after %d: %s", step.status, a.body)
		}
	}
	if a.json(t, "deliveries.0.attempts") != 2.0 || a.json(t, "deliveries.0.next_attempt_at") != nil {
		t.Errorf("ended: %s", a.body)
	}
	waiting := s.want(202, "POST", events, s.platform, `{"type":"order.paid","data":{}}`)
	s.want(204, "DELETE", webhooks+"/"+s.active, s.partner, "")
	a = s.want(200, "GET", events+"/"+waiting.text(t, "event_id"), s.platform, "")
	if a.json(t, "deliveries.0.status") != "cancelled" || a.json(t, "deliveries.0.cancelled_by") != "subscription_deleted" {
		t.Errorf("cancelled: %s", a.body)
	}
	_, secret := s.webhook(s.partner, `["*"]`)
	id := s.want(200, "GET", webhooks, s.partner, "").text(t, "0.id")
	test := s.want(200, "POST", webhooks+"/"+id+"/test", s.partner, `{"secret":"`+secret+`"}`)
	a = s.want(200, "GET", events+"/"+test.text(t, "event_id"), s.platform, "")
	if a.json(t, "test") != true || a.json(t, "type") != "vc.test.ping" || len(a.json(t, "deliveries").([]any)) != 1 || a.json(t, "deliveries.0.subscription_id") != id {
		t.Errorf("a test: %s", a.body)
	}
}

func TestADeliverysHistory(t *testing.T) {
	t.Parallel()
	s := stage(t)
	path := "/api/v1/deliveries/" + s.delivery(s.event, s.active)
	if a := s.want(200, "GET", path, s.auditor, ""); a.json(t, "status") != "pending" || len(a.json(t, "history").([]any)) != 1 {
		t.Errorf("before its first attempt: %s", a.body)
	}
	s.attempts(s.event, s.active, 503, 0)
	a := s.want(200, "GET", path, s.auditor, "")
	want := map[string]any{"status": "success", "attempts": 2.0, "event_id": s.event, "subscription_id": s.active, "organization_id": s.acme, "round": 1.0,
		"history.0.type": "hooklog.MessagePublished.v1", "history.1.type": "hooklog.AttemptFailed.v1", "history.1.attempt": 1.0,
		"history.1.request.http_status": 503.0, "history.1.request.reason": "http_503", "history.1.request.took_us": 1500.0,
		"history.1.request.remote_address": "192.0.2.7:443", "history.1.request.body_sha256": strings.Repeat("ab", 32), "history.1.request.answer": nil,
		"history.1.delay.scheduled": "1m", "history.2.type": "hooklog.AttemptSucceeded.v1", "history.2.request.http_status": 200.0,
		"data": nil, "data_sha256": "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"}
	for member, value := range want {
		if got := a.json(t, member); got != value {
			t.Errorf("%s is %v, want %v", member, got, value)
		}
	}
	for i := range 3 {
		if a.text(t, fmt.Sprintf("history.%d.position", i)) == "" {
			t.Errorf("fact %d has no place: %s", i, a.body)
		}
	}
	opened := s.key("/api/v1/keys", `{"scopes":["audit:read","payloads:read"],"mode":"live"}`)
	for _, key := range []string{opened, s.operator} {
		a = s.want(200, "GET", path, key, "")
		if data, ok := a.json(t, "data").(map[string]any); !ok || len(data) != 0 || a.json(t, "history.1.request.answer") != "sorry \uFFFD" {
			t.Errorf("opened: %s", a.body)
		}
	}
	if strings.Contains(a.body, s.secret) || strings.Contains(a.body, "payload\"") {
		t.Errorf("the history tells too much: %s", a.body)
	}
}

func TestHeadIsAnsweredLikeGet(t *testing.T) {
	t.Parallel()
	h := build(t)
	r, err := http.NewRequestWithContext(t.Context(), "HEAD", h.url+me, nil)
	h.must(err)
	r.Header.Set("Authorization", "Bearer "+h.platformKey())
	if a := h.do(r); a.status != 200 || a.body != "" {
		t.Errorf("got %d %q", a.status, a.body)
	}
}
