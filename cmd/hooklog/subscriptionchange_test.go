package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSubscriptionsAreManagedInTheTerminal(t *testing.T) {
	t.Parallel()
	h := startHook(t)
	s := serve(t, t.TempDir())
	env := s.env()
	s.begin(t, "acme", h, "1h")
	own := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(own, []byte("mine, not yours\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	made := succeed(t, env, "subscriptions", "create", h.url, "--org", "acme", "--events", "order.paid", "--name", "N",
		"--header", "Authorization: Bearer geheim", "--max-rate", "100/s", "--secret-file", own)
	if strings.Contains(made, "geheim") || strings.Contains(made, "mine") || !strings.Contains(made, "Authorization") {
		t.Errorf("created:\n%s", made)
	}
	id := made[strings.Index(made, "wh_"):]
	id = id[:strings.IndexByte(id, '\n')]
	told := func(want string, args ...string) {
		t.Helper()
		if got := succeed(t, env, append(args, "--org", "acme")...); !strings.Contains(got, want) {
			t.Errorf("%s lacks %q:\n%s", strings.Join(args, " "), want, got)
		}
	}
	told("disabled", "subscriptions", "disable", id)
	told("active", "subscriptions", "enable", id)
	told("5s", "subscriptions", "update", id, "--timeout", "5s", "--max-rate", "", "--name", "")
	told("shown this once", "subscriptions", "rotate-secret", id)
	told("evt_", "subscriptions", "test", id)
	h.answerNext(500)
	sent := s.publish(t, "acme", `{"n":1}`)
	eventually(t, "a failure is listed", func() bool {
		return strings.Contains(succeed(t, env, "deliveries", "list", id, "--org", "acme", "--status", "failed"), "http_500") ||
			strings.Contains(succeed(t, env, "deliveries", "list", id, "--org", "acme", "--status", "success"), sent.EventID)
	})
	told("deliveries  ", "subscriptions", "recover", id, "--from", "2020-01-01T00:00:00Z", "--to", "2999-01-01T00:00:00Z", "--dry-run", "--status", "success")
	asked := succeed(t, env, "subscriptions", "recover", id, "--from", "2020-01-01T00:00:00Z", "--to", "2999-01-01T00:00:00Z", "--org", "acme")
	recovery := asked[strings.Index(asked, "rec_"):]
	recovery = recovery[:strings.IndexByte(recovery, '\n')]
	eventually(t, "the recovery is done", func() bool {
		return strings.Contains(succeed(t, env, "subscriptions", "recovery", id, recovery, "--org", "acme"), "done")
	})
	fail(t, exitFailed, env, []string{"deliveries", "redeliver", "del_x", "--org", "acme"}, "404")
	told("is deleted", "subscriptions", "delete", id)
}
