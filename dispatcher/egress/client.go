package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"sync"
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
	var result Result
	c.post(ctx, &req, start, &result)
	if result.Duration == 0 {
		result.Duration = time.Since(start)
	}
	return result
}

func (c *Client) post(ctx context.Context, req *Request, start time.Time, result *Result) {
	if err := ctx.Err(); err != nil {
		result.fail(ctx, stageLocal, err)
		return
	}
	to, refusal := c.routes.find(req.URL)
	if refusal != nil {
		result.fail(ctx, stageResolve, refusal)
		return
	}
	buf := requestBuffers.Get().(*[]byte)
	defer releaseRequest(buf)
	var err error
	if *buf, err = appendRequest((*buf)[:0], to.prefix, req); err != nil {
		result.fail(ctx, stageLocal, err)
		return
	}
	x := exchange{client: c, request: *buf, start: start, deadline: start.Add(req.timeout()), result: result}
	if kept := c.idle.take(to.target.key(), start); kept != nil {
		result.Reused = true
		if x.run(ctx, kept) {
			return
		}
		*result = Result{} // not one byte went out on the kept connection: a fresh one may be tried
	}
	x.runFresh(ctx, to.target)
}

// exchange is one request on one connection.
type exchange struct {
	client   *Client
	request  []byte
	start    time.Time
	deadline time.Time
	result   *Result
}

func (x *exchange) runFresh(ctx context.Context, t target) {
	dialing, cancel := context.WithDeadline(ctx, x.deadline)
	fresh, at, err := x.client.dial(dialing, t)
	if err != nil {
		x.result.fail(dialing, at, err)
		cancel()
		return
	}
	cancel()
	x.run(ctx, fresh)
}

// run sends the request, reads the answer and keeps or closes the connection. It returns false if the attempt failed
// before a byte went out.
func (x *exchange) run(ctx context.Context, c *conn) bool {
	x.result.RemoteAddr = c.remote
	if err := c.SetDeadline(x.deadline); err != nil {
		return x.broken(ctx, c, err)
	}
	stop := func() bool { return true }
	if ctx.Done() != nil {
		stop = context.AfterFunc(ctx, c.interrupt)
	}
	n, writeErr := c.Write(x.request)
	x.result.Sent = n > 0
	if writeErr != nil && n == 0 {
		stop()
		return x.broken(ctx, c, writeErr)
	}
	// A receiver may answer without reading the whole request, and close: its answer is worth more than our error.
	answer, err := c.readHeader()
	if err != nil {
		stop()
		if writeErr != nil {
			err = writeErr
		}
		return x.broken(ctx, c, err)
	}
	x.result.Duration = time.Since(x.start)
	x.record(answer)
	whole := x.finish(ctx, c, answer)
	if !stop() || !whole || writeErr != nil || answer.Close || c.reader.Buffered() > 0 {
		c.discard()
		return true
	}
	x.client.idle.put(c, time.Now(), keepAlive(answer.Header))
	return true
}

// broken records a failure without answer and reports whether the attempt is over.
func (x *exchange) broken(ctx context.Context, c *conn, err error) bool {
	c.discard()
	x.result.fail(ctx, stageExchange, err)
	return x.result.Sent || ctx.Err() != nil || isTimeout(err)
}

func (x *exchange) record(answer *http.Response) {
	x.result.answered(answer.StatusCode)
	if x.result.Succeeded() {
		return
	}
	if after := answer.Header["Retry-After"]; len(after) > 0 {
		x.result.RetryAfter, x.result.HasRetryAfter = ParseRetryAfter(after[0], answer.Header.Get("Date"), time.Now())
	}
}

// finish reads the body as far as it is wanted and reports whether the connection stands at the answer's end.
func (x *exchange) finish(ctx context.Context, c *conn, answer *http.Response) bool {
	wait := failureBodyWait
	if x.result.Succeeded() {
		if wait = successBodyWait; answer.Close || answer.ContentLength > MaxAnswerBody {
			return false
		}
	}
	if !c.ready(answer) {
		if end := time.Now().Add(wait); end.Before(x.deadline) && c.SetReadDeadline(end) != nil {
			return false
		}
		if ctx.Err() != nil { // checked after the deadline was moved, which may have undone the interrupt
			return false
		}
	}
	body, whole := c.readBody(answer, !x.result.Succeeded())
	x.result.Body = body
	return whole
}

// maxRoutes bounds the URLs whose parsed form is remembered.
const maxRoutes = 4096

// route is what a URL means for a request: where to, and how it begins.
type route struct {
	target target
	prefix string // request line and Host
}

// routes remembers parsed URLs. The syntax rules are pure, so that nothing in it grows old; when it is full it
// starts anew.
type routes struct {
	mu    sync.RWMutex
	byURL map[string]*route
}

func (r *routes) find(raw string) (*route, *Refusal) {
	r.mu.RLock()
	known := r.byURL[raw]
	r.mu.RUnlock()
	if known != nil {
		return known, nil
	}
	t, refusal := parseTarget(raw)
	if refusal != nil {
		return nil, refusal
	}
	fresh := &route{target: t, prefix: "POST " + t.uri + " HTTP/1.1\r\nHost: " + t.hostHeader() + "\r\n"}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byURL == nil || len(r.byURL) >= maxRoutes {
		r.byURL = make(map[string]*route)
	}
	r.byURL[raw] = fresh
	return fresh, nil
}
