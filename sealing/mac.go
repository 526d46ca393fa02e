package sealing

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"slices"
	"sync"

	"github.com/tink-crypto/tink-go/v2/insecuresecretdataaccess"
	"github.com/tink-crypto/tink-go/v2/keyset"
	tinkhmac "github.com/tink-crypto/tink-go/v2/mac/hmac"
)

// MAC returns a tag over parts: their number, order and bounds count, so ("ab","c") and ("a","bc") differ. The tag
// names the key it was made with; after a rotation VerifyMAC still accepts it.
func (k *Keyset) MAC(parts ...[]byte) []byte { return k.AppendMAC(nil, parts...) }

// AppendMAC appends what MAC returns.
func (k *Keyset) AppendMAC(b []byte, parts ...[]byte) []byte {
	primary := k.macs[0]
	s := primary.borrow()
	defer primary.states.Put(s)
	return append(b, s.sum(primary.prefix, parts)...)
}

// VerifyMAC returns nil if tag is a MAC over exactly these parts by this keyset or one it was rotated from, else
// ErrMAC. It compares in constant time.
func (k *Keyset) VerifyMAC(tag []byte, parts ...[]byte) error {
	for _, m := range k.macs {
		if m.verify(tag, parts) {
			return nil
		}
	}
	return ErrMAC
}

// macKey computes what Tink's MAC primitive computes with the same key, without joining the parts and without new hash
// states: a MAC is made and checked for every message. Making, keeping and rotating keys stays Tink's.
type macKey struct {
	prefix []byte    // Tink's: it names the key
	states sync.Pool // of *macState
}

// macState is a keyed hash, with room for a length and a tag: they pass an interface, so each would be allocated.
type macState struct {
	hash   hash.Hash
	length [8]byte
	tag    [64]byte
}

func (m *macKey) borrow() *macState { return m.states.Get().(*macState) }

func (m *macKey) verify(tag []byte, parts [][]byte) bool {
	s := m.borrow()
	defer m.states.Put(s)
	return hmac.Equal(tag, s.sum(m.prefix, parts))
}

// sum returns the prefix and the MAC over each part after its length as 8 bytes: no two lists of parts give the same bytes.
// It is good until the next call.
func (s *macState) sum(prefix []byte, parts [][]byte) []byte {
	s.hash.Reset()
	for _, part := range parts {
		binary.BigEndian.PutUint64(s.length[:], uint64(len(part)))
		s.hash.Write(s.length[:])
		s.hash.Write(part)
	}
	return s.hash.Sum(append(s.tag[:0], prefix...))
}

// macKeys takes the keys out of a Tink keyset, the primary first.
func macKeys(handle *keyset.Handle) ([]*macKey, error) {
	var keys []*macKey
	for i := range handle.Len() {
		entry, err := handle.Entry(i)
		if err != nil {
			return nil, err
		}
		if entry.KeyStatus() != keyset.Enabled {
			continue
		}
		m, err := newMACKey(entry)
		if err != nil {
			return nil, err
		}
		if entry.IsPrimary() {
			keys = slices.Insert(keys, 0, m)
		} else {
			keys = append(keys, m)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("no MAC key is enabled")
	}
	return keys, nil
}

func newMACKey(entry *keyset.Entry) (*macKey, error) {
	key, ok := entry.Key().(*tinkhmac.Key)
	if !ok {
		return nil, fmt.Errorf("a MAC key is a %T, not an HMAC key", entry.Key())
	}
	p, ok := key.Parameters().(*tinkhmac.Parameters)
	if !ok || p.HashType() != tinkhmac.SHA256 || p.CryptographicTagSizeInBytes() != sha256.Size || p.Variant() == tinkhmac.VariantLegacy {
		return nil, errors.New("a MAC key is not for HMAC-SHA256 with whole tags")
	}
	secret := key.KeyBytes().Data(insecuresecretdataaccess.Token{})
	m := &macKey{prefix: key.OutputPrefix()}
	m.states.New = func() any { return &macState{hash: hmac.New(sha256.New, secret)} }
	return m, nil
}
