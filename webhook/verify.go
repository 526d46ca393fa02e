package webhook

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// DefaultTolerance is the replay window of a verification that names none.
	DefaultTolerance = 5 * time.Minute
	// DefaultMaxBody is how many bytes ReadVerified reads at most unless told otherwise: more than this service sends.
	DefaultMaxBody = 2 << 20
	// maxHeaderValue bounds the headers that are looked at; the longest that is sent holds a few signatures.
	maxHeaderValue = 4 << 10
)

// What may be wrong with a request, for errors.Is.
var (
	// ErrMissingHeader: a header that the signature needs is not there.
	ErrMissingHeader = errors.New("missing header")
	// ErrHeaderFormat: a header is there and cannot be understood, is there twice, or is longer than any that is sent.
	ErrHeaderFormat = errors.New("malformed header")
	// ErrStale: the attempt's time is further from now, before or after, than the tolerance.
	ErrStale = errors.New("timestamp outside the replay window")
	// ErrMismatch: no signature belongs to these bytes and any of the secrets.
	ErrMismatch = errors.New("signature does not match")
	// ErrBodySize: the body has more bytes than the receiver admits.
	ErrBodySize = errors.New("body too large")
)

// ErrUnknownProfile: a Verification for a profile that this release does not have.
var ErrUnknownProfile = errors.New("unknown profile")

// HeaderError says which header is wrong. It quotes nothing of the request.
type HeaderError struct {
	// Header is the name as published, X-VC-Signature say.
	Header string
	// Err is ErrMissingHeader, ErrHeaderFormat, ErrStale or ErrMismatch, perhaps with more words.
	Err error
}

// Error names the header and what is wrong with it.
func (e *HeaderError) Error() string { return e.Header + ": " + e.Err.Error() }

// Unwrap returns Err.
func (e *HeaderError) Unwrap() error { return e.Err }

// Verification is what a receiver knows beforehand. Secrets alone must be set.
type Verification struct {
	// Profile is the contract's name as ByName takes it; "" is the default profile.
	Profile string
	// Secrets are those in force, in any order: one, or during a rotation the old and the new.
	Secrets []string
	// Tolerance is how far the attempt's time may be from Now, before or after; 0 or less is DefaultTolerance. Profile
	// clawbook signs no time and has no replay window.
	Tolerance time.Duration
	// Now tells the time; nil is time.Now.
	Now func() time.Time
	// MaxBody bounds what ReadVerified reads, in bytes; 0 or less is DefaultMaxBody.
	MaxBody int64
}

// Verify returns nil if one of v.Secrets signed this request: body as it was received, byte by byte. Otherwise the error
// is a *HeaderError that wraps ErrMissingHeader, ErrHeaderFormat, ErrStale or ErrMismatch; or it wraps ErrUnknownProfile,
// ErrNoSecret or ErrSecretFormat, and v is at fault. It holds no secret. Signatures are compared in constant time, and
// headers and body may come from anybody. Who was verified is who knows the secret; that a request is no repetition is
// told by the message's id alone, as delivery is at least once.
func Verify(h http.Header, body []byte, v Verification) error {
	p, err := v.profile()
	if err != nil {
		return err
	}
	return p.Verify(v.Secrets, h, body, v.now(), v.Tolerance)
}

// ReadVerified reads the body of r and returns it if Verify does. It reads nothing if the headers alone are refused, and
// at most v.MaxBody bytes: ErrBodySize if there are more. Other errors of reading are wrapped. It leaves r.Body open.
func ReadVerified(r *http.Request, v Verification) ([]byte, error) {
	p, err := v.profile()
	if err != nil {
		return nil, err
	}
	claim, err := p.claimed(r.Header, v.now(), v.Tolerance)
	if err != nil {
		return nil, err
	}
	limit := v.MaxBody
	if limit <= 0 {
		limit = DefaultMaxBody
	}
	if claim.values.body, err = readAtMost(r.Body, limit); err != nil {
		return nil, err
	}
	if err := p.confirm(v.Secrets, claim); err != nil {
		return nil, err
	}
	return claim.values.body, nil
}

func readAtMost(r io.Reader, limit int64) ([]byte, error) {
	if r == nil {
		return nil, nil
	}
	body, err := io.ReadAll(io.LimitReader(r, limit))
	if err != nil {
		return nil, fmt.Errorf("read the body: %w", err)
	}
	if n, err := io.ReadFull(r, make([]byte, 1)); n > 0 {
		return nil, fmt.Errorf("%w: over %d bytes", ErrBodySize, limit)
	} else if !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("read the body: %w", err)
	}
	return body, nil
}

func (v Verification) profile() (*Profile, error) {
	if v.Profile == "" {
		return Default(), nil
	}
	p, ok := ByName(v.Profile)
	if !ok {
		return nil, fmt.Errorf("%w %q", ErrUnknownProfile, v.Profile)
	}
	return p, nil
}

func (v Verification) now() time.Time {
	if v.Now == nil {
		return time.Now()
	}
	return v.Now()
}

// Verify is the package's Verify in this profile at the time now; a tolerance of 0 or less is DefaultTolerance.
func (p *Profile) Verify(secrets []string, h http.Header, body []byte, now time.Time, tolerance time.Duration) error {
	claim, err := p.claimed(h, now, tolerance)
	if err != nil {
		return err
	}
	claim.values.body = body
	return p.confirm(secrets, claim)
}

// claim is what a request says of itself: values, and signatures of them that are not believed yet.
type claim struct {
	values signedValues
	sums   [][]byte
}

// claimed reads what the headers say, and refuses what is stale.
func (p *Profile) claimed(h http.Header, now time.Time, tolerance time.Duration) (c claim, err error) {
	if c.values, err = p.received(h); err != nil {
		return c, err
	}
	if err := p.signature.time.check(c.values.time, now, tolerance); err != nil {
		return c, &HeaderError{p.headerOf(attemptTime), err}
	}
	name := p.headerOf(signatureList)
	text, err := single(h, name)
	if err != nil {
		return c, err
	}
	if c.sums, err = p.signature.parse(text); err != nil {
		return c, &HeaderError{name, err}
	}
	return c, nil
}

// confirm returns nil if one of the signatures is one of the secrets'. It looks at all, so that its time tells only how
// many there are.
func (p *Profile) confirm(secrets []string, c claim) error {
	if len(secrets) == 0 {
		return ErrNoSecret
	}
	keys, err := p.Keys(secrets...)
	if err != nil {
		return err
	}
	found := 0
	for _, key := range keys {
		want := key.sum(p.signature.signed, c.values)
		for _, sum := range c.sums {
			found |= subtle.ConstantTimeCompare(sum, want[:])
		}
	}
	if found == 0 {
		return &HeaderError{p.headerOf(signatureList), ErrMismatch}
	}
	return nil
}

// received collects the signed values that come in headers.
func (p *Profile) received(h http.Header) (values signedValues, err error) {
	for _, piece := range p.signature.signed {
		switch piece.value {
		case attemptTime:
			values.time, err = single(h, p.headerOf(attemptTime))
		case messageID:
			values.id, err = single(h, p.headerOf(messageID))
		}
		if err != nil {
			return values, err
		}
	}
	return values, nil
}

func (p *Profile) headerOf(value source) string {
	for _, h := range p.headers {
		if h.value == value {
			return h.name
		}
	}
	return ""
}

func single(h http.Header, name string) (string, error) {
	switch values := h.Values(name); {
	case len(values) == 0 || len(values) == 1 && values[0] == "":
		return "", &HeaderError{name, ErrMissingHeader}
	case len(values) > 1:
		return "", &HeaderError{name, fmt.Errorf("%w: it is there twice", ErrHeaderFormat)}
	case len(values[0]) > maxHeaderValue:
		return "", &HeaderError{name, fmt.Errorf("%w: over %d bytes", ErrHeaderFormat, maxHeaderValue)}
	default:
		return values[0], nil
	}
}

// parse returns the signatures of a header's value. In a list, what is not of this version or cannot be understood is
// passed over, as long as there is another.
func (s signature) parse(text string) ([][]byte, error) {
	texts := []string{text}
	if s.list {
		texts = strings.Fields(text)
	}
	var sums [][]byte
	for _, text := range texts {
		encoded, ok := strings.CutPrefix(text, s.prefix)
		if !ok {
			continue
		}
		if sum, err := s.encoding.decode(encoded); err == nil {
			sums = append(sums, sum)
		}
	}
	if len(sums) == 0 {
		return nil, fmt.Errorf("%w: no signature of the form %s<%s>", ErrHeaderFormat, s.prefix, s.encoding)
	}
	return sums, nil
}

func (k timeKind) check(text string, now time.Time, tolerance time.Duration) error {
	if k == noTime {
		return nil
	}
	at, err := k.parse(text)
	if err != nil {
		return ErrHeaderFormat
	}
	if tolerance <= 0 {
		tolerance = DefaultTolerance
	}
	if age := now.Sub(at); age > tolerance || age < -tolerance {
		return ErrStale
	}
	return nil
}

func (k timeKind) parse(text string) (time.Time, error) {
	if k == isoSeconds {
		return time.Parse(time.RFC3339, text)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if k == unixMilliseconds {
		return time.UnixMilli(n), err
	}
	return time.Unix(n, 0), err
}
