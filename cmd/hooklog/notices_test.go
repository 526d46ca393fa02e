package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestADeathIsToldThroughThePipeline: the operational webhook is delivered like every message, and its own death is told
// nobody. It holds the row notices.events.
func TestADeathIsToldThroughThePipeline(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	s := serve(t, data)
	operator, err := os.ReadFile(filepath.Join(data, "operator.key"))
	if err != nil {
		t.Fatal(err)
	}
	c := s.clientOf(t, strings.TrimSpace(string(operator)))
	do := func(path string, body any) {
		t.Helper()
		if err := c.do(t.Context(), http.MethodPost, path, body, nil); err != nil {
			t.Fatal(err)
		}
	}
	failing, teller := startHook(t), startHook(t)
	failing.answerNext(http.StatusNotFound)
	teller.answerNext(http.StatusNotFound)
	do("/api/v1/organizations", map[string]any{"slug": "acme", "name": "Acme", "profile": "clawbook"})
	hooks := "/api/v1/webhooks?organization=acme"
	do(hooks, map[string]any{"url": failing.url, "events": []string{"message.sent"}, "secret": "12345678"})
	do(hooks, map[string]any{"url": teller.url, "events": []string{"hooklog.delivery.dead"}, "secret": "12345678"})
	send := func() {
		do("/api/v1/organizations/acme/events", map[string]any{"type": "message.sent", "data": map[string]any{"message_id": "1"}})
	}
	send() // dies; so does what tells of it
	eventually(t, "the death is told", func() bool { return len(teller.got()) == 1 })
	failing.answerNext(http.StatusNotFound)
	send()
	eventually(t, "the second death is told", func() bool { return len(teller.got()) == 2 })
	for _, r := range teller.got() {
		body := string(r.body)
		if !strings.Contains(body, `"type":"hooklog.delivery.dead"`) || !strings.Contains(body, `"event_type":"message.sent"`) ||
			!strings.Contains(body, `"reason":"http_404"`) || r.header.Get("X-ClawBook-Signature") == "" {
			t.Errorf("told %s, header %v", body, r.header)
		}
	}
	s.stop()
	if log := succeed(t, nil, "log", "dump", "--data", data); strings.Count(log, "hooklog.NoticeDecided.v1") != 2 {
		t.Errorf("the notices decided are not two:\n%s", log)
	}
	fail(t, exitFailed, nil, []string{"serve", "--data", data, "--listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0", "--smtp-host", "mail.example.com"}, "public-url")
}
