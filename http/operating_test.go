package http_test

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	httpd "github.com/hooklog/hooklog/http"
	"github.com/hooklog/hooklog/projections"
)

// oneGroup is a log with one consumer group that has set facts aside.
type oneGroup struct{ parked int }

func (g *oneGroup) Groups(context.Context) ([]httpd.GroupState, error) {
	return []httpd.GroupState{{Name: "work-v1", Own: true, Checkpoint: eventlog.PositionOf(0, 7), LastKnown: eventlog.PositionOf(0, 12),
		Behind: new(uint64(5)), InFlight: 2, Parked: g.parked, Consumers: 1}}, nil
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

// TestGroupsAreToldAndReplayed holds the rows groups.list and groups.replay.
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

// TestABackupIsTold holds the rows backups.make, backup.running and backup.disk.
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
	for _, path := range []string{"GET /api/v1/groups", "POST /api/v1/groups/work-v1/replay-parked", "POST /api/v1/backups", "GET /api/v1/doctor",
		"GET /api/v1/projections", "POST /api/v1/projections/catalogue/verify"} {
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

// TestADiagnosisIsTold holds the row doctor.examine.
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

// projectionsTold is a fold whose projections answer as they are told.
type projectionsTold struct {
	httpd.Fold
	rebuild *projections.RebuildProgress
	busy    bool
	asked   []string
	verify  projections.Verification
}

func (p *projectionsTold) State() []projections.ProjectionState {
	return []projections.ProjectionState{{Name: "due", Version: 2, State: projections.StateRebuilding, Lag: 1500 * time.Millisecond,
		With: []string{"deliveries"}, Rebuild: p.rebuild}, {Name: "keys", Version: 1, State: projections.StateLive}}
}

func (p *projectionsTold) Mismatches() map[string]uint64 { return map[string]uint64{"due": 4} }

func (p *projectionsTold) Rebuild(names ...string) (projections.RebuildProgress, error) {
	if p.busy {
		return projections.RebuildProgress{}, domain.Refuse(domain.Conflict, "a rebuild is running")
	}
	p.asked = names
	return *p.rebuild, nil
}

func (p *projectionsTold) CancelRebuild(name string) error {
	p.asked = []string{"not", name}
	return nil
}

func (p *projectionsTold) Verify(_ context.Context, name string, limit int) (projections.Verification, error) {
	if p.busy {
		return projections.Verification{}, domain.Refuse(domain.Conflict, "a rebuild is running")
	}
	p.asked = []string{"verify", name, strconv.Itoa(limit)}
	return p.verify, nil
}

// TestProjectionsAreToldAndRebuilt holds the rows projections.list, projections.rebuild and projections.cancel.
func TestProjectionsAreToldAndRebuilt(t *testing.T) {
	t.Parallel()
	p := &projectionsTold{rebuild: &projections.RebuildProgress{Names: []string{"due", "deliveries"}, Why: projections.WhyRequested,
		State: projections.RebuildRunning, StartedAt: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC), Facts: 500, Position: eventlog.PositionOf(0, 500),
		Head: eventlog.PositionOf(0, 1000), Share: 0.5, FactsPerSecond: 250, ETA: 2 * time.Second}}
	h := build(t, func(c *httpd.Config) { p.Fold, c.Fold, c.Node = c.Fold, p, "node:0123456789abcdef" })
	rebuild := `"projections":["due","deliveries"],"why":"requested","state":"running","started_at":"2026-01-02T03:04:05.000006Z","ended_at":null,` +
		`"facts":500,"position":"0-1f4","head":"0-3e8","share":0.5,"facts_per_second":250,"eta_seconds":2}`
	for _, c := range []struct {
		status             int
		method, path, want string
		asked              []string
	}{
		{200, "GET", "", `{"node":"node:0123456789abcdef","items":[{"name":"due","version":2,"state":"rebuilding","lag_seconds":1.5,"mismatches":4,"with":["deliveries"],"rebuild":{` + rebuild + `},` +
			`{"name":"keys","version":1,"state":"live","lag_seconds":0,"mismatches":0,"with":[],"rebuild":null}],"next_cursor":null}`, nil},
		{202, "POST", "/rebuild", `{"node":"node:0123456789abcdef",` + rebuild, nil},
		{202, "POST", "/due/rebuild", `{"node":"node:0123456789abcdef",` + rebuild, []string{"due"}},
		{204, "DELETE", "/due/rebuild", ``, []string{"not", "due"}},
	} {
		a := h.want(c.status, c.method, "/api/v1/projections"+c.path, h.operator, "")
		if strings.TrimSpace(a.body) != c.want || !slices.Equal(p.asked, c.asked) {
			t.Errorf("%s %s asked for %q\ngot  %swant %s", c.method, c.path, p.asked, a.body, c.want)
		}
	}
}

// TestAVerificationIsTold holds the rows projections.verify and projection.busy.
func TestAVerificationIsTold(t *testing.T) {
	t.Parallel()
	p := &projectionsTold{verify: projections.Verification{Name: "due", At: eventlog.PositionOf(0, 12), Facts: 12, Rows: 3, More: 7, Took: 90 * time.Second,
		Differences: []projections.Difference{{Projection: "due", Key: "del_1", Live: []byte(`{"a":1}`)}}}}
	h := build(t, func(c *httpd.Config) { p.Fold, c.Fold, c.Node = c.Fold, p, "node:0123456789abcdef" })
	a := h.want(200, "POST", "/api/v1/projections/due/verify?limit=3", h.operator, "")
	want := `{"node":"node:0123456789abcdef","name":"due","position":"0-c","facts":12,"rows":3,"differences":[{"projection":"due","key":"del_1","live":{"a":1},"again":null}],"more":7,"took_ms":90000}`
	if strings.TrimSpace(a.body) != want || !slices.Equal(p.asked, []string{"verify", "due", "3"}) {
		t.Errorf("asked for %q\ngot  %swant %s", p.asked, a.body, want)
	}
	p.busy = true
	for _, path := range []string{"rebuild", "due/rebuild", "due/verify"} { // `projection.busy`
		checkProblem(t, h.want(409, "POST", "/api/v1/projections/"+path, h.operator, ""))
	}
}
