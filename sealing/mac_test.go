package sealing

import (
	"testing"

	"github.com/tink-crypto/tink-go/v2/mac"
	"pgregory.net/rapid"
)

// joined is what a MAC is over, in one piece.
func joined(parts [][]byte) []byte {
	var b []byte
	for _, p := range parts {
		b = append(b, 0, 0, 0, 0, 0, 0, byte(len(p)>>8), byte(len(p)))
		b = append(b, p...)
	}
	return b
}

func TestMACsAreTinksOwn(t *testing.T) {
	old, err := NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	k, err := old.Rotate()
	if err != nil {
		t.Fatal(err)
	}
	tink, err := mac.New(k.mac)
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOf(rapid.SliceOfN(rapid.Byte(), 0, 300)).Draw(t, "parts")
		if err := tink.VerifyMAC(k.MAC(parts...), joined(parts)); err != nil {
			t.Fatalf("Tink refuses ours: %v", err)
		}
		if err := tink.VerifyMAC(old.MAC(parts...), joined(parts)); err != nil {
			t.Fatalf("Tink refuses ours of before the rotation: %v", err)
		}
		tag, err := tink.ComputeMAC(joined(parts))
		if err != nil {
			t.Fatal(err)
		}
		if err := k.VerifyMAC(tag, parts...); err != nil {
			t.Fatalf("we refuse Tink's: %v", err)
		}
		if err := old.VerifyMAC(tag, parts...); err == nil {
			t.Fatal("the keyset before the rotation accepts the new key's MAC")
		}
	})
}
