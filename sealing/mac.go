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
func (k *Keyset) MAC(parts ...[]byte) []byte {
	primary := k.macs[0]
	return primary.append(slices.Clip(primary.prefix), parts)
}

// VerifyMAC returns nil if tag is a MAC over exactly these parts by this keyset or one it was rotated from, else
// ErrMAC. It compares in constant time.
func (k *Keyset) VerifyMAC(tag []byte, parts ...[]byte) error {
	var room [64]byte
	for _, m := range k.macs {
		if hmac.Equal(tag, m.append(append(room[:0], m.prefix...), parts)) {
			return nil
		}
	}
	return ErrMAC
}

// macKey computes what Tink's MAC primitive computes with the same key, without joining the parts and without new hash
// states: a MAC is made and checked for every message. Making, keeping and rotating keys stays Tink's.
type macKey struct {
	prefix []byte    // Tink's: it names the key
	states sync.Pool // of hash.Hash, keyed
}

// append appends the MAC over each part after its length as 8 bytes: no two lists of parts give the same bytes.
func (m *macKey) append(b []byte, parts [][]byte) []byte {
	h := m.states.Get().(hash.Hash)
	defer m.states.Put(h)
	h.Reset()
	var length [8]byte
	for _, part := range parts {
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		h.Write(length[:])
		h.Write(part)
	}
	return h.Sum(b)
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
	m.states.New = func() any { return hmac.New(sha256.New, secret) }
	return m, nil
}
