package http_test

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hooklog/hooklog/commands"
	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	httpd "github.com/hooklog/hooklog/http"
	"github.com/hooklog/hooklog/webhook"
)

// studio is an organization of profile vntana with a key and a session.
type studio struct {
	*house
	id    domain.OrganizationID
	slug  string
	key   string
	token string
}

// studio registers one, and logs in.
func (h *house) studio(slug string) *studio {
	h.Helper()
	a := h.want(201, "POST", orgs, h.operator, `{"slug":"`+slug+`","name":"The `+slug+`","profile":"vntana"}`)
	s := &studio{house: h, slug: slug, key: h.partnerKey(slug)}
	h.must(s.id.UnmarshalText([]byte(a.text(h, "id"))))
	s.token = s.refresh(s.login(s.key), "")
	return s
}

// login exchanges a key for a session without an organization.
func (h *house) login(key string) string {
	h.Helper()
	return sessionOf(h, h.want(200, "POST", "/v1/auth/login/token", "", `{"personal-access-token":"`+key+`"}`))
}

func sessionOf(t testing.TB, a answer) string {
	t.Helper()
	token := a.header.Get("X-Auth-Token")
	if token == "" || strings.HasPrefix(token, "Bearer") || strings.Contains(a.body, token) {
		t.Fatalf("token %q, body %s", token, a.body)
	}
	return token
}

// refresh chooses the organization, and a folder unless that is empty.
func (s *studio) refresh(token, client string) string {
	s.Helper()
	return sessionOf(s, s.as(200, token, "POST", "/v1/auth/refresh-token", "", "organizationUuid", s.id.UUID(), "clientUuid", client))
}

// as makes a request with a session; an answer must be an envelope.
func (h *house) as(status int, token, method, path, body string, headers ...string) answer {
	h.Helper()
	a := h.call(method, path, "", body, append([]string{"X-AUTH-TOKEN", "Bearer " + token}, headers...)...)
	if a.status != status {
		h.Fatalf("%s %s: %d %s %s, want %d", method, path, a.status, a.body, a.header.Get("Hooklog-Detail"), status)
	}
	checkEnvelope(h, a)
	return a
}

// checkEnvelope checks what every answer of the surface has.
func checkEnvelope(t testing.TB, a answer) {
	t.Helper()
	var e map[string]json.RawMessage
	if err := json.Unmarshal([]byte(a.body), &e); err != nil {
		t.Fatalf("no envelope: %v: %s", err, a.body)
	}
	var codes []string
	if err := json.Unmarshal(e["errors"], &codes); err != nil || codes == nil || len(e) != 3 {
		t.Fatalf("no envelope: %s", a.body)
	}
	good := a.status == 200
	if string(e["success"]) != fmt.Sprint(good) || (len(codes) == 0) != good || (string(e["response"]) == "null") == good {
		t.Errorf("status %d with %s", a.status, a.body)
	}
	if a.header.Get("Content-Type") != "application/json" || a.header.Get("Cache-Control") != "no-store" || a.header.Get("X-Request-Id") == "" {
		t.Errorf("headers %v", a.header)
	}
	if (a.header.Get("Hooklog-Detail") == "") != good {
		t.Errorf("status %d with the detail %q", a.status, a.header.Get("Hooklog-Detail"))
	}
	for name, wanted := range map[string]bool{"WWW-Authenticate": a.status == 401, "Retry-After": a.status == 429 || a.status == 503, "Allow": a.status == 405} {
		if has := a.header.Get(name) != ""; has != wanted {
			t.Errorf("status %d with %s %q", a.status, name, a.header.Get(name))
		}
	}
}

// ask is the body of a request that makes a webhook.
func (s *studio) ask(more string, events ...string) string {
	refs := make([]string, len(events))
	for i, name := range events {
		refs[i] = `{"uuid":"` + webhook.TypeUUID(name) + `","name":"` + name + `"}`
	}
	return `{"url":"https://example.com/hook","organizationUuid":"` + s.id.UUID() + `","events":[` + strings.Join(refs, ",") + `]` + more + `}`
}

// hook makes a webhook and returns its UUID and secret.
func (s *studio) hook(more string, events ...string) (uuid, secret string) {
	s.Helper()
	a := s.as(200, s.token, "POST", "/v1/webhooks/", s.ask(more, events...))
	return a.text(s, "response.uuid"), a.text(s, "response.secret")
}

const oneHook = "/v1/webhooks/"

// asked flattens what a webhook asks for.
func asked(t testing.TB, a answer, path string) (names []string) {
	t.Helper()
	for _, c := range a.json(t, path).([]any) {
		category := c.(map[string]any)
		events := category["events"].([]any)
		if category["uuid"] != webhook.CategoryUUID(category["category"].(string)) || int(category["totalCount"].(float64)) != len(events) {
			t.Errorf("category %v", category)
		}
		for _, e := range events {
			event := e.(map[string]any)
			if event["uuid"] != webhook.TypeUUID(event["name"].(string)) {
				t.Errorf("event %v", event)
			}
			names = append(names, event["name"].(string))
		}
	}
	return names
}

// TestVntanaSessionsAndOrganizations holds the rows vntana.login, vntana.refresh and vntana.organizations.
func TestVntanaSessionsAndOrganizations(t *testing.T) {
	t.Parallel()
	h := build(t)
	s := h.studio("atelier")
	h.studio("other")
	before := h.facts()
	login := h.login(s.key)
	if a := h.want(200, "POST", "/v1/auth/login/token", "", `{"personal-access-token":"`+s.key+`"}`); a.body != `{"success":true,"errors":[],"response":{"email":null}}`+"\n" {
		t.Errorf("login is answered %s", a.body)
	}
	want := `{"success":true,"errors":[],"response":{"totalCount":1,"grid":[{"uuid":"` + s.id.UUID() + `","slug":"atelier","name":"The atelier","role":"ORGANIZATION_ADMIN","created":"`
	for _, token := range []string{login, s.token} {
		if a := h.as(200, token, "GET", "/v1/organizations", ""); !strings.HasPrefix(a.body, want) {
			t.Errorf("organizations %s", a.body)
		}
	}
	h.as(200, s.refresh(s.token, ""), "GET", "/v1/webhooks/events/", "")
	for range 3 {
		s.refresh(login, "")
	}
	if after := h.facts(); after != before {
		t.Errorf("sessions recorded %d facts", after-before)
	}
	if a := h.call("HEAD", "/v1/organizations", "", "", "X-AUTH-TOKEN", "Bearer "+login); a.status != 200 || a.body != "" {
		t.Errorf("HEAD is answered %d %s", a.status, a.body)
	}
}

// TestASessionEndsWithItsKey holds the row vntana.token, as far as time and the key go.
func TestASessionEndsWithItsKey(t *testing.T) {
	t.Parallel()
	var c clock
	h := build(t, func(config *httpd.Config) { config.Now = c.now })
	s := h.studio("atelier")
	try := func(token string, status int) {
		t.Helper()
		h.as(status, token, "GET", "/v1/webhooks/events/", "")
		h.as(status, token, "GET", "/v1/organizations", "")
		h.as(status, token, "POST", "/v1/auth/refresh-token", "", "organizationUuid", s.id.UUID())
	}
	session := func(key string) string {
		t.Helper()
		return s.refresh(h.login(key), "")
	}
	revoked, rotated, overlapping := h.partnerKey("atelier"), h.partnerKey("atelier"), h.partnerKey("atelier")
	expiring := h.key("/api/v1/organizations/atelier/keys", `{"scopes":["webhooks:manage"],"mode":"test","expires_at":"`+time.Now().Add(time.Hour).UTC().Format(time.RFC3339)+`"}`)
	tokens := map[string]string{"revoked": session(revoked), "rotated": session(rotated), "overlapping": session(overlapping), "expiring": session(expiring)}
	for _, token := range tokens {
		try(token, 200)
	}
	keys := "/api/v1/organizations/atelier/keys/"
	h.want(204, "DELETE", keys+keyID(revoked), h.operator, "")
	h.want(200, "POST", keys+keyID(rotated)+"/rotate", h.operator, `{"overlap":"0s"}`)
	h.want(200, "POST", keys+keyID(overlapping)+"/rotate", h.operator, `{"overlap":"1h"}`)
	try(tokens["revoked"], 401)
	try(tokens["rotated"], 401)
	try(tokens["overlapping"], 200)
	c.forward(time.Hour + time.Minute)
	try(tokens["overlapping"], 401)
	try(tokens["expiring"], 401)
	try(s.token, 200)
	c.forward(commands.SessionLasts - time.Hour - 10*time.Minute)
	try(s.token, 200)
	renewed := s.refresh(s.token, "")
	c.forward(10 * time.Minute)
	try(s.token, 401)
	try(renewed, 200)
	h.want(204, "DELETE", "/api/v1/organizations/atelier", h.operator, "")
	try(renewed, 401)
}

// TestVntanaEventsAreListedByCategory holds the row vntana.catalogue.
func TestVntanaEventsAreListedByCategory(t *testing.T) {
	t.Parallel()
	h := build(t)
	s := h.studio("atelier")
	const list = "/v1/webhooks/events/"
	a := h.as(200, s.token, "GET", list, "")
	got := asked(t, a, "response.grid")
	want := []string{"product.added", "product.pending", "product.processing", "product.completed", "product.terminated", "product.failed",
		"product.published", "product.deleted", "client.added", "user.added", "user.revoked"}
	if !slices.Equal(got, want) || a.json(t, "response.totalCount") != 3.0 {
		t.Errorf("events %v of %s", got, a.body)
	}
	for i, category := range []string{"Product", "Folder", "User"} {
		if a.text(t, fmt.Sprintf("response.grid.%d.category", i)) != category {
			t.Errorf("category %d of %s", i, a.body)
		}
	}
	own := "/api/v1/organizations/atelier/event-types"
	h.want(201, "POST", own, h.operator, `{"name":"render.done","category":"Render","description":"A picture is there."}`)
	h.want(201, "POST", own, h.operator, `{"name":"odd.thing"}`)
	h.want(201, "POST", own, h.operator, `{"name":"old.thing"}`)
	h.want(204, "DELETE", own+"/old.thing", h.operator, "")
	again := h.as(200, s.token, "GET", list, "")
	if got := asked(t, again, "response.grid"); len(got) != 13 || !slices.Equal(got[:11], want) || !slices.Contains(got, "render.done") || slices.Contains(got, "old.thing") {
		t.Errorf("events %v", got)
	}
	if !strings.Contains(again.body, `"category":"Other"`) || !strings.Contains(again.body, "A picture is there.") {
		t.Errorf("events %s", again.body)
	}
	if first := again.text(t, "response.grid.0.events.0.uuid"); first != a.text(t, "response.grid.0.events.0.uuid") {
		t.Errorf("product.added has become %s", first)
	}
}

// TestAVntanaWebhooksLife holds the rows vntana.create, vntana.change, vntana.show, vntana.list, vntana.delete and vntana.secret.
func TestAVntanaWebhooksLife(t *testing.T) {
	t.Parallel()
	h := build(t)
	s := h.studio("atelier")
	a := h.as(200, s.token, "POST", "/v1/webhooks/", s.ask(`,"userEmail":"ops@example.com","name":"N","description":"D","disable":false,"clients":["spring","autumn"]`,
		"product.added", "user.revoked", "product.deleted"))
	uuid, secret := a.text(t, "response.uuid"), a.text(t, "response.secret")
	if !strings.HasPrefix(secret, "whsec_") || len(uuid) != 36 {
		t.Fatalf("created %s", a.body)
	}
	for path, want := range map[string]any{"userEmail": "ops@example.com", "name": "N", "description": "D", "disable": false, "url": "https://example.com/hook",
		"organizationUuid": s.id.UUID(), "clients.0": "spring", "clients.1": "autumn", "events.0.category": "Product", "events.0.totalCount": 2.0, "events.1.category": "User"} {
		if got := a.json(t, "response."+path); got != want {
			t.Errorf("%s: got %v, want %v", path, got, want)
		}
	}
	if a.header.Get("Hooklog-Position") == "" || a.text(t, "response.created") != a.text(t, "response.updated") {
		t.Errorf("created %v %s", a.header, a.body)
	}
	path := oneHook + uuid
	if got := h.as(200, s.token, "GET", path, "", "Hooklog-Position", a.header.Get("Hooklog-Position")); got.body != a.body {
		t.Errorf("created %s, shown as %s", a.body, got.body)
	}
	if got := h.want(200, "GET", "/api/v1/webhooks/wh_"+uuid, s.key, ""); got.text(t, "email") != "ops@example.com" || strings.Contains(got.body, secret) {
		t.Errorf("elsewhere %s", got.body)
	}

	a = h.as(200, s.token, "PUT", path, s.ask(`,"uuid":"`+uuid+`","userEmail":null,"name":"M","description":null,"disable":true,"clients":null`, "client.added"))
	if got := asked(t, a, "response.events"); !slices.Equal(got, []string{"client.added"}) || a.text(t, "response.name") != "M" || a.json(t, "response.userEmail") != nil ||
		a.json(t, "response.description") != nil || a.json(t, "response.disable") != true || len(a.json(t, "response.clients").([]any)) != 0 || a.text(t, "response.secret") != secret {
		t.Errorf("changed to %s", a.body)
	}
	if a.text(t, "response.updated") <= a.text(t, "response.created") {
		t.Errorf("updated %s", a.body)
	}
	if a = h.as(200, s.token, "PUT", path, `{"disable":false}`); a.json(t, "response.disable") != false || a.text(t, "response.name") != "M" {
		t.Errorf("enabled %s", a.body)
	}

	a = h.as(200, s.token, "PATCH", path+"/secret", "")
	renewed := a.text(t, "response.secret")
	test := webhooks + "/wh_" + uuid + "/test"
	h.want(401, "POST", test, s.key, `{"secret":"`+secret+`"}`)
	h.want(200, "POST", test, s.key, `{"secret":"`+renewed+`"}`)
	second, _ := s.hook("", "product.added")
	list := h.as(200, s.token, "GET", "/v1/webhooks/organization/"+s.id.UUID(), "")
	if list.json(t, "response.totalCount") != 2.0 || list.text(t, "response.grid.0.uuid") != second || list.text(t, "response.grid.1.secret") != renewed {
		t.Errorf("listed %s", list.body)
	}
	if a = h.as(200, s.token, "DELETE", path, ""); a.text(t, "response.uuid") != uuid || a.text(t, "response.name") != "M" {
		t.Errorf("deleted %s", a.body)
	}
	h.as(404, s.token, "GET", path, "")
	if list = h.as(200, s.token, "GET", "/v1/webhooks/organization/"+s.id.UUID(), ""); list.json(t, "response.totalCount") != 1.0 {
		t.Errorf("listed %s", list.body)
	}
}

// TestVntanaKeepsWhatOtherSurfacesSet: patterns are shown as what they come to, and stay until events are named.
func TestVntanaKeepsWhatOtherSurfacesSet(t *testing.T) {
	t.Parallel()
	h := build(t)
	s := h.studio("atelier")
	id := h.want(201, "POST", managed, s.key, `{"url":"https://example.com/a","events":["user.*","hooklog.delivery.dead"],"headers":{"X-A":"a"},"timeout":"7s"}`).text(t, "id")
	path := oneHook + strings.TrimPrefix(id, "wh_")
	a := h.as(200, s.token, "PUT", path, `{"name":"N"}`)
	if got := asked(t, a, "response.events"); !slices.Equal(got, []string{"user.added", "user.revoked", "hooklog.delivery.dead"}) {
		t.Errorf("shown as %v", got)
	}
	if got := h.want(200, "GET", hooks+id, s.key, ""); got.text(t, "events.0") != "user.*" || got.text(t, "timeout") != "7s" || got.text(t, "header_names.0") != "X-A" {
		t.Errorf("changed to %s", got.body)
	}
	h.as(200, s.token, "PUT", path, s.ask("", "user.added", "hooklog.delivery.dead"))
	if got := h.want(200, "GET", hooks+id, s.key, ""); got.text(t, "events.0") != "user.added" || got.text(t, "timeout") != "7s" {
		t.Errorf("changed to %s", got.body)
	}
}

// TestVntanaFolders holds the row vntana.folders.
func TestVntanaFolders(t *testing.T) {
	t.Parallel()
	h := build(t)
	s, other := h.studio("atelier"), h.studio("other")
	platform := h.platformKey()
	publish := func(slug, client string) {
		t.Helper()
		a := h.want(202, "POST", orgs+"/"+slug+"/events", platform, `{"type":"product.added","data":{"product":{"uuid":"p"}},"client":"`+client+`"}`)
		at, err := eventlog.ParsePosition(a.header.Get("Hooklog-Position"))
		h.must(err)
		h.must(h.fold.WaitFor(t.Context(), at))
	}
	publish("atelier", "spring")
	publish("atelier", "spring")
	publish("atelier", "Ürsprung/1")
	publish("other", "theirs")
	whole, _ := s.hook("", "product.added")
	mine, secret := s.hook(`,"clients":["spring"]`, "product.added")
	both, _ := s.hook(`,"clients":["spring","autumn"]`, "product.added")
	const folders = "/v1/clients/client-organizations"
	a := h.as(200, s.token, "GET", folders, "")
	want := `{"success":true,"errors":[],"response":{"totalCount":3,"grid":[` + folder(s, "autumn") + "," + folder(s, "spring") + "," + folder(s, "Ürsprung/1") + "]}}\n"
	if a.body != want {
		t.Errorf("got  %s\nwant %s", a.body, want)
	}
	if a = h.as(200, other.token, "GET", folders, ""); strings.Contains(a.body, "spring") || a.json(t, "response.totalCount") != 1.0 {
		t.Errorf("the other's folders are %s", a.body)
	}

	limited := s.refresh(s.token, webhook.ClientUUID(s.id.UUID(), "spring"))
	if a = h.as(200, limited, "GET", folders, ""); a.json(t, "response.totalCount") != 1.0 || a.text(t, "response.grid.0.slug") != "spring" {
		t.Errorf("a folder's token reaches %s", a.body)
	}
	if a = h.as(200, limited, "GET", "/v1/webhooks/organization/"+s.id.UUID(), ""); a.json(t, "response.totalCount") != 1.0 || a.text(t, "response.grid.0.secret") != secret {
		t.Errorf("a folder's token reaches %s", a.body)
	}
	h.as(200, limited, "GET", oneHook+mine, "")
	for _, out := range []string{whole, both} {
		h.as(404, limited, "GET", oneHook+out, "")
		h.as(404, limited, "PUT", oneHook+out, `{"clients":["spring"]}`)
		h.as(404, limited, "PATCH", oneHook+out+"/secret", "")
		h.as(404, limited, "DELETE", oneHook+out, "")
	}
	for _, clients := range []string{"", `,"clients":null`, `,"clients":[]`, `,"clients":["autumn"]`, `,"clients":["spring","autumn"]`} {
		h.as(403, limited, "POST", "/v1/webhooks/", s.ask(clients, "product.added"))
	}
	h.as(403, limited, "PUT", oneHook+mine, `{"clients":null}`)
	h.as(200, limited, "PUT", oneHook+mine, `{"name":"N"}`)
	h.as(200, limited, "POST", "/v1/webhooks/", s.ask(`,"clients":["spring"]`, "product.added"))
	for _, client := range []string{webhook.ClientUUID(s.id.UUID(), "autumn"), "x"} {
		h.as(403, limited, "POST", "/v1/auth/refresh-token", "", "organizationUuid", s.id.UUID(), "clientUuid", client)
	}
	same := sessionOf(t, h.as(200, limited, "POST", "/v1/auth/refresh-token", "", "organizationUuid", s.id.UUID(), "clientUuid", webhook.ClientUUID(s.id.UUID(), "spring")))
	h.as(404, same, "GET", oneHook+whole, "")
	h.as(403, limited, "POST", "/v1/auth/refresh-token", "", "organizationUuid", s.id.UUID())
}

func folder(s *studio, name string) string {
	return `{"uuid":"` + webhook.ClientUUID(s.id.UUID(), name) + `","slug":"` + name + `","name":"` + name + `"}`
}

// TestNoSecretOfVntanaIsKept: the surface shows secrets to their owner and nobody else ever sees one.
func TestNoSecretOfVntanaIsKept(t *testing.T) {
	t.Parallel()
	h := build(t)
	s := h.studio("atelier")
	uuid, first := s.hook(`,"userEmail":"ops@example.com"`, "product.added")
	second := h.as(200, s.token, "PATCH", oneHook+uuid+"/secret", "").text(t, "response.secret")
	h.call("GET", oneHook+uuid, "", "", "X-AUTH-TOKEN", "Bearer "+s.token+"x")
	h.want(401, "POST", "/v1/auth/login/token", "", `{"personal-access-token":"`+s.key+`x"}`)
	h.settle()
	secrets := map[string]string{"the first secret": first, "the second secret": second, "the session": s.token, "the key": s.key[len(s.key)-43:]}
	told := map[string]string{"the program's log": h.logged.String()}
	for e, err := range h.log.ReadAll(t.Context(), eventlog.Position{}) {
		h.must(err)
		told["the log"] += string(e.Data) + string(e.Metadata)
	}
	told["the audit"] = h.want(200, "GET", "/api/v1/audit/facts?limit=200&order=newest", h.operator, "").body
	told["the export"] = h.want(200, "GET", "/api/v1/audit/facts?to=2200-01-01T00:00:00Z", h.operator, "", "Accept", "application/x-ndjson").body
	for _, path := range []string{managed, webhooks, hooks + "wh_" + uuid, hooks + "wh_" + uuid + "/history"} {
		told[path] = h.want(200, "GET", path, s.key, "").body
	}
	for where, text := range told {
		for what, secret := range secrets {
			if strings.Contains(text, secret) {
				t.Errorf("%s is in %s", what, where)
			}
		}
	}
}

func TestVntanaWebhooksChangedAtTheSameTime(t *testing.T) {
	t.Parallel()
	h := build(t)
	s := h.studio("atelier")
	uuid, _ := s.hook("", "product.added")
	var all sync.WaitGroup
	for _, body := range []string{`{"name":"N"}`, `{"description":"D"}`, `{"clients":["c"]}`, `{"userEmail":"a@example.com"}`} {
		all.Go(func() {
			if a := h.call("PUT", oneHook+uuid, "", body, "X-AUTH-TOKEN", "Bearer "+s.token); a.status != 200 {
				t.Errorf("%s: %d %s", body, a.status, a.body)
			}
		})
	}
	all.Wait()
	a := h.as(200, s.token, "GET", oneHook+uuid, "")
	if a.text(t, "response.name") != "N" || a.text(t, "response.description") != "D" || a.text(t, "response.clients.0") != "c" || a.text(t, "response.userEmail") != "a@example.com" {
		t.Errorf("a change was lost: %s", a.body)
	}
}

// FuzzSessionHeader: no header but the right one lets anybody in, and none is a fault.
func FuzzSessionHeader(f *testing.F) {
	h := build(f, func(c *httpd.Config) { c.FailedAuthentications, c.RateLimit = 1<<30, 1<<30 })
	s := h.studio("atelier")
	for _, seed := range []string{"", "Bearer", "Bearer " + s.token, "bearer " + s.token, s.token, "Bearer " + s.key, "Bearer AQ", "Bearer " + strings.Repeat("A", 600)} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, header string) {
		r := httptest.NewRequestWithContext(t.Context(), "GET", "/v1/organizations", nil)
		r.Header["X-Auth-Token"] = []string{header}
		w := httptest.NewRecorder()
		h.api.ServeHTTP(w, r)
		scheme, token, _ := strings.Cut(header, " ")
		good := strings.EqualFold(scheme, "Bearer") && strings.Trim(token, " ") == s.token
		if want := map[bool]int{true: 200, false: 401}[good]; w.Code != want {
			t.Fatalf("%q is answered %d", header, w.Code)
		}
	})
}
