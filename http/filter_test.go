package http_test

import (
	"fmt"
	"testing"
)

// TestAFilterIsPartOfMatching holds the rows webhooks.filter, webhooks.filter-data and webhooks.filter-last.
func TestAFilterIsPartOfMatching(t *testing.T) {
	t.Parallel()
	h, key := platform(t)
	h.eventType("acme", "order.lost")
	partner := h.partnerKey("acme")
	a := h.want(201, "POST", managed, partner, `{"url":"https://example.com/a","events":["order.paid"],"filter": {"path":"order.amount","greater":1.0E2}}`)
	expect(t, a, map[string]any{"filter.path": "order.amount", "filter.greater": 100.0})
	path := managed + "/" + a.text(t, "id")
	h.want(201, "POST", managed, partner, `{"url":"https://example.com/b","events":["*"]}`)

	publish := func(data string, deliveries float64) string {
		t.Helper()
		a := h.want(202, "POST", events, key, `{"type":"order.paid","data":`+data+`}`)
		expect(t, a, map[string]any{"deliveries": deliveries})
		return a.text(t, "event_id")
	}
	publish(`{"order":{"amount":100.01}}`, 2)
	small := publish(`{"order":{"amount":100}}`, 1)
	expect(t, h.want(200, "GET", events+"/"+small, key, ""), map[string]any{"deliveries_total": 1.0, "withheld_total": 1.0, "not_asking": 0.0,
		"withheld.0.subscription_id": a.text(t, "id"), "withheld.0.why": "filtered"})
	h.want(202, "POST", events, key, `{"type":"order.lost","data":{}}`)

	test := func(body string, want map[string]any) {
		t.Helper()
		expect(t, h.want(200, "POST", path+"/filter-test", partner, body), want)
	}
	test(`{"data":{"order":{"amount":1e3}}}`, map[string]any{"matches": true})
	test(`{"data":{"order":{"amount":"1e3"}}}`, map[string]any{"matches": false})
	test(`{"data":{},"filter":{"path":"order","exists":false}}`, map[string]any{"matches": true})
	test(`{"data":{},"filter":null}`, map[string]any{"matches": true})
	test(`{"last":1000}`, map[string]any{"matching": 1.0, "total": 3.0, "events.0.why": "not_asked", "events.0.type": "order.lost",
		"events.1.event_id": small, "events.1.why": "filtered", "events.2.matches": true})
	test(`{"last":2,"filter":{"path":"order.amount","less_or_equal":100}}`, map[string]any{"matching": 1.0, "total": 2.0, "events.1.matches": true})

	// Another filter, and another yet for the same event as of now; what was decided at its place stays.
	expect(t, h.want(200, "PATCH", path, partner, `{"filter":{"path":"order.amount","in":[100]}}`), map[string]any{"filter.in.0": 100.0})
	expect(t, h.want(200, "GET", events+"/"+small, key, ""), map[string]any{"withheld.0.why": "filtered"})
	publish(`{"order":{"amount":100}}`, 2)
	changed := h.want(200, "PATCH", path, partner, `{"filter":null}`)
	if changed.json(t, "filter") != nil {
		t.Errorf("still filtered: %s", changed.body)
	}
	expect(t, h.want(200, "GET", events+"/"+small+"?at="+changed.header.Get("Hooklog-Position"), key, ""), map[string]any{"deliveries_total": 2.0, "withheld_total": 0.0})
	publish(`{}`, 2)
}

// Tests go through whatever the filter says, and are not judged.
func TestATestPassesTheFilter(t *testing.T) {
	t.Parallel()
	h, _ := platform(t)
	partner := h.partnerKey("acme")
	path := managed + "/" + h.want(201, "POST", managed, partner, `{"url":"https://example.com/a","filter":{"path":"x","exists":true}}`).text(t, "id")
	event := h.want(202, "POST", path+"/test", partner, "").text(t, "event_id")
	expect(t, h.want(200, "GET", events+"/"+event, h.platformKey(), ""), map[string]any{"deliveries_total": 1.0})
	expect(t, h.want(200, "POST", path+"/filter-test", partner, fmt.Sprintf(`{"last":%d}`, 1000)), map[string]any{"total": 0.0})
}
