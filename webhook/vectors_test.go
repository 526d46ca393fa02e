package webhook

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// golden is testdata/vectors.json, which testdata/vectors.py computed without any of this package.
type golden struct {
	Published []struct{ Profile, Secret, Time, ID, Body, Signature string }
	Requests  []goldenRequest
	UUIDs     map[string]string
}

type goldenRequest struct {
	Profile, Type, ID, Data, Delivery string
	SubscriptionID                    string    `json:"subscription_id"`
	OccurredAt                        time.Time `json:"occurred_at"`
	Secrets                           []string
	Attempts                          []struct {
		At      int64 // Unix milliseconds
		Headers [][2]string
		Body    string
	}
}

func vectors(t testing.TB) golden {
	t.Helper()
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var g golden
	if err := json.Unmarshal(text, &g); err != nil {
		t.Fatal(err)
	}
	return g
}

// TestPublishedVectors holds the signature vectors that the contracts print. It holds the rows wire.signed,
// wire.signature and wire.key.
func TestPublishedVectors(t *testing.T) {
	t.Parallel()
	held := map[string]bool{}
	for _, v := range vectors(t).Published {
		p := named(t, v.Profile)
		held[v.Profile] = true
		at := parsed(t, p, v.Time)
		a := Attempt{Message: Message{ID: v.ID}, Body: []byte(v.Body), At: at, Keys: keysOf(t, p, v.Secret)}
		if got, err := p.Sign(a); err != nil || got != v.Signature {
			t.Errorf("%s: got %s, %v; want %s", v.Profile, got, err, v.Signature)
		}
		h := http.Header{}
		for name, value := range map[string]string{p.headerOf(attemptTime): v.Time, p.headerOf(messageID): v.ID, p.headerOf(signatureList): v.Signature} {
			if name != "" {
				h.Set(name, value)
			}
		}
		if err := p.Verify([]string{v.Secret}, h, []byte(v.Body), at, 0); err != nil {
			t.Errorf("%s: %v", v.Profile, err)
		}
	}
	if len(held) != len(Profiles()) {
		t.Errorf("only %v have published vectors", held)
	}
}

// TestWholeRequests makes the first attempt and a retry of what a platform published, and compares every byte. It holds
// the rows wire.time, wire.id and wire.headers.
func TestWholeRequests(t *testing.T) {
	t.Parallel()
	held := map[string]bool{}
	for _, v := range vectors(t).Requests {
		held[v.Profile] = true
		p := named(t, v.Profile)
		m := Message{Type: v.Type, ID: v.ID, SubscriptionID: v.SubscriptionID, OccurredAt: v.OccurredAt, Data: must(Canonical([]byte(v.Data)))}
		for i, want := range v.Attempts {
			body, err := p.AppendBody(nil, m)
			if err != nil || string(body) != want.Body {
				t.Errorf("%s, attempt %d: %v, body\ngot  %s\nwant %s", v.Profile, i+1, err, body, want.Body)
			}
			a := Attempt{Message: m, Body: body, At: time.UnixMilli(want.At), Delivery: v.Delivery, Keys: keysOf(t, p, v.Secrets...)}
			fields, err := p.AppendHeaders(nil, a)
			if err != nil || len(fields) != len(want.Headers) {
				t.Fatalf("%s, attempt %d: %d headers, %v; want %d", v.Profile, i+1, len(fields), err, len(want.Headers))
			}
			for n, f := range fields {
				if [2]string{f.Name, f.Value} != want.Headers[n] {
					t.Errorf("%s, attempt %d: got %s, want %s", v.Profile, i+1, f, want.Headers[n])
				}
			}
		}
		if len(v.Attempts) != 2 {
			t.Errorf("%s: %d attempts", v.Profile, len(v.Attempts))
		}
	}
	if len(held) != len(Profiles()) {
		t.Errorf("only %v have golden requests", held)
	}
}

// TestVectorsAreWhatTheScriptComputes keeps a change of vectors.json by hand from going unseen.
func TestVectorsAreWhatTheScriptComputes(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("python3 is not installed: testdata/vectors.py not run")
	}
	command := exec.CommandContext(t.Context(), python, "testdata/vectors.py")
	var complaint strings.Builder
	command.Stderr = &complaint
	got, err := command.Output()
	if err != nil {
		t.Fatalf("testdata/vectors.py: %v\n%s", err, complaint.String())
	}
	want, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("testdata/vectors.json is not what testdata/vectors.py prints")
	}
}
