package http_test

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hooklog/hooklog/commands"
	"github.com/hooklog/hooklog/domain"
	httpd "github.com/hooklog/hooklog/http"
)

// scene is what the refusals are tried on: two organizations with a subscription each, and a key of every kind.
type scene struct {
	*house
	acme, other                         string // organization ids
	partner, otherPartner, identity     string // keys
	platform, narrow, auditor           string
	revoked, expired, rotatedAway, shut string
	partnerID                           string // key ids
	active, disabled, deleted, foreign  string // subscription ids
	secret, disabledSecret              string
	event, otherEvent                   string
}

func keyID(token string) string {
	return strings.TrimPrefix(strings.TrimPrefix(token[:strings.IndexByte(token, '.')], "vck_"), "hlk_")
}

func stage(t *testing.T, change ...func(*httpd.Config)) *scene {
	h := build(t, change...)
	s := &scene{house: h}
	s.acme, s.other = h.organization("acme"), h.organization("other")
	s.partner, s.otherPartner = h.partnerKey("acme"), h.partnerKey("other")
	s.partnerID = keyID(s.partner)
	s.identity = h.key("/api/v1/organizations/acme/keys", `{"scopes":[],"mode":"test"}`)
	s.platform = h.platformKey()
	s.narrow = h.key("/api/v1/keys", `{"scopes":["events:publish","audit:read"],"mode":"live","organizations":["other"]}`)
	s.auditor = h.key("/api/v1/keys", `{"scopes":["audit:read"],"mode":"live"}`)
	h.eventType("acme", "order.paid")
	h.eventType("acme", "order.gone")
	h.want(201, "POST", types, h.operator, `{"name":"order.strict","schema":{"properties":{"items":{"items":{"required":["sku"]}}}}}`)
	h.want(204, "DELETE", "/api/v1/organizations/acme/event-types/order.gone", h.operator, "")
	h.eventType("other", "order.paid")
	s.active, s.secret = h.webhook(s.partner, `["order.paid"]`)
	s.disabled, s.disabledSecret = h.webhook(s.partner, `[]`)
	s.deleted, _ = h.webhook(s.partner, `[]`)
	s.foreign, _ = h.webhook(s.otherPartner, `["order.paid"]`)
	h.want(204, "DELETE", "/api/v1/partner/webhooks/"+s.deleted, s.partner, "")
	id, err := domain.ParseSubscriptionID(s.disabled)
	h.must(err)
	org, err := domain.ParseOrganizationID(s.acme)
	h.must(err)
	at, err := h.commands.DisableSubscription(t.Context(), by, org, id, domain.ByOperator, "a test")
	h.must(err)
	h.must(h.fold.WaitFor(t.Context(), at))
	s.badKeys(org)
	s.event = h.want(202, "POST", "/api/v1/organizations/acme/events", s.platform, `{"type":"order.paid","data":{},"id":"taken"}`).text(t, "event_id")
	s.otherEvent = h.want(202, "POST", "/api/v1/organizations/other/events", s.platform, `{"type":"order.paid","data":{}}`).text(t, "event_id")
	h.settle() // publishing waits for no fold
	return s
}

// badKeys makes a key for each reason for which one is refused.
func (s *scene) badKeys(org domain.OrganizationID) {
	s.revoked = s.partnerKey("acme")
	s.want(204, "DELETE", "/api/v1/organizations/acme/keys/"+keyID(s.revoked), s.operator, "")
	s.rotatedAway = s.partnerKey("acme")
	s.want(200, "POST", "/api/v1/organizations/acme/keys/"+keyID(s.rotatedAway)+"/rotate", s.operator, `{"overlap":"0s"}`)
	s.organization("shut")
	s.shut = s.partnerKey("shut")
	s.want(204, "DELETE", "/api/v1/organizations/shut", s.operator, "")
	anHourAgo := func() time.Time { return time.Now().Add(-time.Hour) }
	past, err := commands.New(commands.Config{Log: s.broken, Keys: s.keys, Directory: s.fold, URLs: urls{}, Now: anHourAgo})
	s.must(err)
	k, at, err := past.IssueKey(s.Context(), by, domain.KeyRequest{Organization: org, Mode: "test", ExpiresAt: time.Now().Add(-time.Minute)})
	s.must(err)
	s.must(s.fold.WaitFor(s.Context(), at))
	s.expired = k.Token.Reveal()
}

// refusal is one way to be refused. Row names it in docs/contract.md.
type refusal struct {
	row          string
	method, path string
	key, body    string
	headers      []string
	status       int
	// says must be part of the detail; field, unless empty, the first member named.
	says, field string
}

const (
	webhooks = "/api/v1/partner/webhooks"
	hooks    = "/api/v1/webhooks/"
	events   = "/api/v1/organizations/acme/events"
	orgs     = "/api/v1/organizations"
	keys     = "/api/v1/organizations/acme/keys"
	types    = "/api/v1/organizations/acme/event-types"
	unknown  = "01a1fc7e-c0e0-7011-8c47-1a48c219fbeb"
)

// allRefusals are those of every surface.
func (s *scene) allRefusals() []refusal {
	return slices.Concat(s.refusals(), s.managementRefusals())
}

func (s *scene) refusals() []refusal {
	good := `{"url":"https://example.com/","events":[]}`
	audit, ndjsonWanted := "/api/v1/audit/facts", []string{"Accept", "application/x-ndjson"}
	msg := func(members string) string { return `{"type":"order.paid","data":{}` + members + `}` }
	data := func(data string) string { return `{"type":"order.paid","data":` + data + `}` }
	big := strings.Repeat("x", 64<<10)
	ndjson := []string{"Content-Type", "application/x-ndjson"}
	deep := strings.Repeat("[", 200) + strings.Repeat("]", 200)
	schedule := func(n int) string { return `["1m"` + strings.Repeat(`,"1m"`, n-1) + `]` }
	org := func(members string) string { return `{"slug":"new","name":"New"` + members + `}` }
	partnerKey := func(members string) string { return `{"scopes":["webhooks:manage"],"mode":"test"` + members + `}` }
	platformKey := func(members string) string { return `{"scopes":["events:publish"],"mode":"live"` + members + `}` }
	test := func(id string) string { return webhooks + "/" + id + "/test" }
	failures := func(id, query string) string { return webhooks + "/" + id + "/failures" + query }
	return append(s.pastRefusals(), []refusal{
		{"request.path", "GET", "/api/v1/nothing", s.partner, "", nil, 404, "nothing at this path", ""},
		{"request.path", "GET", webhooks + "/", s.partner, "", nil, 404, "nothing at this path", ""},
		{"request.path", "GET", "//api/v1/partner/me", s.partner, "", nil, 404, "nothing at this path", ""},
		{"notices.link", "GET", "/api/v1/notices/confirm?token=x", "", "", nil, 404, "not valid", ""},
		{"notices.link", "POST", "/api/v1/notices/confirm", "", "", nil, 404, "not valid", ""},
		{"notices.address", "POST", "/api/v1/organizations/acme/addresses", s.operator, `{"email":"a@b.example\nx"}`, nil, 422, "", "email"},
		{"request.method", "PUT", webhooks, s.partner, good, nil, 405, "GET, HEAD, POST", ""},
		{"request.method", "GET", webhooks + "/" + s.active, s.partner, "", nil, 405, "DELETE", ""},
		{"request.position", "GET", webhooks, s.partner, "", []string{"Hooklog-Position", "12"}, 400, "Hooklog-Position", ""},
		{"request.position", "POST", events, s.platform, msg(""), []string{"Hooklog-Position", "0-00a"}, 400, "Hooklog-Position", ""},

		{"auth.token", "GET", webhooks, "", "", nil, 401, "valid key", ""},
		{"auth.token", "GET", webhooks, "", "", []string{"Authorization", "Basic dGVzdDp0ZXN0"}, 401, "valid key", ""},
		{"auth.token", "GET", webhooks, "", "", []string{"Authorization", s.partner}, 401, "valid key", ""},
		{"auth.token", "GET", webhooks, "vck_test_x", "", nil, 401, "valid key", ""},
		{"auth.token", "GET", webhooks, "vck_test_unknown." + strings.Repeat("a", 43), "", nil, 401, "valid key", ""},
		{"auth.token", "GET", webhooks, s.partner + "x", "", nil, 401, "valid key", ""},
		{"auth.token", "GET", webhooks, s.partner[:len(s.partner)-1], "", nil, 401, "valid key", ""},
		{"auth.token", "GET", webhooks, "hlk_" + s.partner[4:], "", nil, 401, "valid key", ""},
		{"auth.token", "GET", webhooks, s.revoked, "", nil, 401, "valid key", ""},
		{"auth.token", "GET", webhooks, s.expired, "", nil, 401, "valid key", ""},
		{"auth.token", "GET", webhooks, s.rotatedAway, "", nil, 401, "valid key", ""},
		{"auth.token", "GET", webhooks, s.shut, "", nil, 401, "valid key", ""},
		{"auth.token", "POST", events, "", msg(""), nil, 401, "valid key", ""},
		{"auth.token", "GET", orgs, "", "", nil, 401, "valid key", ""},
		{"auth.scope", "POST", webhooks, s.identity, good, nil, 403, "webhooks:manage", ""},
		{"auth.scope", "GET", webhooks, s.platform, "", nil, 403, "webhooks:manage", ""},
		{"auth.scope", "DELETE", webhooks + "/" + s.active, s.auditor, "", nil, 403, "webhooks:manage", ""},
		{"auth.scope", "POST", test(s.active), s.identity, "", nil, 403, "webhooks:manage", ""},
		{"auth.scope", "GET", failures(s.active, ""), s.identity, "", nil, 403, "webhooks:manage", ""},
		{"auth.scope", "POST", events, s.partner, msg(""), nil, 403, "events:publish", ""},
		{"auth.scope", "POST", events, s.auditor, msg(""), nil, 403, "events:publish", ""},
		{"auth.scope", "GET", events + "/" + s.event, s.partner, "", nil, 403, "events:publish", ""},
		{"auth.scope", "GET", "/api/v1/deliveries/del_" + unknown, s.platform, "", nil, 403, "audit:read", ""},
		{"auth.scope", "POST", orgs, s.platform, org(""), nil, 403, "operator", ""},
		{"auth.scope", "GET", orgs, s.partner, "", nil, 403, "operator", ""},
		{"auth.scope", "GET", orgs + "/acme", s.partner, "", nil, 403, "operator", ""},
		{"auth.scope", "PATCH", orgs + "/acme", s.platform, `{"name":"x"}`, nil, 403, "operator", ""},
		{"auth.scope", "DELETE", orgs + "/acme", s.auditor, "", nil, 403, "operator", ""},
		{"auth.scope", "POST", keys, s.partner, partnerKey(""), nil, 403, "operator", ""},
		{"auth.scope", "POST", "/api/v1/keys", s.platform, platformKey(""), nil, 403, "operator", ""},
		{"auth.scope", "GET", "/api/v1/keys", s.partner, "", nil, 403, "operator", ""},
		{"auth.scope", "POST", types, s.platform, `{"name":"a.b"}`, nil, 403, "operator", ""},
		{"auth.scope", "GET", types, s.partner, "", nil, 403, "operator", ""},

		{"body.media-type", "POST", webhooks, s.partner, good, []string{"Content-Type", "text/plain"}, 415, "application/json", ""},
		{"body.media-type", "POST", webhooks, s.partner, good, []string{"Content-Type", ""}, 415, "application/json", ""},
		{"body.media-type", "POST", webhooks, s.partner, good, []string{"Content-Type", "application/json; charset=latin1"}, 415, "application/json", ""},
		{"body.media-type", "POST", webhooks, s.partner, good, []string{"Content-Encoding", "gzip"}, 415, "application/json", ""},
		{"body.media-type", "POST", webhooks, s.partner, good, ndjson, 415, "application/json", ""},
		{"body.media-type", "POST", events, s.platform, msg(""), []string{"Content-Type", "application/xml"}, 415, "x-ndjson", ""},
		{"body.size", "POST", webhooks, s.partner, `{"url":"` + big + `"}`, nil, 413, "65536", ""},
		{"body.size", "POST", test(s.active), s.partner, `{"secret":"` + big + `"}`, nil, 413, "65536", ""},
		{"body.size", "POST", orgs, s.operator, org(`,"x":"` + big + `"`), nil, 413, "65536", ""},
		{"body.json", "POST", webhooks, s.partner, `{"url":`, nil, 422, "JSON", "body"},
		{"body.json", "POST", webhooks, s.partner, ``, []string{"Content-Type", "application/json"}, 422, "JSON", "body"},
		{"body.json", "POST", webhooks, s.partner, good + `{}`, nil, 422, "JSON", "body"},
		{"body.json", "POST", webhooks, s.partner, `{"url":"https://a.example/` + "\xff" + `"}`, nil, 422, "UTF-8", "body"},
		{"body.json", "POST", webhooks, s.partner, `{"url":"\ud800"}`, nil, 422, "surrogate", "body"},
		{"body.json", "POST", webhooks, s.partner, `{"url":"https://a.example/","\u0075rl":"https://b.example/"}`, nil, 422, "duplicate", "body"},
		{"body.json", "POST", webhooks, s.partner, `{"url":` + deep + `}`, nil, 422, "deep", "body"},
		{"body.json", "POST", webhooks, s.partner, `[]`, nil, 422, "object", "body"},
		{"body.json", "POST", webhooks, s.partner, `null`, nil, 422, "object", "body"},
		{"body.members", "POST", webhooks, s.partner, `{"url":"https://example.com/","name":"x"}`, nil, 422, "invalid members", "name"},
		{"body.members", "PATCH", orgs + "/acme", s.operator, `{"slug":"x"}`, nil, 422, "invalid members", "slug"},
		{"body.members", "PATCH", orgs + "/acme", s.operator, `{"profile":"standard"}`, nil, 422, "invalid members", "profile"},

		{"partner.organization", "GET", "/api/v1/partner/me", s.operator, "", nil, 422, "", "organization"},
		{"partner.organization", "GET", webhooks, s.operator, "", nil, 422, "", "organization"},
		{"partner.organization", "GET", webhooks + "?organization=nobody", s.operator, "", nil, 404, "no such organization", ""},
		{"partner.organization", "GET", webhooks + "?organization=other", s.partner, "", nil, 404, "no such organization", ""},
		{"webhook.url", "POST", webhooks, s.partner, `{}`, nil, 422, "", "url"},
		{"webhook.url", "POST", webhooks, s.partner, `{"url":5}`, nil, 422, "", "url"},
		{"webhook.url", "POST", webhooks, s.partner, `{"url":null}`, nil, 422, "", "url"},
		{"webhook.url", "POST", webhooks, s.partner, `{"url":""}`, nil, 422, "", "url"},
		{"webhook.url", "POST", webhooks, s.partner, `{"url":"https://example.com/` + strings.Repeat("a", 2048-19) + `"}`, nil, 422, "", "url"},
		{"webhook.url", "POST", webhooks, s.partner, `{"url":"http://example.com/"}`, nil, 422, "webhook url rejected: not https", "url"},
		{"webhook.events", "POST", webhooks, s.partner, `{"url":"https://example.com/","events":"*"}`, nil, 422, "", "events"},
		{"webhook.events", "POST", webhooks, s.partner, `{"url":"https://example.com/","events":null}`, nil, 422, "", "events"},
		{"webhook.events", "POST", webhooks, s.partner, `{"url":"https://example.com/","events":["*",7]}`, nil, 422, "", "events[1]"},
		{"webhook.events", "POST", webhooks, s.partner, `{"url":"https://example.com/","events":["Order.Paid"]}`, nil, 422, "", "events[0]"},
		{"webhook.events", "POST", webhooks, s.partner, `{"url":"https://example.com/","events":["order.paid","order.lost"]}`, nil, 422, "", "events[1]"},
		{"webhook.events", "POST", webhooks, s.partner, `{"url":"https://example.com/","events":["order.gone"]}`, nil, 422, "", "events[0]"},
		{"webhook.events", "POST", webhooks, s.partner, `{"url":"https://example.com/","events":["order.paid","order.paid"]}`, nil, 422, "", "events[1]"},
		{"webhook.id", "DELETE", webhooks + "/wh_" + unknown, s.partner, "", nil, 404, "no such webhook", ""},
		{"webhook.id", "DELETE", webhooks + "/1", s.partner, "", nil, 404, "no such webhook", ""},
		{"webhook.id", "DELETE", webhooks + "/" + strings.ToUpper(s.active), s.partner, "", nil, 404, "no such webhook", ""},
		{"webhook.id", "DELETE", webhooks + "/" + s.foreign, s.partner, "", nil, 404, "no such webhook", ""},
		{"webhook.id", "DELETE", webhooks + "/" + s.deleted, s.partner, "", nil, 404, "no such webhook", ""},
		{"webhook.id", "DELETE", webhooks + "/" + s.foreign + "?organization=acme", s.operator, "", nil, 404, "no such webhook", ""},

		{"test.order", "POST", test("wh_x"), s.partner, "", nil, 404, "no such webhook", ""},
		{"test.order", "POST", test(s.foreign), s.partner, "not json", nil, 404, "no such webhook", ""},
		{"test.order", "POST", test(s.deleted), s.partner, `{"secret":"x"}`, nil, 404, "no such webhook", ""},
		{"test.order", "POST", test("wh_" + unknown), s.partner, `{"secret":"` + s.secret + `"}`, nil, 404, "no such webhook", ""},
		{"test.order", "POST", test(s.disabled), s.partner, "", nil, 409, "not active", ""},
		{"test.order", "POST", test(s.disabled), s.partner, `{"secret":"` + s.disabledSecret + `"}`, nil, 409, "not active", ""},
		{"test.order", "POST", test(s.active), s.partner, "", nil, 422, "", "body"},
		{"test.order", "POST", test(s.active), s.partner, "{", nil, 422, "", "body"},
		{"test.order", "POST", test(s.active), s.partner, "{}", nil, 422, "", "secret"},
		{"test.order", "POST", test(s.active), s.partner, `{"secret":7}`, nil, 422, "", "secret"},
		{"test.order", "POST", test(s.active), s.partner, `{"secret":null}`, nil, 422, "", "secret"},
		{"test.order", "POST", test(s.active), s.partner, `{"secret":"` + s.secret + `","more":1}`, nil, 422, "", "more"},
		{"test.order", "POST", test(s.active), s.partner, `{"secret":"whsec_wrong"}`, nil, 401, "secret", ""},
		{"test.order", "POST", test(s.active), s.partner, `{"secret":"` + s.disabledSecret + `"}`, nil, 401, "secret", ""},

		{"failures.id", "GET", failures("x", ""), s.partner, "", nil, 404, "no such webhook", ""},
		{"failures.id", "GET", failures(s.foreign, "?limit=0"), s.partner, "", nil, 404, "no such webhook", ""},
		{"failures.id", "GET", failures(s.deleted, ""), s.partner, "", nil, 404, "no such webhook", ""},
		{"failures.cursor", "GET", failures(s.active, "?cursor=x"), s.partner, "", nil, 400, "cursor", ""},
		{"failures.cursor", "GET", failures(s.active, "?cursor=x&limit=0"), s.partner, "", nil, 400, "cursor", ""},
		{"failures.cursor", "GET", failures(s.active, "?cursor=x&cursor=y"), s.partner, "", nil, 400, "cursor", ""},
		{"failures.limit", "GET", failures(s.active, "?limit=0"), s.partner, "", nil, 422, "", "limit"},
		{"failures.limit", "GET", failures(s.active, "?limit=201"), s.partner, "", nil, 422, "", "limit"},
		{"failures.limit", "GET", failures(s.active, "?limit=ten"), s.partner, "", nil, 422, "", "limit"},
		{"failures.limit", "GET", failures(s.active, "?limit="), s.partner, "", nil, 422, "", "limit"},
		{"failures.limit", "GET", failures(s.active, "?limit=1&limit=2"), s.partner, "", nil, 422, "", "limit"},

		{"publish.organization", "POST", orgs + "/nobody/events", s.platform, msg(""), nil, 404, "no such organization", ""},
		{"publish.organization", "POST", orgs + "/org_" + unknown + "/events", s.platform, msg(""), nil, 404, "no such organization", ""},
		{"publish.organization", "POST", events, s.narrow, msg(""), nil, 404, "no such organization", ""},
		{"publish.organization", "POST", orgs + "/shut/events", s.platform, msg(""), nil, 409, "closed", ""},
		{"publish.members", "POST", events, s.platform, `{"data":{}}`, nil, 422, "", "type"},
		{"publish.members", "POST", events, s.platform, `{"type":"order.paid"}`, nil, 422, "", "data"},
		{"publish.members", "POST", events, s.platform, `{"type":7,"data":{}}`, nil, 422, "", "type"},
		{"publish.members", "POST", events, s.platform, msg(`,"kind":1`), nil, 422, "", "kind"},
		{"publish.members", "POST", events, s.platform, msg(`,"type":"order.paid"`), nil, 422, "two members", "body"},
		{"publish.members", "POST", events, s.platform, msg(``) + "x", nil, 422, "JSON", "body"},
		{"publish.members", "POST", events, s.platform, `7`, nil, 422, "JSON", "body"},
		{"publish.members", "POST", events, s.platform, ``, []string{"Content-Type", "application/json"}, 422, "JSON", "body"},
		{"publish.type", "POST", events, s.platform, `{"type":"Order Paid","data":{}}`, nil, 422, "", "type"},
		{"publish.type", "POST", events, s.platform, `{"type":"order.lost","data":{}}`, nil, 422, "order.lost", "type"},
		{"publish.type", "POST", events, s.platform, `{"type":"vc.lead.created","data":{}}`, nil, 422, "vc.lead.created", "type"},
		{"publish.type", "POST", events, s.platform, `{"type":"vc.test.ping","data":{}}`, nil, 422, "", "type"},
		{"publish.schema", "POST", events, s.platform, `{"type":"order.strict","data":{"items":[{"sku":"a"},{"n":1}]}}`, nil, 422, "schema", "data.items[1]"},
		{"publish.schema", "POST", events, s.platform, `{"type":"order.strict","data":{"n":1e401}}`, nil, 422, "too large", "data.n"},
		{"type.schema", "POST", types, s.operator, `{"name":"order.odd","schema":{"type":"thing"}}`, nil, 422, "no JSON Schema", "schema"},
		{"type.schema", "POST", types, s.operator, `{"name":"order.odd","schema":{"$ref":"https://example.com/"}}`, nil, 422, "other documents", "schema"},
		{"type.schema", "PATCH", types + "/order.strict", s.operator, `{"example":{"items":[{}]}}`, nil, 422, "", "example.items[0]"},
		{"publish.data", "POST", events, s.platform, data(`[]`), nil, 422, "", "data"},
		{"publish.data", "POST", events, s.platform, data(`null`), nil, 422, "", "data"},
		{"publish.data", "POST", events, s.platform, data(`{"a":}`), nil, 422, "", "data"},
		{"publish.data", "POST", events, s.platform, data(`{"a":[}]}`), nil, 422, "", ""},
		{"publish.data", "POST", events, s.platform, data(`{"a":"` + "\xc3\x28" + `"}`), nil, 422, "UTF-8", "data"},
		{"publish.data", "POST", events, s.platform, data(`{"a":"\udc00"}`), nil, 422, "surrogate", "data"},
		{"publish.data", "POST", events, s.platform, data(`{"a":1,"\u0061":2}`), nil, 422, "duplicate", "data"},
		{"publish.data", "POST", events, s.platform, data(`{"a":` + deep + `}`), nil, 422, "deep", "data"},
		{"publish.size", "POST", events, s.platform, data(`{"a":"` + strings.Repeat("x", 256<<10) + `"}`), nil, 413, "262144", ""},
		{"publish.size", "POST", events, s.platform, data(`{"a":"` + strings.Repeat("x", 400<<10) + `"}`), nil, 413, "over", ""},
		{"publish.size", "POST", events, s.platform, "[" + msg("") + "," + strings.Repeat(" ", 8<<20) + msg("") + "]", nil, 413, "8388608", ""},
		{"publish.id", "POST", events, s.platform, msg(`,"id":""`), nil, 422, "", "id"},
		{"publish.id", "POST", events, s.platform, msg(`,"id":null`), nil, 422, "", "id"},
		{"publish.id", "POST", events, s.platform, msg(`,"id":"a b"`), nil, 422, "", "id"},
		{"publish.id", "POST", events, s.platform, msg(`,"id":"` + strings.Repeat("a", 129) + `"`), nil, 422, "", "id"},
		{"publish.id", "POST", events, s.platform, `{"type":"order.paid","data":{"other":1},"id":"taken"}`, nil, 409, "published", ""},
		{"publish.client", "POST", events, s.platform, msg(`,"client":7`), nil, 422, "", "client"},
		{"publish.client", "POST", events, s.platform, msg(`,"client":"` + strings.Repeat("a", 129) + `"`), nil, 422, "", "client"},
		{"publish.occurred", "POST", events, s.platform, msg(`,"occurred_at":"yesterday"`), nil, 422, "", "occurred_at"},
		{"publish.occurred", "POST", events, s.platform, msg(`,"occurred_at":1700000000`), nil, 422, "", "occurred_at"},
		{"publish.array", "POST", events, s.platform, `[]`, nil, 422, "at least one", "body"},
		{"publish.array", "POST", events, s.platform, "[" + strings.Repeat(msg("")+",", 1000) + msg("") + "]", nil, 422, "at most 1000", "body"},
		{"publish.array", "POST", events, s.platform, "[" + msg(""), nil, 422, "JSON", "body"},

		{"event.id", "GET", events + "/evt_x", s.platform, "", nil, 404, "no such event", ""},
		{"event.id", "GET", events + "/evt_" + unknown, s.auditor, "", nil, 404, "no such event", ""},
		{"event.id", "GET", events + "/" + s.otherEvent, s.platform, "", nil, 404, "no such event", ""},
		{"event.id", "GET", events + "/" + s.event, s.narrow, "", nil, 404, "no such organization", ""},
		{"audit.thing", "GET", audit + "?organization=nobody", s.auditor, "", nil, 404, "no such organization", ""},
		{"audit.thing", "GET", audit + "?organization=acme", s.narrow, "", nil, 404, "no such organization", ""},
		{"audit.thing", "GET", audit + "?subscription=x", s.auditor, "", nil, 404, "no such webhook", ""},
		{"audit.thing", "GET", audit + "?subscription=wh_" + unknown, s.auditor, "", nil, 404, "no such webhook", ""},
		{"audit.thing", "GET", audit + "?subscription=" + s.active, s.narrow, "", nil, 404, "no such webhook", ""},
		{"audit.thing", "GET", audit + "?event=evt_" + unknown, s.auditor, "", nil, 404, "no such event", ""},
		{"audit.thing", "GET", audit + "?event=" + s.event, s.narrow, "", nil, 404, "no such event", ""},
		{"audit.thing", "GET", audit + "?event=", s.auditor, "", nil, 404, "no such event", ""},
		{"audit.thing", "GET", audit + "?delivery=del_" + unknown, s.auditor, "", nil, 404, "no such delivery", ""},
		{"audit.thing", "GET", audit + "?delivery=" + s.delivery(s.event, s.active), s.narrow, "", ndjsonWanted, 404, "no such delivery", ""},
		{"audit.thing", "GET", audit + "?event=a&event=b", s.auditor, "", nil, 422, "given once", "event"},
		{"audit.type", "GET", audit + "?type=hooklog.Nothing.v1", s.auditor, "", nil, 422, "fact types", "type"},
		{"audit.time", "GET", audit + "?from=yesterday", s.auditor, "", nil, 422, "RFC 3339", "from"},
		{"audit.time", "GET", audit + "?to=2026-01-01T00:00:00Z&to=2026-01-01T00:00:00Z", s.auditor, "", ndjsonWanted, 422, "given once", "to"},
		{"audit.order", "GET", audit + "?order=up", s.auditor, "", nil, 422, "oldest or newest", "order"},
		{"audit.limit", "GET", audit + "?limit=201", s.auditor, "", nil, 422, "1 to 200", "limit"},
		{"audit.limit", "GET", audit + "?limit=0", s.auditor, "", ndjsonWanted, 422, "1 to 1000000000", "limit"},
		{"audit.cursor", "GET", audit + "?cursor=abc", s.auditor, "", nil, 400, "the cursor", ""},
		{"audit.cursor", "GET", audit + "?cursor=abc", s.auditor, "", ndjsonWanted, 400, "the cursor", ""},
		{"audit.cursor", "GET", audit + "?cursor=a&cursor=b", s.auditor, "", []string{"Accept", "text/csv"}, 400, "more than once", ""},
		{"auth.scope", "GET", audit, s.platform, "", nil, 403, "audit:read", ""},
		{"delivery.id", "GET", "/api/v1/deliveries/1", s.auditor, "", nil, 404, "no such delivery", ""},
		{"delivery.id", "GET", "/api/v1/deliveries/del_" + unknown, s.auditor, "", nil, 404, "no such delivery", ""},
		{"delivery.id", "GET", "/api/v1/deliveries/" + s.delivery(s.event, s.active), s.narrow, "", nil, 404, "no such delivery", ""},

		{"organization.slug", "POST", orgs, s.operator, `{"slug":"-a","name":"A"}`, nil, 422, "", "slug"},
		{"organization.slug", "POST", orgs, s.operator, `{"slug":"` + strings.Repeat("a", 64) + `","name":"A"}`, nil, 422, "", "slug"},
		{"organization.slug", "POST", orgs, s.operator, `{"slug":"Acme","name":"A"}`, nil, 422, "", "slug"},
		{"organization.slug", "POST", orgs, s.operator, `{"name":"A"}`, nil, 422, "", "slug"},
		{"organization.slug", "POST", orgs, s.operator, `{"slug":"acme","name":"A"}`, nil, 409, "taken", ""},
		{"organization.slug", "POST", orgs, s.operator, `{"slug":"shut","name":"A"}`, nil, 409, "taken", ""},
		{"organization.members", "POST", orgs, s.operator, `{"slug":"new"}`, nil, 422, "", "name"},
		{"organization.members", "POST", orgs, s.operator, `{"slug":"new","name":""}`, nil, 422, "", "name"},
		{"organization.members", "POST", orgs, s.operator, org(`,"profile":"mine"`), nil, 422, "", "profile"},
		{"organization.members", "POST", orgs, s.operator, org(`,"retry_schedule":[]`), nil, 422, "", "retry_schedule"},
		{"organization.members", "POST", orgs, s.operator, org(`,"retry_schedule":` + schedule(21)), nil, 422, "", "retry_schedule"},
		{"organization.members", "POST", orgs, s.operator, org(`,"retry_schedule":["500ms"]`), nil, 422, "", "retry_schedule[0]"},
		{"organization.members", "POST", orgs, s.operator, org(`,"retry_schedule":["1m","169h"]`), nil, 422, "", "retry_schedule[1]"},
		{"organization.members", "POST", orgs, s.operator, org(`,"retry_schedule":["1m","soon"]`), nil, 422, "", "retry_schedule[1]"},
		{"organization.members", "POST", orgs, s.operator, org(`,"retry_schedule":[60]`), nil, 422, "", "retry_schedule[0]"},
		{"organization.members", "POST", orgs, s.operator, org(`,"timeout":"0s"`), nil, 422, "", "timeout"},
		{"organization.members", "POST", orgs, s.operator, org(`,"timeout":"61s"`), nil, 422, "", "timeout"},
		{"organization.members", "PATCH", orgs + "/acme", s.operator, `{"name":null}`, nil, 422, "", "name"},
		{"organization.ref", "GET", orgs + "/nobody", s.operator, "", nil, 404, "no such organization", ""},
		{"organization.ref", "PATCH", orgs + "/org_" + unknown, s.operator, `{"name":"x"}`, nil, 404, "no such organization", ""},
		{"organization.ref", "DELETE", orgs + "/ACME", s.operator, "", nil, 404, "no such organization", ""},
		{"organization.ref", "PATCH", orgs + "/shut", s.operator, `{"name":"x"}`, nil, 409, "closed", ""},
		{"list.limit", "GET", orgs + "?limit=0", s.operator, "", nil, 422, "", "limit"},
		{"list.limit", "GET", keys + "?limit=1000", s.operator, "", nil, 422, "", "limit"},
		{"list.limit", "GET", types + "?limit=-1", s.operator, "", nil, 422, "", "limit"},

		{"key.scopes", "POST", keys, s.operator, `{"mode":"test"}`, nil, 422, "", "scopes"},
		{"key.scopes", "POST", keys, s.operator, `{"scopes":["leads:read"],"mode":"test"}`, nil, 422, "reserved", "scopes[0]"},
		{"key.scopes", "POST", keys, s.operator, `{"scopes":["webhooks:manage","tenants:provision"],"mode":"test"}`, nil, 422, "reserved", "scopes[1]"},
		{"key.scopes", "POST", keys, s.operator, `{"scopes":["everything"],"mode":"test"}`, nil, 422, "", "scopes[0]"},
		{"key.scopes", "POST", keys, s.operator, `{"scopes":["events:publish"],"mode":"test"}`, nil, 422, "", "scopes[0]"},
		{"key.scopes", "POST", "/api/v1/keys", s.operator, `{"scopes":["webhooks:manage"],"mode":"live"}`, nil, 422, "", "scopes[0]"},
		{"key.scopes", "POST", "/api/v1/keys", s.operator, `{"scopes":[],"mode":"live"}`, nil, 422, "", "scopes"},
		{"key.mode", "POST", keys, s.operator, `{"scopes":["webhooks:manage"]}`, nil, 422, "", "mode"},
		{"key.mode", "POST", keys, s.operator, `{"scopes":["webhooks:manage"],"mode":"prod"}`, nil, 422, "", "mode"},
		{"key.rate-limit", "POST", keys, s.operator, partnerKey(`,"rate_limit_per_minute":0`), nil, 422, "", "rate_limit_per_minute"},
		{"key.rate-limit", "POST", keys, s.operator, partnerKey(`,"rate_limit_per_minute":1.5`), nil, 422, "", "rate_limit_per_minute"},
		{"key.rate-limit", "POST", keys, s.operator, partnerKey(`,"rate_limit_per_minute":1000001`), nil, 422, "", "rate_limit_per_minute"},
		{"key.expiry", "POST", keys, s.operator, partnerKey(`,"expires_at":"2001-01-01T00:00:00Z"`), nil, 422, "", "expires_at"},
		{"key.expiry", "POST", keys, s.operator, partnerKey(`,"expires_at":"tomorrow"`), nil, 422, "", "expires_at"},
		{"key.organizations", "POST", keys, s.operator, partnerKey(`,"organizations":["acme"]`), nil, 422, "", "organizations"},
		{"key.organizations", "POST", "/api/v1/keys", s.operator, platformKey(`,"organizations":["acme","nobody"]`), nil, 422, "", "organizations[1]"},
		{"key.organizations", "POST", "/api/v1/keys", s.operator, platformKey(`,"organizations":[]`), nil, 422, "", "organizations"},
		{"key.organizations", "POST", "/api/v1/keys", s.operator, `{"scopes":["operator"],"mode":"live","organizations":["acme"]}`, nil, 422, "", "organizations"},
		{"key.closed", "POST", orgs + "/shut/keys", s.operator, partnerKey(""), nil, 409, "closed", ""},
		{"key.id", "DELETE", keys + "/test_nobody", s.operator, "", nil, 404, "no such key", ""},
		{"key.id", "DELETE", keys + "/-", s.operator, "", nil, 404, "no such key", ""},
		{"key.id", "DELETE", keys + "/" + keyID(s.otherPartner), s.operator, "", nil, 404, "no such key", ""},
		{"key.id", "DELETE", keys + "/" + keyID(s.platform), s.operator, "", nil, 404, "no such key", ""},
		{"key.id", "DELETE", "/api/v1/keys/" + s.partnerID, s.operator, "", nil, 404, "no such key", ""},
		{"key.id", "POST", keys + "/" + keyID(s.otherPartner) + "/rotate", s.operator, "", nil, 404, "no such key", ""},
		{"key.rotate", "POST", keys + "/" + keyID(s.revoked) + "/rotate", s.operator, "", nil, 409, "revoked", ""},
		{"key.rotate", "POST", keys + "/" + s.partnerID + "/rotate", s.operator, `{"overlap":"721h"}`, nil, 422, "", "overlap"},
		{"key.rotate", "POST", keys + "/" + s.partnerID + "/rotate", s.operator, `{"overlap":"-1s"}`, nil, 422, "", "overlap"},
		{"key.rotate", "POST", keys + "/" + s.partnerID + "/rotate", s.operator, `{"overlap":24}`, nil, 422, "", "overlap"},

		{"type.name", "POST", types, s.operator, `{}`, nil, 422, "", "name"},
		{"type.name", "POST", types, s.operator, `{"name":"Order"}`, nil, 422, "", "name"},
		{"type.name", "POST", types, s.operator, `{"name":"hooklog.mine"}`, nil, 422, "", "name"},
		{"type.name", "POST", types, s.operator, `{"name":"vc.test.ping"}`, nil, 422, "", "name"},
		{"type.name", "POST", types, s.operator, `{"name":"order.paid"}`, nil, 409, "exists", ""},
		{"type.members", "POST", types, s.operator, `{"name":"a.b","description":"` + strings.Repeat("x", 2001) + `"}`, nil, 422, "", "description"},
		{"type.members", "POST", types, s.operator, `{"name":"a.b","category":7}`, nil, 422, "", "category"},
		{"type.members", "POST", types, s.operator, `{"name":"a.b","example":[]}`, nil, 422, "", "example"},
		{"type.members", "POST", types, s.operator, `{"name":"a.b","schema":"x"}`, nil, 422, "", "schema"},
		{"type.ref", "GET", types + "/no.such", s.operator, "", nil, 404, "no such event type", ""},
		{"type.ref", "PATCH", types + "/no.such", s.operator, `{}`, nil, 404, "no such event type", ""},
		{"type.ref", "DELETE", types + "/NO", s.operator, "", nil, 404, "no such event type", ""},
		{"type.ref", "PATCH", types + "/order.gone", s.operator, `{"category":"x"}`, nil, 409, "retired", ""},
		{"type.ref", "POST", orgs + "/shut/event-types", s.operator, `{"name":"a.b"}`, nil, 409, "closed", ""},

		{"auth.scope", "GET", "/api/v1/projections", s.auditor, "", nil, 403, "operator", ""},
		{"auth.scope", "POST", "/api/v1/projections/rebuild", s.platform, "", nil, 403, "operator", ""},
		{"auth.scope", "POST", "/api/v1/projections/due/rebuild", s.auditor, "", nil, 403, "operator", ""},
		{"auth.scope", "DELETE", "/api/v1/projections/due/rebuild", s.auditor, "", nil, 403, "operator", ""},
		{"auth.scope", "POST", "/api/v1/projections/due/verify", s.partner, "", nil, 403, "operator", ""},
		{"projection.name", "POST", "/api/v1/projections/nothing/rebuild", s.operator, "", nil, 404, "no such projection", ""},
		{"projection.name", "DELETE", "/api/v1/projections/nothing/rebuild", s.operator, "", nil, 404, "no such projection", ""},
		{"projection.name", "DELETE", "/api/v1/projections/due/rebuild", s.operator, "", nil, 404, "no rebuild of due", ""},
		{"projection.name", "POST", "/api/v1/projections/nothing/verify", s.operator, "", nil, 404, "no such projection", ""},
		{"list.limit", "POST", "/api/v1/projections/due/verify?limit=201", s.operator, "", nil, 422, "", "limit"},
		{"auth.scope", "GET", "/api/v1/groups", s.auditor, "", nil, 403, "operator", ""},
		{"auth.scope", "POST", "/api/v1/groups/work-v1/replay-parked", s.platform, "", nil, 403, "operator", ""},
		{"auth.scope", "POST", "/api/v1/backups", s.auditor, "", nil, 403, "operator", ""},
		{"auth.scope", "GET", "/api/v1/doctor", s.auditor, "", nil, 403, "operator", ""},
		{"doctor.deep", "GET", "/api/v1/doctor?deep=yes", s.operator, "", nil, 422, "", "deep"},
		{"group.name", "POST", "/api/v1/groups/nobody/replay-parked", s.operator, "", nil, 404, "no such group", ""},
		{"auth.scope", "POST", simulations, s.auditor, simulationOf(""), nil, 403, "operator", ""},
		{"simulation.window", "POST", simulations, s.operator, `{"to":"2026-01-01T00:00:00Z"}`, nil, 422, "", "from"},
		{"simulation.window", "POST", simulations, s.operator, `{"from":"2026-01-01T00:00:00Z","to":"tomorrow"}`, nil, 422, "", "to"},
		{"simulation.window", "POST", simulations, s.operator, `{"from":"2026-01-01T00:00:00Z","to":"2026-01-01T00:00:00Z"}`, nil, 422, "", "to"},
		{"simulation.policy", "POST", simulations, s.operator, simulationOf(`,"retry_schedule":` + schedule(21)), nil, 422, "", "retry_schedule"},
		{"simulation.policy", "POST", simulations, s.operator, simulationOf(`,"retry_schedule":[]`), nil, 422, "", "retry_schedule"},
		{"simulation.policy", "POST", simulations, s.operator, simulationOf(`,"retry_schedule":["1m","500ms"]`), nil, 422, "", "retry_schedule[1]"},
		{"simulation.policy", "POST", simulations, s.operator, simulationOf(`,"retry_schedule":"1m"`), nil, 422, "", "retry_schedule"},
		{"simulation.policy", "POST", simulations, s.operator, simulationOf(`,"disable_after":-1`), nil, 422, "", "disable_after"},
		{"simulation.policy", "POST", simulations, s.operator, simulationOf(`,"disable_after":1000001`), nil, 422, "", "disable_after"},
		{"simulation.of", "POST", simulations, s.operator, simulationOf(`,"organization":"nobody"`), nil, 404, "no such organization", ""},
		{"simulation.of", "POST", simulations, s.operator, simulationOf(`,"subscription":"` + s.foreign + `","organization":"acme"`), nil, 404, "no such webhook", ""},
		{"body.members", "POST", "/api/v1/backups", s.operator, `{"directory":"/etc"}`, nil, 422, "", "directory"},
	}...)
}

// delivery is the id of a delivery.
func (s *scene) delivery(event, subscription string) string {
	m, err := domain.ParseMessageID(event)
	s.must(err)
	w, err := domain.ParseSubscriptionID(subscription)
	s.must(err)
	return domain.DeriveDeliveryID(m, w).String()
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	s := stage(t)
	for i, r := range s.allRefusals() {
		t.Run(r.row+"/"+strconv.Itoa(i), func(t *testing.T) {
			before := s.facts()
			a := s.call(r.method, r.path, r.key, r.body, r.headers...)
			if a.status != r.status {
				t.Fatalf("%s %s: %d, want %d: %s", r.method, r.path, a.status, r.status, a.body)
			}
			checkProblem(t, a)
			if detail := a.body; !strings.Contains(detail, r.says) {
				t.Errorf("%s does not say %q", detail, r.says)
			}
			if r.field != "" && a.text(t, "errors.0.field") != r.field {
				t.Errorf("names %q, want %q: %s", a.text(t, "errors.0.field"), r.field, a.body)
			}
			if after := s.facts(); after != before {
				t.Errorf("a refused request recorded %d facts", after-before)
			}
			for _, secret := range []string{s.secret, s.disabledSecret, s.partner, s.operator} {
				if strings.Contains(a.body, secret[len(secret)-43:]) {
					t.Error("the refusal repeats a secret")
				}
			}
		})
	}
}

// checkProblem checks what every refusal has.
func checkProblem(t *testing.T, a answer) {
	t.Helper()
	if got := a.header.Get("Content-Type"); got != "application/problem+json" {
		t.Errorf("Content-Type %q", got)
	}
	if a.text(t, "request_id") != a.header.Get("X-Request-Id") || a.text(t, "request_id") == "" {
		t.Errorf("request id %v in the body, %q in the header", a.json(t, "request_id"), a.header.Get("X-Request-Id"))
	}
	if int(a.json(t, "status").(float64)) != a.status || a.text(t, "title") == "" || a.text(t, "detail") == "" || a.text(t, "type") == "" {
		t.Errorf("members are missing: %s", a.body)
	}
	if _, has := a.json(t, "errors").([]any); has != (a.status == 422) {
		t.Errorf("errors there: %v, status %d", has, a.status)
	}
	if has := a.header.Get("WWW-Authenticate") == "Bearer"; has != (a.status == 401) {
		t.Errorf("WWW-Authenticate %q with status %d", a.header.Get("WWW-Authenticate"), a.status)
	}
	if has := a.header.Get("Retry-After") != ""; has != (a.status == 429 || a.status == 503) {
		t.Errorf("Retry-After %q with status %d", a.header.Get("Retry-After"), a.status)
	}
	if has := a.header.Get("Allow") != ""; has != (a.status == 405) {
		t.Errorf("Allow %q with status %d", a.header.Get("Allow"), a.status)
	}
	if got := a.header.Get("Hooklog-Position"); got != "" {
		t.Errorf("a refusal tells the position %s", got)
	}
}

// TestRefusalsNameRows holds the refusals that are tried against the rows of docs/contract.md. That no row is left out is seen
// to at the root, for the rows of all packages.
func TestRefusalsNameRows(t *testing.T) {
	t.Parallel()
	doc, err := os.ReadFile("../docs/contract.md")
	if err != nil {
		t.Fatal(err)
	}
	var tried []string
	for _, r := range stage(t).allRefusals() {
		tried = append(tried, r.row)
	}
	for _, r := range stageVntana(t).vntanaRefusals() {
		tried = append(tried, r.row)
	}
	for _, row := range tried {
		if !strings.Contains(string(doc), "\n| `"+row+"` |") {
			t.Errorf("docs/contract.md has no row %s", row)
		}
	}
}
