package main

import (
	"context"
	"encoding/json"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSecretsAppearNowhere does everything that makes, uses or mistakes a secret, and then looks for every one of them
// in all that the program wrote: its log, the facts, every file of the store, the metrics, and what it answered to
// mistakes. Secrets may appear in the answer that shows them once, and in operator.key.
func TestSecretsAppearNowhere(t *testing.T) {
	t.Parallel()
	h := startHook(t)
	data := t.TempDir()
	s := serve(t, data, "--log-level", "trace")
	env := s.env()
	var secrets, written []string

	made := s.begin(t, "acme", h, "1s")
	whsec := made.subscription.Secret
	secrets = append(secrets, halfOf(made.partner.key.Reveal()), whsec, strings.TrimPrefix(whsec, "whsec_"))
	for _, args := range [][]string{
		{"keys", "issue", "--org", "acme", "--scopes", "webhooks:manage", "--json"},
		{"keys", "issue", "--scopes", "events:publish", "--json"},
		{"keys", "rotate", made.keyID(t), "--org", "acme", "--overlap", "1h", "--json"},
	} {
		secrets = append(secrets, halfOf(decode[apiKey](t, succeed(t, env, args...)).Key))
	}
	operator, err := os.ReadFile(filepath.Join(data, "operator.key"))
	if err != nil {
		t.Fatal(err)
	}
	secrets = append(secrets, halfOf(strings.TrimSpace(string(operator))))
	const payload = "PAYLOADoftheCUSTOMER"
	h.answer = "ANSWERofTHEreceiver"
	secrets = append(secrets, payload, h.answer)

	h.answerNext(http.StatusInternalServerError, http.StatusServiceUnavailable)
	s.publish(t, "acme", `{"said":"`+payload+`"}`) // fails for good after its one retry
	eventually(t, "the failing delivery is dead", func() bool {
		return strings.Contains(fetch(t, s.operator+"/metrics"), `hooklog_attempts_total{outcome="dead"} 1`)
	})
	s.publish(t, "acme", `{"said":"`+payload+`"}`)
	test := webhooksPath + "/" + made.subscription.ID + "/test"
	if err := made.partner.do(t.Context(), http.MethodPost, test, map[string]string{"secret": whsec}, nil); err != nil {
		t.Fatal(err)
	}
	eventually(t, "everything arrives", func() bool { return len(h.got()) == 4 })

	// Mistakes with secrets in them, and what is said of them.
	written = append(written, refusal(t, made.partner, http.MethodPost, test, `{"secret":"`+whsec+`x"}`),
		refusal(t, made.partner, http.MethodPost, test, `{"secret":"`+whsec+`"`),
		refusal(t, made.partner, http.MethodPost, test, `{"secrt":"`+whsec+`"}`),
		refusal(t, s.clientOf(t, made.partner.key.Reveal()+"x"), http.MethodGet, webhooksPath, ""),
		fail(t, exitFailed, append(env, "HOOKLOG_KEY="+made.partner.key.Reveal()), []string{"orgs", "list"}, "403"),
		fetch(t, s.operator+"/metrics"), fetch(t, s.operator+"/readyz"),
		succeed(t, env, "keys", "list", "--org", "acme", "--json"), succeed(t, env, "subscriptions", "list", "--org", "acme", "--json"))
	if code := s.stop(); code != exitOK {
		t.Errorf("exit code %d", code)
	}
	succeed(t, nil, "keyset", "rotate", filepath.Join(data, "keyset.json"))
	again := serve(t, data, "--log-level", "trace")
	again.publish(t, "acme", `{"said":"`+payload+`"}`)
	eventually(t, "a delivery after the rotation of the keyset arrives", func() bool { return len(h.got()) == 5 })
	again.stop()
	written = append(written, s.log.String(), again.log.String(), succeed(t, nil, "log", "dump", "--data", data),
		succeed(t, []string{"HOOKLOG_KEY=" + made.partner.key.Reveal()}, "config"))

	// What is no secret is found: the search would find the others.
	if found := filesWith(t, data, made.subscription.ID); len(found) == 0 || !strings.Contains(strings.Join(written, ""), made.subscription.ID) {
		t.Fatalf("the subscription's id is found in %v", found)
	}
	for _, secret := range secrets {
		if len(secret) < 15 {
			t.Fatalf("a secret of %d characters", len(secret))
		}
		for i, text := range written {
			if strings.Contains(text, secret) {
				t.Errorf("a secret appears in what was written (%d): …%.300s", i, text[strings.Index(text, secret):])
			}
		}
		if found := filesWith(t, data, secret); len(found) > 0 {
			t.Errorf("%v hold a secret", found)
		}
	}
}

// halfOf is the secret half of a token.
func halfOf(token string) string {
	_, secret, _ := strings.Cut(token, ".")
	return secret
}

// keyID asks the server which key the partner uses.
func (s started) keyID(t *testing.T) string {
	t.Helper()
	var me struct {
		KeyID string `json:"key_id"`
	}
	if err := s.partner.do(t.Context(), http.MethodGet, "/api/v1/partner/me", nil, &me); err != nil {
		t.Fatal(err)
	}
	return me.KeyID
}

// refusal makes a call that must be refused and returns the whole answer.
func refusal(t *testing.T, c *client, method, path, body string) string {
	t.Helper()
	a, err := c.send(context.WithoutCancel(t.Context()), call{method, path, []byte(body)})
	if err != nil {
		t.Fatal(err)
	}
	if a.status < 400 || !json.Valid(a.body) {
		t.Errorf("%s %s answered %d %s", method, path, a.status, a.body)
	}
	return string(a.body)
}

// filesWith finds the files of the data directory that hold a text, but for the one that is to hold a secret.
func filesWith(t *testing.T, data, text string) (found []string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path == filepath.Join(data, operatorKeyFile) {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		files++
		if strings.Contains(string(content), text) {
			found = append(found, path)
		}
		return nil
	})
	if err != nil || files < 5 {
		t.Fatalf("looked into %d files: %v", files, err)
	}
	return found
}
