package egress

import (
	"errors"
	"net/netip"
	"net/url"
	"strings"
	"testing"
)

func TestCheckSyntax(t *testing.T) {
	t.Parallel()
	long := "https://example.com/" + strings.Repeat("a", MaxURLLength-len("https://example.com/"))
	label := strings.Repeat("a", 63)
	cases := []struct {
		name, url string
		want      Verdict
	}{
		{"plain", "https://example.com/hook", Allowed},
		{"no path", "https://example.com", Allowed},
		{"query and port", "https://hooks.example.com:8443/a/b?c=d&e=%20", Allowed},
		{"fragment", "https://example.com/hook#part", Allowed},
		{"upper case", "HTTPS://EXAMPLE.COM/Hook", Allowed},
		{"trailing dot", "https://example.com./hook", Allowed},
		{"international name", "https://bücher.example.com/", Allowed},
		{"punycode", "https://xn--bcher-kva.example.com/", Allowed},
		{"hyphens in third and fourth place", "https://r3---sn-abc.example.com/", Allowed},
		{"underscore", "https://my_app.example.com/", Allowed},
		{"public IPv4", "https://93.184.215.14/", Allowed},
		{"public IPv6", "https://[2606:4700::1111]:8443/", Allowed},
		{"public IPv4 mapped", "https://[::ffff:93.184.215.14]/", Allowed},
		{"lowest port", "https://example.com:1/", Allowed},
		{"highest port", "https://example.com:65535/", Allowed},
		{"2048 characters", long, Allowed},
		{"non-ASCII path of 2048 characters", "https://example.com/" + strings.Repeat("é", MaxURLLength-20), Allowed},
		{"longest label", "https://" + label + ".com/", Allowed},
		{"number inside", "https://1.2.3.com/", Allowed},
		{"example.com is public", "https://www.example.org/", Allowed},
		{"name that only begins like a private one", "https://local.example.com/", Allowed},
		{"name that ends alike", "https://thelocal.com/", Allowed},

		{"empty", "", BadURL},
		{"2049 characters", long + "a", BadURL},
		{"relative", "/hook", BadURL},
		{"no scheme", "example.com/hook", BadURL},
		{"no host", "https:///hook", BadURL},
		{"opaque", "https:example.com", BadURL},
		{"other scheme", "ftp://example.com/", BadURL},
		{"file", "file:///etc/passwd", BadURL},
		{"gopher", "gopher://example.com/", BadURL},
		{"http", "http://example.com/", InsecureScheme},
		{"user", "https://user@example.com/", BadURL},
		{"user and password", "https://user:password@example.com/", BadURL},
		{"empty user", "https://@example.com/", BadURL},
		{"port 0", "https://example.com:0/", BadURL},
		{"port 65536", "https://example.com:65536/", BadURL},
		{"port word", "https://example.com:https/", BadURL},
		{"empty port", "https://example.com:/", BadURL},
		{"negative port", "https://example.com:-1/", BadURL},
		{"space", "https://example.com/a b", BadURL},
		{"leading space", " https://example.com/", BadURL},
		{"line break", "https://example.com/\r\nX: y", BadURL},
		{"NUL", "https://example.com/\x00", BadURL},
		{"DEL", "https://example.com/\x7f", BadURL},
		{"invalid UTF-8", "https://example.com/\xff", BadURL},
		{"backslash", `https://example.com\@127.0.0.1/`, BadURL},
		{"percent in host", "https://example%2ecom/", BadURL},
		{"empty label", "https://example..com/", BadURL},
		{"leading dot", "https://.example.com/", BadURL},
		{"two trailing dots", "https://example.com../", BadURL},
		{"label too long", "https://a" + label + ".com/", BadURL},
		{"name too long", "https://" + strings.Repeat(label+".", 4) + "com/", BadURL},
		{"hyphen first", "https://-a.example.com/", BadURL},
		{"bad punycode", "https://xn--a.example.com/", BadURL},
		{"asterisk", "https://*.example.com/", BadURL},

		{"localhost", "https://localhost/", NonPublicName},
		{"LOCALHOST with dot", "https://LOCALHOST./", NonPublicName},
		{"below localhost", "https://a.localhost/", NonPublicName},
		{"local", "https://printer.local/", NonPublicName},
		{"internal", "https://metadata.google.internal/", NonPublicName},
		{"single label", "https://receiver/", NonPublicName},
		{"single label that is a domain", "https://com/", NonPublicName},
		{"home.arpa", "https://nas.home.arpa/", NonPublicName},
		{"test", "https://a.test/", NonPublicName},
		{"example", "https://a.example/", NonPublicName},
		{"invalid", "https://a.invalid/", NonPublicName},
		{"onion", "https://abc.onion/", NonPublicName},
		{"lan", "https://a.lan/", NonPublicName},
		{"wide letters", "https://ｌｏｃａｌｈｏｓｔ/", NonPublicName},

		{"loopback", "https://127.0.0.1/", Loopback},
		{"loopback with dot", "https://127.0.0.1./", Loopback},
		{"wide digits and dots", "https://１２７。０。０。１/", Loopback},
		{"octal", "https://0177.0.0.1/", BadURL},
		{"hexadecimal", "https://0x7f.1/", BadURL},
		{"hexadecimal four parts", "https://0x7f.0x0.0x0.0x1/", BadURL},
		{"one number", "https://2130706433/", BadURL},
		{"one hexadecimal number", "https://0x7f000001/", BadURL},
		{"two parts", "https://127.1/", BadURL},
		{"three parts", "https://1.2.3/", BadURL},
		{"five parts", "https://1.2.3.4.5/", BadURL},
		{"part too large", "https://1.2.3.256/", BadURL},
		{"leading zero", "https://93.184.215.014/", BadURL},
		{"name that ends in a number", "https://example.1/", BadURL},
		{"name that ends in a hexadecimal number", "https://example.0x/", BadURL},
		{"private", "https://10.0.0.1/", Private},
		{"metadata", "https://169.254.169.254/latest/meta-data/", LinkLocal},
		{"IPv6 loopback", "https://[::1]/", Loopback},
		{"IPv6 loopback in full", "https://[0:0:0:0:0:0:0:1]/", Loopback},
		{"mapped loopback", "https://[::ffff:7f00:1]/", Loopback},
		{"NAT64 loopback", "https://[64:ff9b::127.0.0.1]/", Loopback},
		{"6to4 private", "https://[2002:a00:1::]/", Private},
		{"zone", "https://[fe80::1%25eth0]/", Zoned},
		{"zone on a public address", "https://[2606:4700::1111%251]/", Zoned},
		{"IPv4 in brackets", "https://[93.184.215.14]/", BadURL},
		{"IPv6 without brackets", "https://2606:4700::1111/", BadURL},
		{"future address", "https://[v1.a]/", BadURL},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := why(t, CheckSyntax(c.url)); got != c.want {
				t.Errorf("CheckSyntax(%q) refuses with %q, want %q", c.url, got, c.want)
			}
		})
	}
}

func TestEveryPrivateNameIsRefusedWithItsSubdomains(t *testing.T) {
	t.Parallel()
	for name := range privateNames {
		for _, url := range []string{"https://" + name + "/", "https://a.b." + name + "/", "https://A." + strings.ToUpper(name) + "./"} {
			if got := why(t, CheckSyntax(url)); got != NonPublicName {
				t.Errorf("CheckSyntax(%q) refuses with %q, want %q", url, got, NonPublicName)
			}
		}
	}
}

// why is the word of a refusal, Allowed for none; any other error fails the test.
func why(t *testing.T, err error) Verdict {
	t.Helper()
	if err == nil {
		return Allowed
	}
	var refusal *Refusal
	if !errors.As(err, &refusal) {
		t.Fatalf("error is no *Refusal: %v", err)
	}
	if refusal.Reason == "" || refusal.Why == "" {
		t.Fatalf("refusal says nothing: %#v", refusal)
	}
	return refusal.Why
}

func TestRequestLineAndHost(t *testing.T) {
	t.Parallel()
	cases := []struct{ url, uri, host string }{
		{"https://Example.COM", "/", "example.com"},
		{"https://example.com./a#b", "/a", "example.com"},
		{"https://example.com:443/a", "/a", "example.com"},
		{"https://example.com:80/a", "/a", "example.com:80"},
		{"https://example.com?a=b", "/?a=b", "example.com"},
		{"https://example.com/a%2Fb/ü?q=ü\"<>", "/a%2Fb/%C3%BC?q=%C3%BC%22%3C%3E", "example.com"},
		{"https://bücher.example.com:8443/?", "/?", "xn--bcher-kva.example.com:8443"},
		{"https://[2606:4700:0::1111]/", "/", "[2606:4700::1111]"},
		{"https://[2606:4700::1111]:8443//a", "//a", "[2606:4700::1111]:8443"},
	}
	for _, c := range cases {
		got, refusal := parseTarget(c.url)
		if refusal != nil {
			t.Errorf("parseTarget(%q): %v", c.url, refusal)
			continue
		}
		if got.uri != c.uri || got.hostHeader() != c.host {
			t.Errorf("parseTarget(%q) = %q at %q, want %q at %q", c.url, got.uri, got.hostHeader(), c.uri, c.host)
		}
	}
}

func FuzzCheckSyntax(f *testing.F) {
	for _, seed := range []string{"https://example.com/", "https://127.1/", "https://[::1%25a]/", "https://ｌocalhost。/", "https://0x7f.1./",
		"https://a:b@c.de:99999/?#", "http://example.com", "https://xn--bcher-kva.com/", "https://[64:ff9b::7f00:1]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		if why(t, CheckSyntax(raw)) != Allowed {
			return
		}
		to, refusal := parseTarget(raw)
		if refusal != nil {
			t.Fatalf("CheckSyntax accepts %q, parseTarget does not: %v", raw, refusal)
		}
		for _, part := range []string{to.uri, to.hostHeader()} {
			for i := range len(part) {
				if part[i] <= ' ' || part[i] >= 0x7f {
					t.Fatalf("%q brings byte %#x into the request", raw, part[i])
				}
			}
		}
		if !to.secure || to.port == 0 || !strings.HasPrefix(to.uri, "/") {
			t.Fatalf("%q is accepted as %+v", raw, to)
		}
		if to.literal.IsValid() {
			if Judge(to.literal) != Allowed {
				t.Fatalf("%q is accepted with address %v", raw, to.literal)
			}
		} else if _, err := netip.ParseAddr(to.host); err == nil || !isPublicName(to.host) || !isName(to.host) {
			t.Fatalf("%q is accepted with name %q", raw, to.host)
		}
		again := "https://" + to.hostHeader() + to.uri
		if len(again) > MaxURLLength { // escaping made it longer
			return
		}
		if _, err := url.Parse(again); err != nil || CheckSyntax(again) != nil {
			t.Fatalf("%q is accepted, its normal form %q is not: %v, %v", raw, again, err, CheckSyntax(again))
		}
	})
}
