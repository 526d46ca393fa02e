package egress

import "strings"

// privateNames are the names under which, and at which, nothing public lives: each is refused with all names below it.
// example.com, example.net and example.org are left out: they are special-use, yet public and resolvable.
var privateNames = map[string]string{
	"localhost":   "RFC 6761",
	"test":        "RFC 6761",
	"invalid":     "RFC 6761",
	"example":     "RFC 6761",
	"local":       "RFC 6762",
	"onion":       "RFC 7686",
	"alt":         "RFC 9476",
	"arpa":        "RFC 3172 and, for home.arpa, RFC 8375",
	"internal":    "ICANN board resolution 2024.07.29.06",
	"corp":        "ICANN board resolution 2018.02.04.12",
	"home":        "ICANN board resolution 2018.02.04.12",
	"mail":        "ICANN board resolution 2018.02.04.12",
	"intranet":    "RFC 6762, appendix G",
	"lan":         "RFC 6762, appendix G",
	"private":     "RFC 6762, appendix G",
	"localdomain": "customary in hosts files",
}

const (
	maxNameLength  = 253 // RFC 1035, without the trailing dot
	maxLabelLength = 63  // RFC 1035
)

// isName reports whether host is a spelled-out ASCII domain name in lower case: labels of letters, digits, hyphens
// and underscores (not LDH, yet found at real receivers).
func isName(host string) bool {
	if host == "" || len(host) > maxNameLength {
		return false
	}
	for label := range strings.SplitSeq(host, ".") {
		if !isLabel(label) {
			return false
		}
	}
	return true
}

func isLabel(label string) bool {
	if label == "" || len(label) > maxLabelLength || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for i := range len(label) {
		c := label[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

// isPublicName reports whether a valid name can belong to the public internet.
func isPublicName(name string) bool {
	last := strings.LastIndexByte(name, '.')
	if last < 0 {
		return false
	}
	_, private := privateNames[name[last+1:]]
	return !private
}

// endsInNumber reports whether the last label is a number in any of the notations that the resolvers of C libraries
// and browsers read as (part of) an IPv4 address: decimal, octal, or hexadecimal with 0x.
func endsInNumber(host string) bool {
	label := host[strings.LastIndexByte(host, '.')+1:]
	if label == "" {
		return false
	}
	if strings.Trim(label, "0123456789") == "" {
		return true
	}
	hex, ok := strings.CutPrefix(label, "0x")
	return ok && strings.Trim(hex, "0123456789abcdef") == ""
}
