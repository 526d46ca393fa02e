package http_test

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	httpd "github.com/hooklog/hooklog/http"
	"github.com/hooklog/hooklog/webhook"
)

// vntanaRefusal is one way to be refused on VNTANA's surface. Row names it in docs/contract.md.
type vntanaRefusal struct {
	row          string
	token        string // a session's
	method, path string
	body         string
	headers      []string
	status       int
	codes        []string
	says         string
}

// vntanaScene is what these refusals are tried on.
type vntanaScene struct {
	*house
	mine, theirs                  *studio
	login, folder                 string // sessions without an organization, and of a folder
	hook, deleted, foreign        string // UUIDs
	acme, identity, revoked, shut string // keys
	secrets                       []string
}

func stageVntana(t *testing.T) *vntanaScene {
	h := build(t, func(c *httpd.Config) { c.RateLimit, c.FailedAuthentications = 1<<30, 1<<30 })
	s := &vntanaScene{house: h, mine: h.studio("mine"), theirs: h.studio("theirs")}
	h.organization("acme")
	s.acme = h.partnerKey("acme")
	s.identity = h.key("/api/v1/organizations/mine/keys", `{"scopes":[],"mode":"test"}`)
	s.revoked = h.partnerKey("mine")
	h.want(204, "DELETE", "/api/v1/organizations/mine/keys/"+keyID(s.revoked), h.operator, "")
	s.shut = h.studio("shut").key
	h.want(204, "DELETE", "/api/v1/organizations/shut", h.operator, "")
	h.want(201, "POST", "/api/v1/organizations/mine/event-types", h.operator, `{"name":"old.thing"}`)
	h.want(204, "DELETE", "/api/v1/organizations/mine/event-types/old.thing", h.operator, "")
	h.want(201, "POST", "/api/v1/organizations/theirs/event-types", h.operator, `{"name":"their.thing"}`)
	var mine, theirs string
	s.hook, mine = s.mine.hook(`,"clients":["spring"]`, "product.added")
	s.foreign, theirs = s.theirs.hook("", "product.added")
	s.deleted, _ = s.mine.hook("", "product.added")
	h.as(200, s.mine.token, "DELETE", oneHook+s.deleted, "")
	s.login = h.login(s.mine.key)
	s.folder = s.mine.refresh(s.mine.token, webhook.ClientUUID(s.mine.id.UUID(), "spring"))
	s.secrets = []string{mine, theirs, s.mine.key, s.theirs.key, s.mine.token, s.login, s.folder, s.acme, s.identity}
	return s
}

func (s *vntanaScene) vntanaRefusals() []vntanaRefusal {
	me, mine, theirs := s.mine.token, s.mine.id.UUID(), s.theirs.id.UUID()
	const create, refresh, login = "/v1/webhooks/", "/v1/auth/refresh-token", "/v1/auth/login/token"
	key := func(token string) string { return `{"personal-access-token":"` + token + `"}` }
	event := func(ref string) string { return `{"events":[` + ref + `]}` }
	uuid := func(name string) string { return `{"uuid":"` + webhook.TypeUUID(name) + `"}` }
	of := func(organization, client string) []string {
		return []string{"organizationUuid", organization, "clientUuid", client}
	}
	ask := s.mine.ask("", "product.added")
	list := []vntanaRefusal{
		{"vntana.path", me, "GET", "/v1/nothing", "", nil, 404, []string{"NOT_FOUND"}, "nothing at this path"},
		{"vntana.path", "", "GET", "/v1/", "", nil, 404, []string{"NOT_FOUND"}, "nothing"},
		{"vntana.path", me, "GET", "/v1/organizations/", "", nil, 404, []string{"NOT_FOUND"}, "nothing"},
		{"vntana.path", me, "POST", "/v1/webhooks", ask, nil, 404, []string{"NOT_FOUND"}, "nothing"},
		{"vntana.method", me, "POST", "/v1/organizations", "", nil, 405, []string{"METHOD_NOT_ALLOWED"}, "GET, HEAD"},
		{"vntana.method", me, "PATCH", oneHook + s.hook, "", nil, 405, []string{"METHOD_NOT_ALLOWED"}, "DELETE, GET, HEAD, PUT"},
		{"vntana.position", me, "GET", "/v1/organizations", "", []string{"Hooklog-Position", "12"}, 400, []string{"POSITION_INVALID"}, "Hooklog-Position"},

		{"vntana.token", "", "POST", login, key(s.mine.key + "x"), nil, 401, []string{"UNAUTHORIZED"}, "X-AUTH-TOKEN"},
		{"vntana.token", "", "POST", login, key(s.revoked), nil, 401, []string{"UNAUTHORIZED"}, "X-AUTH-TOKEN"},
		{"vntana.token", "", "POST", login, key(s.shut), nil, 401, []string{"UNAUTHORIZED"}, "X-AUTH-TOKEN"},
		{"vntana.token", "", "POST", login, key(s.operator), nil, 401, []string{"UNAUTHORIZED"}, "X-AUTH-TOKEN"},
		{"vntana.token", "", "POST", login, key(s.mine.token), nil, 401, []string{"UNAUTHORIZED"}, "X-AUTH-TOKEN"},
		{"vntana.token", "", "POST", login, key(""), nil, 401, []string{"UNAUTHORIZED"}, "X-AUTH-TOKEN"},
		{"vntana.token", "", "GET", "/v1/organizations", "", []string{"X-AUTH-TOKEN", ""}, 401, []string{"UNAUTHORIZED"}, "X-AUTH-TOKEN"},
		{"vntana.token", "", "GET", "/v1/organizations", "", []string{"X-AUTH-TOKEN", me}, 401, []string{"UNAUTHORIZED"}, "X-AUTH-TOKEN"},
		{"vntana.token", "", "GET", "/v1/organizations", "", []string{"X-AUTH-TOKEN", "", "Authorization", "Bearer " + s.mine.key}, 401, []string{"UNAUTHORIZED"}, "X-AUTH-TOKEN"},
		{"vntana.token", s.mine.key, "GET", "/v1/organizations", "", nil, 401, []string{"UNAUTHORIZED"}, "X-AUTH-TOKEN"},
		{"vntana.token", me + "AA", "GET", "/v1/organizations", "", nil, 401, []string{"UNAUTHORIZED"}, "X-AUTH-TOKEN"},
		{"vntana.token", claiming(me, s.theirs.id), "GET", "/v1/organizations", "", nil, 401, []string{"UNAUTHORIZED"}, "X-AUTH-TOKEN"},

		{"vntana.scope", "", "POST", login, key(s.identity), nil, 403, []string{"FORBIDDEN"}, "webhooks:manage"},
		{"vntana.scope", "", "POST", login, key(s.acme), nil, 403, []string{"FORBIDDEN"}, "profile vntana"},

		{"vntana.organization", s.login, "POST", refresh, "", nil, 422, []string{"ORGANIZATION_UUID_INVALID"}, "organizationUuid: is required"},
		{"vntana.organization", s.login, "POST", refresh, "", of(theirs, ""), 403, []string{"FORBIDDEN"}, "does not reach"},
		{"vntana.organization", s.login, "POST", refresh, "", of("x", ""), 403, []string{"FORBIDDEN"}, "does not reach"},
		{"vntana.organization", s.login, "POST", refresh, "", of("org_"+mine, ""), 403, []string{"FORBIDDEN"}, "does not reach"},
		{"vntana.organization", s.login, "POST", refresh, "", of(mine, webhook.ClientUUID(mine, "nowhere")), 403, []string{"FORBIDDEN"}, "clientUuid"},
		{"vntana.organization", s.login, "POST", refresh, "", of(mine, webhook.ClientUUID(theirs, "spring")), 403, []string{"FORBIDDEN"}, "clientUuid"},
		{"vntana.organization", me, "GET", "/v1/webhooks/organization/" + theirs, "", nil, 403, []string{"FORBIDDEN"}, "does not reach"},
		{"vntana.organization", me, "GET", "/v1/webhooks/organization/x", "", nil, 403, []string{"FORBIDDEN"}, "does not reach"},
		{"vntana.organization", me, "POST", create, s.theirs.ask("", "product.added"), nil, 403, []string{"FORBIDDEN"}, "does not reach"},
		{"vntana.organization", me, "PUT", oneHook + s.hook, `{"organizationUuid":"` + theirs + `"}`, nil, 403, []string{"FORBIDDEN"}, "does not reach"},
		{"vntana.organization", s.login, "GET", "/v1/webhooks/events/", "", nil, 403, []string{"FORBIDDEN"}, "refresh-token"},
		{"vntana.organization", s.login, "GET", "/v1/clients/client-organizations", "", nil, 403, []string{"FORBIDDEN"}, "refresh-token"},
		{"vntana.organization", s.login, "GET", "/v1/webhooks/organization/" + mine, "", nil, 403, []string{"FORBIDDEN"}, "refresh-token"},
		{"vntana.organization", s.login, "POST", create, ask, nil, 403, []string{"FORBIDDEN"}, "refresh-token"},
		{"vntana.organization", s.login, "GET", oneHook + s.hook, "", nil, 403, []string{"FORBIDDEN"}, "refresh-token"},
		{"vntana.folder", s.folder, "POST", create, ask, nil, 403, []string{"FORBIDDEN"}, "spring"},
		{"vntana.folder", s.folder, "PUT", oneHook + s.hook, `{"clients":["autumn"]}`, nil, 403, []string{"FORBIDDEN"}, "spring"},
		{"vntana.folder", s.folder, "POST", refresh, "", of(mine, ""), 403, []string{"FORBIDDEN"}, "clientUuid"},

		{"vntana.body", "", "POST", login, `{}`, nil, 422, []string{"PERSONAL_ACCESS_TOKEN_INVALID"}, "is required"},
		{"vntana.body", "", "POST", login, `{"personal-access-token":7}`, nil, 422, []string{"PERSONAL_ACCESS_TOKEN_INVALID"}, "string"},
		{"vntana.body", "", "POST", login, `{"email":"a@example.com","password":"x"}`, nil, 422, []string{"UNKNOWN_MEMBER", "PERSONAL_ACCESS_TOKEN_INVALID"}, "password"},
		{"vntana.body", "", "POST", login, `{`, nil, 422, []string{"BODY_INVALID"}, "JSON"},
		{"vntana.body", me, "POST", create, ask, []string{"Content-Type", "text/plain"}, 415, []string{"MEDIA_TYPE_NOT_SUPPORTED"}, "application/json"},
		{"vntana.body", me, "POST", create, `{"url":"` + strings.Repeat("x", 64<<10) + `"}`, nil, 413, []string{"BODY_TOO_LARGE"}, "65536"},
		{"vntana.body", me, "POST", create, `[]`, nil, 422, []string{"BODY_INVALID"}, "object"},
		{"vntana.body", me, "POST", create, `{"url":"https://a.example/","url":"https://b.example/"}`, nil, 422, []string{"BODY_INVALID"}, "duplicate"},
		{"vntana.body", me, "PATCH", oneHook + s.hook + "/secret", `{"secret":"whsec_mine"}`, nil, 422, []string{"UNKNOWN_MEMBER"}, "secret"},
		{"vntana.body", me, "POST", refresh, `{"a":1}`, of(mine, ""), 422, []string{"UNKNOWN_MEMBER"}, "a: is not"},

		{"vntana.members", me, "POST", create, `{}`, nil, 422, []string{"URL_INVALID", "ORGANIZATION_UUID_INVALID", "EVENTS_INVALID"}, "url: is required"},
		{"vntana.members", me, "POST", create, s.mine.ask(`,"secret":"whsec_mine"`), nil, 422, []string{"UNKNOWN_MEMBER"}, "secret"},
		{"vntana.members", me, "POST", create, s.mine.ask(`,"email":"a@example.com"`), nil, 422, []string{"UNKNOWN_MEMBER"}, "email"},
		{"vntana.members", me, "POST", create, s.mine.ask(`,"uuid":"` + unknown + `"`), nil, 422, []string{"UUID_INVALID"}, "uuid"},
		{"vntana.members", me, "PUT", oneHook + s.hook, `{"uuid":"` + unknown + `"}`, nil, 422, []string{"UUID_INVALID"}, "path"},
		{"vntana.members", me, "PUT", oneHook + s.hook, `{"url":"http://example.com/"}`, nil, 422, []string{"URL_INVALID"}, "webhook url rejected: not https"},
		{"vntana.members", me, "PUT", oneHook + s.hook, `{"url":null}`, nil, 422, []string{"URL_INVALID"}, "string"},
		{"vntana.members", me, "POST", create, s.mine.ask(`,"userEmail":"nobody"`), nil, 422, []string{"USER_EMAIL_INVALID"}, "userEmail: must be"},
		{"vntana.members", me, "PUT", oneHook + s.hook, `{"userEmail":"a@b.example\r\nBcc: c@d.example"}`, nil, 422, []string{"USER_EMAIL_INVALID"}, "userEmail"},
		{"vntana.members", me, "PUT", oneHook + s.hook, `{"name":"` + strings.Repeat("n", 201) + `","description":"` + strings.Repeat("d", 2001) + `"}`, nil, 422, []string{"NAME_INVALID", "DESCRIPTION_INVALID"}, "200"},
		{"vntana.members", me, "PUT", oneHook + s.hook, `{"disable":1}`, nil, 422, []string{"DISABLE_INVALID"}, "true or false"},
		{"vntana.members", me, "PUT", oneHook + s.hook, `{"clients":"spring"}`, nil, 422, []string{"CLIENTS_INVALID"}, "array"},
		{"vntana.members", me, "PUT", oneHook + s.hook, `{"clients":[""]}`, nil, 422, []string{"CLIENTS_INVALID"}, "clients[0]"},
		{"vntana.events", me, "PUT", oneHook + s.hook, `{"events":null}`, nil, 422, []string{"EVENTS_INVALID"}, "array"},
		{"vntana.events", me, "PUT", oneHook + s.hook, event(`"product.added"`), nil, 422, []string{"EVENTS_INVALID"}, "events[0]"},
		{"vntana.events", me, "PUT", oneHook + s.hook, event(`{"name":"product.added"}`), nil, 422, []string{"EVENTS_INVALID"}, "events[0]"},
		{"vntana.events", me, "PUT", oneHook + s.hook, event(uuid("product.added") + `,{"uuid":"` + unknown + `"}`), nil, 422, []string{"EVENTS_INVALID"}, "events[1]: the uuid"},
		{"vntana.events", me, "PUT", oneHook + s.hook, event(`{"uuid":"` + webhook.TypeUUID("user.added") + `","name":"product.added"}`), nil, 422, []string{"EVENTS_INVALID"}, "user.added"},
		{"vntana.events", me, "PUT", oneHook + s.hook, event(`{"uuid":"` + webhook.TypeUUID("user.added") + `","more":1}`), nil, 422, []string{"EVENTS_INVALID"}, "events[0]"},
		{"vntana.events", me, "PUT", oneHook + s.hook, event(uuid("user.added") + "," + uuid("user.added")), nil, 422, []string{"EVENTS_INVALID"}, "twice"},
		{"vntana.events", me, "PUT", oneHook + s.hook, event(uuid("old.thing")), nil, 422, []string{"EVENTS_INVALID"}, "old.thing"},
		{"vntana.events", me, "PUT", oneHook + s.hook, event(uuid("their.thing")), nil, 422, []string{"EVENTS_INVALID"}, "the uuid"},
	}
	for _, id := range []string{"x", unknown, "wh_" + s.hook, strings.ToUpper(s.hook), s.deleted, s.foreign, "events"} {
		list = append(list, vntanaRefusal{"vntana.id", me, "GET", oneHook + id, "", nil, 404, []string{"NOT_FOUND"}, "no such webhook"},
			vntanaRefusal{"vntana.id", me, "PUT", oneHook + id, "not json", nil, 404, []string{"NOT_FOUND"}, "no such webhook"},
			vntanaRefusal{"vntana.id", me, "DELETE", oneHook + id, "", nil, 404, []string{"NOT_FOUND"}, "no such webhook"},
			vntanaRefusal{"vntana.id", me, "PATCH", oneHook + id + "/secret", "", nil, 404, []string{"NOT_FOUND"}, "no such webhook"})
	}
	return list
}

// claiming makes a token claim another organization, as somebody would who knows its form but not the keyset.
func claiming(token string, org domain.OrganizationID) string {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		panic(err)
	}
	copy(b[1+8:], org[:])
	return base64.RawURLEncoding.EncodeToString(b)
}

func TestVntanaRefusals(t *testing.T) {
	t.Parallel()
	s := stageVntana(t)
	for i, r := range s.vntanaRefusals() {
		t.Run(r.row+"/"+strconv.Itoa(i), func(t *testing.T) {
			before := s.facts()
			a := s.call(r.method, r.path, "", r.body, append([]string{"X-AUTH-TOKEN", "Bearer " + r.token}, r.headers...)...)
			if a.status != r.status {
				t.Fatalf("%s %s: %d, want %d: %s", r.method, r.path, a.status, r.status, a.body)
			}
			checkEnvelope(t, a)
			var e struct{ Errors []string }
			if err := json.Unmarshal([]byte(a.body), &e); err != nil || !slices.Equal(e.Errors, r.codes) {
				t.Errorf("codes %v, want %v", e.Errors, r.codes)
			}
			detail := a.header.Get("Hooklog-Detail")
			if !strings.Contains(detail, r.says) {
				t.Errorf("%q does not say %q", detail, r.says)
			}
			if after := s.facts(); after != before {
				t.Errorf("a refused request recorded %d facts", after-before)
			}
			for _, secret := range s.secrets {
				if strings.Contains(a.body+detail, secret) {
					t.Error("the refusal repeats a secret")
				}
			}
			if got := a.header.Get("X-Auth-Token"); got != "" {
				t.Errorf("a refusal tells the token %s", got)
			}
		})
	}
}

// TestVntanaIsLimitedLikeEverythingElse holds the row vntana.limits.
func TestVntanaIsLimitedLikeEverythingElse(t *testing.T) {
	t.Parallel()
	var c clock
	h := build(t, func(config *httpd.Config) {
		config.Now, config.RateLimit, config.FailedAuthentications = c.still(), 5, 3
	})
	s := h.studio("atelier") // two requests
	for i := range 3 {
		if a := h.as(200, s.token, "GET", "/v1/organizations", ""); a.header.Get("RateLimit-Remaining") != strconv.Itoa(2-i) {
			t.Errorf("%s remain", a.header.Get("RateLimit-Remaining"))
		}
	}
	if a := h.as(429, s.token, "GET", "/v1/organizations", ""); !strings.Contains(a.body, "TOO_MANY_REQUESTS") {
		t.Errorf("over the limit: %s", a.body)
	}
	h.want(429, "GET", me, s.key, "")
	a := h.call("POST", "/v1/auth/login/token", "", `{"personal-access-token":"`+s.key+`"}`)
	if checkEnvelope(t, a); a.status != 429 {
		t.Errorf("a login past the limit: %d", a.status)
	}
	c.forward(time.Minute)
	bad := `{"personal-access-token":"vck_test_unknown.` + strings.Repeat("a", 43) + `"}`
	slowed := 0
	for range 8 {
		a := h.call("POST", "/v1/auth/login/token", "", bad)
		if checkEnvelope(t, a); a.status == 429 {
			slowed++
		} else if a.status != 401 {
			t.Errorf("a bad login: %d %s", a.status, a.body)
		}
	}
	if slowed == 0 {
		t.Error("bad logins are never slowed")
	}
	h.login(s.key)
	h.lag.by.Store(int64(11 * time.Second))
	if a := h.as(503, s.token, "GET", "/v1/organizations", ""); !strings.Contains(a.body, "UNAVAILABLE") {
		t.Errorf("behind: %s", a.body)
	}
	h.lag.by.Store(0)
	h.broken.fail(eventlog.ErrNoSpace)
	if a := h.as(503, s.token, "POST", "/v1/webhooks/", s.ask("", "product.added")); !strings.Contains(a.body, "UNAVAILABLE") {
		t.Errorf("the log refuses: %s", a.body)
	}
}
