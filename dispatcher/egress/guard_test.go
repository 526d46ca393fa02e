package egress

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"
)

// nameServer is a DNS server on loopback. answer gives the records (in zone file form, without owner) for the n-th
// question of a type for a name, from 1.
type nameServer struct {
	answer func(name, kind string, n int) []string

	mu    sync.Mutex
	asked map[string]int
}

func (s *nameServer) ServeDNS(w dns.ResponseWriter, q *dns.Msg) {
	name, kind := q.Question[0].Name, dns.TypeToString[q.Question[0].Qtype]
	s.mu.Lock()
	s.asked[kind+" "+name]++
	n := s.asked[kind+" "+name]
	s.mu.Unlock()
	reply := new(dns.Msg)
	reply.SetReply(q)
	for _, record := range s.answer(name, kind, n) {
		rr, err := dns.NewRR(fmt.Sprintf("%s 0 IN %s %s", name, kind, record))
		if err != nil {
			panic(err)
		}
		reply.Answer = append(reply.Answer, rr)
	}
	_ = w.WriteMsg(reply) // the resolver's failure shows in the test
}

func (s *nameServer) count(kind, name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[kind+" "+name]
}

// serveNames starts a name server and returns the standard resolver that asks it.
func serveNames(t *testing.T, answer func(name, kind string, n int) []string) (*nameServer, *net.Resolver) {
	t.Helper()
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &nameServer{answer: answer, asked: make(map[string]int)}
	started := make(chan struct{})
	server := &dns.Server{PacketConn: socket, Handler: s, NotifyStartedFunc: func() { close(started) }}
	ended := make(chan error, 1)
	go func() { ended <- server.ActivateAndServe() }()
	<-started
	t.Cleanup(func() {
		if err := server.Shutdown(); err != nil {
			t.Errorf("stop name server: %v", err)
		}
		<-ended
	})
	return s, &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", socket.LocalAddr().String())
	}}
}

// dialled records the addresses asked of a dial hook that always fails.
type dialled struct {
	mu    sync.Mutex
	addrs []string
}

func (d *dialled) dial(_ context.Context, _, addr string) (net.Conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.addrs = append(d.addrs, addr)
	return nil, errTest
}

func (d *dialled) got() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.addrs)
}

func TestRebindingIsRefusedAtTheAttempt(t *testing.T) {
	t.Parallel()
	server, resolver := serveNames(t, func(_, kind string, n int) []string {
		switch {
		case kind != "A":
			return nil
		case n == 1:
			return []string{publicAddr}
		}
		return []string{"127.0.0.1"}
	})
	var hook dialled
	c := newClient(t, Config{Resolver: resolver, Dial: hook.dial})
	const url = "https://rebind.example.com/hook"
	if err := c.Guard().CheckURL(t.Context(), url); err != nil {
		t.Fatalf("CheckURL while the name is public: %v", err)
	}
	result := post(t, c, url)
	wantReason(t, result, "dns_resolved_to_private:loopback")
	if !result.Refused || result.Sent || len(hook.got()) != 0 {
		t.Errorf("Refused = %v, Sent = %v, dialled %v; want a refusal before any dial", result.Refused, result.Sent, hook.got())
	}
	if n := server.count("A", "rebind.example.com."); n != 2 {
		t.Errorf("%d look-ups, want 2: one at creation, one at the attempt", n)
	}
}

func TestRebindingBetweenCheckAndDialHasNoLookUpToChange(t *testing.T) {
	t.Parallel()
	server, resolver := serveNames(t, func(_, kind string, n int) []string {
		switch {
		case kind != "A":
			return nil
		case n == 1:
			return []string{publicAddr}
		}
		return []string{"127.0.0.1"}
	})
	var hook dialled
	c := newClient(t, Config{Resolver: resolver, Dial: hook.dial})
	result := post(t, c, "https://rebind.example.com/hook")
	wantReason(t, result, "http_error:connect")
	if len(hook.got()) != 1 || hook.got()[0] != publicAddr+":443" {
		t.Errorf("dialled %v, want only the judged address", hook.got())
	}
	if n := server.count("A", "rebind.example.com."); n != 1 {
		t.Errorf("%d look-ups for one connection, want 1", n)
	}
}

func TestSecondLockStopsTheRealDialer(t *testing.T) {
	t.Parallel()
	addr, accepted := listen(t, func(net.Conn, int) {})
	remote := netip.MustParseAddrPort(addr)
	c := newClient(t, Config{})
	_, err := c.connectOne(t.Context(), remote, 1) // as if the first lock had let a loopback address pass
	if got := why(t, err); got != Loopback {
		t.Errorf("dialling loopback is refused with %q, want %q", got, Loopback)
	}
	if n := accepted.Load(); n != 0 {
		t.Errorf("%d connections arrived, want none", n)
	}

	developing := newClient(t, Config{AllowInsecure: loopbackNets})
	opened, err := developing.connectOne(t.Context(), remote, 1)
	if err != nil {
		t.Fatalf("dialling a development network: %v", err)
	}
	opened.Close()
	other := netip.AddrPortFrom(remote.Addr().Next(), remote.Port())
	if err := developing.guard.lock(other)("tcp4", addr, nil); err == nil {
		t.Error("an address other than the judged one passes the second lock")
	}
	if err := developing.guard.lock(remote)("udp4", addr, nil); err == nil {
		t.Error("UDP passes the second lock")
	}
}

func TestOneAddressThatIsNotPublicRefusesAll(t *testing.T) {
	t.Parallel()
	records := map[string]map[string][]string{
		"private-last.example.com.":  {"A": {publicAddr, "10.0.0.7"}},
		"private-first.example.com.": {"A": {"10.0.0.7", publicAddr}},
		"families.example.com.":      {"A": {publicAddr}, "AAAA": {"fd00::7"}},
		"mapped.example.com.":        {"A": {publicAddr}, "AAAA": {"::ffff:10.0.0.7"}},
		"nat64.example.com.":         {"A": {publicAddr}, "AAAA": {"64:ff9b::10.0.0.7"}},
		"public.example.com.":        {"A": {publicAddr, publicAddr2}, "AAAA": {"2606:4700::1111"}},
	}
	_, resolver := serveNames(t, func(name, kind string, _ int) []string { return records[name][kind] })
	for name := range records {
		t.Run(name, func(t *testing.T) {
			var hook dialled
			c := newClient(t, Config{Resolver: resolver, Dial: hook.dial})
			url := "https://" + name + "/hook"
			checked, result := c.Guard().CheckURL(t.Context(), url), post(t, c, url)
			if name == "public.example.com." {
				if checked != nil {
					t.Errorf("CheckURL: %v, want no refusal", checked)
				}
				wantReason(t, result, "http_error:connect")
				if len(hook.got()) != 3 {
					t.Errorf("dialled %v, want all three public addresses", hook.got())
				}
				return
			}
			if got := why(t, checked); got != Private {
				t.Errorf("CheckURL refuses with %q, want %q", got, Private)
			}
			wantReason(t, result, "dns_resolved_to_private:private")
			if !result.Refused || len(hook.got()) != 0 {
				t.Errorf("Refused = %v, dialled %v; want a refusal before any dial", result.Refused, hook.got())
			}
		})
	}
}

func TestNameThatDoesNotResolve(t *testing.T) {
	t.Parallel()
	_, resolver := serveNames(t, func(string, string, int) []string { return nil })
	c := newClient(t, Config{Resolver: resolver})
	if err := c.Guard().CheckURL(t.Context(), "https://later.example.com/"); err != nil {
		t.Errorf("CheckURL: %v; a name may come to exist", err)
	}
	result := post(t, c, "https://later.example.com/")
	wantReason(t, result, "http_error:dns")
	if result.Refused || result.Sent {
		t.Errorf("Refused = %v, Sent = %v; want an ordinary failure", result.Refused, result.Sent)
	}
}

func TestGuardWithDevelopmentNetworks(t *testing.T) {
	t.Parallel()
	resolver := fixedResolver{
		"localhost":            {"127.0.0.1", "::1"},
		"receiver":             {"10.1.0.5"},
		"outside":              {"10.2.0.5"},
		"half":                 {"10.1.0.5", "10.2.0.5"},
		"half-public":          {"10.1.0.5", publicAddr},
		"public-single":        {publicAddr},
		"hooks.example.com":    {publicAddr},
		"dev.example.com":      {"10.1.0.6"},
		"metadata.internal":    {"169.254.169.254"},
		"mapped.example.com":   {"::ffff:10.1.0.5"},
		"embedded.example.com": {"64:ff9b::10.1.0.5"},
	}
	allow := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("10.1.7.9/16")}
	cases := []struct {
		name, url          string
		normal, developing Verdict
	}{
		{"localhost", "http://localhost:8080/", InsecureScheme, Allowed},
		{"localhost by https", "https://localhost/", NonPublicName, Allowed},
		{"single label", "http://receiver/", InsecureScheme, Allowed},
		{"literal", "http://127.0.0.1:9000/", InsecureScheme, Allowed},
		{"IPv6 literal", "http://[::1]:9000/", InsecureScheme, Allowed},
		{"mapped literal", "http://[::ffff:10.1.2.3]/", InsecureScheme, Allowed},
		{"literal outside", "http://10.2.0.1/", InsecureScheme, Private},
		{"zoned literal", "http://[::1%25lo]/", Zoned, Zoned},
		{"outside", "http://outside/", InsecureScheme, Private},
		{"half inside", "http://half/", InsecureScheme, Private},
		{"half public", "http://half-public/", InsecureScheme, Private},
		{"public name, private address inside", "https://dev.example.com/", Private, Allowed},
		{"mapped", "https://mapped.example.com/", Private, Allowed},
		{"NAT64 of an address inside", "https://embedded.example.com/", Private, Private},
		{"public by https", "https://hooks.example.com/", Allowed, Allowed},
		{"public by http", "http://hooks.example.com/", InsecureScheme, InsecureScheme},
		{"single label that is public", "https://public-single/", NonPublicName, NonPublicName},
		{"metadata", "http://metadata.internal/", InsecureScheme, LinkLocal},
		{"http that does not resolve", "http://later.example.com/", InsecureScheme, InsecureScheme},
		{"single label that does not resolve", "https://later/", NonPublicName, NonPublicName},
		{"public that does not resolve", "https://later.example.com/", Allowed, Allowed},
		{"syntax is never lifted", "http://user@localhost/", BadURL, BadURL},
		{"spelling is never lifted", "http://127.1/", BadURL, BadURL},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, mode := range []struct {
				allow []netip.Prefix
				want  Verdict
			}{{nil, c.normal}, {allow, c.developing}} {
				g, err := NewGuard(mode.allow, resolver)
				if err != nil {
					t.Fatal(err)
				}
				if got := why(t, g.CheckURL(t.Context(), c.url)); got != mode.want {
					t.Errorf("CheckURL(%q) with %v refuses with %q, want %q", c.url, mode.allow, got, mode.want)
				}
			}
		})
	}
}

func TestCheckURLEndsWithItsContext(t *testing.T) {
	t.Parallel()
	g, err := NewGuard(nil, hangingResolver{})
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(time.Second, func() { cancel(errTest) })
		var refusal *Refusal
		if err := g.CheckURL(ctx, "https://example.com/"); !errors.Is(err, errTest) || errors.As(err, &refusal) {
			t.Errorf("CheckURL = %v, want the cause of the cancellation", err)
		}
		start := time.Now()
		if err := g.CheckURL(t.Context(), "https://example.com/"); err != nil {
			t.Errorf("CheckURL with a silent resolver = %v, want acceptance", err)
		}
		if took := time.Since(start); took != resolveBudget {
			t.Errorf("CheckURL with a silent resolver took %v, want %v", took, resolveBudget)
		}
	})
}

// hangingResolver never answers.
type hangingResolver struct{}

func (hangingResolver) LookupNetIP(ctx context.Context, _, host string) ([]netip.Addr, error) {
	<-ctx.Done()
	return nil, &net.DNSError{Err: ctx.Err().Error(), Name: host, IsTimeout: true}
}

func TestNewRefusesWhatCanNotWork(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]Config{
		"invalid network": {AllowInsecure: []netip.Prefix{{}}},
		"negative bound":  {MaxIdle: -1},
		"negative share":  {MaxIdlePerHost: -1},
	} {
		if _, err := New(cfg); err == nil {
			t.Errorf("New with %s succeeds", name)
		}
	}
}
