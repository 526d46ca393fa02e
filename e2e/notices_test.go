package e2e_test

import (
	"net/http"
	"net/mail"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/hooklog/hooklog/notices/mailtest"
)

// TestAMailIsSentOverAKill: Hooklog is killed while its mail is on the way. The mail arrives all the same, is recorded as
// sent once, and comes twice only if the mail server had taken it before the kill.
func TestAMailIsSentOverAKill(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		when string
		at   mailtest.Stage
		want int
	}{
		{"before the mail", mailtest.Recipient, 1}, {"after the mail", mailtest.Taken, 2},
	} {
		t.Run(c.when, func(t *testing.T) {
			t.Parallel()
			box := mailtest.Start(t, mailtest.Options{})
			reached, killed := make(chan struct{}), make(chan struct{})
			box.Once(c.at, func() { close(reached); <-killed })
			s := newServer(t, "--smtp-host", "127.0.0.1", "--smtp-port", strconv.Itoa(box.Port()), "--smtp-security", "none",
				"--smtp-from", "Hooklog <notices@example.com>", "--public-url", "https://hooks.example.com")
			o := s.organize(t, "acme", "clawbook", nil, "")
			s.must(t, http.StatusOK, "POST", o.path("/addresses"), map[string]any{"email": "ops@customer.example"}, nil)
			gone := newReceiver(t, func(string, int) int { return http.StatusGone })
			o.manage(t, http.StatusCreated, "POST", "/webhooks",
				map[string]any{"url": gone.URL, "events": []string{thing}, "secret": "12345678", "email": "ops@customer.example"}, nil)
			s.must(t, http.StatusAccepted, "POST", o.path("/events"), map[string]any{"type": thing, "data": map[string]any{}}, nil)
			eventually(t, "the mail is on its way", func() bool { return done(reached) })
			s.kill(t)
			close(killed)
			s.start(t)
			eventually(t, "the mail is recorded as sent", func() bool {
				return has(s.logs.String(), "notice told", `"way":"mail"`) == 1
			})
			s.stop(t)
			ids := map[string]bool{}
			for _, m := range box.Mails() {
				read, err := mail.ReadMessage(strings.NewReader(m.Data))
				if err != nil {
					t.Fatal(err)
				}
				ids[read.Header.Get("Message-Id")] = true
			}
			if got := box.Mails(); len(got) != c.want || len(ids) != 1 {
				t.Errorf("%d mails with ids %v, want %d of one", len(got), ids, c.want)
			}
			dump, complaint, code := run(t, "log", "dump", "--data", s.data)
			if sent := has(dump, "hooklog.NoticeSent.v1", `"way":"mail"`); code != 0 || sent != 1 {
				t.Errorf("log dump ended with %d and tells %d mails: %s", code, sent, complaint)
			}
		})
	}
}

func done(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// has counts the lines that have all of some words.
func has(text string, words ...string) (n int) {
	for line := range strings.Lines(text) {
		if !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(line, word) }) {
			n++
		}
	}
	return n
}
