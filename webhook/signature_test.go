package webhook

import (
	"errors"
	"strings"
	"testing"
	"time"
)

const (
	// The secrets stand for the bytes 0 to 31, and for the text "second key of twenty-fou".
	standardSecret      = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
	otherStandardSecret = "whsec_c2Vjb25kIGtleSBvZiB0d2VudHktZm91"
)

func testAttempt(t testing.TB, p *Profile) Attempt {
	t.Helper()
	m := testEvent(`{"name":"Zoë & <b>","n":1}`)
	body, err := p.AppendBody(nil, m)
	if err != nil {
		t.Fatal(err)
	}
	return Attempt{
		Message: m, Body: body, At: time.UnixMilli(1779559200123), Keys: keysOf(t, p, testSecret(p)),
		Delivery: "018f3e2a-0000-7000-8000-000000000001",
	}
}

// testSecret is what testAttempt signs with.
func testSecret(p *Profile) string {
	if p.Name() == "standard" {
		return standardSecret
	}
	return "whsec_naïve"
}

func keysOf(t testing.TB, p *Profile, secrets ...string) []*Key {
	t.Helper()
	keys, err := p.Keys(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestRotationSigns(t *testing.T) {
	t.Parallel()
	p := named(t, "standard")
	a := testAttempt(t, p)
	a.Keys = keysOf(t, p, standardSecret, otherStandardSecret)
	both, err := p.Sign(a)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(both, " ")
	if len(parts) != 2 || parts[0] == parts[1] || !strings.HasPrefix(parts[1], "v1,") {
		t.Fatalf("got %q; want two signatures", both)
	}
	for i, key := range a.Keys {
		a.Keys = []*Key{key}
		if alone, err := p.Sign(a); err != nil || alone != parts[i] {
			t.Errorf("signature %d is %s; alone %s, %v", i, parts[i], alone, err)
		}
	}
	p = named(t, "vantageclaw")
	a.Keys = keysOf(t, p, "old secret", "new secret")
	first, err := p.Sign(a)
	if err != nil {
		t.Fatal(err)
	}
	a.Keys = keysOf(t, p, "old secret")
	if old, _ := p.Sign(a); first != old {
		t.Errorf("got %s; want the older secret's %s", first, old)
	}
	if p.SignsWithAll() || !named(t, "standard").SignsWithAll() {
		t.Error("only profile standard has a list of signatures")
	}
}

func TestNoHeadersOfWhatCannotBeSent(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		profile string
		spoil   func(*Attempt)
		want    error
	}{
		"no key":           {"vantageclaw", func(a *Attempt) { a.Keys = nil }, ErrNoSecret},
		"line break in id": {"standard", func(a *Attempt) { a.Message.ID = "evt_1\r\nX-Evil: hunter2" }, nil},
		"no delivery":      {"vantagekit", func(a *Attempt) { a.Delivery = "" }, nil},
		"non-ASCII type":   {"vantagekit", func(a *Attempt) { a.Message.Type = "é" }, nil},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := named(t, test.profile)
			a := testAttempt(t, p)
			test.spoil(&a)
			got, err := p.AppendHeaders([]Field{{"Host", "x"}}, a)
			if err == nil || len(got) != 1 || test.want != nil && !errors.Is(err, test.want) {
				t.Fatalf("got %v, %v", got, err)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error gives a value away: %v", err)
			}
		})
	}
}

func BenchmarkSign(b *testing.B) {
	for _, p := range Profiles() {
		b.Run(p.Name(), func(b *testing.B) {
			a := testAttempt(b, p)
			a.Body = []byte(strings.Repeat("x", 650))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.Sign(a); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendHeaders(b *testing.B) {
	for _, p := range Profiles() {
		b.Run(p.Name(), func(b *testing.B) {
			a := testAttempt(b, p)
			a.Body = []byte(strings.Repeat("x", 650))
			space := make([]Field, 0, 8)
			b.ReportAllocs()
			for b.Loop() {
				if _, err := p.AppendHeaders(space, a); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
