package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/netip"
	"time"
)

// Config is what a Client is made of. Its zero value is the right one in production.
type Config struct {
	// AllowInsecure is the development switch: plain http, and any name, localhost and single-label ones included,
	// are admitted where the host resolves only into these networks.
	AllowInsecure []netip.Prefix
	// Resolver finds addresses; nil is the system's resolver, asked for absolute names.
	Resolver Resolver
	// MaxIdlePerHost bounds the idle connections to one scheme, host and port; 0 is 64.
	MaxIdlePerHost int
	// MaxIdle bounds the idle connections in all; 0 is 1024. The oldest makes room.
	MaxIdle int
	// Dial replaces the dialer and, with it, the second check of the address, in tests: addr is a judged address.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// RootCAs are the certificate authorities trusted; nil are the system's.
	RootCAs *x509.CertPool
}

const (
	defaultMaxIdlePerHost = 64
	defaultMaxIdle        = 1024
)

// Client sends POST requests to public receivers over kept connections. It is safe for concurrent use, and starts no
// goroutine that outlives Post but a timer while connections are idle.
type Client struct {
	guard    *Guard
	dialHook func(ctx context.Context, network, addr string) (net.Conn, error)
	tls      *tls.Config
	idle     *pool
	routes   routes
}

// New builds a client. It fails if a development network is not valid or a bound is negative.
func New(cfg Config) (*Client, error) {
	guard, err := NewGuard(cfg.AllowInsecure, cfg.Resolver)
	if err != nil {
		return nil, err
	}
	if cfg.MaxIdlePerHost < 0 || cfg.MaxIdle < 0 {
		return nil, errors.New("egress: bounds of idle connections must not be negative")
	}
	if cfg.MaxIdlePerHost == 0 {
		cfg.MaxIdlePerHost = defaultMaxIdlePerHost
	}
	if cfg.MaxIdle == 0 {
		cfg.MaxIdle = defaultMaxIdle
	}
	return &Client{
		guard:    guard,
		dialHook: cfg.Dial,
		idle:     newPool(cfg.MaxIdlePerHost, cfg.MaxIdle),
		tls: &tls.Config{
			MinVersion:         tls.VersionTLS12,
			NextProtos:         []string{"http/1.1"},
			RootCAs:            cfg.RootCAs,
			ClientSessionCache: tls.NewLRUClientSessionCache(tlsSessions),
		},
	}, nil
}

// Guard returns the policy that the client keeps, for URLs that are about to be stored.
func (c *Client) Guard() *Guard { return c.guard }

// Close closes the idle connections. Attempts under way end as they would have; their connections are not kept, and
// no new connection is opened.
func (c *Client) Close() { c.idle.close() }

// Post makes one attempt. It never sends a request twice, never follows a redirect and returns within the timeout,
// or promptly when ctx ends. The status decides: once the headers of an answer have come, what its body does changes
// nothing, and at most a second (a tenth of one on 2xx) within the timeout is spent on it.
func (c *Client) Post(ctx context.Context, req Request) Result {
	start := time.Now()
	x := exchange{client: c, start: start, deadline: start.Add(req.timeout())}
	x.post(ctx, &req)
	if x.result.Status == 0 {
		x.result.Duration = time.Since(start)
	}
	return x.result
}
