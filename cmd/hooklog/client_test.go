package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// answering is a server that gives every request the same answer, and remembers the last one.
func answering(t *testing.T, status int, contentType, body string) (url string, last func() *http.Request) {
	t.Helper()
	var request atomic.Pointer[http.Request]
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request.Store(r)
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		if _, err := w.Write([]byte(body)); err != nil {
			t.Errorf("answer: %v", err)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, request.Load
}

func TestARefusalIsToldWithItsFields(t *testing.T) {
	t.Parallel()
	url, _ := answering(t, 422, "application/problem+json", `{"title":"Unprocessable","status":422,"detail":"the request has invalid members",
		"request_id":"r-1","errors":[{"field":"slug","message":"must match"},{"field":"name","message":"bad\u001b[31m"}]}`)
	said := fail(t, exitFailed, []string{"HOOKLOG_KEY=k", "HOOKLOG_URL=" + url}, []string{"orgs", "create", "A"},
		"422", "the request has invalid members", "slug: must match", "name: bad", "r-1")
	if strings.Contains(said, "\x1b") {
		t.Errorf("a control character reached the terminal: %q", said)
	}
}

func TestAnAnswerThatIsNoProblemStillSaysItsStatus(t *testing.T) {
	t.Parallel()
	url, _ := answering(t, 502, "text/html", "<h1>oh</h1>")
	fail(t, exitFailed, []string{"HOOKLOG_KEY=k", "HOOKLOG_URL=" + url}, []string{"orgs", "list"}, "502 Bad Gateway")
	url, _ = answering(t, 200, "text/html", "<h1>oh</h1>")
	fail(t, exitFailed, []string{"HOOKLOG_KEY=k", "HOOKLOG_URL=" + url}, []string{"orgs", "list"}, "not what was expected")
}

func TestTheKeyComesFromTheEnvironmentElseFromTheDataDirectory(t *testing.T) {
	t.Parallel()
	url, last := answering(t, 200, "application/json", `{"items":[],"next_cursor":null}`)
	data := t.TempDir()
	fail(t, exitFailed, []string{"HOOKLOG_URL=" + url}, []string{"orgs", "list", "--data", data}, "no API key", "HOOKLOG_KEY", data)
	if err := os.WriteFile(filepath.Join(data, "operator.key"), []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	succeed(t, []string{"HOOKLOG_URL=" + url}, "orgs", "list", "--data", data)
	if got := last().Header.Get("Authorization"); got != "Bearer from-file" {
		t.Errorf("sent %q", got)
	}
	succeed(t, []string{"HOOKLOG_URL=" + url, "HOOKLOG_KEY=from-env"}, "orgs", "list", "--data", data)
	if got := last().Header.Get("Authorization"); got != "Bearer from-env" {
		t.Errorf("sent %q", got)
	}
}

func TestAServerThatDoesNotAnswerIsNamed(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	fail(t, exitFailed, []string{"HOOKLOG_KEY=topsecret"}, []string{"orgs", "list", "--url", s.URL}, "no answer from the server at "+s.URL)
}

func TestARedirectIsNotFollowedWithTheKey(t *testing.T) {
	t.Parallel()
	other, last := answering(t, 200, "application/json", `[]`)
	s := httptest.NewServer(http.RedirectHandler(other, http.StatusTemporaryRedirect))
	t.Cleanup(s.Close)
	fail(t, exitFailed, []string{"HOOKLOG_KEY=k"}, []string{"orgs", "list", "--url", s.URL}, "307")
	if last() != nil {
		t.Error("the redirect was followed")
	}
}

func TestListsFollowTheirPages(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		page := map[string]string{
			"":    `{"items":[{"slug":"one","name":"A"}],"next_cursor":"a&b"}`,
			"a&b": `{"items":[{"slug":"two","name":"B\tB"}],"next_cursor":null}`,
		}[r.URL.Query().Get("cursor")]
		fmt.Fprint(w, page)
	}))
	t.Cleanup(s.Close)
	env := []string{"HOOKLOG_KEY=k", "HOOKLOG_URL=" + s.URL}
	table := succeed(t, env, "orgs", "list")
	if lines := strings.Split(strings.TrimSpace(table), "\n"); len(lines) != 3 || !strings.HasPrefix(lines[0], "ID") ||
		!strings.Contains(lines[1], "one") || !strings.Contains(lines[2], "two") {
		t.Errorf("got\n%s", table)
	}
	items := decode[[]json.RawMessage](t, succeed(t, env, "orgs", "list", "--json"))
	if len(items) != 2 {
		t.Errorf("got %d items, want 2", len(items))
	}
}

func TestQuotedWordsSurviveAShell(t *testing.T) {
	t.Parallel()
	for _, c := range [][2]string{{"a", "'a'"}, {"it's", `'it'\''s'`}, {"", "''"}} {
		if got := quoted(c[0]); got != c[1] {
			t.Errorf("quoted(%q) = %s, want %s", c[0], got, c[1])
		}
	}
}
