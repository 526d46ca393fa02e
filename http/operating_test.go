package http_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	httpd "github.com/hooklog/hooklog/http"
)

// oneGroup is a log with one consumer group that has set facts aside.
type oneGroup struct{ parked int }

func (g *oneGroup) Groups(context.Context) ([]httpd.GroupState, error) {
	return []httpd.GroupState{{Name: "work-v1", Own: true, Checkpoint: eventlog.PositionOf(0, 7), LastKnown: eventlog.PositionOf(0, 12),
		Behind: 5, InFlight: 2, Parked: g.parked, Consumers: 1}}, nil
}

func (g *oneGroup) ReplayParked(_ context.Context, name string) (int, error) {
	if name != "work-v1" {
		return 0, domain.Refuse(domain.NotFound, "no such group")
	}
	n := g.parked
	g.parked = 0
	return n, nil
}

// backupsTold answer as they are told.
type backupsTold struct{ err error }

func (b *backupsTold) Backup(context.Context) (httpd.Backup, error) {
	return httpd.Backup{Name: "20260102T030405.000006Z", Directory: "/data/backups/20260102T030405.000006Z", Position: eventlog.PositionOf(0, 9),
		Bytes: 4096, CreatedAt: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC), Took: 1500 * time.Millisecond}, b.err
}

func TestGroupsAreToldAndReplayed(t *testing.T) {
	t.Parallel()
	h := build(t, func(c *httpd.Config) { c.Groups, c.Node = &oneGroup{parked: 3}, "node:0123456789abcdef" })
	a := h.want(200, "GET", "/api/v1/groups", h.operator, "")
	want := `{"node":"node:0123456789abcdef","items":[{"name":"work-v1","own":true,"checkpoint":"0-7","last_known":"0-c","behind":5,"in_flight":2,"parked":3,"consumers":1}],"next_cursor":null}`
	if strings.TrimSpace(a.body) != want {
		t.Errorf("got  %swant %s", a.body, want)
	}
	for _, n := range []string{"3", "0"} {
		a = h.want(200, "POST", "/api/v1/groups/work-v1/replay-parked", h.operator, "")
		if want := `{"node":"node:0123456789abcdef","name":"work-v1","replayed":` + n + `}`; strings.TrimSpace(a.body) != want {
			t.Errorf("got %swant %s", a.body, want)
		}
	}
}

func TestABackupIsTold(t *testing.T) {
	t.Parallel()
	b := &backupsTold{}
	h := build(t, func(c *httpd.Config) { c.Backups, c.Node = b, "node:0123456789abcdef" })
	a := h.want(201, "POST", "/api/v1/backups", h.operator, "")
	want := `{"node":"node:0123456789abcdef","name":"20260102T030405.000006Z","directory":"/data/backups/20260102T030405.000006Z","position":"0-9","bytes":4096,"created_at":"2026-01-02T03:04:05.000006Z","took_ms":1500}`
	if strings.TrimSpace(a.body) != want {
		t.Errorf("got  %swant %s", a.body, want)
	}
	for status, err := range map[int]error{http.StatusConflict: domain.Refuse(domain.Conflict, "a backup is being made"), http.StatusServiceUnavailable: domain.Refuse(domain.Unavailable, "no room")} { // `backup.running`, `backup.disk`
		b.err = err
		checkProblem(t, h.want(status, "POST", "/api/v1/backups", h.operator, ""))
	}
}

// Operators ask a node that is behind what is the matter with it.
func TestOperatorsAreAnsweredByANodeThatIsBehind(t *testing.T) {
	t.Parallel()
	h := build(t)
	h.lag.by.Store(int64(time.Minute))
	for _, path := range []string{"GET /api/v1/groups", "POST /api/v1/groups/work-v1/replay-parked", "POST /api/v1/backups", "GET /api/v1/doctor"} {
		method, path, _ := strings.Cut(path, " ")
		if a := h.call(method, path, h.operator, ""); a.status >= 300 {
			t.Errorf("%s %s: %d %s", method, path, a.status, a.body)
		}
	}
}

// healthy finds nothing, unless it looks deep.
type healthy struct{}

func (healthy) Doctor(_ context.Context, deep bool) (httpd.Diagnosis, error) {
	d := httpd.Diagnosis{Checks: 3}
	if deep {
		d.Findings = []httpd.Finding{{Check: "orphans.messages", Severity: "warning", Found: "Something.", Do: "Something else."}}
	}
	return d, nil
}

func TestADiagnosisIsTold(t *testing.T) {
	t.Parallel()
	h := build(t, func(c *httpd.Config) { c.Node = "node:0123456789abcdef" })
	for query, findings := range map[string]string{"": "[]", "?deep=false": "[]",
		"?deep=true": `[{"check":"orphans.messages","severity":"warning","found":"Something.","do":"Something else."}]`} {
		a := h.want(200, "GET", "/api/v1/doctor"+query, h.operator, "")
		if want := `{"node":"node:0123456789abcdef","checks":3,"findings":` + findings + `}`; strings.TrimSpace(a.body) != want {
			t.Errorf("got  %swant %s", a.body, want)
		}
	}
}
