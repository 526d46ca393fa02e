package sealing

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/mac"
	tinkpb "github.com/tink-crypto/tink-go/v2/proto/tink_go_proto"
	"github.com/tink-crypto/tink-go/v2/tink"
)

const (
	keysetFormat  = "hooklog-keyset"
	keysetVersion = 1
)

// Keyset holds the two roots of everything sealed: wrap, an AEAD over data keys, and mac, an HMAC-SHA256 over facts.
// Each is a Tink keyset: one primary key that seals, and older ones that still open. A Keyset never changes after it is
// made, so it may be used from any number of goroutines.
type Keyset struct {
	wrap    *keyset.Handle
	mac     *keyset.Handle
	wrapper tink.AEAD
	macs    []*macKey // the primary first
}

// keysetFile is the stored form: a name and a version first, so that a later form is refused by name and not by
// accident, then both Tink keysets in Tink's own JSON.
type keysetFile struct {
	Format  string          `json:"format"`
	Version int             `json:"version"`
	Wrap    json.RawMessage `json:"wrap"`
	MAC     json.RawMessage `json:"mac"`
}

// NewKeyset makes a keyset of fresh random keys. It is nowhere stored until Write.
func NewKeyset() (*Keyset, error) {
	wrap, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("make the wrapping key: %w", err)
	}
	authenticate, err := keyset.NewHandle(mac.HMACSHA256Tag256KeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("make the MAC key: %w", err)
	}
	return newKeyset(wrap, authenticate)
}

func newKeyset(wrap, authenticate *keyset.Handle) (*Keyset, error) {
	wrapper, err := aead.New(wrap)
	if err != nil {
		return nil, fmt.Errorf("use the wrapping keys: %w", err)
	}
	macs, err := macKeys(authenticate)
	if err != nil {
		return nil, fmt.Errorf("use the MAC keys: %w", err)
	}
	return &Keyset{wrap: wrap, mac: authenticate, wrapper: wrapper, macs: macs}, nil
}

// Rotate returns a keyset that seals with new keys and still opens and verifies whatever k did; k stays as it was.
// Every node that shares the log needs the rotated file before any of them seals with it.
func (k *Keyset) Rotate() (*Keyset, error) {
	wrap, err := withNewPrimary(k.wrap, aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("rotate the wrapping key: %w", err)
	}
	authenticate, err := withNewPrimary(k.mac, mac.HMACSHA256Tag256KeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("rotate the MAC key: %w", err)
	}
	return newKeyset(wrap, authenticate)
}

func withNewPrimary(handle *keyset.Handle, template *tinkpb.KeyTemplate) (*keyset.Handle, error) {
	manager := keyset.NewManagerFromHandle(handle)
	id, err := manager.Add(template)
	if err != nil {
		return nil, err
	}
	if err := manager.SetPrimary(id); err != nil {
		return nil, err
	}
	return manager.Handle()
}

// ParseKeyset reads what Marshal wrote. Anything else, a later version, unknown members or trailing
// bytes included, is an error that is ErrKeysetFormat.
func ParseKeyset(data []byte) (*Keyset, error) {
	file, err := parseKeysetFile(data)
	if err != nil {
		return nil, err
	}
	wrap, err := parseHandle(file.Wrap)
	if err != nil {
		return nil, fmt.Errorf("%w: member wrap is no Tink keyset", ErrKeysetFormat)
	}
	authenticate, err := parseHandle(file.MAC)
	if err != nil {
		return nil, fmt.Errorf("%w: member mac is no Tink keyset", ErrKeysetFormat)
	}
	k, err := newKeyset(wrap, authenticate)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKeysetFormat, err)
	}
	return k, nil
}

// parseKeysetFile drops the decoders' own errors: they may quote what they choked on, and that is key material.
func parseKeysetFile(data []byte) (keysetFile, error) {
	var head struct {
		Format  string `json:"format"`
		Version int    `json:"version"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return keysetFile{}, fmt.Errorf("%w: no JSON object", ErrKeysetFormat)
	}
	if head.Format != keysetFormat {
		return keysetFile{}, fmt.Errorf("%w: its format is not %q", ErrKeysetFormat, keysetFormat)
	}
	if head.Version != keysetVersion {
		return keysetFile{}, fmt.Errorf("%w: it has version %d and this release reads version %d",
			ErrKeysetFormat, head.Version, keysetVersion)
	}
	var file keysetFile
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil {
		return keysetFile{}, fmt.Errorf("%w: unknown or malformed members", ErrKeysetFormat)
	}
	if _, err := decoder.Token(); err != io.EOF {
		return keysetFile{}, fmt.Errorf("%w: bytes after its end", ErrKeysetFormat)
	}
	return file, nil
}

func parseHandle(data json.RawMessage) (*keyset.Handle, error) {
	return insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(data)))
}

// Marshal returns the stored form that ParseKeyset reads. It holds the keys in clear: whoever has these bytes and the
// log can read everything.
func (k *Keyset) Marshal() ([]byte, error) {
	wrap, err := marshalHandle(k.wrap)
	if err != nil {
		return nil, fmt.Errorf("encode the wrapping keys: %w", err)
	}
	authenticate, err := marshalHandle(k.mac)
	if err != nil {
		return nil, fmt.Errorf("encode the MAC keys: %w", err)
	}
	data, err := json.MarshalIndent(keysetFile{
		Format: keysetFormat, Version: keysetVersion, Wrap: wrap, MAC: authenticate,
	}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode the keyset: %w", err)
	}
	return append(data, '\n'), nil
}

func marshalHandle(handle *keyset.Handle) (json.RawMessage, error) {
	var out bytes.Buffer
	if err := insecurecleartextkeyset.Write(handle, keyset.NewJSONWriter(&out)); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// String says nothing of the keys, so that a keyset in a log line or an error harms nobody.
func (k *Keyset) String() string { return redacted }

// GoString is String, for %#v.
func (k *Keyset) GoString() string { return redacted }
