package webhook

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const (
	eventID = "evt_a1b2c3d4-e5f6-7890-abcd-ef1234567890"
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

// received is the attempt as net/http shows it to a receiver.
func received(t testing.TB, p *Profile, a Attempt) http.Header {
	t.Helper()
	fields, err := p.AppendHeaders(nil, a)
	if err != nil {
		t.Fatal(err)
	}
	h := http.Header{}
	for _, f := range fields {
		h.Add(f.Name, f.Value)
	}
	return h
}

func TestVerifyAcceptsWhatWasSigned(t *testing.T) {
	t.Parallel()
	for _, p := range Profiles() {
		t.Run(p.Name(), func(t *testing.T) {
			t.Parallel()
			a := testAttempt(t, p)
			h := received(t, p, a)
			second := a.At.Truncate(time.Second)
			tests := []struct {
				name      string
				secrets   []string
				now       time.Time
				tolerance time.Duration
				stale     bool
			}{
				{"at once", a.Secrets, a.At, time.Minute, false},
				{"second of two secrets", []string{otherStandardSecret, a.Secrets[0]}, a.At, time.Minute, false},
				{"clock within the tolerance behind", a.Secrets, second.Add(-59 * time.Second), time.Minute, false},
				{"old within the tolerance", a.Secrets, second.Add(time.Minute), time.Minute, false},
				{"too old", a.Secrets, a.At.Add(time.Minute + 1), time.Minute, true},
				{"from the future", a.Secrets, second.Add(-time.Minute - 1), time.Minute, true},
				{"default tolerance", a.Secrets, second.Add(DefaultTolerance), 0, false},
				{"past the default tolerance", a.Secrets, a.At.Add(DefaultTolerance + 1), 0, true},
			}
			for _, test := range tests {
				var want error
				if test.stale && p.Name() != "clawbook" {
					want = ErrStale
				}
				if err := p.Verify(test.secrets, h, a.Body, test.now, test.tolerance); !errors.Is(err, want) {
					t.Errorf("%s: got %v, want %v", test.name, err, want)
				}
			}
		})
	}
}

func TestVerifyNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	type request struct {
		secrets []string
		header  http.Header
		body    []byte
	}
	set := func(name, value string) func(*request) { return func(r *request) { r.header.Set(name, value) } }
	tests := []struct {
		name, profile string
		spoil         func(*request)
		want          error
		says          string
	}{
		{"no signature", "vantageclaw", func(r *request) { r.header.Del("X-VC-Signature") }, ErrMissingHeader, "X-VC-Signature"},
		{"empty signature", "clawbook", set("X-ClawBook-Signature", ""), ErrMissingHeader, "X-ClawBook-Signature"},
		{"no timestamp", "vantagekit", func(r *request) { r.header.Del("X-VantageKit-Timestamp") }, ErrMissingHeader, "X-VantageKit-Timestamp"},
		{"no id", "standard", func(r *request) { r.header.Del("webhook-id") }, ErrMissingHeader, "webhook-id"},
		{"two timestamps", "vntana", func(r *request) { r.header.Add("X-TIMESTAMP", "2026-05-23T18:00:00Z") }, ErrHeaderFormat, "X-TIMESTAMP"},
		{"two signatures", "vntana", func(r *request) { r.header.Add("X-VNTANA-SIGNATURE", "00") }, ErrHeaderFormat, "X-VNTANA-SIGNATURE"},
		{"timestamp no number", "vantageclaw", set("X-VC-Timestamp", "now"), ErrHeaderFormat, "X-VC-Timestamp"},
		{"timestamp beyond 64 bits", "standard", set("webhook-timestamp", "99999999999999999999"), ErrHeaderFormat, "webhook-timestamp"},
		{"timestamp no date", "vntana", set("X-TIMESTAMP", "2026-05-23"), ErrHeaderFormat, "X-TIMESTAMP"},
		{"largest timestamp", "vantageclaw", set("X-VC-Timestamp", "9223372036854775807"), ErrStale, "X-VC-Timestamp"},
		{"smallest timestamp", "standard", set("webhook-timestamp", "-9223372036854775808"), ErrStale, "webhook-timestamp"},
		{"seconds for milliseconds", "vantageclaw", set("X-VC-Timestamp", "1779559200"), ErrStale, "X-VC-Timestamp"},
		{"other timestamp", "vantageclaw", set("X-VC-Timestamp", "1779559200124"), ErrMismatch, "X-VC-Signature"},
		{"other id", "standard", set("webhook-id", "evt_other"), ErrMismatch, "webhook-signature"},
		{"no prefix", "vantageclaw", set("X-VC-Signature", strings.Repeat("0", 64)), ErrHeaderFormat, "X-VC-Signature"},
		{"no hexadecimal", "vntana", set("X-VNTANA-SIGNATURE", strings.Repeat("g", 64)), ErrHeaderFormat, "X-VNTANA-SIGNATURE"},
		{"no base64", "standard", set("webhook-signature", "v1,???"), ErrHeaderFormat, "webhook-signature"},
		{"only other versions", "standard", set("webhook-signature", "v1a,AAAA v2,AAAA"), ErrHeaderFormat, "webhook-signature"},
		{"short signature", "vantageclaw", set("X-VC-Signature", "sha256=00"), ErrMismatch, "X-VC-Signature"},
		{"other signature", "vantageclaw", set("X-VC-Signature", "sha256="+strings.Repeat("0", 64)), ErrMismatch, "X-VC-Signature"},
		{"other body", "vantageclaw", func(r *request) { r.body = append(r.body, ' ') }, ErrMismatch, "X-VC-Signature"},
		{"other secret", "vantageclaw", func(r *request) { r.secrets = []string{"other"} }, ErrMismatch, "X-VC-Signature"},
		{"no secrets", "vantageclaw", func(r *request) { r.secrets = nil }, ErrNoSecret, ""},
		{"empty secret", "vantageclaw", func(r *request) { r.secrets = []string{""} }, ErrNoSecret, ""},
		{"useless secret", "standard", func(r *request) { r.secrets = []string{"hunter2"} }, ErrSecretFormat, "secret 1 of 1"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p := named(t, test.profile)
			a := testAttempt(t, p)
			r := request{a.Secrets, received(t, p, a), a.Body}
			test.spoil(&r)
			err := p.Verify(r.secrets, r.header, r.body, a.At, time.Minute)
			if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v; want %v, saying %s", err, test.want, test.says)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("the error gives the secret away: %v", err)
			}
		})
	}
}

func TestVerifyFindsItsSignatureInAList(t *testing.T) {
	t.Parallel()
	p := named(t, "standard")
	a := testAttempt(t, p)
	h := received(t, p, a)
	h.Set("webhook-signature", "v1a,xx v1,"+strings.Repeat("A", 43)+"= "+h.Get("webhook-signature"))
	if err := p.Verify(a.Secrets, h, a.Body, a.At, time.Minute); err != nil {
		t.Error(err)
	}
}

func TestAnyChangedByteIsRefused(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		p := rapid.SampledFrom(Profiles()).Draw(r, "profile")
		a := testAttempt(t, p)
		a.At = time.UnixMilli(rapid.Int64Range(0, 4e12).Draw(r, "at"))
		a.Body = rapid.SliceOfN(rapid.Byte(), 1, 200).Draw(r, "body")
		h := received(t, p, a)
		if err := p.Verify(a.Secrets, h, a.Body, a.At, time.Minute); err != nil {
			r.Fatalf("as signed: %v", err)
		}
		at := rapid.IntRange(0, len(a.Body)-1).Draw(r, "changed byte")
		a.Body[at] ^= rapid.ByteRange(1, 255).Draw(r, "change")
		if err := p.Verify(a.Secrets, h, a.Body, a.At, time.Minute); !errors.Is(err, ErrMismatch) {
			r.Fatalf("changed: %v", err)
		}
	})
}

func FuzzVerify(f *testing.F) {
	f.Add("1779559200", "v1,gaPzz4h9U2s/WAffKAW4Losa3G26DSZ2Oo0HmrNeW4w=", "evt_1", []byte("{}"))
	f.Add("1779559200123", "sha256=00", "", []byte(""))
	f.Add("2026-05-23T18:00:00Z", "00", "", []byte(""))
	f.Fuzz(func(t *testing.T, at, signature, id string, body []byte) {
		for _, p := range Profiles() {
			h := http.Header{}
			h.Set(p.headerOf(signatureList), signature)
			h.Set("webhook-id", id)
			if name := p.headerOf(attemptTime); name != "" {
				h.Set(name, at)
			}
			if p.Verify([]string{standardSecret}, h, body, time.Unix(1779559200, 0), time.Hour) == nil {
				want, err := p.Sign(Attempt{Message: Message{ID: id}, Body: body, At: parsed(t, p, at), Secrets: []string{standardSecret}})
				if err != nil || !strings.Contains(strings.ToLower(signature), strings.ToLower(want)) {
					t.Fatalf("%s: accepted %q, wanted %q, %v", p.Name(), signature, want, err)
				}
			}
		}
	})
}

func parsed(t *testing.T, p *Profile, at string) time.Time {
	t.Helper()
	if p.signature.time == noTime {
		return time.Time{}
	}
	parsed, err := p.signature.time.parse(at)
	if err != nil {
		t.Fatalf("accepted the time %q: %v", at, err)
	}
	return parsed
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
