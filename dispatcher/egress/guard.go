package egress

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Resolver finds the addresses of a host. *net.Resolver is one. The host has no trailing dot.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// resolveBudget bounds one look-up, inside the budget of the attempt.
const resolveBudget = 5 * time.Second

// Guard decides which URLs and addresses may be dialled. It is safe for concurrent use.
type Guard struct {
	allow    []netip.Prefix // the development networks; normally none
	resolver Resolver
}

// NewGuard builds a guard. The networks of allow are the development switch: targets that resolve only into them are
// admitted whatever their scheme and name. A nil resolver is the system's. It fails if a prefix is not valid.
func NewGuard(allow []netip.Prefix, resolver Resolver) (*Guard, error) {
	g := &Guard{resolver: resolver}
	for _, prefix := range allow {
		if !prefix.IsValid() {
			return nil, fmt.Errorf("development networks: %q is not a network", prefix)
		}
		g.allow = append(g.allow, prefix.Masked())
	}
	if resolver == nil {
		g.resolver = systemResolver{}
	}
	return g, nil
}

// systemResolver asks the machine's resolver for absolute names, so that its search list can not turn a public name
// into one of a local domain. Names that only the development switch admits are looked up as they are.
type systemResolver struct{}

func (systemResolver) LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error) {
	if isPublicName(host) {
		host += "."
	}
	return net.DefaultResolver.LookupNetIP(ctx, network, host)
}

// CheckURL applies the whole policy to a URL that is to be stored: the syntax rules and, where the name resolves now,
// every address it has. A name that does not resolve is accepted, since it may come to exist before the first
// delivery, which judges it again; only what needs the development switch must resolve to be admitted by it.
// A policy refusal is a *Refusal; any other error means that ctx ended.
func (g *Guard) CheckURL(ctx context.Context, raw string) error {
	t, refusal := parseTarget(raw)
	if refusal != nil {
		return refusal
	}
	_, err := g.resolve(ctx, t)
	if refusal, ok := err.(*Refusal); ok {
		return refusal
	}
	if ctx.Err() != nil {
		return fmt.Errorf("check webhook url: %w", context.Cause(ctx))
	}
	if refusal := t.refusal(); err != nil && refusal != nil {
		return refusal
	}
	return nil
}

// resolve returns the addresses of a target, all of which may be dialled. The error is a *Refusal by the policy or
// the resolver's own.
func (g *Guard) resolve(ctx context.Context, t target) ([]netip.Addr, error) {
	if len(g.allow) == 0 {
		if refusal := t.refusal(); refusal != nil {
			return nil, refusal
		}
	}
	addrs, err := g.lookup(ctx, t)
	if err != nil {
		return nil, err
	}
	if refusal := g.refusal(t, addrs); refusal != nil {
		return nil, refusal
	}
	return addrs, nil
}

// lookup returns the distinct addresses of a target, mapped ones as IPv4, in the resolver's order.
func (g *Guard) lookup(ctx context.Context, t target) ([]netip.Addr, error) {
	if t.literal.IsValid() {
		return []netip.Addr{t.literal.Unmap()}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, resolveBudget)
	defer cancel()
	found, err := g.resolver.LookupNetIP(ctx, "ip", t.host)
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", t.host, err)
	}
	addrs := make([]netip.Addr, 0, len(found))
	for _, addr := range found {
		if addr = addr.Unmap(); !slices.Contains(addrs, addr) {
			addrs = append(addrs, addr)
		}
	}
	if len(addrs) == 0 {
		return nil, fmt.Errorf("look up %s: %w", t.host, &net.DNSError{Err: "no address", Name: t.host, IsNotFound: true})
	}
	return addrs, nil
}

// refusal judges a target by all of its addresses: one that may not be dialled refuses them all.
func (g *Guard) refusal(t target, addrs []netip.Addr) *Refusal {
	if !slices.ContainsFunc(addrs, func(addr netip.Addr) bool { return !g.development(addr) }) {
		return nil
	}
	for _, addr := range addrs {
		if verdict := Judge(addr); verdict != Allowed {
			if t.literal.IsValid() {
				return refuseAddr(verdict)
			}
			return &Refusal{Reason: "host resolves to an address that is not public (" + string(verdict) + ")", Why: verdict}
		}
	}
	return t.refusal()
}

// development reports whether an address lies in the development networks.
func (g *Guard) development(addr netip.Addr) bool {
	if addr.Zone() != "" {
		return false
	}
	return slices.ContainsFunc(g.allow, func(prefix netip.Prefix) bool { return prefix.Contains(addr) })
}

// lock is the second check, made by the dialer on the socket about to be connected: its address must be the judged
// one and must still pass.
func (g *Guard) lock(judged netip.AddrPort) func(network, address string, _ syscall.RawConn) error {
	return func(network, address string, _ syscall.RawConn) error {
		dialled, err := netip.ParseAddrPort(address)
		if err != nil || !strings.HasPrefix(network, "tcp") {
			return &Refusal{Reason: "not a TCP address", Why: Invalid}
		}
		if addr := dialled.Addr().Unmap(); !g.development(addr) {
			if refusal := refuseAddr(Judge(addr)); refusal != nil {
				return refusal
			}
		}
		if netip.AddrPortFrom(dialled.Addr().Unmap(), dialled.Port()) != judged {
			return &Refusal{Reason: "another address was dialled than the one judged", Why: Invalid}
		}
		return nil
	}
}
