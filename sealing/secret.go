package sealing

import (
	"crypto/subtle"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

// Secret holds a string that must not be printed. Every formatter, logger and encoder is given "[redacted]"; only
// Reveal gives the string. The zero Secret holds "".
//
// It refers to the string by a pointer because fmt prints unexported fields of a surrounding struct without asking
// their methods; so what appears there is an address.
type Secret struct {
	_     [0]func() // Secrets are not compared with ==: use Equal.
	value *string
}

// NewSecret wraps value.
func NewSecret(value string) Secret { return Secret{value: &value} }

// Reveal returns the string itself, for the one place that signs, seals or shows it once.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// Equal compares two secrets in a time that depends on their lengths alone.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// IsZero tells whether there is nothing to hide.
func (s Secret) IsZero() bool { return s.Reveal() == "" }

// Format writes "[redacted]" for every verb and flag.
func (s Secret) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, redacted) // fmt keeps no error of a Formatter
}

// String returns "[redacted]".
func (s Secret) String() string { return redacted }

// GoString returns "[redacted]".
func (s Secret) GoString() string { return redacted }

// LogValue gives "[redacted]" to log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText gives "[redacted]" to text encoders, map keys included.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON gives "[redacted]" to encoding/json, and through it to zerolog's Interface and Any.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// UnmarshalText wraps text, so that settings and requests can be decoded into a Secret.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}
