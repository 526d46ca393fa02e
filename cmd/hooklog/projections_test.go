package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2"
)

// failureRows is the first byte of the rows of the projection failures, as package projections lays them out.
const failureRows = 9

// loseFailures deletes the rows of failures in the read models of a stopped server.
func loseFailures(t *testing.T, data string) {
	t.Helper()
	db, err := pebble.Open(filepath.Join(data, "projections"), &pebble.Options{FormatMajorVersion: pebble.FormatTableFormatV6, ErrorIfNotExists: true, Logger: silent{}})
	if err != nil {
		t.Fatal(err)
	}
	for _, colour := range []byte{0, 0x80} {
		first := failureRows | colour
		if err := db.DeleteRange([]byte{first}, []byte{first + 1}, pebble.Sync); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

type silent struct{}

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}
func (silent) Fatalf(string, ...any) {}

func TestProjectionsAreVerifiedAndRebuiltFromTheCommandLine(t *testing.T) {
	t.Parallel()
	h := startHook(t)
	h.answerNext(500, 500)
	s := serve(t, t.TempDir())
	s.begin(t, "acme", h, "1s", "1s")
	s.publish(t, "acme", `{}`)
	eventually(t, "both failures are followed by a success", func() bool { return len(h.got()) == 3 })
	list := decode[[]projection](t, succeed(t, s.env(), "projections", "list", "--json"))
	var names []string
	for _, p := range list {
		names = append(names, p.Name)
	}
	if !slices.Contains(names, "failures") || !slices.Contains(names, "due") {
		t.Errorf("projections list: %v", names)
	}
	for _, name := range names {
		if out := succeed(t, s.env(), "projections", "verify", name); !strings.Contains(out, " 0 differ.") {
			t.Errorf("verify %s: %s", name, out)
		}
	}
	s.stop()
	loseFailures(t, s.data)

	s = serve(t, s.data)
	o := hooklog(t, s.env(), "projections", "verify", "failures")
	if o.code != exitFailed || !strings.Contains(o.out, "is missing; the log says {") || !strings.Contains(o.out, " 2 differ.") || !strings.Contains(o.err, "puts them right") {
		t.Errorf("verify of lost rows: exit code %d\n%s%s", o.code, o.out, o.err)
	}
	if o := hooklog(t, s.env(), "projections", "verify", "failures", "--json", "--limit", "1"); o.code != exitFailed || decode[verification](t, o.out).More != 1 {
		t.Errorf("verify --json of lost rows: exit code %d\n%s%s", o.code, o.out, o.err)
	}
	if list := succeed(t, s.env(), "projections", "list"); !strings.Contains(list, "failures") {
		t.Errorf("projections list:\n%s", list)
	}
	if o := hooklog(t, s.env(), "doctor"); o.code != exitCritical || !strings.Contains(o.out, "projections.differ") {
		t.Errorf("doctor after a mismatch: exit code %d\n%s%s", o.code, o.out, o.err)
	}
	if out := succeed(t, s.env(), "projections", "rebuild", "failures"); !strings.Contains(out, "failures: folded again") {
		t.Errorf("rebuild: %s", out)
	}
	succeed(t, s.env(), "projections", "verify", "failures")
	done := decode[rebuild](t, succeed(t, s.env(), "projections", "rebuild", "--all", "--json"))
	if done.State != "switched" || len(done.Projections) != len(names) || done.Share != 1 {
		t.Errorf("rebuild --all: %+v", done)
	}
	if out := succeed(t, s.env(), "projections", "rebuild", "keys", "--wait=false"); !strings.Contains(out, "keys are folded again") {
		t.Errorf("rebuild without waiting: %s", out)
	}
	fail(t, exitFailed, s.env(), []string{"projections", "verify", "nothing"}, "404", "no such projection")
	fail(t, exitUsage, s.env(), []string{"projections", "rebuild"}, "NAME (or --all)")
	fail(t, exitUsage, s.env(), []string{"projections", "rebuild", "--all", "keys"}, "takes no argument")
}

func TestARebuildIsCancelledFromTheCommandLine(t *testing.T) {
	t.Parallel()
	h := startHook(t)
	s := serve(t, t.TempDir(), "--rebuild-rate", "1")
	s.begin(t, "acme", h)
	many := slices.Repeat([]event{{Type: "order.paid", Data: json.RawMessage(`{}`)}}, 1000) // more than a rebuild may fold at once
	if err := s.clientOf(t, "").do(t.Context(), http.MethodPost, organizationPath("acme", "events"), many, nil); err != nil {
		t.Fatal(err)
	}
	begun := decode[rebuild](t, succeed(t, s.env(), "projections", "rebuild", "failures", "--wait=false", "--json"))
	if begun.State != running || !slices.Equal(begun.Projections, []string{"failures"}) {
		t.Errorf("rebuild --wait=false: %+v", begun)
	}
	if list := succeed(t, s.env(), "projections", "list"); !strings.Contains(list, "rebuilding") {
		t.Errorf("projections list does not show the rebuild:\n%s", list)
	}
	fail(t, exitFailed, s.env(), []string{"projections", "verify", "due"}, "409")
	fail(t, exitFailed, s.env(), []string{"projections", "rebuild", "--all"}, "409")
	if out := succeed(t, s.env(), "projections", "cancel", "failures"); !strings.Contains(out, "is cancelled") {
		t.Errorf("cancel: %s", out)
	}
	if list := succeed(t, s.env(), "projections", "list"); !strings.Contains(list, "cancelled ") || strings.Contains(list, "rebuilding") {
		t.Errorf("projections list after cancelling:\n%s", list)
	}
	fail(t, exitFailed, s.env(), []string{"projections", "cancel", "failures"}, "404", "no rebuild")
}

// slowRebuild is a server whose rebuild goes on until it is told otherwise.
type slowRebuild struct {
	state atomic.Value // string
	away  atomic.Bool
	polls atomic.Int64
}

func (s *slowRebuild) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := map[string]any{"projections": []string{"due"}, "state": s.state.Load(), "started_at": "t", "facts": 7, "share": 0.25, "facts_per_second": 3, "eta_seconds": 9, "error": "no room"}
	w.Header().Set("Content-Type", "application/json")
	switch {
	case s.away.Load() && r.Method == http.MethodGet:
		w.WriteHeader(http.StatusBadGateway)
		return
	case r.Method == http.MethodPost:
		w.WriteHeader(http.StatusAccepted)
		_ = json.NewEncoder(w).Encode(body)
		return
	}
	s.polls.Add(1)
	_ = json.NewEncoder(w).Encode(map[string]any{"items": []any{map[string]any{"name": "due", "rebuild": body}}})
}

func startSlowRebuild(t *testing.T) (*slowRebuild, []string) {
	t.Helper()
	slow := &slowRebuild{}
	slow.state.Store("running")
	server := httptest.NewServer(slow)
	t.Cleanup(server.Close)
	return slow, []string{"HOOKLOG_URL=" + server.URL, "HOOKLOG_KEY=hlk_live_x.y"}
}

func TestInterruptingTheCommandLeavesTheRebuildRunning(t *testing.T) {
	t.Parallel()
	slow, env := startSlowRebuild(t)
	ctx, interrupt := context.WithCancel(t.Context())
	var out, complaint buffer
	ended := make(chan int, 1)
	go func() {
		ended <- run(ctx, []string{"projections", "rebuild", "due"}, env, strings.NewReader(""), &out, &complaint)
	}()
	eventually(t, "the command follows the rebuild", func() bool { return slow.polls.Load() > 1 })
	interrupt()
	if code := <-ended; code != exitInterrupted || !strings.Contains(complaint.String(), "goes on in the server") || !strings.Contains(complaint.String(), "projections cancel due") {
		t.Errorf("exit code %d\n%s%s", code, out.String(), complaint.String())
	}
	if !strings.Contains(complaint.String(), " 25.0 %  7 facts  3 facts/s  9s left\n") {
		t.Errorf("no line says how far it is:\n%s", complaint.String())
	}
}

func TestARebuildThatIsNotSwitchedToIsAFailure(t *testing.T) {
	t.Parallel()
	for state, says := range map[string]string{"cancelled": "was cancelled", "failed": "failed; what served before serves on: no room"} {
		slow, env := startSlowRebuild(t)
		slow.away.Store(true) // as while it restarts
		go func() {
			slow.state.Store(state)
			slow.away.Store(false)
		}()
		fail(t, exitFailed, env, []string{"projections", "rebuild", "due"}, says)
	}
}

func TestAProgressBarMovesOnATerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	b := &progressBar{to: &out, terminal: true}
	b.show(0.5, "half of it")
	b.show(1, "all")
	b.end()
	half, all := strings.Repeat("█", 15)+strings.Repeat("·", 15), strings.Repeat("█", 30)
	if want := "\r[" + half + "] half of it\r[" + all + "] all       \n"; out.String() != want {
		t.Errorf("got %q, want %q", out.String(), want)
	}
}

func TestADifferenceIsToldByItsMembers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ live, again, want string }{
		{`{"a":1,"b":{"c": 2},"d":3}`, `{"a":1,"b":{"c":3}}`, `b is {"c":2}; the log says {"c":3}|d is 3; the log says nothing`},
		{``, `{"a":1}`, `is missing; the log says {"a":1}`},
		{`{"a":1}`, `null`, `should not be there: {"a":1}`},
		{`[1]`, `[2]`, `is [1]|the log says [2]`},
	} {
		if got := strings.Join(difference{Live: []byte(c.live), Again: []byte(c.again)}.lines(), "|"); got != c.want {
			t.Errorf("%s and %s: got %s, want %s", c.live, c.again, got, c.want)
		}
	}
}
