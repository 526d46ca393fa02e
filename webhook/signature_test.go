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
	secret := "whsec_naïve"
	if p.Name() == "standard" {
		secret = standardSecret
	}
	return Attempt{
		Message: m, Body: body, At: time.UnixMilli(1779559200123), Secrets: []string{secret},
		Delivery: "018f3e2a-0000-7000-8000-000000000001",
	}
}

func TestRotationSigns(t *testing.T) {
	t.Parallel()
	p := named(t, "standard")
	a := testAttempt(t, p)
	a.Secrets = []string{standardSecret, otherStandardSecret}
	both, err := p.Sign(a)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(both, " ")
	if len(parts) != 2 || parts[0] == parts[1] || !strings.HasPrefix(parts[1], "v1,") {
		t.Fatalf("got %q; want two signatures", both)
	}
	for i, secret := range a.Secrets {
		a.Secrets = []string{secret}
		if alone, err := p.Sign(a); err != nil || alone != parts[i] {
			t.Errorf("signature %d is %s; alone %s, %v", i, parts[i], alone, err)
		}
	}
	p = named(t, "vantageclaw")
	a.Secrets = []string{"old secret", "new secret"}
	first, err := p.Sign(a)
	if err != nil {
		t.Fatal(err)
	}
	a.Secrets = []string{"old secret"}
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
		"no secret":             {"vantageclaw", func(a *Attempt) { a.Secrets = nil }, ErrNoSecret},
		"empty secret":          {"vantageclaw", func(a *Attempt) { a.Secrets = []string{""} }, ErrNoSecret},
		"secret without prefix": {"standard", func(a *Attempt) { a.Secrets = []string{"hunter2hunter2"} }, ErrSecretFormat},
		"secret no base64":      {"standard", func(a *Attempt) { a.Secrets = []string{"whsec_hunter2!"} }, ErrSecretFormat},
		"second secret bad":     {"standard", func(a *Attempt) { a.Secrets = append(a.Secrets, "whsec_hunter2!") }, ErrSecretFormat},
		"line break in id":      {"standard", func(a *Attempt) { a.Message.ID = "evt_1\r\nX-Evil: hunter2" }, nil},
		"no delivery":           {"vantagekit", func(a *Attempt) { a.Delivery = "" }, nil},
		"non-ASCII type":        {"vantagekit", func(a *Attempt) { a.Message.Type = "é" }, nil},
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
