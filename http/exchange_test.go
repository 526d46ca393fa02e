package http_test

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hooklog/hooklog/eventlog"
	httpd "github.com/hooklog/hooklog/http"
)

func TestRequestIDs(t *testing.T) {
	t.Parallel()
	h := build(t)
	ulid := regexp.MustCompile(`^[0-9A-HJKMNP-TV-Z]{26}$`)
	for given, echoed := range map[string]bool{"a": true, "req-1.2_3:4": true, strings.Repeat("x", 128): true,
		"": false, strings.Repeat("x", 129): false, "a b": false, "a\"b": false, "é": false, "a/b": false} {
		got := h.call("GET", me, "", "", "X-Request-Id", given).header.Get("X-Request-Id")
		if echoed && got != given || !echoed && !ulid.MatchString(got) {
			t.Errorf("%q is answered with %q", given, got)
		}
	}
}

func TestAFaultTellsNothing(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.broken.fail(errors.New("disk /dev/secret is on fire"))
	a := h.want(500, "POST", "/api/v1/organizations", h.operator, `{"slug":"acme","name":"Acme"}`)
	checkProblem(t, a)
	if strings.Contains(a.body, "fire") {
		t.Errorf("the answer tells the fault: %s", a.body)
	}
	if logged := h.logged.String(); !strings.Contains(logged, "fire") || !strings.Contains(logged, a.text(t, "request_id")) {
		t.Errorf("the log does not tell the fault with its request id: %s", logged)
	}
}

// TestAShortDisk holds the row publish.disk.
func TestAShortDisk(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.organization("acme")
	h.eventType("acme", "order.paid")
	key := h.platformKey()
	h.broken.fail(eventlog.ErrNoSpace)
	checkProblem(t, h.want(503, "POST", events, key, `{"type":"order.paid","data":{}}`))
	a := h.want(200, "POST", events, key, `[{"type":"order.paid","data":{}},{"type":"none","data":{}}]`)
	if a.json(t, "0.status") != 503.0 || a.json(t, "1.status") != 422.0 {
		t.Errorf("items: %s", a.body)
	}
}

// TestTooMuchBacklog holds the row publish.backlog.
func TestTooMuchBacklog(t *testing.T) {
	t.Parallel()
	p := &pressure{}
	h := build(t, func(c *httpd.Config) { c.Pressure = p })
	h.organization("acme")
	h.eventType("acme", "order.paid")
	key := h.platformKey()
	p.refuse = true
	before := h.facts()
	a := h.want(503, "POST", events, key, `{"type":"order.paid","data":{}}`)
	checkProblem(t, a)
	if a.header.Get("Retry-After") != "7" || !strings.Contains(a.text(t, "detail"), "backlog") {
		t.Errorf("%s, Retry-After %s", a.body, a.header.Get("Retry-After"))
	}
	if h.facts() != before {
		t.Error("something was recorded")
	}
	p.refuse, p.panics = false, true
	checkProblem(t, h.want(500, "POST", events, key, `{"type":"order.paid","data":{}}`))
	if a := h.want(200, "POST", events, key, `[{"type":"order.paid","data":{}}]`); a.json(t, "0.status") != 500.0 {
		t.Errorf("an item whose handling panicked: %s", a.body)
	}
	p.panics = false
	h.want(202, "POST", events, key, `{"type":"order.paid","data":{}}`)
}

type pressure struct{ refuse, panics bool }

func (p *pressure) Refuse() (string, time.Duration, bool) {
	if p.panics {
		panic("a bug")
	}
	return "the backlog is full", 6500 * time.Millisecond, p.refuse
}

// TestANodeThatIsBehind holds the row request.behind.
func TestANodeThatIsBehind(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.organization("acme")
	key, platform := h.partnerKey("acme"), h.platformKey()
	operator := httptest.NewServer(h.api.OperatorHandler())
	defer operator.Close()
	status := func(path string) int {
		r, err := http.NewRequestWithContext(t.Context(), "GET", operator.URL+path, nil)
		h.must(err)
		return h.do(r).status
	}
	for _, lag := range []struct {
		by     time.Duration
		behind bool
	}{{0, false}, {10 * time.Second, false}, {10*time.Second + 1, true}} {
		h.lag.by.Store(int64(lag.by))
		partner, ready := 200, 200
		if lag.behind {
			partner, ready = 503, 503
		}
		a := h.want(partner, "GET", me, key, "")
		if lag.behind {
			checkProblem(t, a)
			h.want(503, "POST", events, platform, `{}`)
		}
		h.want(401, "GET", me, key+"x", "")
		h.want(200, "GET", orgs, h.operator, "")
		if got := status("/readyz"); got != ready {
			t.Errorf("readyz %d at a lag of %s", got, lag.by)
		}
		for _, path := range []string{"/healthz", "/metrics"} {
			if got := status(path); got != 200 {
				t.Errorf("%s %d", path, got)
			}
		}
	}
}

// Requests that no client makes by accident are answered like all others.
func TestOddRequestsAreAnsweredLikeOthers(t *testing.T) {
	t.Parallel()
	h := build(t)
	for request, status := range map[string]int{"OPTIONS * HTTP/1.1": 404, "CONNECT other:80 HTTP/1.1": 404, "TRACE " + me + " HTTP/1.1": 405,
		"GET /" + me + " HTTP/1.1": 404, "GET /api/v1/partner/./me HTTP/1.1": 404} {
		conn, err := net.Dial("tcp", strings.TrimPrefix(h.url, "http://"))
		h.must(err)
		_, err = fmt.Fprintf(conn, "%s\r\nHost: here\r\nConnection: close\r\nX-Request-Id: odd\r\n\r\n", request)
		h.must(err)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		h.must(err)
		if resp.StatusCode != status || resp.Header.Get("X-Request-Id") != "odd" || resp.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s: %d %v, want a problem of %d", request, resp.StatusCode, resp.Header, status)
		}
		h.must(conn.Close())
	}
}

// Who does not send all that was announced is told so before the connection ends.
func TestABodyThatDoesNotComeIsRefused(t *testing.T) {
	t.Parallel()
	h := build(t)
	server := httptest.NewUnstartedServer(nil)
	server.Config = httpd.NewServer("", h.api)
	const patience = 3 * time.Second
	server.Config.WriteTimeout -= server.Config.ReadTimeout - patience // as long after the last byte is awaited as always
	server.Config.ReadTimeout = patience
	server.Start()
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	h.must(err)
	defer conn.Close()
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{", orgs, h.operator)
	h.must(err)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	h.must(err)
	if resp.StatusCode != 422 {
		t.Errorf("answered %d, want 422", resp.StatusCode)
	}
}

// TestAWriteNotShownYet holds the row request.late.
func TestAWriteNotShownYet(t *testing.T) {
	t.Parallel()
	h := build(t)
	a := h.want(503, "GET", me, h.platformKey(), "", "Hooklog-Position", "ff-0")
	checkProblem(t, a)
}

func TestReadingWhatOneWrote(t *testing.T) {
	t.Parallel()
	h := build(t)
	a := h.want(201, "POST", orgs, h.operator, `{"slug":"acme","name":"<Acme> & Söhne"}`)
	at := a.header.Get("Hooklog-Position")
	if at == "" {
		t.Fatal("no position")
	}
	if a = h.want(200, "GET", orgs+"/acme", h.operator, "", "Hooklog-Position", at); a.text(t, "name") != "<Acme> & Söhne" || !strings.Contains(a.body, "<Acme> & ") {
		t.Errorf("got %s", a.body)
	}
}

func TestStopping(t *testing.T) {
	t.Parallel()
	stopping := false
	h := build(t, func(c *httpd.Config) { c.Stopping = func() bool { return stopping } })
	status := func() int {
		w := httptest.NewRecorder()
		h.api.OperatorHandler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/readyz", nil))
		return w.Code
	}
	if got := status(); got != 200 {
		t.Errorf("readyz %d", got)
	}
	stopping = true
	if got := status(); got != 503 {
		t.Errorf("readyz %d while stopping", got)
	}
}

func TestMetricsNameRoutesAndNothingThatCallersChose(t *testing.T) {
	t.Parallel()
	s := stage(t)
	s.call("GET", "/secret-path", s.partner, "")
	s.call("DELETE", webhooks+"/"+s.active, s.partner, "")
	w := httptest.NewRecorder()
	s.api.OperatorHandler().ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	shown := w.Body.String()
	for _, want := range []string{
		`hooklog_http_requests_total{method="DELETE",route="/api/v1/partner/webhooks/{webhook}",status="2xx"} 2`,
		`hooklog_http_requests_total{method="",route="none",status="4xx"} 1`,
		`hooklog_published_total{result="accepted"} 2`,
		`hooklog_http_request_seconds_count{`,
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("no %s", want)
		}
	}
	for _, never := range []string{"acme", "secret-path", s.active, s.partnerID} {
		if strings.Contains(shown, never) {
			t.Errorf("the metrics show %s", never)
		}
	}
}

func TestNothingLoggedIsSecret(t *testing.T) {
	t.Parallel()
	s := stage(t)
	for _, r := range s.refusals() {
		s.call(r.method, r.path, r.key, r.body, r.headers...)
	}
	logged := s.logged.String()
	if !strings.Contains(logged, "request answered") {
		t.Fatal("nothing was logged")
	}
	for _, secret := range []string{s.secret, s.disabledSecret, s.partner, s.platform, s.operator, s.revoked} {
		if strings.Contains(logged, secret[len(secret)-43:]) {
			t.Error("a secret was logged")
		}
	}
}
