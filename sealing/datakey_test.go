package sealing

import (
	"bytes"
	"errors"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

func newTestDataKey(t testing.TB) *DataKey {
	t.Helper()
	_, key, err := newTestKeyset(t).NewDataKey("org_1")
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestSealedOpensUnderItsAssociatedDataOnly(t *testing.T) {
	t.Parallel()
	key, other := newTestDataKey(t), newTestDataKey(t)
	text := rapid.SliceOfN(rapid.Byte(), 0, 300)
	rapid.Check(t, func(t *rapid.T) {
		plaintext, associated, wrong := text.Draw(t, "plaintext"), text.Draw(t, "associated"), text.Draw(t, "wrong")
		sealed, err := key.Seal(plaintext, associated)
		if err != nil {
			t.Fatal(err)
		}
		if len(plaintext) >= 8 && bytes.Contains(sealed, plaintext) {
			t.Fatal("the plaintext can be read")
		}
		opened, err := key.Open(sealed, associated)
		if err != nil || !bytes.Equal(opened, plaintext) {
			t.Fatalf("opened %x, %v; want %x", opened, err, plaintext)
		}
		if _, err := key.Open(sealed, wrong); !bytes.Equal(associated, wrong) && !errors.Is(err, ErrOpen) {
			t.Fatalf("other associated data: %v", err)
		}
		if _, err := other.Open(sealed, associated); !errors.Is(err, ErrOpen) {
			t.Fatalf("another data key: %v", err)
		}
		at := rapid.IntRange(0, len(sealed)-1).Draw(t, "changed byte")
		sealed[at] ^= rapid.ByteRange(1, 255).Draw(t, "change")
		if _, err := key.Open(sealed, associated); !errors.Is(err, ErrOpen) {
			t.Fatalf("byte %d changed: %v", at, err)
		}
	})
}

func TestSealingTwiceDiffers(t *testing.T) {
	t.Parallel()
	key := newTestDataKey(t)
	one, err := key.Seal([]byte("payload"), nil)
	if err != nil {
		t.Fatal(err)
	}
	two, err := key.Seal([]byte("payload"), nil)
	if err != nil || bytes.Equal(one, two) {
		t.Errorf("sealed to %x twice, %v", one, err)
	}
	for _, cut := range [][]byte{nil, {}, one[:4], one[:len(one)-1]} {
		if _, err := key.Open(cut, nil); !errors.Is(err, ErrOpen) {
			t.Errorf("opened %d of %d bytes: %v", len(cut), len(one), err)
		}
	}
}

func TestDataKeyBelongsToItsOrganization(t *testing.T) {
	t.Parallel()
	k := newTestKeyset(t)
	wrapped, key, err := k.NewDataKey("org_1")
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := key.Seal([]byte("payload"), []byte("evt_1"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := k.OpenDataKey("org_1", wrapped)
	if err != nil {
		t.Fatal(err)
	}
	if opened, err := again.Open(sealed, []byte("evt_1")); err != nil || string(opened) != "payload" {
		t.Errorf("the unwrapped key opens %q, %v", opened, err)
	}
	for _, org := range []string{"org_2", "", "org_1 ", "ORG_1"} {
		if _, err := k.OpenDataKey(org, wrapped); !errors.Is(err, ErrOpen) {
			t.Errorf("opened for %q: %v", org, err)
		}
	}
	for i := range wrapped {
		changed := bytes.Clone(wrapped)
		changed[i] ^= 0x55
		unwrapped, err := k.OpenDataKey("org_1", changed)
		if err == nil { // the encoding around the ciphertext names the key a second time, for people
			if _, err := unwrapped.Open(sealed, []byte("evt_1")); err != nil {
				t.Errorf("byte %d changed: another key", i)
			}
		} else if !errors.Is(err, ErrOpen) {
			t.Errorf("byte %d changed: %v", i, err)
		}
	}
	if _, other, err := k.NewDataKey("org_1"); err != nil {
		t.Error(err)
	} else if _, err := other.Open(sealed, []byte("evt_1")); !errors.Is(err, ErrOpen) {
		t.Errorf("two data keys are the same: %v", err)
	}
}

func FuzzOpenDataKey(f *testing.F) {
	k, err := NewKeyset()
	if err != nil {
		f.Fatal(err)
	}
	wrapped, _, err := k.NewDataKey("org_1")
	if err != nil {
		f.Fatal(err)
	}
	f.Add("org_1", []byte("\x12\x02\x08\x01"))
	f.Add("", []byte{})
	f.Fuzz(func(t *testing.T, org string, data []byte) {
		if _, err := k.OpenDataKey(org, data); !errors.Is(err, ErrOpen) {
			t.Fatalf("opened made-up bytes: %v", err)
		}
		if _, err := k.OpenDataKey(org, wrapped); (err == nil) != (org == "org_1") {
			t.Fatalf("organization %q: %v", org, err)
		}
	})
}

func TestKeysServeManyGoroutines(t *testing.T) {
	t.Parallel()
	k := newTestKeyset(t)
	wrapped, key, err := k.NewDataKey("org_1")
	if err != nil {
		t.Fatal(err)
	}
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			for range 50 {
				sealed, err := key.Seal([]byte("payload"), nil)
				if err != nil {
					t.Error(err)
				}
				if _, err := key.Open(sealed, nil); err != nil {
					t.Error(err)
				}
				if _, err := k.OpenDataKey("org_1", wrapped); err != nil {
					t.Error(err)
				}
				if err := k.VerifyMAC(k.MAC(sealed), sealed); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}

func BenchmarkSeal500(b *testing.B) {
	key, plaintext, id := newTestDataKey(b), make([]byte, 500), []byte("evt_018f3e2a-0000-7000-8000-000000000001")
	b.SetBytes(500)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := key.Seal(plaintext, id); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen500(b *testing.B) {
	key, id := newTestDataKey(b), []byte("evt_018f3e2a-0000-7000-8000-000000000001")
	sealed, err := key.Seal(make([]byte, 500), id)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(500)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := key.Open(sealed, id); err != nil {
			b.Fatal(err)
		}
	}
}
