package http_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hooklog/hooklog/domain"
)

// expect demands members of an answer.
func expect(t *testing.T, a answer, want map[string]any) {
	t.Helper()
	for member, value := range want {
		if got := a.json(t, member); got != value {
			t.Errorf("%s is %v, want %v: %s", member, got, value, a.body)
		}
	}
}

// ids parses the ids of a webhook and of its organization.
func (s *scene) ids(webhook string) (domain.SubscriptionID, domain.OrganizationID) {
	id, err := domain.ParseSubscriptionID(webhook)
	s.must(err)
	org, err := domain.ParseOrganizationID(s.acme)
	s.must(err)
	return id, org
}

// change replaces the settings of a webhook of acme.
func (s *scene) change(webhook string, edit func(*domain.SubscriptionSettings)) {
	id, org := s.ids(webhook)
	sub, _ := s.fold.Subscription(id)
	settings := sub.SubscriptionSettings
	edit(&settings)
	s.record(domain.SubscriptionStream(id), &domain.SubscriptionChanged{Organization: org, SubscriptionSettings: settings},
		domain.Meta{At: time.Now(), Actor: "key:test_k", Correlation: "request-7"})
}

func TestAWebhooksHistoryTellsEveryChange(t *testing.T) {
	t.Parallel()
	s := stage(t)
	path := hooks + s.active + "/history"
	s.change(s.active, func(c *domain.SubscriptionSettings) { c.URL = "https://example.com/other" })
	id, org := s.ids(s.active)
	s.record(domain.SubscriptionStream(id), &domain.SecretRotated{Organization: org, Secret: []byte("sealed"), PreviousUntil: time.Now()}, domain.Meta{At: time.Now()})
	at, err := s.commands.DisableSubscription(t.Context(), by, org, id, domain.ByOperator, "asked by phone")
	s.must(err)
	s.must(s.fold.WaitFor(t.Context(), at))
	a := s.want(200, "GET", path, s.partner, "")
	expect(t, a, map[string]any{"next_cursor": nil,
		"items.0.type": "hooklog.SubscriptionDisabled.v1", "items.0.reason": "asked by phone", "items.0.disabled_by": "operator", "items.0.actor": "cli",
		"items.0.changes.0.member": "status", "items.0.changes.0.before": "active", "items.0.changes.0.after": "disabled",
		"items.1.changes.0.member": "secret", "items.1.changes.0.kept": "rotated",
		"items.2.request_id": "request-7", "items.2.actor": "key:test_k", "items.2.revision": 1.0, "items.2.changes.0.member": "url",
		"items.2.changes.0.before": "https://example.com/hook", "items.2.changes.0.after": "https://example.com/other",
		"items.3.type": "hooklog.SubscriptionCreated.v1", "items.3.changes.0.before": nil, "items.3.changes.0.after": "https://example.com/hook"})
	if strings.Contains(a.body, s.secret) || strings.Contains(a.body, "c2VhbGVk") {
		t.Errorf("tells a secret: %s", a.body)
	}
	var paged []string
	for cursor := ""; ; {
		p := s.want(200, "GET", path+"?limit=1"+cursor, s.partner, "")
		paged = append(paged, p.text(t, "items.0.type"))
		next, more := p.json(t, "next_cursor").(string)
		if !more {
			break
		}
		cursor = "&cursor=" + next
	}
	if len(paged) != 4 || paged[3] != "hooklog.SubscriptionCreated.v1" {
		t.Errorf("pages %v", paged)
	}
	if gone := s.want(200, "GET", hooks+s.deleted+"/history", s.partner, ""); gone.json(t, "items.0.changes.0.after") != "deleted" {
		t.Errorf("deleted: %s", gone.body)
	}
}

// TestADisabledWebhookIsExplainedByItsFailures holds the row past.explanation.
func TestADisabledWebhookIsExplainedByItsFailures(t *testing.T) {
	t.Parallel()
	s := stage(t)
	id, _ := s.ids(s.active)
	s.attempts(s.event, s.active, 500, 500, 0)
	for i := range 4 {
		e := s.want(202, "POST", events, s.platform, `{"type":"order.paid","data":{}}`)
		s.want(200, "GET", me, s.partner, "", "Hooklog-Position", e.text(t, "position"))
		s.attempts(e.text(t, "event_id"), s.active, 500, 500, 500, 503, 500+i)
	}
	path := hooks + s.active + "/explanation"
	at := s.want(200, "GET", path, s.partner, "")
	expect(t, at, map[string]any{"status": "active", "disabled": nil, "failures_total": 20.0, "disables.consecutive_failures": 20.0,
		"limit_reached.why": "consecutive failures reached the limit", "limit_reached.fact_id": at.json(t, "failures.19.fact_id")})
	for _, l := range s.fold.AtLimit() {
		s.must(s.commands.DisableFailing(t.Context(), by, l.ID, l.Lifecycle, l.Limit))
	}
	head, err := s.log.Head(t.Context())
	s.must(err)
	s.must(s.fold.WaitFor(t.Context(), head))
	if sub, _ := s.fold.Subscription(id); sub.Disabled == nil {
		t.Fatal("not disabled")
	}
	a := s.want(200, "GET", path, s.partner, "")
	expect(t, a, map[string]any{"status": "disabled", "consecutive_failures": 20.0, "disabled.by": "failures", "disabled.type": "hooklog.SubscriptionDisabled.v1",
		"disabled.caused_by": at.json(t, "failures.19.fact_id"), "counting_since.type": "hooklog.SubscriptionCreated.v1",
		"failures.0.reason": "http_500", "failures.0.attempt": 1.0, "failures.3.reason": "http_503", "failures.19.http_status": 503.0})
	first := s.want(200, "GET", path+"?limit=15", s.partner, "")
	second := s.want(200, "GET", path+"?limit=15&cursor="+first.text(t, "next_cursor"), s.partner, "")
	if len(second.json(t, "failures").([]any)) != 5 || second.json(t, "next_cursor") != nil || second.json(t, "failures.4.fact_id") != at.json(t, "failures.19.fact_id") {
		t.Errorf("the second page: %s", second.body)
	}
}

func TestEachDelayIsExplainedByWhatHeldThen(t *testing.T) {
	t.Parallel()
	s := stage(t)
	s.attempts(s.event, s.active, 500)
	s.want(200, "PATCH", orgs+"/acme", s.operator, `{"retry_schedule":["3m","4m","5m"],"timeout":"20s"}`)
	s.attempts(s.event, s.active, 500)
	s.change(s.active, func(c *domain.SubscriptionSettings) {
		c.RetrySchedule = []domain.Duration{domain.Duration(time.Second), domain.Duration(2 * time.Second), domain.Duration(7 * time.Second)}
	})
	s.attempts(s.event, s.active, 500, 500)
	a := s.want(200, "GET", "/api/v1/deliveries/"+s.delivery(s.event, s.active), s.auditor, "")
	expect(t, a, map[string]any{
		"history.1.why.profile": "vantageclaw", "history.1.why.schedule_from": "profile", "history.1.why.place": 1.0, "history.1.delay.scheduled": "1m",
		"history.1.why.organization_revision": 0.0, "history.1.why.timeout": "10s", "history.1.why.timeout_from": "profile",
		"history.2.why.schedule_from": "organization", "history.2.why.place": 2.0, "history.2.delay.scheduled": "4m", "history.2.why.schedule.1": "4m",
		"history.2.why.organization_revision": 1.0, "history.2.why.timeout": "20s", "history.2.why.timeout_from": "organization",
		"history.3.why.schedule_from": "subscription", "history.3.why.wait": "7s", "history.3.why.subscription_revision": 1.0, "history.3.why.timeout_from": "organization",
		"history.4.dead": true, "ends.0.why": "schedule_used_up", "ends.0.round": 1.0, "ends.0.by.fact_id": a.json(t, "history.4.fact_id")})
	s.want(204, "DELETE", webhooks+"/"+s.active, s.partner, "")
}

func TestACancelledDeliveryNamesTheFactThatEndedIt(t *testing.T) {
	t.Parallel()
	s := stage(t)
	id, org := s.ids(s.active)
	at, err := s.commands.DisableSubscription(t.Context(), by, org, id, domain.ByOwner, "moving house")
	s.must(err)
	s.must(s.fold.WaitFor(t.Context(), at))
	a := s.want(200, "GET", "/api/v1/deliveries/"+s.delivery(s.event, s.active), s.auditor, "")
	expect(t, a, map[string]any{"status": "cancelled", "ends.0.why": "cancelled", "ends.0.disabled_by": "owner", "ends.0.reason": "moving house",
		"ends.0.by.position": at.String(), "ends.0.by.type": "hooklog.SubscriptionDisabled.v1"})
}

func TestAnEventTellsWhatBecameOfIt(t *testing.T) {
	t.Parallel()
	s := stage(t)
	second, _ := s.webhook(s.partner, `["order.*"]`)
	third, _ := s.webhook(s.partner, `["order.paid"]`)
	withheld, _ := s.webhook(s.partner, `["*"]`)
	id, org := s.ids(withheld)
	off, err := s.commands.DisableSubscription(t.Context(), by, org, id, domain.ByOwner, "")
	s.must(err)
	s.must(s.fold.WaitFor(t.Context(), off))
	e := s.want(202, "POST", events, s.platform, `{"type":"order.paid","data":{}}`)
	event, before := e.text(t, "event_id"), e.text(t, "position")
	s.want(200, "GET", me, s.partner, "", "Hooklog-Position", before)
	s.attempts(event, s.active, 500, 0)
	s.attempts(event, second, 503)
	s.want(204, "DELETE", webhooks+"/"+third, s.partner, "")
	a := s.want(200, "GET", events+"/"+event, s.platform, "")
	expect(t, a, map[string]any{"deliveries_total": 3.0, "withheld_total": 1.0, "next_cursor": nil, "withheld.0.subscription_id": withheld,
		"deliveries.0.status": "success", "deliveries.0.ended_by": "succeeded", "deliveries.0.last_attempt.http_status": 200.0, "deliveries.0.attempts": 2.0,
		"deliveries.1.status": "pending", "deliveries.1.ended_by": nil, "deliveries.1.last_attempt.reason": "http_503",
		"deliveries.2.status": "cancelled", "deliveries.2.ended_by": "cancelled", "deliveries.2.cancelled_by": "subscription_deleted", "deliveries.2.last_attempt": nil})
	then := s.want(200, "GET", withAt(events+"/"+event, before), s.platform, "")
	expect(t, then, map[string]any{"deliveries.0.status": "pending", "deliveries.0.attempts": 0.0, "deliveries.2.status": "pending"})
	earlier := s.want(200, "GET", withAt(events+"/"+event, off.String()), s.platform, "")
	expect(t, earlier, map[string]any{"deliveries_total": 3.0, "deliveries.0.status": "none", "withheld.0.subscription_id": withheld})
	now := s.want(200, "GET", withAt(events+"/"+event, time.Now().Format(time.RFC3339Nano)), s.platform, "")
	expect(t, now, map[string]any{"deliveries_total": 2.0, "deliveries.0.status": "success", "deliveries.0.ended_by": "succeeded", "deliveries.1.last_attempt.reason": "http_503"})
	s.paged(events+"/"+event, a)
}

// paged asks for the parts of an event's explanation one by one, and wants what one answer had.
func (s *scene) paged(path string, whole answer) {
	s.Helper()
	var got, want []any
	for _, member := range []string{"deliveries", "withheld"} {
		want = append(want, whole.json(s, member).([]any)...)
	}
	for cursor := ""; ; {
		a := s.want(200, "GET", path+"?limit=1"+cursor, s.platform, "")
		got = append(got, append(a.json(s, "deliveries").([]any), a.json(s, "withheld").([]any)...)...)
		next, more := a.json(s, "next_cursor").(string)
		if !more {
			break
		}
		cursor = "&cursor=" + next
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		s.Errorf("page by page %v, at once %v", got, want)
	}
}

// TestWhoWouldGetAType holds the row past.subscribers.
func TestWhoWouldGetAType(t *testing.T) {
	t.Parallel()
	s := stage(t)
	id, _ := s.webhook(s.partner, `["order.*","order.paid"]`)
	s.change(id, func(c *domain.SubscriptionSettings) { c.Clients = []string{"eu"} })
	before := s.want(200, "GET", types+"/order.paid/subscribers", s.auditor, "")
	expect(t, before, map[string]any{"subscribers_total": 1.0, "subscribers.0.subscription_id": s.active, "withheld.0.subscription_id": id,
		"withheld.0.why": "other_client", "withheld.0.asks.1": "order.paid", "not_asking": 1.0})
	if eu := s.want(200, "GET", types+"/order.paid/subscribers?client=eu", s.auditor, ""); eu.json(t, "subscribers_total") != 2.0 || eu.json(t, "client") != "eu" {
		t.Errorf("in eu: %s", eu.body)
	}
	head, err := s.log.Head(t.Context())
	s.must(err)
	s.want(204, "DELETE", orgs+"/acme", s.operator, "")
	after := s.want(200, "GET", types+"/order.paid/subscribers", s.auditor, "")
	expect(t, after, map[string]any{"subscribers_total": 0.0, "withheld.0.why": "organization_closed", "withheld.1.why": "organization_closed"})
	if then := s.want(200, "GET", withAt(types+"/order.paid/subscribers", head.String()), s.auditor, ""); then.body != before.body {
		t.Errorf("then %s, want %s", then.body, before.body)
	}
	var shown struct{ Withheld []json.RawMessage }
	s.must(json.Unmarshal([]byte(after.body), &shown))
	if len(shown.Withheld) != 2 {
		t.Errorf("withheld from %d", len(shown.Withheld))
	}
}
