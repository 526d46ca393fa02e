package domain

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hooklog/hooklog/webhook"
)

// Header is an extra header of a subscription in the clear.
type Header struct{ Name, Value string }

// MaxHeaderBytes is the most bytes that the names and values of a subscription's headers have together.
const MaxHeaderBytes = 4 << 10

// CheckHeaders refuses headers that a subscription of the profile may not have: too many or too long ones, names that are
// no tokens or decide how a request is read, and those that the profile sets itself (docs/contract.md).
func CheckHeaders(p *webhook.Profile, headers []Header) []FieldError {
	if len(headers) > MaxHeaders {
		return []FieldError{{"headers", fmt.Sprintf("must be at most %d", MaxHeaders)}}
	}
	var bad []FieldError
	size := 0
	for i, h := range headers {
		size += len(h.Name) + len(h.Value)
		field := HeaderField(h.Name)
		switch {
		case !isToken(h.Name):
			bad = append(bad, FieldError{field, "the name is not a token"})
		case refusedHeader(h.Name) || p.OwnsHeader(h.Name):
			bad = append(bad, FieldError{field, "this header cannot be set"})
		case slices.ContainsFunc(headers[:i], func(o Header) bool { return strings.EqualFold(o.Name, h.Name) }):
			bad = append(bad, FieldError{field, "is named twice"})
		case !isFieldValue(h.Value):
			bad = append(bad, FieldError{field, "the value must be visible ASCII, with spaces only inside"})
		}
	}
	if size > MaxHeaderBytes {
		bad = append(bad, FieldError{"headers", fmt.Sprintf("must have at most %d bytes in all", MaxHeaderBytes)})
	}
	return bad
}

// HeaderField names a header as a member of a request; of a long name its beginning.
func HeaderField(name string) string {
	return fmt.Sprintf("headers.%.100s", strings.ToValidUTF8(name, "\uFFFD"))
}

// isToken reports whether a name is a token of RFC 9110.
func isToken(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

func isFieldValue(value string) bool {
	if value == "" || value != strings.Trim(value, " ") {
		return false
	}
	return !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r > '~' })
}

// refusedHeader reports whether a header says how messages follow each other, whom they are for, or what the body is.
func refusedHeader(name string) bool {
	name = strings.ToLower(name)
	switch name {
	case "host", "transfer-encoding", "connection", "keep-alive", "upgrade", "te", "trailer", "expect":
		return true
	}
	return strings.HasPrefix(name, "content-") || strings.HasPrefix(name, "proxy-")
}
