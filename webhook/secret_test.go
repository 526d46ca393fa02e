package webhook

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
)

func TestNewSecrets(t *testing.T) {
	t.Parallel()
	raw := bytes.Repeat([]byte{0xfb, 0xff}, 16)
	for _, p := range Profiles() {
		t.Run(p.Name(), func(t *testing.T) {
			t.Parallel()
			want := "whsec_-__7__v_-__7__v_-__7__v_-__7__v_-__7__v_-_8"
			if p.Name() == "standard" {
				want = "whsec_+//7//v/+//7//v/+//7//v/+//7//v/+//7//v/+/8="
			}
			got, err := p.NewSecret(bytes.NewReader(raw))
			if err != nil || got != want {
				t.Errorf("got %s, %v; want %s", got, err, want)
			}
			if _, err := p.NewSecret(bytes.NewReader(raw[:31])); err == nil {
				t.Error("made a secret of 31 random bytes")
			}
			random, err := p.NewSecret(rand.Reader)
			if err != nil || p.CheckSecret(random) != nil {
				t.Errorf("its own secret does not suit: %v", err)
			}
			if other, _ := p.NewSecret(rand.Reader); other == random {
				t.Error("two secrets are the same")
			}
		})
	}
}

func TestSuppliedSecrets(t *testing.T) {
	t.Parallel()
	encoded := func(n int) string { return "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xff}, n)) }
	tests := []struct {
		name, profile, secret string
		fits                  bool
	}{
		{"7 characters", "clawbook", "hunter2", false},
		{"8 characters", "clawbook", "hunter22", true},
		{"8 characters of 2 bytes", "clawbook", strings.Repeat("é", 8), true},
		{"7 characters of 2 bytes", "clawbook", strings.Repeat("é", 7), false},
		{"256 characters", "vantageclaw", strings.Repeat("é", 256), true},
		{"257 characters", "vantageclaw", strings.Repeat("x", 257), false},
		{"not UTF-8", "vantagekit", "hunter22\xff", false},
		{"empty", "vntana", "", false},
		{"23 bytes", "standard", encoded(23), false},
		{"24 bytes", "standard", encoded(24), true},
		{"64 bytes", "standard", encoded(64), true},
		{"65 bytes", "standard", encoded(65), false},
		{"no prefix", "standard", strings.TrimPrefix(encoded(32), "whsec_"), false},
		{"no padding", "standard", strings.TrimRight(encoded(32), "="), false},
		{"URL-safe", "standard", strings.ReplaceAll(encoded(32), "/", "_"), false},
		{"line break", "standard", encoded(32)[:20] + "\n" + encoded(32)[20:], false},
		{"loose last bits", "standard", strings.TrimSuffix(encoded(32), "8=") + "9=", false},
		{"nothing after the prefix", "standard", "whsec_", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := named(t, test.profile).CheckSecret(test.secret)
			if (err == nil) != test.fits || err != nil && !errors.Is(err, ErrSecretFormat) {
				t.Fatalf("got %v", err)
			}
			if err != nil && test.secret != "" && strings.Contains(err.Error(), test.secret) && test.secret != "whsec_" {
				t.Errorf("the error gives the secret away: %v", err)
			}
		})
	}
}
