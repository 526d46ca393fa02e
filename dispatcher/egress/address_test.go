package egress

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"code.dny.dev/ssrf"
)

// edge is one special-purpose block with the verdicts inside and just outside of both its edges.
type edge struct {
	first, last   string
	want          Verdict
	before, after Verdict
}

var edges4 = []edge{
	{"0.0.0.0", "0.255.255.255", Unspecified, Invalid, Allowed},
	{"10.0.0.0", "10.255.255.255", Private, Allowed, Allowed},
	{"100.64.0.0", "100.127.255.255", CGNAT, Allowed, Allowed},
	{"127.0.0.0", "127.255.255.255", Loopback, Allowed, Allowed},
	{"168.63.129.16", "168.63.129.16", Platform, Allowed, Allowed},
	{"169.254.0.0", "169.254.255.255", LinkLocal, Allowed, Allowed},
	{"172.16.0.0", "172.31.255.255", Private, Allowed, Allowed},
	{"192.0.0.0", "192.0.0.255", Reserved, Allowed, Allowed},
	{"192.0.2.0", "192.0.2.255", Documentation, Allowed, Allowed},
	{"192.31.196.0", "192.31.196.255", Reserved, Allowed, Allowed},
	{"192.52.193.0", "192.52.193.255", Reserved, Allowed, Allowed},
	{"192.88.99.0", "192.88.99.255", Reserved, Allowed, Allowed},
	{"192.168.0.0", "192.168.255.255", Private, Allowed, Allowed},
	{"192.175.48.0", "192.175.48.255", Reserved, Allowed, Allowed},
	{"198.18.0.0", "198.19.255.255", Benchmarking, Allowed, Allowed},
	{"198.51.100.0", "198.51.100.255", Documentation, Allowed, Allowed},
	{"203.0.113.0", "203.0.113.255", Documentation, Allowed, Allowed},
	{"224.0.0.0", "239.255.255.255", Multicast, Allowed, Reserved},
	{"240.0.0.0", "255.255.255.254", Reserved, Multicast, Broadcast},
	{"255.255.255.255", "255.255.255.255", Broadcast, Reserved, Invalid},
}

var edges6 = []edge{
	{"::", "::", Unspecified, Invalid, Loopback},
	{"::1", "::1", Loopback, Unspecified, Reserved},
	{"::2", "::fffe:ffff:ffff", Reserved, Loopback, Unspecified}, // then the mapped 0.0.0.0
	{"::1:0:0:0", "64:ff9a:ffff:ffff:ffff:ffff:ffff:ffff", Reserved, Broadcast, Unspecified},
	{"64:ff9b:0:0:0:1::", "64:ff9b:0:ffff:ffff:ffff:ffff:ffff", Reserved, Broadcast, NAT64Local},
	{"64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", NAT64Local, Reserved, Reserved},
	{"100::", "100::ffff:ffff:ffff:ffff", Discard, Reserved, Reserved},
	{"2000::", "2000:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Allowed, Reserved, Unspecified}, // then Teredo by 0.0.0.0
	{"2001:1::", "2001:1:ffff:ffff:ffff:ffff:ffff:ffff", Reserved, Broadcast, Benchmarking},
	{"2001:2::", "2001:2:0:ffff:ffff:ffff:ffff:ffff", Benchmarking, Reserved, Reserved},
	{"2001:2:1::", "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff", Reserved, Benchmarking, Allowed},
	{"2001:db8::", "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", Documentation, Allowed, Allowed},
	{"2001:db9::", "2001:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Allowed, Documentation, Unspecified}, // then 6to4 of 0.0.0.0
	{"2003::", "2620:4f:7fff:ffff:ffff:ffff:ffff:ffff", Allowed, Broadcast, Reserved},
	{"2620:4f:8000::", "2620:4f:8000:ffff:ffff:ffff:ffff:ffff", Reserved, Allowed, Allowed},
	{"3fff::", "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff", Documentation, Allowed, Allowed},
	{"3fff:1000::", "3fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Allowed, Documentation, Reserved},
	{"4000::", "5eff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Reserved, Allowed, Reserved},
	{"5f00::", "5f00:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Reserved, Reserved, Reserved},
	{"fc00::", "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Private, Reserved, Reserved},
	{"fe80::", "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff", LinkLocal, Reserved, Private},
	{"fec0::", "feff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Private, LinkLocal, Multicast},
	{"ff00::", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", Multicast, Private, Invalid},
}

// points are the four addresses of an edge with what is wanted of them; where the address space ends there is none.
func (e edge) points() map[netip.Addr]Verdict {
	first, last := netip.MustParseAddr(e.first), netip.MustParseAddr(e.last)
	points := map[netip.Addr]Verdict{first: e.want, last: e.want}
	if before := first.Prev(); before.IsValid() {
		points[before] = e.before
	}
	if after := last.Next(); after.IsValid() {
		points[after] = e.after
	}
	return points
}

func TestJudgeAtBothEdgesOfEveryBlock(t *testing.T) {
	t.Parallel()
	for _, table := range [][]edge{edges4, edges6} {
		for _, e := range table {
			for addr, want := range e.points() {
				if got := Judge(addr); got != want {
					t.Errorf("Judge(%v) = %q, want %q (block %s to %s)", addr, got, want, e.first, e.last)
				}
			}
		}
	}
}

func TestJudgeTheIPv4InsideIPv6(t *testing.T) {
	t.Parallel()
	public := netip.MustParseAddr("93.184.215.14").As4()
	for _, e := range edges4 {
		for addr, want := range e.points() {
			four := addr.As4()
			forms := []struct {
				name string
				addr netip.Addr
				want Verdict
			}{
				{"mapped", netip.AddrFrom16(addr.As16()), want},
				{"NAT64", embed("64:ff9b::", 12, four), want},
				{"6to4", embed("2002::", 2, four), firstRefusal(want, SixToFour)},
				{"Teredo server", teredoOf(four, public), firstRefusal(want, Teredo)},
				{"Teredo client", teredoOf(public, four), firstRefusal(want, Teredo)},
			}
			for _, form := range forms {
				if got := Judge(form.addr); got != form.want {
					t.Errorf("%s form of %v: Judge(%v) = %q, want %q", form.name, addr, form.addr, got, form.want)
				}
			}
		}
	}
}

func embed(base string, at int, four [4]byte) netip.Addr {
	bytes := netip.MustParseAddr(base).As16()
	copy(bytes[at:], four[:])
	return netip.AddrFrom16(bytes)
}

func teredoOf(server, client [4]byte) netip.Addr {
	bytes := embed("2001::", 4, server).As16()
	for i, b := range client {
		bytes[12+i] = ^b
	}
	return netip.AddrFrom16(bytes)
}

func TestJudgeRefusesZonesAndNothing(t *testing.T) {
	t.Parallel()
	for addr, want := range map[netip.Addr]Verdict{
		{}: Invalid,
		netip.MustParseAddr("2606:4700::1111%eth0"): Zoned,
		netip.MustParseAddr("fe80::1%eth0"):         Zoned,
		netip.MustParseAddr("2606:4700::1111"):      Allowed,
	} {
		if got := Judge(addr); got != want {
			t.Errorf("Judge(%v) = %q, want %q", addr, got, want)
		}
	}
}

// An independent table of the same registries must not refuse anything that we let out, NAT64 apart.
func TestJudgeIsNoLaxerThanAnIndependentTable(t *testing.T) {
	t.Parallel()
	guardian := ssrf.New(ssrf.WithAnyPort())
	random := rand.New(rand.NewPCG(1, 2))
	allowed := 0
	for range 200_000 {
		addr := randomAddr(random)
		if Judge(addr) != Allowed {
			continue
		}
		allowed++
		if err := guardian.SafeAddr(addr); err != nil && !nat64.Contains(addr) {
			t.Fatalf("Judge(%v) allows what the independent table refuses: %v", addr, err)
		}
	}
	if allowed == 0 {
		t.Fatal("not one random address was allowed: nothing was compared")
	}
}

// randomAddr is any IPv4, or an IPv6 near a prefix of some meaning.
func randomAddr(random *rand.Rand) netip.Addr {
	if random.IntN(2) == 0 {
		v := random.Uint32()
		return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
	}
	row := edges6[random.IntN(len(edges6))]
	bytes := netip.MustParseAddr(row.first).As16()
	for range random.IntN(6) {
		bytes[random.IntN(16)] = byte(random.Uint32())
	}
	return netip.AddrFrom16(bytes).Unmap()
}
