package egress

import "net/netip"

// Verdict says whether an address may be dialled: Allowed, or the class of special-purpose address it belongs to.
// The words are part of the public contract: they follow "dns_resolved_to_private:" in an attempt's reason.
type Verdict string

// Allowed is the verdict on an address of the public internet; every other Verdict is a refusal.
const Allowed Verdict = ""

// The classes of addresses that are refused.
const (
	Invalid       Verdict = "invalid"       // not an address at all
	Zoned         Verdict = "zoned"         // carries an IPv6 zone, whatever else it is
	Unspecified   Verdict = "unspecified"   // 0.0.0.0/8, ::
	Loopback      Verdict = "loopback"      // 127.0.0.0/8, ::1
	Private       Verdict = "private"       // RFC 1918, unique and site-local IPv6
	LinkLocal     Verdict = "link_local"    // 169.254.0.0/16 (cloud metadata included), fe80::/10
	CGNAT         Verdict = "cgnat"         // 100.64.0.0/10
	Multicast     Verdict = "multicast"     // 224.0.0.0/4, ff00::/8
	Broadcast     Verdict = "broadcast"     // 255.255.255.255
	Documentation Verdict = "documentation" // the blocks reserved for examples
	Benchmarking  Verdict = "benchmarking"  // 198.18.0.0/15, 2001:2::/48
	Discard       Verdict = "discard"       // 100::/64
	NAT64Local    Verdict = "nat64_local"   // 64:ff9b:1::/48, translation inside one network
	SixToFour     Verdict = "6to4"          // 2002::/16 with a public IPv4 inside
	Teredo        Verdict = "teredo"        // 2001::/32 with public IPv4 addresses inside
	Platform      Verdict = "platform"      // globally numbered, answered by the machine's own cloud
	Reserved      Verdict = "reserved"      // every other special-purpose or unallocated block
)

// block is one row of the tables below.
type block struct {
	prefix  netip.Prefix
	verdict Verdict
}

// blocks4 holds the IANA IPv4 Special-Purpose Address Registry and the multicast space. The first match decides.
var blocks4 = []block{
	{netip.MustParsePrefix("0.0.0.0/8"), Unspecified},         // RFC 791
	{netip.MustParsePrefix("10.0.0.0/8"), Private},            // RFC 1918
	{netip.MustParsePrefix("100.64.0.0/10"), CGNAT},           // RFC 6598
	{netip.MustParsePrefix("127.0.0.0/8"), Loopback},          // RFC 1122
	{netip.MustParsePrefix("168.63.129.16/32"), Platform},     // Azure: the virtual machine's own host
	{netip.MustParsePrefix("169.254.0.0/16"), LinkLocal},      // RFC 3927
	{netip.MustParsePrefix("172.16.0.0/12"), Private},         // RFC 1918
	{netip.MustParsePrefix("192.0.0.0/24"), Reserved},         // RFC 6890, IETF protocol assignments
	{netip.MustParsePrefix("192.0.2.0/24"), Documentation},    // RFC 5737, TEST-NET-1
	{netip.MustParsePrefix("192.31.196.0/24"), Reserved},      // RFC 7535, AS112
	{netip.MustParsePrefix("192.52.193.0/24"), Reserved},      // RFC 7450, AMT
	{netip.MustParsePrefix("192.88.99.0/24"), Reserved},       // RFC 7526, 6to4 relay anycast
	{netip.MustParsePrefix("192.168.0.0/16"), Private},        // RFC 1918
	{netip.MustParsePrefix("192.175.48.0/24"), Reserved},      // RFC 7534, AS112
	{netip.MustParsePrefix("198.18.0.0/15"), Benchmarking},    // RFC 2544
	{netip.MustParsePrefix("198.51.100.0/24"), Documentation}, // RFC 5737, TEST-NET-2
	{netip.MustParsePrefix("203.0.113.0/24"), Documentation},  // RFC 5737, TEST-NET-3
	{netip.MustParsePrefix("224.0.0.0/4"), Multicast},         // RFC 5771
	{netip.MustParsePrefix("255.255.255.255/32"), Broadcast},  // RFC 919
	{netip.MustParsePrefix("240.0.0.0/4"), Reserved},          // RFC 1112
}

// blocks6 holds the IANA IPv6 Special-Purpose Address Registry and the other IPv6 space with a meaning of its own.
// The first match decides; what lies outside globalUnicast and in no row is reserved.
var blocks6 = []block{
	{netip.MustParsePrefix("::/128"), Unspecified},          // RFC 4291
	{netip.MustParsePrefix("::1/128"), Loopback},            // RFC 4291
	{netip.MustParsePrefix("64:ff9b:1::/48"), NAT64Local},   // RFC 8215
	{netip.MustParsePrefix("100::/64"), Discard},            // RFC 6666
	{netip.MustParsePrefix("2001:2::/48"), Benchmarking},    // RFC 5180
	{netip.MustParsePrefix("2001::/23"), Reserved},          // RFC 2928, IETF protocol assignments
	{netip.MustParsePrefix("2001:db8::/32"), Documentation}, // RFC 3849
	{netip.MustParsePrefix("2620:4f:8000::/48"), Reserved},  // RFC 7534, AS112
	{netip.MustParsePrefix("3fff::/20"), Documentation},     // RFC 9637
	{netip.MustParsePrefix("5f00::/16"), Reserved},          // RFC 9602, SRv6 identifiers
	{netip.MustParsePrefix("fc00::/7"), Private},            // RFC 4193
	{netip.MustParsePrefix("fe80::/10"), LinkLocal},         // RFC 4291
	{netip.MustParsePrefix("fec0::/10"), Private},           // RFC 3879, site-local
	{netip.MustParsePrefix("ff00::/8"), Multicast},          // RFC 4291
}

var (
	globalUnicast = netip.MustParsePrefix("2000::/3")     // RFC 4291: the only public IPv6 space
	nat64         = netip.MustParsePrefix("64:ff9b::/96") // RFC 6052: IPv4 in the last four bytes
	sixToFour     = netip.MustParsePrefix("2002::/16")    // RFC 3056: IPv4 in bytes 2 to 5
	teredo        = netip.MustParsePrefix("2001::/32")    // RFC 4380: server in bytes 4 to 7, client inverted in 12 to 15
)

// Judge classifies one address, by the IANA special-purpose registries and by the IPv4 addresses hidden in IPv6 forms:
//   - an IPv4-mapped address is judged as its IPv4 address;
//   - a NAT64 address (64:ff9b::/96) is judged as its IPv4 address, so that hosts behind DNS64 can deliver;
//   - 6to4 and Teredo addresses are always refused, by the class of the IPv4 address inside where that is not public.
//
// A zoned address is refused before any table.
func Judge(addr netip.Addr) Verdict {
	switch {
	case !addr.IsValid():
		return Invalid
	case addr.Zone() != "":
		return Zoned
	}
	addr = addr.Unmap()
	if addr.Is4() {
		return match(blocks4, addr)
	}
	return judge6(addr)
}

func judge6(addr netip.Addr) Verdict {
	bytes := addr.As16()
	switch {
	case nat64.Contains(addr):
		return match(blocks4, netip.AddrFrom4([4]byte(bytes[12:16])))
	case sixToFour.Contains(addr):
		return firstRefusal(match(blocks4, netip.AddrFrom4([4]byte(bytes[2:6]))), SixToFour)
	case teredo.Contains(addr):
		server := netip.AddrFrom4([4]byte(bytes[4:8]))
		client := netip.AddrFrom4([4]byte{^bytes[12], ^bytes[13], ^bytes[14], ^bytes[15]})
		return firstRefusal(match(blocks4, server), match(blocks4, client), Teredo)
	}
	if verdict := match(blocks6, addr); verdict != Allowed {
		return verdict
	}
	if !globalUnicast.Contains(addr) {
		return Reserved
	}
	return Allowed
}

func match(table []block, addr netip.Addr) Verdict {
	for _, row := range table {
		if row.prefix.Contains(addr) {
			return row.verdict
		}
	}
	return Allowed
}

func firstRefusal(verdicts ...Verdict) Verdict {
	for _, verdict := range verdicts {
		if verdict != Allowed {
			return verdict
		}
	}
	return Allowed
}
