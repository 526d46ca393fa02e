package examples_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hooklog/hooklog/examples"
	"github.com/hooklog/hooklog/webhook"
)

// request is what Hooklog would send, before it is spoiled.
type request struct {
	header  http.Header
	body    []byte
	secrets []string // what the receiver knows
}

// trial is a request to a receiver, and what is to come back.
type trial struct {
	name   string
	signed []string // nil for the good secret
	ago    time.Duration
	spoil  func(*webhook.Profile, *request)
	status int
	says   string
}

const (
	missing  = "missing header"
	stale    = "timestamp outside the replay window"
	mismatch = "signature does not match"
)

func trials(p *webhook.Profile) []trial {
	good, newer := secrets(p)
	all := []trial{
		{"good", nil, 0, nil, 200, "received "},
		{"four minutes ago", nil, 4 * time.Minute, nil, 200, "received "},
		{"wrong secret", []string{newer}, 0, nil, 401, mismatch},
		{"tampered body", nil, 0, func(_ *webhook.Profile, r *request) {
			r.body = bytes.Replace(r.body, []byte("Zoë"), []byte("Zoé"), 1)
		}, 401, mismatch},
		{"white space after the body", nil, 0, func(_ *webhook.Profile, r *request) { r.body = append(r.body, '\n') }, 401, mismatch},
		{"no body", nil, 0, func(_ *webhook.Profile, r *request) { r.body = nil }, 401, mismatch},
		{"old secret, both known", []string{good}, 0, knows(good, newer), 200, "received "},
		{"new secret, both known", []string{newer}, 0, knows(good, newer), 200, "received "},
		{"old secret, only the new known", []string{good}, 0, knows(newer), 401, mismatch},
		{"no secret known", nil, 0, knows(), 0, ""},
		{"too large", nil, 0, func(_ *webhook.Profile, r *request) { r.body = bytes.Repeat([]byte{' '}, 3<<20) }, 413, ""},
	}
	if p.SignsWithAll() {
		all = append(all, trial{"both secrets, the old known", []string{good, newer}, 0, knows(good), 200, "received "},
			trial{"both secrets, the new known", []string{good, newer}, 0, knows(newer), 200, "received "})
	}
	for _, name := range signed[p.Name()] {
		all = append(all, trial{"no " + name, nil, 0, func(_ *webhook.Profile, r *request) { r.header.Del(name) }, 401, name + ": " + missing},
			trial{"hostile " + name, nil, 0, func(_ *webhook.Profile, r *request) { r.header.Set(name, "\xff\xfe é"+strings.Repeat("9", 5000)) }, 401, ""})
	}
	if len(signed[p.Name()]) > 1 {
		all = append(all, trial{"six minutes ago", nil, 6 * time.Minute, nil, 401, stale},
			trial{"in six minutes", nil, -6 * time.Minute, nil, 401, stale})
	}
	return all
}

// signed are the headers that no request can do without.
var signed = map[string][]string{
	"vantageclaw": {"X-VC-Timestamp", "X-VC-Signature"},
	"clawbook":    {"X-ClawBook-Signature"},
	"vantagekit":  {"X-VantageKit-Timestamp", "X-VantageKit-Signature"},
	"vntana":      {"X-TIMESTAMP", "X-VNTANA-SIGNATURE"},
	"standard":    {"webhook-id", "webhook-timestamp", "webhook-signature"},
}

func knows(secrets ...string) func(*webhook.Profile, *request) {
	return func(_ *webhook.Profile, r *request) { r.secrets = secrets }
}

// secrets are two that suit the profile; the former may hold anything that a client may supply.
func secrets(p *webhook.Profile) (good, newer string) {
	if p.Name() == "standard" {
		return "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "whsec_+/+/c2Vjb25kIGtleSBvZiB0d2VudHktZm91"
	}
	return "whsec_ein Geheimnis: \"naïve\" $1 \\0 🦞", "whsec_second-secret"
}

// make signs an event, with data that is no plain ASCII, now or some time ago.
func (c trial) make(t *testing.T, p *webhook.Profile) request {
	t.Helper()
	good, _ := secrets(p)
	r := request{header: http.Header{}, secrets: []string{good}}
	data, err := webhook.Canonical([]byte(`{"name": "Zoë & \u003cb\u003e \u2028 \ud83e\udd9e", "numbers": [1.0, 1E5, 1e21, 0.000001]}`))
	if err != nil {
		t.Fatal(err)
	}
	m := webhook.Message{Type: "invoice.paid", ID: eventID, SubscriptionID: "wh_1", OccurredAt: time.Now(), Data: data}
	if r.body, err = p.AppendBody(nil, m); err != nil {
		t.Fatal(err)
	}
	signing := c.signed
	if signing == nil {
		signing = r.secrets
	}
	keys, err := p.Keys(signing...)
	if err != nil {
		t.Fatal(err)
	}
	fields, err := p.AppendHeaders(nil, webhook.Attempt{Message: m, Body: r.body, At: time.Now().Add(-c.ago), Delivery: deliveryID, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range fields {
		r.header.Set(f.Name, f.Value)
	}
	if c.spoil != nil {
		c.spoil(p, &r)
	}
	return r
}

const (
	eventID    = "evt_a1b2c3d4-e5f6-7890-abcd-ef1234567890"
	deliveryID = "018f3e2a-0000-7000-8000-000000000001"
)

// wantID is the id that a receiver drops repetitions by.
func wantID(p *webhook.Profile) string {
	switch p.Name() {
	case "vantagekit":
		return deliveryID
	case "vntana":
		return ""
	default:
		return eventID
	}
}

// TestReceiversBelieveWhatIsSignedAndNothingElse sends each receiver requests that package webhook signed.
func TestReceiversBelieveWhatIsSignedAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, language := range examples.Languages() {
		t.Run(language.Name, func(t *testing.T) {
			t.Parallel()
			command, err := language.Prepare(t.Context(), ".", t.TempDir())
			if errors.Is(err, exec.ErrNotFound) {
				t.Skipf("receivers in %s not tried: %v", language.Name, err)
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range webhook.Profiles() {
				t.Run(p.Name(), func(t *testing.T) { try(t, command, p) })
			}
		})
	}
}

func try(t *testing.T, command examples.Command, p *webhook.Profile) {
	file := filepath.Join(t.TempDir(), "secrets")
	receiver, err := command.Start(p.Name(), file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := receiver.Stop(); err != nil {
			t.Error(err)
		}
	}()
	for _, c := range trials(p) {
		r := c.make(t, p)
		if err := os.WriteFile(file, []byte(strings.Join(r.secrets, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		status, text, err := send(t.Context(), receiver.URL, r)
		switch {
		case err != nil && c.status == http.StatusRequestEntityTooLarge: // It may close without reading on.
		case err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.status == 0 && status < 400, c.status != 0 && status != c.status, !strings.Contains(text, c.says):
			t.Errorf("%s: got %d %q, want %d %q", c.name, status, text, c.status, c.says)
		case c.status == 200 && !strings.HasSuffix(strings.TrimSpace(text), strings.TrimSpace("received "+wantID(p))):
			t.Errorf("%s: got %q, want the id %q", c.name, text, wantID(p))
		}
	}
}

func send(ctx context.Context, url string, r request) (status int, text string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/hook", bytes.NewReader(r.body))
	if err != nil {
		return 0, "", err
	}
	req.Header = r.header
	req.Close = true // A receiver may have closed the connection of the request before.
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(body), err
}
