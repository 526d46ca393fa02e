package http

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Bounds of the throttle.
const (
	// failuresPerSecond is what an address is slowed to.
	failuresPerSecond = 1
	// lookUpsPerSecond is how many unknown keys this node looks for in the log.
	lookUpsPerSecond = 50
	lookUpsBurst     = 200
	// maxAddresses is how many addresses are remembered.
	maxAddresses = 10_000
)

// throttle slows addresses whose authentications fail. It knows addresses as IPv4 addresses and IPv6 /64 networks.
type throttle struct {
	now     func() time.Time
	burst   int
	lookUps *rate.Limiter

	mu        sync.Mutex
	addresses map[netip.Prefix]*rate.Limiter
}

func newThrottle(burst int, now func() time.Time) *throttle {
	return &throttle{now: now, burst: burst, lookUps: rate.NewLimiter(lookUpsPerSecond, lookUpsBurst),
		addresses: map[netip.Prefix]*rate.Limiter{}}
}

// failed counts a failed authentication. It returns how long the address should wait, 0 while it has failures left.
func (t *throttle) failed(remote string) time.Duration {
	now := t.now()
	l := t.limiter(networkOf(remote), now)
	if l.AllowN(now, 1) {
		return 0
	}
	return untilOne(l, now)
}

// lookUp asks whether a key may be looked for in the log on behalf of an address. It returns how long to wait, 0 if it
// may. An address that has used up its failures waits until it has one again.
func (t *throttle) lookUp(remote string) time.Duration {
	now := t.now()
	if l := t.limiter(networkOf(remote), now); l.TokensAt(now) < 1 {
		return untilOne(l, now)
	}
	if !t.lookUps.AllowN(now, 1) {
		return untilOne(t.lookUps, now)
	}
	return 0
}

// untilOne is the time until a limiter allows one more.
func untilOne(l *rate.Limiter, now time.Time) time.Duration {
	return time.Duration((1 - l.TokensAt(now)) / float64(l.Limit()) * float64(time.Second))
}

func (t *throttle) limiter(network netip.Prefix, now time.Time) *rate.Limiter {
	t.mu.Lock()
	defer t.mu.Unlock()
	l, ok := t.addresses[network]
	if !ok {
		if len(t.addresses) >= maxAddresses {
			t.forget(now)
		}
		l = rate.NewLimiter(failuresPerSecond, t.burst)
		t.addresses[network] = l
	}
	return l
}

// forget makes room: first those who have nothing to be remembered for, then a few at random.
func (t *throttle) forget(now time.Time) {
	for network, l := range t.addresses {
		if l.TokensAt(now) >= float64(t.burst) {
			delete(t.addresses, network)
		}
	}
	for network := range t.addresses {
		if len(t.addresses) < maxAddresses*9/10 {
			return
		}
		delete(t.addresses, network)
	}
}

// networkOf returns whom failures are counted against; the zero Prefix for what is no address.
func networkOf(remote string) netip.Prefix {
	at, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Prefix{}
	}
	ip := at.Addr().Unmap().WithZone("")
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	network, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return network
}
