package e2e_test

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/hooklog/hooklog/examples"
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

// screen stands before an example receiver: it answers the first two requests with 500 although the receiver believed
// them, because retries must verify too.
type screen struct {
	*httptest.Server
	behind   string // URL of the receiver
	requests chan screened
	count    atomic.Int32
}

// screened is a request, and what the receiver behind the screen made of it.
type screened struct {
	header http.Header
	body   []byte
	status int
	said   string
	err    error
}

func newScreen(t *testing.T, behind string) *screen {
	t.Helper()
	s := &screen{behind: behind, requests: make(chan screened, 100)}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

// ServeHTTP passes a request on.
func (s *screen) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	seen := s.pass(r)
	s.requests <- seen
	if s.count.Add(1) <= 2 || seen.err != nil {
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	w.WriteHeader(seen.status)
}

func (s *screen) pass(r *http.Request) (seen screened) {
	seen.header = r.Header
	if seen.body, seen.err = io.ReadAll(r.Body); seen.err != nil {
		return seen
	}
	request, err := http.NewRequestWithContext(r.Context(), http.MethodPost, s.behind+r.URL.Path, bytes.NewReader(seen.body))
	if err != nil {
		seen.err = err
		return seen
	}
	request.Header, request.Close = r.Header.Clone(), true
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		seen.err = err
		return seen
	}
	defer answer.Body.Close()
	said, err := io.ReadAll(answer.Body)
	seen.status, seen.said, seen.err = answer.StatusCode, string(said), err
	return seen
}

// docs/contract.md: a receiver written from the contract alone verifies every attempt byte by byte, in every profile.
func TestReceiversInOtherLanguagesVerifyEveryAttempt(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	under := map[string][]foreign{}
	for _, language := range examples.Languages() {
		command, err := language.Prepare(t.Context(), "../examples", t.TempDir())
		if errors.Is(err, exec.ErrNotFound) {
			t.Run(language.Name, func(t *testing.T) { t.Skipf("receivers in %s not tried: %v", language.Name, err) })
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for profile := range wire {
			under[language.Name] = append(under[language.Name], publishTo(t, s, command, language.Name, profile))
		}
	}
	for language, deliveries := range under {
		for _, f := range deliveries {
			t.Run(language+" "+f.profile, f.check)
		}
	}
}

// foreign is an event under way to a receiver behind a screen.
type foreign struct {
	profile string
	screen  *screen
	webhook webhook
	event   string
}

func publishTo(t *testing.T, s *server, command examples.Command, language, profile string) foreign {
	t.Helper()
	file := filepath.Join(t.TempDir(), "secrets")
	receiver, err := command.Start(profile, file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := receiver.Stop(); err != nil {
			t.Error(err)
		}
	})
	f := foreign{profile: profile, screen: newScreen(t, receiver.URL)}
	o := s.organize(t, language+"-"+profile, profile, []string{"1s", "1s"}, "")
	f.webhook = o.subscribe(t, f.screen.URL+"/hook")
	if err := os.WriteFile(file, []byte(f.webhook.Secret+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.event = o.publish(t, awkward).EventID
	return f
}

// check looks at the three attempts that the screen makes of a delivery.
func (f foreign) check(t *testing.T) {
	var seen []screened
	for len(seen) < 3 {
		select {
		case one := <-f.screen.requests:
			seen = append(seen, one)
		case <-t.Context().Done():
			t.Fatal("the test's time is over")
		}
	}
	checkScreened(t, f.profile, seen, f.webhook, f.event)
}

// wire is the envelope of a profile, before and after the time in it, and where a request tells signature and time.
var wire = map[string]struct{ before, after, signature, time string }{
	"vantageclaw": {`{"event":"thing.happened","id":"$event","subscription_id":"$webhook","occurred_at":"`, `","data":$data}`, "X-VC-Signature", "X-VC-Timestamp"},
	"clawbook":    {`{"id":"$event","type":"thing.happened","created_at":"`, `","data":$data}`, "X-ClawBook-Signature", ""},
	"vantagekit":  {`{"type":"thing.happened","data":$data}`, ``, "X-VantageKit-Signature", "X-VantageKit-Timestamp"},
	"vntana":      {`{"event":"thing.happened",$members}`, ``, "X-VNTANA-SIGNATURE", "X-TIMESTAMP"},
	"standard":    {`{"type":"thing.happened","timestamp":"`, `","data":$data}`, "webhook-signature", "webhook-timestamp"},
}

func checkScreened(t *testing.T, profile string, seen []screened, w webhook, event string) {
	t.Helper()
	signatures, times := map[string]bool{}, map[string]bool{}
	for i, one := range seen {
		if one.err != nil || one.status != http.StatusOK {
			t.Errorf("attempt %d: the receiver answered %d %q, %v", i+1, one.status, one.said, one.err)
		}
		if !bytes.Equal(one.body, seen[0].body) {
			t.Errorf("attempt %d has another body than the first", i+1)
		}
		if id := idOf(profile, seen[0], event); one.said != "received "+id {
			t.Errorf("attempt %d: the receiver said %q, want the id %q", i+1, one.said, id)
		}
		signatures[one.header.Get(wire[profile].signature)], times[one.header.Get(wire[profile].time)] = true, true
	}
	want := 3
	if wire[profile].time == "" {
		want = 1 // What is signed never changes.
	}
	if len(signatures) != want || len(times) != want {
		t.Errorf("%d signatures and %d timestamps in 3 attempts, want %d", len(signatures), len(times), want)
	}
	checkEnvelope(t, string(seen[0].body), profile, w, event)
}

// idOf is what receivers drop repetitions by: the same at each attempt.
func idOf(profile string, first screened, event string) string {
	switch profile {
	case "vantagekit":
		return first.header.Get("X-VantageKit-Delivery")
	case "vntana":
		return "" // This contract has none.
	default:
		return event
	}
}

// checkEnvelope compares a body with the documented one; only the time in it is not known beforehand.
func checkEnvelope(t *testing.T, body, profile string, w webhook, event string) {
	t.Helper()
	fill := strings.NewReplacer("$event", event, "$webhook", w.ID, "$data", canonical, "$members", canonical[1:len(canonical)-1])
	before, after := fill.Replace(wire[profile].before), fill.Replace(wire[profile].after)
	stamp := map[string]string{"vantageclaw": "2026-01-01T00:00:00.000000Z", "standard": "2026-01-01T00:00:00.000000Z", "clawbook": "2026-01-01T00:00:00Z"}[profile]
	if !strings.HasPrefix(body, before) || !strings.HasSuffix(body, after) || len(body) != len(before)+len(stamp)+len(after) {
		t.Errorf("got  %s\nwant %s…%s", body, before, after)
	}
}
