package http_test

import (
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"

	httpd "github.com/hooklog/hooklog/http"
)

// TestAManagedWebhooksLife holds the rows webhooks.create, webhooks.change, webhooks.delete, webhooks.test and
// webhooks.headers.
func TestAManagedWebhooksLife(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.organization("acme")
	key := h.partnerKey("acme")
	h.eventType("acme", "order.paid")
	a := h.want(201, "POST", managed, key, `{"url":"https://example.com/a","events":["order.paid"],"name":"N","description":"D",`+
		`"headers":{"X-Api-Key":"geheim-1","Authorization":"Bearer geheim-2"},"email":"ops@example.com","clients":["eu"],`+
		`"retry_schedule":["1s","5m"],"timeout":"20s","rate_limit":"10/s","ordered":true,"enabled":false}`)
	id, secret := a.text(t, "id"), a.text(t, "secret")
	for path, want := range map[string]any{"status": "disabled", "disabled_by": "owner", "name": "N", "description": "D", "email": "ops@example.com",
		"clients.0": "eu", "retry_schedule.1": "5m", "timeout": "20s", "rate_limit": "10/s", "ordered": true, "header_names.0": "X-Api-Key", "header_names.1": "Authorization"} {
		if got := a.json(t, path); got != want {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
	if !strings.HasPrefix(secret, "whsec_") || strings.Contains(a.body, "geheim") {
		t.Errorf("created %s", a.body)
	}
	h.want(409, "POST", managed+"/"+id+"/test", key, "")
	a = h.want(200, "PATCH", managed+"/"+id, key, `{"enabled":true,"name":null,"description":"E","headers":{"authorization":null,"X-New":"n"},`+
		`"retry_schedule":null,"timeout":null,"rate_limit":"600/m","ordered":false,"clients":null,"email":null}`)
	if a.text(t, "status") != "active" || a.text(t, "description") != "E" || a.text(t, "rate_limit") != "600/m" || a.text(t, "header_names.1") != "X-New" {
		t.Errorf("changed to %s", a.body)
	}
	for _, gone := range []string{`"name"`, "ordered", "clients", "email", "retry_schedule", "timeout", "Authorization", "disabled", "secret", "geheim"} {
		if strings.Contains(a.body, gone) {
			t.Errorf("%s is still there: %s", gone, a.body)
		}
	}
	if got := h.want(200, "PATCH", managed+"/"+id, key, `{}`); got.body != a.body {
		t.Errorf("nothing changed %s to %s", a.body, got.body)
	}
	if a = h.want(200, "PATCH", managed+"/"+id, key, `{"headers":null}`); strings.Contains(a.body, "header_names") {
		t.Errorf("headers are left: %s", a.body)
	}
	if a = h.want(202, "POST", managed+"/"+id+"/test", key, ""); a.json(t, "enqueued") != true || !strings.HasPrefix(a.text(t, "event_id"), "evt_") {
		t.Errorf("tested: %s", a.body)
	}
	h.want(204, "DELETE", managed+"/"+id, key, "")
	if a = h.want(200, "GET", managed, key, ""); len(a.json(t, "items").([]any)) != 0 {
		t.Errorf("listed %s", a.body)
	}
}

// TestAClientBringsItsSecret holds the row webhooks.secret.
func TestAClientBringsItsSecret(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.want(201, "POST", orgs, h.operator, `{"slug":"claw","name":"Claw","profile":"clawbook"}`)
	key := h.partnerKey("claw")
	a := h.want(201, "POST", managed, key, `{"url":"https://example.com/a","secret":"mein Geheimnis"}`)
	if strings.Contains(a.body, "Geheimnis") || strings.Contains(a.body, `"secret"`) {
		t.Errorf("a secret that is known already is told: %s", a.body)
	}
	test := webhooks + "/" + a.text(t, "id") + "/test"
	h.want(401, "POST", test, key, `{"secret":"another one"}`)
	h.want(200, "POST", test, key, `{"secret":"mein Geheimnis"}`)
}

// TestBothSecretsAreGoodWhileOneIsRotated holds the row webhooks.rotate.
func TestBothSecretsAreGoodWhileOneIsRotated(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.organization("acme")
	key := h.partnerKey("acme")
	a := h.want(201, "POST", managed, key, `{"url":"https://example.com/a"}`)
	path, old := managed+"/"+a.text(t, "id"), a.text(t, "secret")
	test := webhooks + "/" + a.text(t, "id") + "/test"
	good := func(secret string, status int) {
		t.Helper()
		h.want(status, "POST", test, key, `{"secret":"`+secret+`"}`)
	}
	a = h.want(200, "POST", path+"/rotate-secret", key, `{"overlap":"1h"}`)
	second := a.text(t, "secret")
	if second == old || a.text(t, "previous_secret_until") == "" {
		t.Errorf("rotated: %s", a.body)
	}
	good(old, 200)
	good(second, 200)
	a = h.want(200, "POST", path+"/rotate-secret", key, `{"overlap":"0s"}`)
	third := a.text(t, "secret")
	good(old, 401)
	good(second, 401)
	good(third, 200)
}

// TestChangesAtTheSameTimeAreAllKept holds the row webhooks.patch.
func TestChangesAtTheSameTimeAreAllKept(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.organization("acme")
	key := h.partnerKey("acme")
	path := managed + "/" + h.want(201, "POST", managed, key, `{"url":"https://example.com/a"}`).text(t, "id")
	bodies := []string{`{"name":"N"}`, `{"description":"D"}`, `{"email":"a@example.com"}`, `{"timeout":"7s"}`, `{"rate_limit":"5/s"}`,
		`{"headers":{"X-A":"a"}}`, `{"headers":{"X-B":"b"}}`, `{"clients":["c"]}`}
	var all sync.WaitGroup
	for _, body := range bodies {
		all.Go(func() {
			if a := h.call("PATCH", path, key, body); a.status != 200 {
				t.Errorf("%s: %d %s", body, a.status, a.body)
			}
		})
	}
	all.Wait()
	a := h.want(200, "PATCH", path, key, `{}`)
	for _, member := range []string{`"name":"N"`, `"description":"D"`, `"email":"a@example.com"`, `"timeout":"7s"`, `"rate_limit":"5/s"`, `"X-A"`, `"X-B"`, `"clients":["c"]`} {
		if !strings.Contains(a.body, member) {
			t.Errorf("%s was lost: %s", member, a.body)
		}
	}
}

func TestARetiredTypeStaysInWhatSubscribedToIt(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.organization("acme")
	key := h.partnerKey("acme")
	h.eventType("acme", "order.paid")
	path := managed + "/" + h.want(201, "POST", managed, key, `{"url":"https://example.com/a","events":["order.paid"]}`).text(t, "id")
	h.want(204, "DELETE", types+"/order.paid", h.operator, "")
	h.want(200, "PATCH", path, key, `{"events":["order.paid","*"],"name":"N"}`)
	h.want(200, "PATCH", path, key, `{"events":["*"]}`)
	h.want(422, "PATCH", path, key, `{"events":["order.paid"]}`)
}

// However many come at once, ten get in; whoever is deleted makes room. It holds the row webhooks.ten.
func TestTheNumberOfWebhooksIsLimitedUnderConcurrentCreation(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.want(201, "POST", orgs, h.operator, `{"slug":"kit","name":"Kit","profile":"vantagekit"}`)
	key := h.partnerKey("kit")
	var mu sync.Mutex
	var created []string
	fill := func() (refused int) {
		var all sync.WaitGroup
		for i := range 16 {
			all.Go(func() {
				a := h.call("POST", managed, key, fmt.Sprintf(`{"url":"https://example.com/%d"}`, i))
				mu.Lock()
				defer mu.Unlock()
				switch a.status {
				case 201:
					created = append(created, a.text(t, "id"))
				case 409, 503:
					refused++
				default:
					t.Errorf("%d %s", a.status, a.body)
				}
			})
		}
		all.Wait()
		return refused
	}
	for {
		fill()
		if h.call("POST", managed, key, `{"url":"https://example.com/last"}`).status == 409 {
			break
		}
		t.Log("some were told to try again")
	}
	if n := len(h.want(200, "GET", managed, key, "").json(t, "items").([]any)); n != 10 {
		t.Errorf("%d webhooks, want 10", n)
	}
	for _, id := range created[:3] {
		h.want(204, "DELETE", managed+"/"+id, key, "")
	}
	for range 3 {
		h.want(201, "POST", managed, key, `{"url":"https://example.com/again"}`)
	}
	h.want(409, "POST", managed, key, `{"url":"https://example.com/over"}`)
}

// TestMetaTellsProfileLimitsAndSourceRanges holds the rows webhooks.meta and webhooks.catalogue.
func TestMetaTellsProfileLimitsAndSourceRanges(t *testing.T) {
	t.Parallel()
	h := build(t, func(c *httpd.Config) { c.SourceRanges = []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")} })
	h.want(201, "POST", orgs, h.operator, `{"slug":"kit","name":"Kit","profile":"vantagekit","timeout":"5s"}`)
	a := h.want(200, "GET", "/api/v1/meta", h.partnerKey("kit"), "")
	for path, want := range map[string]any{"profile": "vantagekit", "slug": "kit", "source_ranges.0": "203.0.113.0/24", "timeout": "5s",
		"retry_schedule.4": "16s", "limits.webhooks": 10.0, "limits.headers_per_webhook": 20.0, "limits.requests_per_minute": 600.0} {
		if got := a.json(t, path); got != want {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
	if a = h.want(200, "GET", "/api/v1/meta?organization=kit", h.operator, ""); a.json(t, "limits.requests_per_minute") != nil {
		t.Errorf("an operator is limited: %s", a.body)
	}
	h.organization("acme")
	if a = h.want(200, "GET", "/api/v1/meta?organization=acme", h.operator, ""); a.json(t, "limits.webhooks") != nil {
		t.Errorf("acme is limited: %s", a.body)
	}
	h.eventType("kit", "own.type")
	if a = h.want(200, "GET", "/api/v1/event-types?limit=2&organization=kit", h.operator, ""); a.text(t, "items.0.name") != "own.type" || a.text(t, "items.1.name") == "" || a.json(t, "next_cursor") == nil {
		t.Errorf("catalogue %s", a.body)
	}
}

// TestWebhooksAreListedByPages holds the row webhooks.list.
func TestWebhooksAreListedByPages(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.organization("acme")
	key := h.partnerKey("acme")
	var ids []string
	for range 5 {
		ids = append(ids, h.want(201, "POST", managed, key, `{"url":"https://example.com/a"}`).text(t, "id"))
	}
	for at, cursor := len(ids)-1, ""; ; {
		a := h.want(200, "GET", managed+"?limit=2&cursor="+cursor, key, "")
		for _, item := range a.json(t, "items").([]any) {
			if got := item.(map[string]any)["id"]; got != ids[at] {
				t.Fatalf("got %v, want %s", got, ids[at])
			}
			at--
		}
		next, more := a.json(t, "next_cursor").(string)
		if !more {
			if at != -1 {
				t.Errorf("%d are missing", at+1)
			}
			return
		}
		cursor = next
	}
}
