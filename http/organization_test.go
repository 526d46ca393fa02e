package http_test

import (
	"strings"
	"testing"
)

// TestAnOrganizationsLife holds the rows organizations.register, organizations.list, organizations.show,
// organizations.change and organizations.close.
func TestAnOrganizationsLife(t *testing.T) {
	t.Parallel()
	h := build(t)
	a := h.want(201, "POST", orgs, h.operator, `{"slug":"acme","name":"Acme","profile":"standard","retry_schedule":["1m","24h"],"timeout":"10s"}`)
	id := a.text(t, "id")
	want := `{"id":"` + id + `","slug":"acme","name":"Acme","profile":"standard","retry_schedule":["1m","24h"],"timeout":"10s","created_at":"` + a.text(t, "created_at") + `"}` + "\n"
	if a.body != want {
		t.Errorf("got  %s\nwant %s", a.body, want)
	}
	for _, ref := range []string{"acme", id} {
		if a = h.want(200, "GET", orgs+"/"+ref, h.operator, ""); a.body != want {
			t.Errorf("%s: %s", ref, a.body)
		}
	}
	a = h.want(200, "PATCH", orgs+"/acme", h.operator, `{"name":"Acme 2","timeout":null}`)
	if a.text(t, "name") != "Acme 2" || a.json(t, "timeout") != nil || a.json(t, "retry_schedule.1") != "24h" {
		t.Errorf("patched: %s", a.body)
	}
	if a = h.want(200, "PATCH", orgs+"/acme", h.operator, `{"retry_schedule":null}`); a.json(t, "retry_schedule") != nil {
		t.Errorf("patched: %s", a.body)
	}
	h.want(200, "PATCH", orgs+"/acme", h.operator, `{}`)
	key := h.partnerKey("acme")
	h.want(204, "DELETE", orgs+"/acme", h.operator, "")
	h.want(204, "DELETE", orgs+"/acme", h.operator, "")
	h.want(401, "GET", me, key, "")
	if a = h.want(200, "GET", orgs+"/acme", h.operator, ""); a.text(t, "closed_at") == "" {
		t.Errorf("closed: %s", a.body)
	}
	if a = h.want(200, "GET", orgs, h.operator, ""); a.json(t, "items.0.id") != id || a.json(t, "next_cursor") != nil {
		t.Errorf("listed: %s", a.body)
	}
}

// TestNothingOfAClosedOrganizationChanges holds the rows organization.closed, key.closed and type.ref: what is refused
// leaves no fact, and what ends things still does.
func TestNothingOfAClosedOrganizationChanges(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.organization("acme")
	key, platform := h.partnerKey("acme"), h.platformKey()
	h.eventType("acme", "order.paid")
	active, secret := h.webhook(key, `["order.paid"]`)
	disabled := h.want(201, "POST", managed, key, `{"url":"https://example.com/","enabled":false}`).text(t, "id")
	event := h.want(202, "POST", events, platform, `{"type":"order.paid","data":{}}`).text(t, "event_id")
	h.settle()
	h.want(204, "DELETE", orgs+"/acme", h.operator, "")
	delivery := h.want(200, "GET", events+"/"+event, h.operator, "").text(t, "deliveries.0.id")
	before := h.facts()
	const whose = "?organization=acme"
	for _, ask := range []struct{ method, path, body string }{
		{"POST", events, `{"type":"order.paid","data":{}}`},
		{"PATCH", orgs + "/acme", `{"name":"Other"}`},
		{"POST", orgs + "/acme/addresses", `{"email":"ops@example.com"}`},
		{"POST", keys, `{"scopes":[],"mode":"test"}`},
		{"POST", keys + "/" + keyID(key) + "/rotate", ""},
		{"POST", "/api/v1/keys", `{"scopes":["audit:read"],"mode":"test","organizations":["acme"]}`},
		{"POST", types, `{"name":"order.sent"}`},
		{"PATCH", types + "/order.paid", `{"category":"Sales"}`},
		{"DELETE", types + "/order.paid", ""},
		{"POST", webhooks + whose, `{"url":"https://example.com/"}`},
		{"POST", webhooks + "/" + active + "/test" + whose, `{"secret":"` + secret + `"}`},
		{"POST", managed + whose, `{"url":"https://example.com/","email":"ops@example.com"}`},
		{"PATCH", managed + "/" + active + whose, `{"email":"ops@example.com"}`},
		{"PATCH", managed + "/" + active + whose, `{"enabled":false}`},
		{"PATCH", managed + "/" + disabled + whose, `{"enabled":true}`},
		{"POST", managed + "/" + active + "/test" + whose, ""},
		{"POST", managed + "/" + active + "/rotate-secret" + whose, ""},
		{"POST", managed + "/" + active + "/recover" + whose, `{"from":"2020-01-01T00:00:00Z","to":"2100-01-01T00:00:00Z"}`},
		{"POST", "/api/v1/deliveries/" + delivery + "/redeliver" + whose, ""},
	} {
		if a := h.call(ask.method, ask.path, h.operator, ask.body); a.status != 409 {
			t.Errorf("%s %s %s: got %d %s", ask.method, ask.path, ask.body, a.status, a.body)
		}
	}
	if after := h.facts(); after != before {
		t.Errorf("%d facts were recorded", after-before)
	}
	h.want(204, "DELETE", webhooks+"/"+active+whose, h.operator, "")
	h.want(204, "DELETE", keys+"/"+keyID(key), h.operator, "")
	h.want(204, "DELETE", orgs+"/acme", h.operator, "")
}

// TestKeys holds the rows keys.issue, keys.list, keys.rotate, keys.revoke and keys.service.
func TestKeys(t *testing.T) {
	t.Parallel()
	h := build(t)
	org := h.organization("acme")
	a := h.want(201, "POST", keys, h.operator, `{"scopes":["webhooks:manage"],"mode":"live","rate_limit_per_minute":null,"expires_at":null}`)
	key := a.text(t, "key")
	want := `{"key_id":"` + keyID(key) + `","key":"` + key + `","scopes":["identity:read","webhooks:manage"],"mode":"live",` +
		`"rate_limit_per_minute":600,"created_at":"` + a.text(t, "created_at") + `","expires_at":null}` + "\n"
	if a.body != want || !strings.HasPrefix(key, "vck_live_") {
		t.Errorf("got  %s\nwant %s", a.body, want)
	}
	a = h.want(201, "POST", "/api/v1/keys", h.operator, `{"scopes":["events:publish"],"mode":"test","organizations":["acme"],"rate_limit_per_minute":5}`)
	if !strings.HasPrefix(a.text(t, "key"), "hlk_test_") || a.json(t, "organizations.0") != org || a.json(t, "rate_limit_per_minute") != 5.0 {
		t.Errorf("got %s", a.body)
	}
	h.want(204, "DELETE", keys+"/"+keyID(key), h.operator, "")
	h.want(204, "DELETE", keys+"/"+keyID(key), h.operator, "")
	a = h.want(200, "GET", keys, h.operator, "")
	if a.json(t, "items.0.key_id") != keyID(key) || a.json(t, "items.0.revoked_at") == nil || strings.Contains(a.body, `"key":`) || strings.Contains(a.body, "sha256") {
		t.Errorf("listed: %s", a.body)
	}
	if a = h.want(200, "GET", "/api/v1/keys", h.operator, ""); strings.Contains(a.body, keyID(key)) || !strings.Contains(a.body, "live_operator") {
		t.Errorf("keys without organization: %s", a.body)
	}
}

// TestAKeyOfNoOrganizationIsRotatedAndRevoked holds rows key.rotate and key.id.
func TestAKeyOfNoOrganizationIsRotatedAndRevoked(t *testing.T) {
	t.Parallel()
	h := build(t)
	old := h.platformKey()
	path := "/api/v1/keys/" + keyID(old)
	a := h.want(200, "POST", path+"/rotate", h.operator, `{"overlap":"0s"}`)
	h.want(401, "GET", me, old, "")
	h.want(200, "GET", me, a.text(t, "key"), "")
	for range 2 {
		h.want(204, "DELETE", path, h.operator, "")
	}
	h.want(401, "GET", me, a.text(t, "key"), "")
	checkProblem(t, h.want(409, "POST", path+"/rotate", h.operator, ""))
}

// TestEventTypes holds the rows types.define, types.list, types.describe and types.retire.
func TestEventTypes(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.organization("acme")
	a := h.want(201, "POST", types, h.operator, `{"name":"order.paid","description":"Paid","category":"Orders","example":{"b": 1, "a":[ ]},"schema":{"type":"object"}}`)
	want := `{"name":"order.paid","description":"Paid","category":"Orders","example":{"b":1,"a":[]},"schema":{"type":"object"},"created_at":"` + a.text(t, "created_at") + `"}` + "\n"
	if a.body != want {
		t.Errorf("got  %s\nwant %s", a.body, want)
	}
	a = h.want(200, "PATCH", types+"/order.paid", h.operator, `{"schema":null,"category":"Sales"}`)
	if a.json(t, "schema") != nil || a.text(t, "category") != "Sales" || a.text(t, "description") != "Paid" {
		t.Errorf("patched: %s", a.body)
	}
	if a = h.want(200, "GET", types, h.platformKey(), ""); a.json(t, "items.0.name") != "order.paid" {
		t.Errorf("listed: %s", a.body)
	}
	h.want(204, "DELETE", types+"/order.paid", h.operator, "")
	h.want(204, "DELETE", types+"/order.paid", h.operator, "")
	if a = h.want(200, "GET", types+"/order.paid", h.operator, ""); a.text(t, "retired_at") == "" {
		t.Errorf("retired: %s", a.body)
	}
	h.want(202, "POST", events, h.platformKey(), `{"type":"order.paid","data":{}}`)
	if a = h.want(201, "POST", types, h.operator, `{"name":"order.paid"}`); a.json(t, "retired_at") != nil {
		t.Errorf("brought back: %s", a.body)
	}
}
