package webhook

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

const (
	secretPrefix       = "whsec_"
	secretBytes        = 32
	minSuppliedLetters = 8
	maxSuppliedLetters = 256
	minKeyBytes        = 24
	maxKeyBytes        = 64
)

// ErrSecretFormat: a secret that the profile does not admit.
var ErrSecretFormat = errors.New("unsuitable secret")

// secretRule says how a profile's secrets are made and what may be supplied.
type secretRule struct {
	made           func(raw []byte) string
	supplied       func(secret string) error
	clientSupplied bool
	readable       bool
}

// ClientSupplied tells whether the client usually brings its own secret; otherwise the server makes it. NewSecret works
// for both.
func (p *Profile) ClientSupplied() bool { return p.secret.clientSupplied }

// SecretReadable tells whether the owner may read the secret again later; otherwise it is shown once.
func (p *Profile) SecretReadable() bool { return p.secret.readable }

// NewSecret makes a secret from 32 bytes of random, crypto/rand.Reader outside of tests: "whsec_" and their base64,
// URL-safe without padding, or for profile standard in the standard alphabet with padding.
func (p *Profile) NewSecret(random io.Reader) (string, error) {
	var raw [secretBytes]byte
	if _, err := io.ReadFull(random, raw[:]); err != nil {
		return "", fmt.Errorf("make a %s secret: %w", p.name, err)
	}
	return p.secret.made(raw[:]), nil
}

// CheckSecret tells whether a client may supply secret: 8 to 256 characters of UTF-8, or for profile standard "whsec_"
// and the padded standard base64 of 24 to 64 bytes. The error is ErrSecretFormat and does not hold the secret.
func (p *Profile) CheckSecret(secret string) error { return p.secret.supplied(secret) }

func urlSafeSecret(raw []byte) string {
	return secretPrefix + base64.RawURLEncoding.EncodeToString(raw)
}

func paddedSecret(raw []byte) string { return secretPrefix + base64.StdEncoding.EncodeToString(raw) }

func suppliedText(secret string) error {
	if !utf8.ValidString(secret) {
		return fmt.Errorf("%w: it is not UTF-8", ErrSecretFormat)
	}
	if n := utf8.RuneCountInString(secret); n < minSuppliedLetters || n > maxSuppliedLetters {
		return fmt.Errorf("%w: it has %d characters, not %d to %d",
			ErrSecretFormat, n, minSuppliedLetters, maxSuppliedLetters)
	}
	return nil
}

func suppliedKey(secret string) error {
	key, err := decodeSecret(secret)
	if err != nil {
		return err
	}
	if len(key) < minKeyBytes || len(key) > maxKeyBytes {
		return fmt.Errorf("%w: it stands for %d bytes, not %d to %d", ErrSecretFormat, len(key), minKeyBytes, maxKeyBytes)
	}
	return nil
}

func decodeSecret(secret string) ([]byte, error) {
	encoded, ok := strings.CutPrefix(secret, secretPrefix)
	if !ok {
		return nil, fmt.Errorf("%w: it does not begin with %s", ErrSecretFormat, secretPrefix)
	}
	key, err := decodeBase64(encoded)
	if err != nil || len(key) == 0 {
		return nil, fmt.Errorf("%w: what follows %s is not padded standard base64", ErrSecretFormat, secretPrefix)
	}
	return key, nil
}

var errLineBreak = errors.New("line break in base64")

// decodeBase64 admits one spelling a value; the package's own decoder would pass over line breaks.
func decodeBase64(text string) ([]byte, error) {
	if strings.ContainsAny(text, "\r\n") {
		return nil, errLineBreak
	}
	return base64.StdEncoding.Strict().DecodeString(text)
}
