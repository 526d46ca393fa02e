package egress

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	publicAddr  = "93.184.215.14"
	publicAddr2 = "142.250.72.196"
	devURL      = "http://127.0.0.1/hook" // admitted by the clients of these tests
)

var loopbackNets = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")}

// fixedResolver answers from a table, and with "no such host" otherwise.
type fixedResolver map[string][]string

func (r fixedResolver) LookupNetIP(_ context.Context, _, host string) ([]netip.Addr, error) {
	var addrs []netip.Addr
	for _, text := range r[host] {
		addrs = append(addrs, netip.MustParseAddr(text))
	}
	if addrs == nil {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return addrs, nil
}

// memory is a network of in-memory connections, each served by one function, for tests in virtual time.
type memory struct {
	serve func(c net.Conn, n int)
	conns atomic.Int32
	wg    sync.WaitGroup
}

func (m *memory) dial(context.Context, string, string) (net.Conn, error) {
	near, far := net.Pipe()
	n := int(m.conns.Add(1))
	m.wg.Go(func() {
		defer far.Close()
		m.serve(far, n)
	})
	return near, nil
}

// inMemory builds a client whose connections are served by serve; n counts connections from 1.
func inMemory(t *testing.T, serve func(c net.Conn, n int)) (*Client, *memory) {
	t.Helper()
	m := &memory{serve: serve}
	c := newClient(t, Config{AllowInsecure: loopbackNets, Dial: m.dial})
	t.Cleanup(func() {
		c.Close()
		m.wg.Wait()
	})
	return c, m
}

func newClient(t testing.TB, cfg Config) *Client {
	t.Helper()
	c, err := New(cfg)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	t.Cleanup(c.Close)
	return c
}

// listen serves real loopback connections and returns their address; n counts connections from 1.
func listen(t *testing.T, serve func(c net.Conn, n int)) (addr string, accepted *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted = new(atomic.Int32)
	var wg sync.WaitGroup
	ended := make(chan struct{})
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			n := int(accepted.Add(1))
			stop := context.AfterFunc(contextOf(ended), func() { c.Close() })
			wg.Go(func() {
				defer stop()
				defer c.Close()
				serve(c, n)
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		close(ended)
		wg.Wait()
	})
	return l.Addr().String(), accepted
}

// closedContext ends when a channel closes.
type closedContext struct {
	context.Context
	done chan struct{}
}

func (c closedContext) Done() <-chan struct{} { return c.done }
func (c closedContext) Err() error {
	select {
	case <-c.done:
		return context.Canceled
	default:
		return nil
	}
}

func contextOf(done chan struct{}) context.Context {
	return closedContext{context.Background(), done}
}

// requests reads the requests of a connection, hands each to answer with its number from 1, and writes what it
// returns; it ends with the connection or with an empty answer.
func requests(c net.Conn, answer func(r *http.Request, body []byte, n int) string) {
	reader := bufio.NewReader(c)
	for n := 1; ; n++ {
		r, err := http.ReadRequest(reader)
		if err != nil {
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		text := answer(r, body, n)
		if text == "" {
			return
		}
		if _, err := io.WriteString(c, text); err != nil {
			return
		}
	}
}

// answering serves the same answer to every request.
func answering(text string) func(net.Conn, int) {
	return func(c net.Conn, _ int) {
		requests(c, func(*http.Request, []byte, int) string { return text })
	}
}

// lastingAnswer is okAnswer of a receiver that keeps the connection for an hour, so that a busy machine does not outlast it.
const (
	okAnswer      = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
	lastingAnswer = "HTTP/1.1 200 OK\r\nKeep-Alive: timeout=3600\r\nContent-Length: 2\r\n\r\nok"
)

// swallow reads one request and leaves the connection open until the peer closes it.
func readOne(c net.Conn) error {
	r, err := http.ReadRequest(bufio.NewReader(c))
	if err == nil {
		_, err = io.Copy(io.Discard, r.Body)
	}
	return err
}

func waitForClose(c net.Conn) {
	_, _ = io.Copy(io.Discard, c) // ends with the connection, in whatever way
}

// patience is the time of attempts that are not to run out of it.
const patience = MaxTimeout

func post(t *testing.T, c *Client, url string) Result {
	t.Helper()
	return postWithin(t, c, url, patience)
}

func postWithin(t *testing.T, c *Client, url string, timeout time.Duration) Result {
	t.Helper()
	return c.Post(t.Context(), Request{URL: url, Header: []Field{{"Content-Type", "application/json"}}, Body: []byte(`{"a":1}`), Timeout: timeout})
}

func wantReason(t *testing.T, r Result, want string) {
	t.Helper()
	if r.Reason != want {
		t.Errorf("reason = %q (%s), want %q", r.Reason, r.Detail, want)
	}
	if (r.Reason == "") != r.Succeeded() {
		t.Errorf("reason %q does not agree with status %d", r.Reason, r.Status)
	}
}

var errTest = errors.New("test error")
