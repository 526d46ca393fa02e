package webhook

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

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
			second, secret := a.At.Truncate(time.Second), testSecret(p)
			tests := []struct {
				name      string
				secrets   []string
				now       time.Time
				tolerance time.Duration
				stale     bool
			}{
				{"at once", []string{secret}, a.At, time.Minute, false},
				{"second of two secrets", []string{otherStandardSecret, secret}, a.At, time.Minute, false},
				{"first of two secrets", []string{secret, otherStandardSecret}, a.At, time.Minute, false},
				{"clock within the tolerance behind", []string{secret}, second.Add(-59 * time.Second), time.Minute, false},
				{"old within the tolerance", []string{secret}, second.Add(time.Minute), time.Minute, false},
				{"too old", []string{secret}, a.At.Add(time.Minute + 1), time.Minute, true},
				{"from the future", []string{secret}, second.Add(-time.Minute - 1), time.Minute, true},
				{"default tolerance", []string{secret}, second.Add(DefaultTolerance), 0, false},
				{"past the default tolerance", []string{secret}, a.At.Add(DefaultTolerance + 1), 0, true},
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
			r := request{[]string{testSecret(p)}, received(t, p, a), a.Body}
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
	if err := p.Verify([]string{testSecret(p)}, h, a.Body, a.At, time.Minute); err != nil {
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
		if err := p.Verify([]string{testSecret(p)}, h, a.Body, a.At, time.Minute); err != nil {
			r.Fatalf("as signed: %v", err)
		}
		at := rapid.IntRange(0, len(a.Body)-1).Draw(r, "changed byte")
		a.Body[at] ^= rapid.ByteRange(1, 255).Draw(r, "change")
		if err := p.Verify([]string{testSecret(p)}, h, a.Body, a.At, time.Minute); !errors.Is(err, ErrMismatch) {
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
				want, err := p.Sign(Attempt{Message: Message{ID: id}, Body: body, At: parsed(t, p, at), Keys: keysOf(t, p, standardSecret)})
				if err != nil || !strings.Contains(strings.ToLower(signature), strings.ToLower(want)) {
					t.Fatalf("%s: accepted %q, wanted %q, %v", p.Name(), signature, want, err)
				}
			}
		}
	})
}

// TestVerificationDefaults: only secrets have to be set.
func TestVerificationDefaults(t *testing.T) {
	t.Parallel()
	p := Default()
	a := testAttempt(t, p)
	a.At = time.Now()
	if err := Verify(received(t, p, a), a.Body, Verification{Secrets: []string{testSecret(p)}}); err != nil {
		t.Errorf("signed now: %v", err)
	}
	a.At = time.Now().Add(-DefaultTolerance - time.Hour)
	if err := Verify(received(t, p, a), a.Body, Verification{Secrets: []string{testSecret(p)}}); !errors.Is(err, ErrStale) {
		t.Errorf("signed an hour ago: %v", err)
	}
	longAgo := Verification{Secrets: []string{testSecret(p)}, Tolerance: math.MaxInt64}
	if err := Verify(received(t, p, a), a.Body, longAgo); err != nil {
		t.Errorf("with any tolerance: %v", err)
	}
	if err := Verify(nil, nil, Verification{Profile: "nobody"}); !errors.Is(err, ErrUnknownProfile) {
		t.Errorf("unknown profile: %v", err)
	}
	if err := Verify(nil, nil, Verification{}); !errors.Is(err, ErrMissingHeader) {
		t.Errorf("no header at all: %v", err)
	}
}

// TestErrorsNameTheHeader holds that a receiver can tell by type what was wrong, for each profile.
func TestErrorsNameTheHeader(t *testing.T) {
	t.Parallel()
	for _, p := range Profiles() {
		a := testAttempt(t, p)
		v := Verification{Profile: p.Name(), Secrets: []string{testSecret(p)}, Now: func() time.Time { return a.At }}
		for name := range received(t, p, a) {
			h := received(t, p, a)
			h.Del(name)
			err := Verify(h, a.Body, v)
			var fault *HeaderError
			needed := strings.EqualFold(name, p.headerOf(signatureList))
			for _, piece := range p.signature.signed {
				needed = needed || piece.value != constant && strings.EqualFold(name, p.headerOf(piece.value))
			}
			if !needed && err != nil {
				t.Errorf("%s needs no %s: %v", p.Name(), name, err)
			}
			if needed && (!errors.As(err, &fault) || !strings.EqualFold(fault.Header, name) || fault.Err != ErrMissingHeader) {
				t.Errorf("%s without %s: %v", p.Name(), name, err)
			}
		}
	}
}

func TestHostileHeaders(t *testing.T) {
	t.Parallel()
	p := named(t, "standard")
	a := testAttempt(t, p)
	good := received(t, p, a).Get("webhook-signature")
	tests := []struct {
		name, header, value string
		want                error
	}{
		{"good one after what is no base64", "webhook-signature", "v1,??? v1, v1 " + good, nil},
		{"good one before another", "webhook-signature", good + " v1," + strings.Repeat("A", 43) + "=", nil},
		{"good one amid many", "webhook-signature", strings.Repeat("v1,AAAA ", 400) + good, nil},
		{"a megabyte of signatures", "webhook-signature", strings.Repeat("v1,AAAA ", 1<<17) + good, ErrHeaderFormat},
		{"a megabyte of id", "webhook-id", strings.Repeat("x", 1<<20), ErrHeaderFormat},
		{"a megabyte of digits", "webhook-timestamp", strings.Repeat("1", 1<<20), ErrHeaderFormat},
		{"spaces alone", "webhook-signature", "   ", ErrHeaderFormat},
		{"zero bytes", "webhook-signature", "\x00\x00", ErrHeaderFormat},
		{"not UTF-8", "webhook-timestamp", "\xff", ErrHeaderFormat},
		{"other digits", "webhook-timestamp", "١٧٧٩٥٥٩٢٠٠", ErrHeaderFormat},
		{"a fraction", "webhook-timestamp", "1779559200.0", ErrHeaderFormat},
		{"an empty signature", "webhook-signature", "v1,", ErrMismatch},
		{"the dot moved from id to time", "webhook-id", a.Message.ID + ".1", ErrMismatch},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			h := received(t, p, a)
			h.Set(test.header, test.value)
			err := p.Verify([]string{testSecret(p)}, h, a.Body, a.At, time.Minute)
			if !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if err != nil && len(err.Error()) > 200 {
				t.Errorf("the error repeats the header: %d bytes", len(err.Error()))
			}
		})
	}
}

// unread fails the test if it is read.
type unread struct{ t *testing.T }

func (u unread) Read([]byte) (int, error) {
	u.t.Error("the body was read")
	return 0, io.EOF
}

func TestReadVerified(t *testing.T) {
	t.Parallel()
	p := named(t, "vantagekit")
	a := testAttempt(t, p)
	v := Verification{Profile: p.Name(), Secrets: []string{testSecret(p)}, Now: func() time.Time { return a.At }, MaxBody: int64(len(a.Body))}
	broken := errors.New("connection lost")
	tests := []struct {
		name   string
		body   io.Reader
		change func(*http.Request, *Verification)
		want   error
	}{
		{"as large as admitted", bytes.NewReader(a.Body), nil, nil},
		{"larger", io.MultiReader(bytes.NewReader(a.Body), strings.NewReader("x")), nil, ErrBodySize},
		{"without end", io.MultiReader(bytes.NewReader(a.Body), neverEnding{}), nil, ErrBodySize},
		{"cut", bytes.NewReader(a.Body[1:]), nil, ErrMismatch},
		{"broken off", io.MultiReader(bytes.NewReader(a.Body[1:]), failing{broken}), nil, broken},
		{"broken off at the end", io.MultiReader(bytes.NewReader(a.Body), failing{broken}), nil, broken},
		{"no body", nil, func(r *http.Request, _ *Verification) { r.Body = nil }, ErrMismatch},
		{"stale", unread{t}, func(_ *http.Request, v *Verification) { v.Now = time.Now }, ErrStale},
		{"no signature", unread{t}, func(r *http.Request, _ *Verification) { r.Header.Del("X-VantageKit-Signature") }, ErrMissingHeader},
		{"unknown profile", unread{t}, func(_ *http.Request, v *Verification) { v.Profile = "?" }, ErrUnknownProfile},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r, v := httptest.NewRequest(http.MethodPost, "/hook", test.body), v
			r.Header = received(t, p, a)
			if test.change != nil {
				test.change(r, &v)
			}
			body, err := ReadVerified(r, v)
			if !errors.Is(err, test.want) || (err == nil) != bytes.Equal(body, a.Body) {
				t.Errorf("got %d bytes, %v; want %v", len(body), err, test.want)
			}
		})
	}
}

type neverEnding struct{}

func (neverEnding) Read(p []byte) (int, error) { return len(p), nil }

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// FuzzReadVerified reads whole requests from anybody. What is accepted must be what Sign makes of the very same bytes.
func FuzzReadVerified(f *testing.F) {
	for _, v := range vectors(f).Requests {
		for _, a := range v.Attempts {
			var head strings.Builder
			head.WriteString("POST /hook HTTP/1.1\r\nHost: x\r\n")
			for _, h := range a.Headers {
				head.WriteString(h[0] + ": " + h[1] + "\r\n")
			}
			f.Add([]byte(head.String()+"Connection: close\r\n\r\n"), []byte(a.Body), v.Secrets[0])
		}
	}
	f.Add([]byte("POST / HTTP/1.1\r\nwebhook-signature: v1,\r\nwebhook-signature: v1,\r\n\r\n"), []byte{}, "")
	f.Fuzz(func(t *testing.T, head, body []byte, secret string) {
		r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(head)))
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		for _, p := range Profiles() {
			v := Verification{Profile: p.Name(), Secrets: []string{secret}, Tolerance: math.MaxInt64, MaxBody: 1 << 10}
			got, err := ReadVerified(r, v)
			if err != nil {
				r.Body = io.NopCloser(bytes.NewReader(body))
				continue
			}
			if !bytes.Equal(got, body) || len(body) > 1<<10 {
				t.Fatalf("%s: read %q of %q", p.Name(), got, body)
			}
			a := Attempt{Message: Message{ID: r.Header.Get("webhook-id")}, Body: body, Keys: keysOf(t, p, v.Secrets...)}
			if name := p.headerOf(attemptTime); name != "" {
				a.At = parsed(t, p, r.Header.Get(name))
			}
			want, err := p.Sign(a)
			if err != nil || !strings.Contains(strings.ToLower(r.Header.Get(p.headerOf(signatureList))), strings.ToLower(want)) {
				t.Fatalf("%s accepted %v; signed %q, %v", p.Name(), r.Header, want, err)
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
