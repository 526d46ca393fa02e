package egress

import (
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// MaxURLLength is the longest URL accepted, in characters.
const MaxURLLength = 2048

// hostProfile maps a host as browsers do before a look-up: UTS 46, non-transitional, with bidi and joiner rules.
// Hyphens are free, since real names have them in the third and fourth place; isName checks the outcome.
var hostProfile = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.CheckJoiners(true), idna.CheckHyphens(false),
	idna.StrictDomainName(false), idna.Transitional(false))

// target is a URL that passed the syntax rules, in the parts that a request needs.
type target struct {
	secure  bool       // https
	host    string     // ASCII, lower case, no trailing dot, no brackets
	literal netip.Addr // the address that host spells, or the zero Addr for a name
	port    uint16
	uri     string // the request target: path and query in visible ASCII
}

// key names the connections that may carry a request to t.
func (t target) key() hostKey { return hostKey{t.secure, t.host, t.port} }

// hostHeader is the value of the Host header: the port is there unless it is the scheme's own.
func (t target) hostHeader() string {
	host := t.host
	if t.literal.Is6() {
		host = "[" + host + "]"
	}
	if t.port == defaultPort(t.secure) {
		return host
	}
	return host + ":" + strconv.Itoa(int(t.port))
}

func defaultPort(secure bool) uint16 {
	if secure {
		return 443
	}
	return 80
}

// CheckSyntax applies the rules that need no resolver and no configuration: https, 1 to 2048 characters, an ASCII host
// after IDNA that is a public name or a public address in its plain spelling, port 1 to 65535, no user name or
// password. A fragment is accepted and never sent. The error is a *Refusal. It is pure.
func CheckSyntax(raw string) error {
	t, refusal := parseTarget(raw)
	if refusal == nil {
		refusal = t.refusal()
	}
	if refusal != nil {
		return refusal
	}
	return nil
}

// refusal applies the rules that the development switch may lift.
func (t target) refusal() *Refusal {
	switch {
	case !t.secure:
		return &Refusal{Reason: "scheme must be https", Why: InsecureScheme}
	case t.literal.IsValid():
		return refuseAddr(Judge(t.literal))
	case !isPublicName(t.host):
		return &Refusal{Reason: "host is not a public name", Why: NonPublicName}
	}
	return nil
}

func refuseAddr(verdict Verdict) *Refusal {
	if verdict == Allowed {
		return nil
	}
	return &Refusal{Reason: "host is not a public address (" + string(verdict) + ")", Why: verdict}
}

// parseTarget applies the rules that nothing lifts.
func parseTarget(raw string) (target, *Refusal) {
	if refusal := checkCharacters(raw); refusal != nil {
		return target{}, refusal
	}
	u, err := url.Parse(raw)
	if err != nil {
		return target{}, badURL("not a valid URL") // the error of url.Parse would repeat the URL
	}
	if u.Scheme != "https" && u.Scheme != "http" {
		return target{}, badURL("scheme must be https")
	}
	if u.User != nil {
		return target{}, badURL("user name and password are not allowed")
	}
	if u.Opaque != "" || u.Host == "" {
		return target{}, badURL("host is missing")
	}
	t := target{secure: u.Scheme == "https", uri: requestURI(u)}
	var refusal *Refusal
	if t.port, refusal = parsePort(u, t.secure); refusal != nil {
		return target{}, refusal
	}
	if t.host, t.literal, refusal = parseHost(u); refusal != nil {
		return target{}, refusal
	}
	return t, nil
}

func checkCharacters(raw string) *Refusal {
	if raw == "" {
		return badURL("must not be empty")
	}
	if len(raw) > MaxURLLength && utf8.RuneCountInString(raw) > MaxURLLength {
		return badURL("must have at most %d characters", MaxURLLength)
	}
	if !utf8.ValidString(raw) {
		return badURL("must be valid UTF-8")
	}
	for i := range len(raw) {
		if raw[i] <= ' ' || raw[i] == 0x7f {
			return badURL("white space and control characters are not allowed")
		}
	}
	return nil
}

func parsePort(u *url.URL, secure bool) (uint16, *Refusal) {
	if !strings.HasSuffix(u.Host, ":") && u.Port() == "" {
		return defaultPort(secure), nil
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil || port == 0 {
		return 0, badURL("port must be 1 to 65535")
	}
	return uint16(port), nil
}

func parseHost(u *url.URL) (string, netip.Addr, *Refusal) {
	if strings.HasPrefix(u.Host, "[") {
		return parseLiteral6(u.Hostname())
	}
	host, err := hostProfile.ToASCII(u.Hostname())
	if err != nil || !utf8.ValidString(u.Hostname()) { // percent-encoded bytes may spell anything
		return "", netip.Addr{}, badURL("host is not a valid name")
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if !isName(host) {
		return "", netip.Addr{}, badURL("host is not a valid name")
	}
	if !endsInNumber(host) {
		return host, netip.Addr{}, nil
	}
	addr, err := netip.ParseAddr(host)
	if err != nil || !addr.Is4() {
		return "", netip.Addr{}, badURL("an IPv4 address must be four decimal numbers without leading zeros")
	}
	return host, addr, nil
}

func parseLiteral6(host string) (string, netip.Addr, *Refusal) {
	if strings.Contains(host, "%") {
		return "", netip.Addr{}, &Refusal{Reason: "an address with a zone is not allowed", Why: Zoned}
	}
	addr, err := netip.ParseAddr(host)
	if err != nil || !addr.Is6() {
		return "", netip.Addr{}, badURL("host is not a valid IPv6 address")
	}
	return addr.String(), addr, nil
}

// requestURI is the path and query, percent-encoded where they hold bytes that a request line must not have.
func requestURI(u *url.URL) string {
	uri := u.RawPath // as written: EscapedPath would decode %2F beside a character that has to be encoded
	if uri == "" {
		uri = u.EscapedPath()
	}
	if uri == "" {
		uri = "/"
	}
	if u.RawQuery != "" || u.ForceQuery {
		uri += "?" + u.RawQuery
	}
	return escapeUnsafe(uri)
}

func escapeUnsafe(uri string) string {
	const hex = "0123456789ABCDEF"
	var out strings.Builder
	for i := range len(uri) {
		if c := uri[i]; c <= ' ' || c >= 0x7f || c == '"' || c == '<' || c == '>' {
			out.WriteByte('%')
			out.WriteByte(hex[c>>4])
			out.WriteByte(hex[c&15])
		} else {
			out.WriteByte(c)
		}
	}
	return out.String()
}
