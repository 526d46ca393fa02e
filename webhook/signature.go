package webhook

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Attempt is one HTTP request to be signed.
type Attempt struct {
	// Message is what is delivered; its Data is not looked at.
	Message Message
	// Body is the bytes that are sent, as AppendBody made them.
	Body []byte
	// At is the attempt's own time: every attempt is signed anew.
	At time.Time
	// Delivery is the delivery's UUID, without prefix, the same at every attempt.
	Delivery string
	// Keys are those of the secrets in force, oldest first. Where a signature is a list all of them sign, otherwise the first.
	Keys []*Key
}

// Field is one header of a request, its name spelled as published.
type Field struct{ Name, Value string }

// header is a field of every request: a constant text or the value of a source.
type header struct {
	name  string
	text  string
	value source
}

var (
	contentType = header{name: "Content-Type", text: "application/json"}
	// defaultUserAgent yields to a subscription's own header of that name.
	defaultUserAgent = header{name: "User-Agent", text: "Hooklog/1"}
)

// signature is the recipe of a signature: HMAC-SHA256 under key over the signed pieces, encoded after prefix.
type signature struct {
	signed   []piece
	time     timeKind
	prefix   string
	encoding encoding
	key      keyKind
	list     bool // one signature a secret, separated by spaces
}

// piece is a part of the signed bytes: a constant text or the value of a source.
type piece struct {
	text  string
	value source
}

type timeKind int

const (
	noTime timeKind = iota
	unixSeconds
	unixMilliseconds
	isoSeconds
)

type encoding int

const (
	hexadecimal encoding = iota
	standardBase64
)

// AppendHeaders appends the fields of an attempt's request in the order in which they are sent: Content-Type and
// User-Agent first, the signature after what it signs. Nothing is appended on an error, and an error holds no secret.
func (p *Profile) AppendHeaders(dst []Field, a Attempt) ([]Field, error) {
	out := slices.Grow(dst, len(p.headers))
	at := p.signature.time.format(a.At)
	for _, h := range p.headers {
		value, err := p.headerValue(h, a, at)
		if err == nil {
			err = checkHeaderValue(value)
		}
		if err != nil {
			return dst, fmt.Errorf("%s header of an attempt: %w", h.name, err)
		}
		out = append(out, Field{h.name, value})
	}
	return out, nil
}

func (p *Profile) headerValue(h header, a Attempt, at string) (string, error) {
	switch h.value {
	case eventType:
		return a.Message.Type, nil
	case messageID:
		return a.Message.ID, nil
	case deliveryID:
		return a.Delivery, nil
	case attemptTime:
		return at, nil
	case signatureList:
		return p.sign(a, at)
	default:
		return h.text, nil
	}
}

// checkHeaderValue keeps a header from growing a second line: visible ASCII and inner spaces only, never empty.
func checkHeaderValue(value string) error {
	if value == "" {
		return errors.New("empty value")
	}
	for i := 0; i < len(value); i++ {
		if value[i] < ' ' || value[i] > '~' {
			return errors.New("value is not visible ASCII")
		}
	}
	return nil
}

// Sign returns the value of the signature header alone.
func (p *Profile) Sign(a Attempt) (string, error) {
	return p.sign(a, p.signature.time.format(a.At))
}

// SignsWithAll tells whether every secret in force signs, so that a rotation overlaps without a gap. Where it does not,
// only the first signs.
func (p *Profile) SignsWithAll() bool { return p.signature.list }

func (p *Profile) sign(a Attempt, at string) (string, error) {
	keys := a.Keys
	if len(keys) == 0 {
		return "", ErrNoSecret
	}
	if !p.signature.list {
		keys = keys[:1]
	}
	var space [160]byte
	out := space[:0]
	for i, key := range keys {
		if i > 0 {
			out = append(out, ' ')
		}
		out = append(out, p.signature.prefix...)
		sum := key.sum(p.signature.signed, signedValues{id: a.Message.ID, time: at, body: a.Body})
		out = p.signature.encoding.append(out, sum[:])
	}
	return string(out), nil
}

// signedValues are the values that signatures sign, as they stand on the wire.
type signedValues struct {
	id, time string
	body     []byte
}

func (k timeKind) format(at time.Time) string {
	switch k {
	case unixSeconds:
		return strconv.FormatInt(at.Unix(), 10)
	case unixMilliseconds:
		return strconv.FormatInt(at.UnixMilli(), 10)
	case isoSeconds:
		return at.UTC().Format(wholeSeconds)
	default:
		return ""
	}
}

func (e encoding) String() string {
	if e == standardBase64 {
		return "base64"
	}
	return "hex"
}

func (e encoding) append(dst, sum []byte) []byte {
	if e == standardBase64 {
		return base64.StdEncoding.AppendEncode(dst, sum)
	}
	return hex.AppendEncode(dst, sum)
}

func (e encoding) decode(text string) ([]byte, error) {
	if e == standardBase64 {
		return decodeBase64(text)
	}
	return hex.DecodeString(text)
}
