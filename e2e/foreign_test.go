package e2e_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// Data as a publisher might spell it, and as docs/contract.md says that it is delivered: the bytes of JSON.stringify.
const (
	awkward = "{ \"text\" : \"Gr\\u00fc\\u00dfe \\u6771\\u4eac \\ud83e\\udd9e 東京\", \"html\":\"<b>a & b</b>\\/\",\n" +
		"\t\"quotes\":\"\\\" \\\\ \\u0008\\f\\n\\r\\t\\u0001\\u001F\\u007f\", \"lines\":\"\\u2028\u2029\",\n" +
		"\"numbers\":[1.0, 1.50, 1e3, 100E-2, 1e21, 1.25e-7, -12, 0.1], \"nested\": {\"b\":[ ],\"a\":{ }}, \"\\u00e9 key\":null, \"yes\":true }"
	canonical = "{\"text\":\"Grüße 東京 🦞 東京\",\"html\":\"<b>a & b</b>/\"," +
		"\"quotes\":\"\\\" \\\\ \\b\\f\\n\\r\\t\\u0001\\u001f\u007f\",\"lines\":\"\u2028\u2029\"," +
		"\"numbers\":[1,1.5,1000,1,1e+21,1.25e-7,-12,0.1],\"nested\":{\"b\":[],\"a\":{}},\"é key\":null,\"yes\":true}"
)

// told is what a foreign receiver prints about one request.
type told struct {
	Verified     bool
	Reserialised bool
	Why          string
	Event        string
	Timestamp    string
	Signature    string
	Body         string
	Answer       int
}

// foreign is a receiver in another language.
type foreign struct {
	url        string
	secretFile string
	lines      chan told
}

// startForeign starts one of e2e/receivers; the test is skipped where its language is not installed.
func startForeign(t *testing.T, interpreter, script, profile string) foreign {
	t.Helper()
	if _, err := exec.LookPath(interpreter); err != nil {
		t.Skipf("%s is not installed: %v", interpreter, err)
	}
	f := foreign{secretFile: filepath.Join(t.TempDir(), "secret"), lines: make(chan told, 100)}
	cmd := exec.Command(interpreter, filepath.Join("receivers", script), "--profile", profile, "--secret-file", f.secretFile, "--fail-first", "2")
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	scanner := bufio.NewScanner(out)
	scanner.Buffer(nil, 1<<20)
	finished := make(chan struct{})
	t.Cleanup(func() {
		if err := cmd.Process.Kill(); err != nil {
			t.Error(err)
		}
		<-finished
		_ = cmd.Wait() // It was killed.
	})
	if !scanner.Scan() {
		close(finished)
		t.Fatalf("the receiver said nothing: %v", scanner.Err())
	}
	f.url = scanner.Text()
	go func() {
		defer close(finished)
		for scanner.Scan() {
			var line told
			if err := json.Unmarshal(scanner.Bytes(), &line); err != nil {
				line.Why = err.Error()
			}
			f.lines <- line
		}
	}()
	return f
}

// docs/contract.md: a receiver written from the contract alone verifies every attempt byte by byte.
func TestReceiversInOtherLanguagesVerifyEveryAttempt(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, language := range []struct{ interpreter, script string }{{"python3", "receiver.py"}, {"node", "receiver.js"}} {
		for _, profile := range []string{"vantageclaw", "standard"} {
			t.Run(language.interpreter+" "+profile, func(t *testing.T) {
				t.Parallel()
				f := startForeign(t, language.interpreter, language.script, profile)
				o := s.organize(t, language.interpreter+"-"+profile, profile, []string{"1s", "1s"}, "")
				w := o.subscribe(t, f.url)
				if err := os.WriteFile(f.secretFile, []byte(w.Secret+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				p := o.publish(t, awkward)
				checkForeign(t, f, profile, language.interpreter == "node", w, p.EventID)
			})
		}
	}
}

// checkForeign reads the three attempts of an event: two are answered with 500, the third with 200.
func checkForeign(t *testing.T, f foreign, profile string, reserialises bool, w webhook, event string) {
	t.Helper()
	var seen []told
	for len(seen) < 3 {
		select {
		case line := <-f.lines:
			seen = append(seen, line)
		case <-t.Context().Done():
			t.Fatal("the test's time is over")
		}
	}
	signatures, times := map[string]bool{}, map[string]bool{}
	for i, line := range seen {
		if !line.Verified || line.Event != event || line.Answer != []int{500, 500, 200}[i] {
			t.Errorf("attempt %d: %+v, want event %s verified", i+1, line, event)
		}
		if reserialises && !line.Reserialised {
			t.Errorf("attempt %d does not verify after JSON.stringify(JSON.parse(body))", i+1)
		}
		if line.Body != seen[0].Body {
			t.Errorf("attempt %d has another body than the first", i+1)
		}
		signatures[line.Signature], times[line.Timestamp] = true, true
	}
	if len(signatures) != 3 || len(times) != 3 {
		t.Errorf("%d signatures and %d timestamps in 3 attempts", len(signatures), len(times))
	}
	body, err := base64.StdEncoding.DecodeString(seen[0].Body)
	if err != nil {
		t.Fatal(err)
	}
	checkEnvelope(t, string(body), profile, w, event)
}

// checkEnvelope compares a body with the documented one; only the time in it is not known beforehand.
func checkEnvelope(t *testing.T, body, profile string, w webhook, event string) {
	t.Helper()
	before, after := fmt.Sprintf(`{"event":%q,"id":%q,"subscription_id":%q,"occurred_at":"`, thing, event, w.ID), `","data":`+canonical+`}`
	if profile == "standard" {
		before = fmt.Sprintf(`{"type":%q,"timestamp":"`, thing)
	}
	if !strings.HasPrefix(body, before) || !strings.HasSuffix(body, after) || len(body) != len(before)+len("2026-01-01T00:00:00.000000Z")+len(after) {
		t.Errorf("got  %s\nwant %s…%s", body, before, after)
	}
}
