package egress

import (
	"context"
	"crypto/tls"
	"net"
	"net/netip"
	"time"
)

const (
	// connectShare bounds the wait for one address while another is left to try: one lost SYN is forgiven.
	connectShare = 3 * time.Second
	// maxAddresses is how many addresses of a name are tried for one connection.
	maxAddresses = 4
	// tlsBudget bounds a TLS handshake, inside the budget of the attempt.
	tlsBudget = 10 * time.Second
	// tlsSessions is how many hosts' TLS sessions are remembered for resumption.
	tlsSessions = 1024
)

// dial opens a connection to a target: look up, judge, connect to a judged address, shake hands. ctx bears the
// deadline of the attempt. The stage tells where it failed.
func (c *Client) dial(ctx context.Context, t target) (*conn, stage, error) {
	if c.idle.isClosed() {
		return nil, stageLocal, errClientClosed
	}
	addrs, err := c.guard.resolve(ctx, t)
	if err != nil {
		return nil, stageResolve, err
	}
	checked := time.Now()
	plain, remote, err := c.connect(ctx, interleave(addrs), t.port)
	if err != nil {
		return nil, stageConnect, err
	}
	if !t.secure {
		return newConn(t.key(), plain, plain, remote, checked), stageExchange, nil
	}
	secured, err := c.handshake(ctx, plain, t.host)
	if err != nil {
		_ = plain.Close() // the handshake's error is the one to report
		return nil, stageTLS, err
	}
	return newConn(t.key(), plain, secured, remote, checked), stageExchange, nil
}

// interleave alternates the address families, in the order of their first addresses, so that one broken family costs
// one share of the time.
func interleave(addrs []netip.Addr) []netip.Addr {
	var families [2][]netip.Addr
	for _, addr := range addrs {
		family := 0
		if addr.Is4() != addrs[0].Is4() {
			family = 1
		}
		families[family] = append(families[family], addr)
	}
	mixed := make([]netip.Addr, 0, len(addrs))
	for i := range addrs {
		for _, family := range families {
			if i < len(family) {
				mixed = append(mixed, family[i])
			}
		}
	}
	return mixed[:min(len(mixed), maxAddresses)]
}

// connect tries judged addresses in order and returns the first connection, or the last error.
func (c *Client) connect(ctx context.Context, addrs []netip.Addr, port uint16) (net.Conn, netip.AddrPort, error) {
	var last error
	for i, addr := range addrs {
		remote := netip.AddrPortFrom(addr, port)
		plain, err := c.connectOne(ctx, remote, len(addrs)-i)
		if err == nil {
			return plain, remote, nil
		}
		if last = err; ctx.Err() != nil {
			break
		}
	}
	return nil, netip.AddrPort{}, last
}

func (c *Client) connectOne(ctx context.Context, remote netip.AddrPort, left int) (net.Conn, error) {
	if deadline, ok := ctx.Deadline(); ok && left > 1 {
		share := min(time.Until(deadline)/time.Duration(left), connectShare)
		shared, cancel := context.WithTimeout(ctx, share)
		defer cancel()
		ctx = shared
	}
	if c.dialHook != nil {
		return c.dialHook(ctx, "tcp", remote.String())
	}
	// Connections live a minute at most, so that TCP's own probes would only cost system calls.
	dialer := net.Dialer{KeepAlive: -1, Control: c.guard.lock(remote)}
	return dialer.DialContext(ctx, "tcp", remote.String())
}

func (c *Client) handshake(ctx context.Context, plain net.Conn, host string) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, tlsBudget)
	defer cancel()
	config := c.tls.Clone()
	config.ServerName = host
	secured := tls.Client(plain, config)
	if err := secured.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return secured, nil
}
