package http_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hooklog/hooklog/domain"
	httpd "github.com/hooklog/hooklog/http"
	"github.com/hooklog/hooklog/projections"
)

const simulations = "/api/v1/simulations"

// simulationOf is a request about the last hour and the next, with further members.
func simulationOf(members string) string {
	now := time.Now().UTC()
	return fmt.Sprintf(`{"from":%q,"to":%q%s}`, now.Add(-time.Hour).Format(time.RFC3339), now.Add(time.Hour).Format(time.RFC3339), members)
}

// TestASimulationIsTold holds the row simulations.run.
func TestASimulationIsTold(t *testing.T) {
	t.Parallel()
	s := stage(t)
	s.attempts(s.event, s.active, 503, 0)
	facts := s.facts()
	a := s.want(200, "POST", simulations, s.operator, simulationOf(""))
	for member, want := range map[string]any{"retry_schedule": nil, "disable_after": nil, "total.deliveries": 2.0, "total.recorded.attempts": 2.0,
		"total.simulated.attempts": 2.0, "total.recorded.delivered": 1.0, "total.simulated.open": 1.0, "total.saved.known": 0.0, "total.lost.known": 0.0,
		"total.extra_attempts": 0.0, "total.results.known": 2.0, "total.results.unknown": 0.0, "disabled.recorded": 0.0, "more_webhooks": 0.0} {
		if got := a.json(t, member); got != want {
			t.Errorf("%s is %v, want %v", member, got, want)
		}
	}
	if len(a.json(t, "webhooks").([]any)) != 2 || len(a.json(t, "assumptions").([]any)) < 5 {
		t.Errorf("told: %s", a.body)
	}
	a = s.want(200, "POST", simulations, s.operator, simulationOf(`,"organization":"acme","subscription":"`+s.active+`","disable_after":1,"retry_schedule":["2s","168h"]`))
	if a.json(t, "total.deliveries") != 1.0 || a.json(t, "total.lost.known") != 1.0 || a.json(t, "total.simulated.cancelled") != 1.0 ||
		a.json(t, "disabled.simulated") != 1.0 || a.json(t, "webhooks.0.id") != s.active || a.json(t, "webhooks.0.simulated_disabled_at") == nil ||
		a.json(t, "webhooks.0.recorded_disabled_at") != nil || a.json(t, "disable_after") != 1.0 || a.json(t, "subscription_id") != s.active {
		t.Errorf("disabled by the first failure: %s", a.body)
	}
	if s.facts() != facts {
		t.Error("a simulation was recorded")
	}
	s.want(200, "POST", simulations, s.operator, simulationOf(`,"subscription":"`+s.deleted+`"`))
	for _, bad := range []string{`"organization":""`, `"subscription":""`, `"subscription":"wh_x"`, `"subscription":"` + s.active + `","organization":"other"`, `"organization":"nobody"`} {
		s.want(404, "POST", simulations, s.operator, simulationOf(","+bad))
	}
}

// slowFold is a fold whose simulations last until they are let go or given up.
type slowFold struct {
	*projections.Fold
	begun chan struct{}
	goOn  chan struct{}
	given atomic.Int32
}

func (f *slowFold) Simulate(ctx context.Context, r domain.SimulationRequest) (domain.SimulationReport, error) {
	f.begun <- struct{}{}
	select {
	case <-f.goOn:
		return f.Fold.Simulate(ctx, r)
	case <-ctx.Done():
		f.given.Add(1)
		return domain.SimulationReport{}, ctx.Err()
	}
}

// slowly builds a house in which simulations last.
func slowly(t *testing.T, change ...func(*httpd.Config)) (*house, *slowFold) {
	f := &slowFold{begun: make(chan struct{}, 8), goOn: make(chan struct{})}
	h := build(t, append(change, func(c *httpd.Config) {
		f.Fold = c.Fold.(*projections.Fold)
		c.Fold = f
	})...)
	return h, f
}

// TestTwoSimulationsAtOnce holds the row simulation.busy.
func TestTwoSimulationsAtOnce(t *testing.T) {
	t.Parallel()
	h, f := slowly(t)
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	statuses := make(chan int, 2)
	ask := func(ctx context.Context) {
		r, err := http.NewRequestWithContext(ctx, "POST", h.url+simulations, strings.NewReader(simulationOf("")))
		h.must(err)
		r.Header.Set("Authorization", "Bearer "+h.operator)
		r.Header.Set("Content-Type", "application/json")
		resp, err := h.client.Do(r)
		if err != nil {
			statuses <- 0
			return
		}
		statuses <- resp.StatusCode
		if err := resp.Body.Close(); err != nil {
			t.Error(err)
		}
	}
	go ask(ctx)
	go ask(t.Context())
	<-f.begun
	<-f.begun
	a := h.want(503, "POST", simulations, h.operator, simulationOf("")) // simulation.busy
	if a.header.Get("Retry-After") == "" || !strings.Contains(a.body, "simulations are under way") {
		t.Errorf("the third: %v %s", a.header, a.body)
	}
	leave()
	if got := <-statuses; got != 0 {
		t.Errorf("who left was answered %d", got)
	}
	for f.given.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	close(f.goOn)
	if got := <-statuses; got != 200 {
		t.Errorf("the other: %d", got)
	}
	h.want(200, "POST", simulations, h.operator, simulationOf(""))
}

func TestASimulationEndsWithTheNode(t *testing.T) {
	t.Parallel()
	var stopping atomic.Bool
	h, f := slowly(t, func(c *httpd.Config) { c.Stopping = stopping.Load })
	go func() {
		<-f.begun
		stopping.Store(true)
	}()
	if a := h.want(503, "POST", simulations, h.operator, simulationOf("")); !strings.Contains(a.body, "stopping") {
		t.Errorf("got %s", a.body)
	}
}

func TestASimulationMayOutlastTheServersDeadlines(t *testing.T) {
	t.Parallel()
	h, f := slowly(t)
	server := httptest.NewUnstartedServer(nil)
	server.Config = httpd.NewServer("", h.api)
	const deadline = 3 * time.Second // which a busy machine may take to read the request
	server.Config.ReadTimeout, server.Config.WriteTimeout = deadline, deadline
	server.Start()
	defer server.Close()
	h.url = server.URL
	go func() {
		<-f.begun
		time.Sleep(deadline * 3 / 2)
		close(f.goOn)
	}()
	h.want(200, "POST", simulations, h.operator, simulationOf(""))
}

// patientRecorder is a recorder that takes deadlines.
type patientRecorder struct{ *httptest.ResponseRecorder }

func (patientRecorder) SetReadDeadline(time.Time) error  { return nil }
func (patientRecorder) SetWriteDeadline(time.Time) error { return nil }

// FuzzSimulation: a body is answered with a report or a refusal that names what is wrong; none is a fault.
func FuzzSimulation(f *testing.F) {
	h := build(f)
	h.organization("acme")
	for _, seed := range []string{"", "{}", "[]", `{"from":"2026-01-01T00:00:00Z","to":"2026-01-02T00:00:00Z"}`,
		`{"from":"2026-01-01T00:00:00Z","to":"2026-01-02T00:00:00Z","retry_schedule":["1s","168h"],"disable_after":0,"organization":"acme"}`,
		`{"from":"0001-01-01T00:00:00Z","to":"9999-12-31T23:59:59Z","retry_schedule":null,"disable_after":null}`,
		`{"from":1,"to":{},"retry_schedule":["1s",2],"disable_after":1e99,"organization":"","subscription":"wh_"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		r := httptest.NewRequestWithContext(t.Context(), "POST", simulations, bytes.NewReader(body))
		r.Header.Set("Authorization", "Bearer "+h.operator)
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.api.ServeHTTP(patientRecorder{w}, r)
		if w.Code != 200 && w.Code != 404 && w.Code != 413 && w.Code != 422 || !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%q: %d %s", body, w.Code, w.Body)
		}
	})
}
