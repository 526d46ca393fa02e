package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hooklog/hooklog/commands"
	"github.com/hooklog/hooklog/eventlog/embedded"
	"github.com/hooklog/hooklog/webhook"
)

func TestClientCommandsAgainstAServer(t *testing.T) {
	t.Parallel()
	h := startHook(t)
	s := serve(t, t.TempDir())
	env := s.env()

	if info, err := os.Stat(filepath.Join(s.data, "operator.key")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("operator.key: %v, %v; want mode 0600", info, err)
	}
	made := decode[organization](t, succeed(t, env, "orgs", "create", "acme", "--name", "Acme <&> Söhne", "--retry-schedule", "1s,2s", "--json"))
	if !strings.HasPrefix(made.ID, "org_") || made.Name != "Acme <&> Söhne" || len(made.RetrySchedule) != 2 {
		t.Errorf("orgs create answered %+v", made)
	}
	fail(t, exitFailed, env, []string{"orgs", "create", "acme"}, "409")
	fail(t, exitFailed, env, []string{"orgs", "create", "Not A Slug"}, "422", "slug:")
	if list := succeed(t, env, "orgs", "list"); !strings.Contains(list, made.ID) {
		t.Errorf("orgs list lacks the organization:\n%s", list)
	}

	key := decode[apiKey](t, succeed(t, env, "keys", "issue", "--org", "acme", "--scopes", "webhooks:manage", "--json"))
	if !strings.HasPrefix(key.Key, "vck_"+key.KeyID+".") {
		t.Errorf("keys issue answered no whole key for %s", key.KeyID)
	}
	fail(t, exitFailed, env, []string{"keys", "issue", "--org", "acme", "--scopes", "leads:read"}, "422", "scopes[0]", "reserved")
	if list := succeed(t, env, "keys", "list", "--org", "acme"); !strings.Contains(list, key.KeyID) || strings.Contains(list, key.Key) {
		t.Errorf("keys list:\n%s", list)
	}
	platform := decode[apiKey](t, succeed(t, env, "keys", "issue", "--scopes", "events:publish", "--organizations", "acme", "--json"))
	rotated := decode[apiKey](t, succeed(t, env, "keys", "rotate", platform.KeyID, "--overlap", "0s", "--json"))
	if rotated.Key == platform.Key {
		t.Error("keys rotate gave the old key")
	}

	succeed(t, env, "event-types", "define", "order.paid", "--org", "acme", "--description", "An order was paid")
	if list := succeed(t, env, "event-types", "list", "--org", "acme"); !strings.Contains(list, "An order was paid") {
		t.Errorf("event-types list:\n%s", list)
	}

	var sub subscription
	if err := s.clientOf(t, key.Key).do(t.Context(), http.MethodPost, webhooksPath, map[string]any{"url": h.url, "events": []string{"order.paid"}}, &sub); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ env, args []string }{
		{env, []string{"subscriptions", "list", "--org", "acme"}},
		{append(env, "HOOKLOG_KEY="+key.Key), []string{"subscriptions", "list"}},
	} {
		if list := succeed(t, c.env, c.args...); !strings.Contains(list, sub.ID) || !strings.Contains(list, "active") || strings.Contains(list, "whsec_") {
			t.Errorf("subscriptions list:\n%s", list)
		}
	}

	fail(t, exitFailed, append(env, "HOOKLOG_KEY="+platform.Key), []string{"events", "publish", "order.paid", "{}", "--org", "acme"}, "401")
	fail(t, exitFailed, append(env, "HOOKLOG_KEY="+key.Key), []string{"events", "publish", "order.paid", "{}", "--org", "acme"}, "403")
	o := hooklogIn(t, `{"order":"Ä-1"}`, append(env, "HOOKLOG_KEY="+rotated.Key), "events", "publish", "order.paid", "-", "--org", "acme", "--id", "o-1", "--json")
	if o.code != exitOK {
		t.Fatalf("events publish: %s", o.err)
	}
	sent := decode[published](t, o.out)
	if sent.Deliveries != 1 {
		t.Errorf("published to %d subscriptions, want 1", sent.Deliveries)
	}
	eventually(t, "the delivery arrives", func() bool { return len(h.got()) == 1 })
	got := h.got()[0]
	if err := webhook.Default().Verify([]string{sub.Secret}, got.header, got.body, time.Now(), 0); err != nil {
		t.Errorf("the delivery's signature: %v", err)
	}
	if !bytes.Contains(got.body, []byte(`"data":{"order":"Ä-1"}`)) {
		t.Errorf("the body is %s", got.body)
	}
	id := deliveryID(t, sent.EventID, sub.ID)
	eventually(t, "the attempt is recorded", func() bool {
		d, shown := standing(t, env, id)
		return shown && d.Status == "success"
	})
	history := succeed(t, env, "deliveries", "show", id)
	for _, text := range []string{id, sent.EventID, sub.ID, "MessagePublished.v1", "AttemptSucceeded.v1", "answered 200"} {
		if !strings.Contains(history, text) {
			t.Errorf("deliveries show lacks %q:\n%s", text, history)
		}
	}
	fail(t, exitFailed, env, []string{"deliveries", "show", "del_x"}, "404")

	succeed(t, env, "keys", "revoke", key.KeyID, "--org", "acme")
	fail(t, exitFailed, append(env, "HOOKLOG_KEY="+key.Key), []string{"subscriptions", "list"}, "401")
	fail(t, exitFailed, nil, []string{"log", "verify", "--data", s.data}, "in use", "stop the server first")
	if code := s.stop(); code != exitOK {
		t.Errorf("the server ended with %d:\n%s", code, s.log)
	}
}

func TestALogIsOpenedWithItsOwnKeysetOnly(t *testing.T) {
	t.Parallel()
	h := startHook(t)
	data := t.TempDir()
	s := serve(t, data)
	made := s.begin(t, "acme", h)
	s.publish(t, "acme", `{}`)
	eventually(t, "the delivery arrives", func() bool { return len(h.got()) == 1 })
	operator, err := os.ReadFile(filepath.Join(data, "operator.key"))
	if err != nil {
		t.Fatal(err)
	}
	s.stop()

	if out := succeed(t, nil, "log", "verify", "--data", data); !strings.Contains(out, "The log is sound") || !strings.Contains(out, "secrets") {
		t.Errorf("log verify said\n%s", out)
	}
	keyset := filepath.Join(data, "keyset.json")
	succeed(t, nil, "keyset", "rotate", keyset)
	s = serve(t, data)
	s.publish(t, "acme", `{"after":"rotation"}`)
	eventually(t, "a delivery after the rotation arrives", func() bool { return len(h.got()) == 2 })
	got := h.got()[1]
	if err := webhook.Default().Verify([]string{made.subscription.Secret}, got.header, got.body, time.Now(), 0); err != nil {
		t.Errorf("the signature after the rotation: %v", err)
	}
	s.stop()
	if again, err := os.ReadFile(filepath.Join(data, "operator.key")); err != nil || !bytes.Equal(again, operator) {
		t.Errorf("the second start changed the operator key (%v)", err)
	}
	found := decode[inspection](t, succeed(t, nil, "log", "verify", "--data", data, "--json"))
	if found.Probe.Opened != 1 || found.DataKeys.Opened != 1 || found.Secrets.Opened != 1 || found.Payloads.Opened != 2 || found.Facts.Closed != 0 {
		t.Errorf("log verify found %+v", found)
	}

	away := filepath.Join(t.TempDir(), "keyset.json")
	if err := os.Rename(keyset, away); err != nil {
		t.Fatal(err)
	}
	serving := []string{"serve", "--data", data, "--listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0"}
	fail(t, exitFailed, nil, serving, "keyset.json is missing", "--keyset")
	if _, err := os.Stat(keyset); err == nil {
		t.Error("a keyset was made for a log that is not new")
	}
	if out := succeed(t, nil, "log", "verify", "--data", data); !strings.Contains(out, "was not tried") {
		t.Errorf("log verify without a keyset said\n%s", out)
	}
	succeed(t, nil, "log", "verify", "--data", data, "--keyset", away)
	succeed(t, nil, "keyset", "new", keyset)
	fail(t, exitFailed, nil, serving, "the keyset does not belong to this log")
	fail(t, exitFailed, nil, []string{"log", "verify", "--data", data}, "does not belong to this log")
	fail(t, exitFailed, nil, []string{"keys", "issue", "--recover", "--data", data}, "does not belong to this log")
	if err := os.Chmod(away, 0o644); err != nil {
		t.Fatal(err)
	}
	fail(t, exitFailed, nil, append(serving, "--keyset", away), "open to group or others")
}

func TestTheWayBackIn(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := serve(t, data)
	fail(t, exitFailed, nil, []string{"keys", "issue", "--recover", "--data", data}, "stop the server first")
	s.stop()
	if err := os.Remove(filepath.Join(data, "operator.key")); err != nil {
		t.Fatal(err)
	}
	key := decode[apiKey](t, succeed(t, nil, "keys", "issue", "--recover", "--data", data, "--json"))
	s = serve(t, data)
	if _, err := os.Stat(filepath.Join(data, "operator.key")); err == nil {
		t.Error("a second operator key was made: one start makes it, no later one")
	}
	succeed(t, append(s.env(), "HOOKLOG_KEY="+key.Key), "orgs", "list")
	fail(t, exitFailed, nil, []string{"keys", "issue", "--recover", "--data", t.TempDir()}, "there is no log")
}

func TestAnInterruptedFirstStartIsTakenUp(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	token, err := commands.NewOperatorToken()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(data, "operator.key")
	if err := os.WriteFile(path, []byte(token.Reveal()+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := serve(t, data)
	succeed(t, append(s.env(), "HOOKLOG_KEY="+token.Reveal()), "orgs", "list")
	s.stop()

	foreign := t.TempDir()
	if err := os.WriteFile(filepath.Join(foreign, "operator.key"), []byte("something else"), 0o600); err != nil {
		t.Fatal(err)
	}
	fail(t, exitFailed, nil, []string{"serve", "--data", foreign, "--listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0"}, "is in the way")
}

func TestADataDirectoryThatCannotBeUsedIsExplained(t *testing.T) {
	t.Parallel()
	start := func(data string, more ...string) []string {
		return append([]string{"serve", "--data", data, "--listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0"}, more...)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	fail(t, exitFailed, nil, start(file), "make the data directory", "not a directory")

	unknown := t.TempDir()
	if err := os.MkdirAll(filepath.Join(unknown, "log"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(unknown, "log", "FORMAT"), []byte("hooklog-log 9\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	fail(t, exitFailed, nil, start(unknown), "format version \"9\"", "this release reads version 2")

	locked := t.TempDir()
	log, err := embedded.Open(filepath.Join(locked, "log"), embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	fail(t, exitFailed, nil, start(locked), "the log is in use")
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}

	s := serve(t, t.TempDir())
	taken := strings.TrimPrefix(s.url, "http://")
	fail(t, exitFailed, nil, []string{"serve", "--data", t.TempDir(), "--listen", taken, "--operator-listen", "127.0.0.1:0"}, "--listen", taken, "in use")

	if os.Geteuid() == 0 {
		t.Log("the superuser may write everywhere: the directory without permission is not tried")
		return
	}
	closed := t.TempDir()
	if err := os.Chmod(closed, 0o500); err != nil {
		t.Fatal(err)
	}
	fail(t, exitFailed, nil, start(closed), "may not write")
}

func TestABackupStandsAlone(t *testing.T) {
	t.Parallel()
	h := startHook(t)
	data := t.TempDir()
	s := serve(t, data)
	s.begin(t, "acme", h)
	s.publish(t, "acme", `{}`)
	eventually(t, "the delivery arrives", func() bool { return len(h.got()) == 1 })
	s.stop()

	restored := t.TempDir()
	out := succeed(t, nil, "log", "backup", filepath.Join(restored, "log"), "--data", data)
	if !strings.Contains(out, "left out") || !strings.Contains(out, "keyset.json") || !strings.Contains(out, "operator.key") {
		t.Errorf("log backup does not say what it leaves out:\n%s", out)
	}
	if names, err := filepath.Glob(filepath.Join(restored, "log", "*key*")); err != nil || len(names) > 0 {
		t.Errorf("the backup holds %v (%v)", names, err)
	}
	fail(t, exitFailed, nil, []string{"log", "backup", filepath.Join(restored, "log"), "--data", data}, "exist")
	dumpOf := func(dir string) string { return succeed(t, nil, "log", "dump", "--data", dir) }
	if got, want := dumpOf(restored), dumpOf(data); got != want || !strings.Contains(got, "hooklog.MessagePublished.v1") {
		t.Errorf("the copy differs from the log:\n%s", got)
	}
	s = serve(t, restored, "--keyset", filepath.Join(data, "keyset.json"))
	operator, err := os.ReadFile(filepath.Join(data, "operator.key"))
	if err != nil {
		t.Fatal(err)
	}
	if list := succeed(t, append(s.env(), "HOOKLOG_KEY="+strings.TrimSpace(string(operator))), "orgs", "list"); !strings.Contains(list, "acme") {
		t.Errorf("the restored server lists\n%s", list)
	}
}

func TestQuickstartShowsEachCall(t *testing.T) {
	t.Parallel()
	h := startHook(t)
	s := serve(t, t.TempDir())
	out := succeed(t, nil, "quickstart", "--url", s.url, "--data", s.data, "--receiver", h.url)
	for _, text := range []string{"/api/v1/organizations'", "/keys'", "/event-types'", webhooksPath + "'", "/events'", "202 Accepted", "whsec_", "$HOOKLOG_KEY", "$PARTNER_KEY"} {
		if !strings.Contains(out, text) {
			t.Errorf("quickstart does not show %q:\n%s", text, out)
		}
	}
	if operator, err := os.ReadFile(filepath.Join(s.data, "operator.key")); err != nil || strings.Contains(out, strings.TrimSpace(string(operator))) {
		t.Errorf("quickstart shows the operator key (%v)", err)
	}
	eventually(t, "the event arrives", func() bool { return len(h.got()) == 1 })
	fail(t, exitFailed, nil, []string{"quickstart", "--url", s.url, "--data", s.data}, "409")

	steps := decode[[]step](t, succeed(t, s.env(), "quickstart", "--slug", "programs", "--receiver", h.url, "--json"))
	if len(steps) != 5 || steps[4].Status != http.StatusAccepted || decode[published](t, string(steps[4].Answer)).Deliveries != 1 {
		t.Errorf("quickstart --json lists %+v", steps)
	}
	again := hooklog(t, s.env(), "quickstart", "--slug", "programs", "--json")
	if steps = decode[[]step](t, again.out); again.code != exitFailed || len(steps) != 1 || steps[0].Status != http.StatusConflict {
		t.Errorf("quickstart --json of what is there: exit code %d, %+v", again.code, steps)
	}
}

func TestAStopLetsAttemptsFinish(t *testing.T) {
	t.Parallel()
	h := startHook(t)
	h.hang = make(chan struct{})
	release := func() { close(h.hang) }
	data := t.TempDir()
	s := serve(t, data, "--stop-grace", "1m")
	made := s.begin(t, "acme", h)
	sent := s.publish(t, "acme", `{}`)
	eventually(t, "the attempt is on the wire", func() bool { return len(h.got()) == 1 })

	ended := make(chan int, 1)
	go func() { ended <- s.stop() }()
	eventually(t, "the node is unready", func() bool { return statusOf(t, s.operator+"/readyz") == http.StatusServiceUnavailable })
	if status := statusOf(t, s.operator+"/healthz"); status != http.StatusOK {
		t.Errorf("/healthz says %d while the node stops", status)
	}
	release()
	if code := <-ended; code != exitOK {
		t.Errorf("exit code %d:\n%s", code, s.log)
	}
	dump := succeed(t, nil, "log", "dump", "--data", data)
	if !strings.Contains(dump, "hl_delivery-"+deliveryID(t, sent.EventID, made.subscription.ID)) || !strings.Contains(dump, "AttemptSucceeded") {
		t.Errorf("the attempt was not recorded:\n%s", dump)
	}
}

// statusOf asks without keeping the connection; 0 if there is no answer.
func statusOf(t *testing.T, url string) int {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	return resp.StatusCode
}

// fetch reads a page without keeping the connection.
func fetch(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// serveApart runs the server as a process of its own, with variables besides those of this one.
func serveApart(t *testing.T, variables []string, args ...string) (*server, *exec.Cmd) {
	t.Helper()
	data := t.TempDir()
	s := &server{data: data, log: &buffer{}}
	c := exec.CommandContext(t.Context(), os.Args[0], append([]string{"serve", "--data", data, "--listen", "127.0.0.1:0",
		"--operator-listen", "127.0.0.1:0"}, args...)...)
	c.Env = append(append(os.Environ(), asProgram+"=1"), variables...)
	c.Stderr = s.log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the server serves", func() bool { return s.ready(t) })
	return s, c
}

func TestTheDiskTakesNoProcessorAway(t *testing.T) {
	t.Parallel()
	present := runtime.GOMAXPROCS(0)
	for variable, want := range map[string]int{"GOMAXPROCS=": present + 1, "GOMAXPROCS=1": 1} {
		if variable == "GOMAXPROCS=" && os.Getenv("GOMAXPROCS") != "" {
			continue // how many the runtime takes of itself is not known here
		}
		s, c := serveApart(t, []string{variable})
		if page := fetch(t, s.operator+"/metrics"); !strings.Contains(page, fmt.Sprintf("go_sched_gomaxprocs_threads %d\n", want)) {
			t.Errorf("with %s there are not %d places for running code", variable, want)
		}
		terminate(t, c)
	}
}

// terminate lets a server of serveApart end as it should.
func terminate(t *testing.T, c *exec.Cmd) {
	t.Helper()
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(); err != nil {
		t.Error(err)
	}
}

func TestTheSecondSignalEndsTheProcessAtOnce(t *testing.T) {
	t.Parallel()
	h := startHook(t)
	h.hang = make(chan struct{})
	defer close(h.hang)
	s, c := serveApart(t, nil, "--allow-insecure-targets", "127.0.0.0/8", "--stop-grace", "10m")
	s.begin(t, "acme", h)
	s.publish(t, "acme", `{}`)
	eventually(t, "the attempt is on the wire", func() bool { return len(h.got()) == 1 })
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the signal is heard", func() bool { return strings.Contains(s.log.String(), `"message":"stopping"`) })
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	eventually(t, "the next signal ends it", func() bool { // again and again: it may come before the program has let go of signals
		_ = c.Process.Signal(syscall.SIGTERM) // fails once it has ended
		return len(ended) > 0
	})
	err := <-ended
	if status, ok := c.ProcessState.Sys().(syscall.WaitStatus); !ok || !status.Signaled() || status.Signal() != syscall.SIGTERM {
		t.Errorf("the process ended with %v, want to be ended by the second signal", err)
	}
}

func TestMetricsOfARun(t *testing.T) {
	t.Parallel()
	h := startHook(t)
	h.answerNext(500)
	s := serve(t, t.TempDir())
	s.begin(t, "acme", h, "1s")
	s.publish(t, "acme", `{}`)
	eventually(t, "both attempts are counted", func() bool {
		page := fetch(t, s.operator+"/metrics")
		return strings.Contains(page, `hooklog_attempts_total{outcome="succeeded"} 1`) && strings.Contains(page, `hooklog_attempts_total{outcome="failed"} 1`)
	})
	page := fetch(t, s.operator+"/metrics")
	for _, name := range []string{"hooklog_published_total", "hooklog_attempt_seconds_bucket", "hooklog_first_attempt_delay_seconds_count 1",
		"hooklog_lanes ", "hooklog_due ", "hooklog_projection_lag_seconds{", `hooklog_group_in_flight{group="hooklog-dispatcher-`,
		"hooklog_log_appends_total", "hooklog_disk_free_bytes", "hooklog_build_info", "go_goroutines", "process_resident_memory_bytes"} {
		if !strings.Contains(page, name) {
			t.Errorf("/metrics lacks %s", name)
		}
	}
	if status := statusOf(t, s.operator+"/debug/pprof/"); status != http.StatusNotFound {
		t.Errorf("profiles are offered unasked: %d", status)
	}
	if status := statusOf(t, s.url+"/metrics"); status != http.StatusNotFound {
		t.Errorf("the public listener answers /metrics with %d", status)
	}
}

func TestProfilesAreOfferedWhenAskedFor(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir(), "--pprof")
	if status := statusOf(t, s.operator+"/debug/pprof/"); status != http.StatusOK {
		t.Errorf("profiles answer %d", status)
	}
}

func TestInsecureTargetsAreLoud(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir())
	var said bool
	for line := range strings.Lines(s.log.String()) {
		var entry struct{ Level, Message string }
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Level == "warn" && strings.HasPrefix(entry.Message, "INSECURE") {
			said = true
		}
	}
	if !said {
		t.Errorf("the log does not warn:\n%s", s.log)
	}
}
