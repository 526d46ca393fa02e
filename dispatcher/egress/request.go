package egress

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// The budget of a whole attempt.
const (
	DefaultTimeout = 10 * time.Second // where a Request has none
	MaxTimeout     = 60 * time.Second // longer ones are cut to this
)

// Field is one header line of a request.
type Field struct{ Name, Value string }

// Request is one POST.
type Request struct {
	URL     string
	Header  []Field       // sent in this order after Host; Content-Length is added, other framing headers are refused
	Body    []byte        // not kept after Post returns
	Timeout time.Duration // of the whole: look-up, connection, TLS, request and answer headers
}

func (r *Request) timeout() time.Duration {
	switch {
	case r.Timeout <= 0:
		return DefaultTimeout
	case r.Timeout > MaxTimeout:
		return MaxTimeout
	}
	return r.Timeout
}

// appendRequest encodes a whole request. It is the last lock against header injection: a name that is not a token, a
// value with anything but visible ASCII, spaces and tabs, and a header that frames the message are refused.
func appendRequest(buf []byte, prefix string, r *Request) ([]byte, error) {
	buf = append(buf, prefix...)
	for i := range r.Header {
		field := &r.Header[i]
		if !isToken(field.Name) || !isFieldValue(field.Value) || isFraming(field.Name) {
			return buf, &failure{KindRequest, "header " + strconv.Quote(field.Name) + " can not be sent"}
		}
		buf = append(buf, field.Name...)
		buf = append(buf, ": "...)
		buf = append(buf, field.Value...)
		buf = append(buf, "\r\n"...)
	}
	buf = append(buf, "Content-Length: "...)
	buf = strconv.AppendInt(buf, int64(len(r.Body)), 10)
	buf = append(buf, "\r\n\r\n"...)
	return append(buf, r.Body...), nil
}

// tokenBytes marks the characters of an RFC 9110 token.
var tokenBytes = func() (table [256]bool) {
	for c := '0'; c <= 'z'; c++ {
		table[c] = c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a'
	}
	for _, c := range "!#$%&'*+-.^_`|~" {
		table[c] = true
	}
	return table
}()

func isToken(name string) bool {
	for i := range len(name) {
		if !tokenBytes[name[i]] {
			return false
		}
	}
	return name != ""
}

func isFieldValue(value string) bool {
	for i := range len(value) {
		if c := value[i]; (c < ' ' || c > '~') && c != '\t' {
			return false
		}
	}
	return true
}

// isFraming reports whether a header decides how messages follow each other on the connection, or names the host:
// these are set here and nowhere else.
func isFraming(name string) bool {
	switch name[0] | 0x20 { // most headers end here
	case 'c', 'e', 'h', 'k', 'p', 't', 'u':
		return slices.ContainsFunc(framing, func(own string) bool { return strings.EqualFold(own, name) })
	}
	return false
}

// framing is read only.
var framing = []string{"Connection", "Content-Length", "Expect", "Host", "Keep-Alive", "Proxy-Connection", "TE", "Trailer",
	"Transfer-Encoding", "Upgrade"}
