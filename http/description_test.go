package http_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/hooklog/hooklog/domain"
	httpd "github.com/hooklog/hooklog/http"
	"github.com/hooklog/hooklog/http/openapi"
)

// scopes are those of which a key needs one for an operation; none if it needs no key.
func (o *operation) scopes() (all []domain.Scope) {
	security := o.member("security")
	if !security.there() {
		security = o.whole().member("security")
	}
	for _, requirement := range security.elements() {
		for _, scheme := range requirement.names() {
			for _, scope := range requirement.member(scheme).elements() {
				all = append(all, domain.Scope(scope.text()))
			}
		}
	}
	return all
}

// TestEveryRouteIsDescribed, with its scopes, and nothing else is. It holds, with the witness of all tests, the row
// openapi.exact.
func TestEveryRouteIsDescribed(t *testing.T) {
	t.Parallel()
	routes := append(httpd.Routes(), httpd.Route{Method: "GET", Path: "/healthz"}, httpd.Route{Method: "GET", Path: "/readyz"}, httpd.Route{Method: "GET", Path: "/metrics"})
	described := theDescription().operations
	for _, rt := range routes {
		i := slices.IndexFunc(described, func(o *operation) bool { return o.method == rt.Method && o.path == rt.Path })
		if i < 0 {
			t.Errorf("no document of http/openapi describes %s %s", rt.Method, rt.Path)
		} else if got := described[i].scopes(); !slices.Equal(got, rt.Scopes) && rt.Path != vntanaLogin { // whose key is in the body
			t.Errorf("%s %s is described with the scopes %q, has %q", rt.Method, rt.Path, got, rt.Scopes)
		}
	}
	if len(described) != len(routes) {
		t.Errorf("%d operations are described, of %d routes", len(described), len(routes))
	}
}

// TestDescriptionsAreServed holds the row openapi.served.
func TestDescriptionsAreServed(t *testing.T) {
	t.Parallel()
	h := build(t)
	all, err := openapi.Load()
	h.must(err)
	paths := map[string]string{"/openapi/": "text/html; charset=utf-8"}
	for _, s := range all.Surfaces {
		paths["/openapi/"+s.Name] = "text/html; charset=utf-8"
		paths["/openapi/"+s.Name+".json"] = "application/json"
		paths["/openapi/"+s.Name+".yaml"] = "application/yaml"
	}
	for path, mediaType := range paths {
		a := h.want(200, "GET", path, "", "")
		if got := a.header.Get("Content-Type"); got != mediaType {
			t.Errorf("%s is %s", path, got)
		}
		if policy := a.header.Get("Content-Security-Policy"); mediaType[:5] == "text/" && policy != openapi.Policy {
			t.Errorf("%s has the policy %q", path, policy)
		}
		if head := h.want(200, "HEAD", path, "", ""); head.header.Get("Content-Length") != fmt.Sprint(len(a.body)) {
			t.Errorf("%s has %d bytes, its HEAD tells %s", path, len(a.body), head.header.Get("Content-Length"))
		}
	}
	for _, path := range []string{"/openapi/nobody", "/openapi/partner.txt", "/openapi/partner.json.yaml", "/openapi/common.yaml", "/openapi/..%2fpartner.json"} {
		checkProblem(t, h.want(404, "GET", path, "", ""))
	}
}

// late never shows what was written at one place.
type late struct{ httpd.Positions }

const neverShown = "ff-0"

func (l late) WaitForPosition(ctx context.Context, position string) error {
	if position == neverShown {
		return context.DeadlineExceeded
	}
	return l.Positions.WaitForPosition(ctx, position)
}

// TestEveryRouteRefusesAsDescribed tries on every operation the refusals that many have.
func TestEveryRouteRefusesAsDescribed(t *testing.T) {
	t.Parallel()
	s := stage(t, func(c *httpd.Config) { c.Positions = late{c.Positions} })
	spent := s.key(keys, `{"scopes":["webhooks:manage"],"mode":"test","rate_limit_per_minute":1}`)
	s.want(200, "GET", me, spent, "")
	for _, o := range theDescription().operations {
		if len(o.scopes()) == 0 || o.ofVntana() {
			continue
		}
		path := s.filled(o)
		of := "?organization=acme"
		for _, refused := range []struct {
			status       int
			path, key    string
			body         string
			headers      []string
			needsNoTrial bool
		}{
			{status: 400, path: path + of, key: s.operator, headers: []string{"Hooklog-Position", "x"}},
			{status: 401, path: path},
			{status: 403, path: path, key: s.identity},
			{status: 404, path: variable.ReplaceAllString(o.path, "nobody") + "?organization=nobody", key: s.operator, needsNoTrial: o.path == simulations},
			{status: 413, path: path + of, key: s.operator, body: strings.Repeat("x", 64<<10+1), needsNoTrial: o.path == "/api/v1/organizations/{organization}/events"},
			{status: 415, path: path + of, key: s.operator, body: "x", headers: []string{"Content-Type", "text/plain"}},
			{status: 429, path: path, key: spent},
			{status: 503, path: path + of, key: s.operator, headers: []string{"Hooklog-Position", neverShown}},
		} {
			if o.member("responses").member(fmt.Sprint(refused.status)).there() && !refused.needsNoTrial {
				checkProblem(t, s.want(refused.status, o.method, refused.path, refused.key, refused.body, refused.headers...))
			}
		}
		if o.member("responses").member("422").there() {
			s.invalid(o, path)
		}
	}
}

const vntanaLogin = "/v1/auth/login/token"

// ofVntana reports whether an operation is of VNTANA's surface, which knows its callers and refuses in its own way.
func (o *operation) ofVntana() bool { return strings.HasPrefix(o.path, "/v1/") }

// TestEveryVntanaRouteRefusesAsDescribed is the same for VNTANA's surface.
func TestEveryVntanaRouteRefusesAsDescribed(t *testing.T) {
	t.Parallel()
	h := build(t, func(c *httpd.Config) { c.Positions, c.RateLimit = late{c.Positions}, 1<<30 })
	s := h.studio("atelier")
	hook, _ := s.hook("", "product.added")
	unchosen := h.login(s.key)
	spent := h.key("/api/v1/organizations/atelier/keys", `{"scopes":["webhooks:manage"],"mode":"test","rate_limit_per_minute":2}`)
	spentToken := s.refresh(h.login(spent), "")
	limited := h.key("/api/v1/organizations/atelier/keys", `{"scopes":[],"mode":"test"}`)
	for _, o := range theDescription().operations {
		if !o.ofVntana() {
			continue
		}
		path := strings.NewReplacer("{webhook}", hook, "{organization}", s.id.UUID()).Replace(o.path)
		elsewhere := variable.ReplaceAllString(o.path, "nowhere")
		key := func(token string) string {
			if o.path != vntanaLogin {
				return ""
			}
			return `{"personal-access-token":"` + token + `"}`
		}
		for _, refused := range []struct {
			status            int
			path, token, body string
			headers           []string
		}{
			{status: 400, path: path, token: s.token, body: key(s.key), headers: []string{"Hooklog-Position", "x"}},
			{status: 401, path: path, token: "x", body: key("x")},
			{status: 403, path: path, token: unchosen, body: key(limited), headers: []string{"organizationUuid", unknown}},
			{status: 404, path: elsewhere, token: s.token},
			{status: 413, path: path, token: s.token, body: strings.Repeat("x", 64<<10+1)},
			{status: 415, path: path, token: s.token, body: "x", headers: []string{"Content-Type", "text/plain"}},
			{status: 422, path: path, token: s.token, body: `{"unknown":1}`},
			{status: 429, path: path, token: spentToken, body: key(spent)},
			{status: 503, path: path, token: s.token, body: key(s.key), headers: []string{"Hooklog-Position", neverShown}},
		} {
			if o.member("responses").member(fmt.Sprint(refused.status)).there() {
				h.as(refused.status, refused.token, o.method, refused.path, refused.body, refused.headers...)
			}
		}
	}
}

// invalid makes a request of an operation that is not as described.
func (s *scene) invalid(o *operation, path string) {
	s.Helper()
	body, query := "", "" // without a query, an operator names no organization
	switch parameters := o.queryParameters(); {
	case o.member("requestBody").there():
		body, query = `{"unknown":1}`, "?organization=acme"
	case slices.Contains(parameters, "limit"):
		query = "?organization=acme&limit=0"
	case slices.Contains(parameters, "at"):
		query = "?organization=acme&at=9999-01-01T00:00:00Z"
	case slices.Contains(parameters, "deep"):
		query = "?deep=x"
	}
	a := s.want(http.StatusUnprocessableEntity, o.method, path+query, s.operator, body, "Accept", "application/x-ndjson")
	if a.text(s, "errors.0.field") == "" {
		s.Errorf("%s %s names no member: %s", o.method, path, a.body)
	}
}

// queryParameters are the names of an operation's parameters in the query.
func (o *operation) queryParameters() (names []string) {
	for _, p := range append(o.member("parameters").elements(), o.of.member("parameters").elements()...) {
		if p.member("in").text() == "query" {
			names = append(names, p.member("name").text())
		}
	}
	return names
}

// variable is a part of a path that varies.
var variable = regexp.MustCompile(`\{[a-z]+\}`)

// filled is the path of an operation with things that are there.
func (s *scene) filled(o *operation) string {
	s.Helper()
	subscription, err := domain.ParseSubscriptionID(s.active)
	s.must(err)
	message, err := domain.ParseMessageID(s.event)
	s.must(err)
	key := s.partnerID
	if strings.HasPrefix(o.path, "/api/v1/keys/") {
		key = keyID(s.platform)
	}
	things := map[string]string{"organization": "acme", "webhook": s.active, "event": s.event, "key": key, "name": "order.paid", "projection": "deliveries",
		"delivery": domain.DeriveDeliveryID(message, subscription).String(), "group": "work-v1", "recovery": "rec_" + unknown}
	return variable.ReplaceAllStringFunc(o.path, func(name string) string {
		thing := things[strings.Trim(name, "{}")]
		if thing == "" {
			s.Fatalf("nothing is known for %s", name)
		}
		return thing
	})
}

// TestWhatIsNotDescribedIsSeen shows that the witness of all tests of this package can fail.
func TestWhatIsNotDescribedIsSeen(t *testing.T) {
	t.Parallel()
	good := func() *seen {
		at, _ := url.Parse("https://hooklog.example/api/v1/webhooks/wh_" + unknown + "/filter-test?organization=acme")
		return &seen{method: "POST", url: at, header: http.Header{"Content-Type": {"application/json"}}, body: []byte(`{"data":{}}`), whole: true, status: 200,
			answerHeader: http.Header{"Content-Type": {"application/json"}, "X-Request-Id": {"a"}, "Date": {"now"}}, answer: []byte(`{"matches":true}`), answeredWhole: true}
	}
	d := theDescription()
	if got := d.differences(good()); got != nil {
		t.Fatalf("what is as described is not: %s", got)
	}
	for what, change := range map[string]func(*seen){
		"a route":                     func(s *seen) { s.url.Path = "/api/v1/nothing" },
		"a method":                    func(s *seen) { s.method = "PUT" },
		"a status":                    func(s *seen) { s.status = 201 },
		"a header":                    func(s *seen) { s.answerHeader.Set("X-New", "1") },
		"a header that is missing":    func(s *seen) { s.answerHeader.Del("X-Request-Id") },
		"a header's value":            func(s *seen) { s.answerHeader.Set("RateLimit-Limit", "many") },
		"a media type":                func(s *seen) { s.answerHeader.Set("Content-Type", "text/plain") },
		"a member":                    func(s *seen) { s.answer = []byte(`{"matches":true,"new":1}`) },
		"a member that is missing":    func(s *seen) { s.answer = []byte(`{}`) },
		"a type":                      func(s *seen) { s.answer = []byte(`{"matches":"yes"}`) },
		"an accepted parameter":       func(s *seen) { s.url.RawQuery = "new=1" },
		"an accepted body":            func(s *seen) { s.body = []byte(`{"data":{},"new":1}`) },
		"an accepted media type":      func(s *seen) { s.header.Set("Content-Type", "text/plain") },
		"an accepted body left out":   func(s *seen) { s.body = nil },
		"an accepted position":        func(s *seen) { s.header.Set("Hooklog-Position", "x") },
		"a refusal without its shape": func(s *seen) { s.status, s.answer = 404, []byte(`{"matches":true}`) },
	} {
		s := good()
		change(s)
		if len(d.differences(s)) == 0 {
			t.Errorf("%s that is not described is not seen", what)
		}
	}
}
