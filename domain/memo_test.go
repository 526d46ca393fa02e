package domain

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"testing"
	"time"
)

// plainKeys authenticates without a key.
type plainKeys struct{}

func (plainKeys) MAC(parts ...[]byte) []byte {
	sum := sha256.Sum256(bytes.Join(parts, []byte{0}))
	return sum[:]
}

func (k plainKeys) VerifyMAC(mac []byte, parts ...[]byte) error {
	if !bytes.Equal(mac, k.MAC(parts...)) {
		return errors.New("no")
	}
	return nil
}

func TestTheSameMemoryIsDecodedOnceAndNothingElseIsTakenForIt(t *testing.T) {
	c := NewCodec(plainKeys{})
	id := [16]byte{1}
	e, err := c.Encode("hl_slug-acme", id, &SlugReserved{Slug: "acme"}, Meta{At: time.Unix(1, 0)})
	if err != nil {
		t.Fatal(err)
	}
	first, _, err := c.Decode("hl_slug-acme", id, e.Type, e.Data, e.Metadata)
	if err != nil {
		t.Fatal(err)
	}
	again, _, err := c.Decode("hl_slug-acme", id, e.Type, e.Data, e.Metadata)
	if err != nil || again != first {
		t.Errorf("decoded again: %v, %v", again, err)
	}
	copied, _, err := c.Decode("hl_slug-acme", id, e.Type, bytes.Clone(e.Data), e.Metadata)
	if err != nil || copied == first {
		t.Errorf("other memory was taken for the same: %v", err)
	}
	if _, _, err := c.Decode("hl_slug-evil", id, e.Type, e.Data, e.Metadata); !errors.Is(err, ErrForged) {
		t.Errorf("on another stream: got %v, want ErrForged", err)
	}
}
