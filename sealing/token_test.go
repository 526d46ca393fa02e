package sealing

import (
	"bytes"
	"crypto/rand"
	"testing"
)

func TestNewToken(t *testing.T) {
	t.Parallel()
	got, err := NewToken(bytes.NewReader(bytes.Repeat([]byte{0xfb, 0xff}, 16)))
	if want := "-__7__v_-__7__v_-__7__v_-__7__v_-__7__v_-_8"; err != nil || got != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
	if _, err := NewToken(bytes.NewReader(make([]byte, 31))); err == nil {
		t.Error("made a token of 31 random bytes")
	}
	one, err := NewToken(rand.Reader)
	if err != nil || len(one) != 43 {
		t.Errorf("got %d characters, %v", len(one), err)
	}
	if two, _ := NewToken(rand.Reader); one == two {
		t.Error("two tokens are the same")
	}
}

func TestHashes(t *testing.T) {
	t.Parallel()
	// SHA-256 of "abc" is the first example of FIPS 180-4.
	const want = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
	if got := HashSecret("abc"); got != want {
		t.Errorf("got %s", got)
	}
	tests := []struct {
		name, hash, secret string
		want               bool
	}{
		{"its own", want, "abc", true},
		{"another secret", want, "abd", false},
		{"longer secret", want, "abc ", false},
		{"no secret", want, "", false},
		{"hash without its name", want[len("sha256:"):], "abc", false},
		{"cut hash", want[:len(want)-1], "abc", false},
		{"no hash", "", "abc", false},
		{"neither", "", "", false},
		{"the hash as the secret", want, want, false},
	}
	for _, test := range tests {
		if got := EqualHash(test.hash, test.secret); got != test.want {
			t.Errorf("%s: %v", test.name, got)
		}
	}
}
