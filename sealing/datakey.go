package sealing

import (
	"bytes"
	"fmt"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/keyset"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// Purposes keep apart what one wrapping key seals: a wrapped data key never passes for a probe, nor one organization's
// for another's.
const (
	dataKeyPurpose = "hooklog.datakey.v1:"
	probePurpose   = "hooklog.probe.v1:"
)

// dataKeyTemplate is AES-256-GCM with a random 96-bit nonce a seal. Two equal nonces would tell what two plaintexts have
// in common: after 2^32 seals under one key their probability is 2^-33, after 2^40 (seven years at 5,000 a second for one
// organization) 2^-17. Extended nonces would lift that for 0.7 µs an operation; a key made by another template opens
// just as well, so the choice can change for new organizations at any time.
func dataKeyTemplate() *tinkpb.KeyTemplate { return aead.AES256GCMKeyTemplate() }

// DataKey seals what belongs to one organization. It may be used from any number of goroutines.
type DataKey struct {
	aead tink.AEAD
}

// NewDataKey makes a data key for org and returns it together with its wrapped form, which is safe to store in the log
// and which OpenDataKey opens for the same org only.
func (k *Keyset) NewDataKey(org string) (wrapped []byte, key *DataKey, err error) {
	handle, err := keyset.NewHandle(dataKeyTemplate())
	if err != nil {
		return nil, nil, fmt.Errorf("make a data key: %w", err)
	}
	var out bytes.Buffer
	err = handle.WriteWithAssociatedData(keyset.NewBinaryWriter(&out), k.wrapper, dataKeyContext(org))
	if err != nil {
		return nil, nil, fmt.Errorf("wrap a data key: %w", err)
	}
	key, err = newDataKey(handle)
	if err != nil {
		return nil, nil, err
	}
	return out.Bytes(), key, nil
}

// OpenDataKey opens a data key that NewDataKey wrapped for the same org with this keyset or one it was rotated from;
// otherwise the error is ErrOpen.
func (k *Keyset) OpenDataKey(org string, wrapped []byte) (*DataKey, error) {
	reader := keyset.NewBinaryReader(bytes.NewReader(wrapped))
	handle, err := keyset.ReadWithAssociatedData(reader, k.wrapper, dataKeyContext(org))
	if err != nil {
		return nil, fmt.Errorf("unwrap a data key: %w", ErrOpen)
	}
	return newDataKey(handle)
}

func newDataKey(handle *keyset.Handle) (*DataKey, error) {
	primitive, err := aead.New(handle)
	if err != nil {
		return nil, fmt.Errorf("use a data key: %w", err)
	}
	return &DataKey{aead: primitive}, nil
}

func dataKeyContext(org string) []byte { return []byte(dataKeyPurpose + org) }

// Seal returns plaintext as ciphertext that only Open with the same associated data, usually the owning id, turns back.
// Sealing twice gives different bytes.
func (d *DataKey) Seal(plaintext, associated []byte) ([]byte, error) {
	sealed, err := d.aead.Encrypt(plaintext, associated)
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return sealed, nil
}

// Open returns what Seal was given. With another key, other associated data or changed bytes the error is ErrOpen.
func (d *DataKey) Open(sealed, associated []byte) ([]byte, error) {
	plaintext, err := d.aead.Decrypt(sealed, associated)
	if err != nil {
		return nil, fmt.Errorf("unseal: %w", ErrOpen)
	}
	return plaintext, nil
}

// String says nothing of the key.
func (d *DataKey) String() string { return redacted }

// GoString is String, for %#v.
func (d *DataKey) GoString() string { return redacted }
