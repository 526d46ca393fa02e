package webhook

import (
	"crypto/hmac"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// DefaultTolerance is the replay window that Verify uses when it is given none.
const DefaultTolerance = 5 * time.Minute

// What Verify may find wrong, for errors.Is. The error names the header.
var (
	// ErrMissingHeader: a header that the signature needs is not there.
	ErrMissingHeader = errors.New("missing header")
	// ErrHeaderFormat: a header is there and cannot be understood, or is there twice.
	ErrHeaderFormat = errors.New("malformed header")
	// ErrStale: the attempt's time is further from now, before or after, than the tolerance.
	ErrStale = errors.New("timestamp outside the replay window")
	// ErrMismatch: no signature belongs to these bytes and any of the secrets.
	ErrMismatch = errors.New("signature does not match")
)

// Verify returns nil if one of secrets signed this request in this profile: body as received, byte by byte, and not
// older or newer than tolerance against now. A tolerance of 0 or less means DefaultTolerance; profiles that sign no
// time have no replay window, and receivers rely on the message's id there, as they must for at-least-once delivery
// anyway. Otherwise the error is ErrMissingHeader, ErrHeaderFormat, ErrStale, ErrMismatch, or says which secret cannot
// be used; it holds no secret. Signatures are compared in constant time.
func (p *Profile) Verify(secrets []string, h http.Header, body []byte, now time.Time, tolerance time.Duration) error {
	values, err := p.received(h)
	if err != nil {
		return err
	}
	values.body = body
	if err := p.signature.time.check(values.time, now, tolerance); err != nil {
		return fmt.Errorf("%s: %w", p.headerOf(attemptTime), err)
	}
	name := p.headerOf(signatureList)
	text, err := single(h, name)
	if err != nil {
		return err
	}
	sums, err := p.signature.parse(text)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return p.signature.match(secrets, values, sums, name)
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
	case len(values) == 0 || values[0] == "":
		return "", fmt.Errorf("%s: %w", name, ErrMissingHeader)
	case len(values) > 1:
		return "", fmt.Errorf("%s: %w: it is there twice", name, ErrHeaderFormat)
	default:
		return values[0], nil
	}
}

// parse returns the signatures of a header's value. In a list, signatures of other versions are passed over.
func (s signature) parse(text string) ([][]byte, error) {
	texts := []string{text}
	if s.list {
		texts = strings.Fields(text)
	}
	var sums [][]byte
	for _, text := range texts {
		encoded, ok := strings.CutPrefix(text, s.prefix)
		if !ok && s.list {
			continue
		}
		sum, err := s.encoding.decode(encoded)
		if !ok || err != nil {
			return nil, ErrHeaderFormat
		}
		sums = append(sums, sum)
	}
	if len(sums) == 0 {
		return nil, fmt.Errorf("%w: no signature that begins with %s", ErrHeaderFormat, s.prefix)
	}
	return sums, nil
}

func (s signature) match(secrets []string, values signedValues, sums [][]byte, name string) error {
	if len(secrets) == 0 {
		return ErrNoSecret
	}
	for i, secret := range secrets {
		key, err := s.key.derive(secret)
		if err != nil {
			return fmt.Errorf("secret %d of %d: %w", i+1, len(secrets), err)
		}
		want := s.sum(key, values)
		for _, sum := range sums {
			if hmac.Equal(sum, want[:]) {
				return nil
			}
		}
	}
	return fmt.Errorf("%s: %w", name, ErrMismatch)
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
