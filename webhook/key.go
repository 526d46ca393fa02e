package webhook

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"sync"
)

// ErrNoSecret: there is nothing to sign or verify with.
var ErrNoSecret = errors.New("no secret")

// Key is a secret made ready for signing. Whoever signs often with a secret keeps its Key: hashing the secret anew each time
// costs as much as signing. It may be used from any number of goroutines.
type Key struct {
	mu    sync.Mutex
	mac   hash.Hash // HMAC-SHA256 keyed by the secret
	used  bool      // mac must be reset
	space []byte    // holds what is signed before and after a body, then the sum
}

// Keys makes secrets ready for signing in this profile, in their order. An error holds no secret.
func (p *Profile) Keys(secrets ...string) ([]*Key, error) {
	keys := make([]*Key, len(secrets))
	for i, secret := range secrets {
		key, err := p.signature.key.derive(secret)
		if err != nil {
			return nil, fmt.Errorf("secret %d of %d: %w", i+1, len(secrets), err)
		}
		keys[i] = &Key{mac: hmac.New(sha256.New, key)}
	}
	return keys, nil
}

// String says nothing of the secret.
func (k *Key) String() string { return "Key(redacted)" }

// GoString is String, for %#v.
func (k *Key) GoString() string { return k.String() }

// sum signs the pieces of a recipe.
func (k *Key) sum(signed []piece, v signedValues) [sha256.Size]byte {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.used {
		k.mac.Reset() // not before the first use: it prepares for many
	}
	k.used = true
	space := k.space[:0]
	for _, piece := range signed {
		switch piece.value {
		case messageID:
			space = append(space, v.id...)
		case attemptTime:
			space = append(space, v.time...)
		case body:
			k.mac.Write(space)
			k.mac.Write(v.body)
			space = space[:0]
		default:
			space = append(space, piece.text...)
		}
	}
	k.mac.Write(space)
	k.space = k.mac.Sum(space[:0])
	return [sha256.Size]byte(k.space)
}

type keyKind int

const (
	wholeSecret   keyKind = iota // the secret string itself, UTF-8, prefix included
	decodedSecret                // the bytes that its base64 stands for
)

func (k keyKind) derive(secret string) ([]byte, error) {
	if secret == "" {
		return nil, ErrNoSecret
	}
	if k == decodedSecret {
		return decodeSecret(secret)
	}
	return []byte(secret), nil
}
