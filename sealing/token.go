package sealing

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
)

const (
	tokenBytes = 32
	hashPrefix = "sha256:"
)

// NewToken returns 32 bytes of random as URL-safe base64 without padding, 43 characters. random is crypto/rand.Reader
// outside of tests.
func NewToken(random io.Reader) (string, error) {
	var raw [tokenBytes]byte
	if _, err := io.ReadFull(random, raw[:]); err != nil {
		return "", fmt.Errorf("make a token: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(raw[:]), nil
}

// HashSecret returns the form in which a token of NewToken is stored: "sha256:" and 64 hexadecimal digits.
//
// A fast hash is right here and only here: slow, salted hashes make guessing expensive where people choose the secret,
// but 256 random bits cannot be guessed at any speed nor found in a table, and a credential is checked on every
// request. Never use it for a password.
func HashSecret(secret string) string {
	b := hashSecret(secret)
	return string(b[:])
}

// hashSecret is HashSecret for who only compares, as every request does: nothing is allocated for it.
func hashSecret(secret string) (b [len(hashPrefix) + 2*sha256.Size]byte) {
	sum := sha256.Sum256(append(make([]byte, 0, 256), secret...)) // no secret of a token is longer
	hex.Encode(b[copy(b[:], hashPrefix):], sum[:])
	return b
}

// EqualHash tells, in a time that does not depend on either, whether hash is HashSecret of secret.
func EqualHash(hash, secret string) bool {
	own := hashSecret(secret)
	return subtle.ConstantTimeCompare([]byte(hash), own[:]) == 1
}
