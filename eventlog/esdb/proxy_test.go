package esdb_test

import (
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"
)

// proxy stands between a log and its server: it can cut connections, delay what they carry and swallow it.
type proxy struct {
	listener net.Listener
	target   string
	tasks    sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]bool
	delay  time.Duration // at most
	silent bool
	closed bool
}

func newProxy(t testing.TB, target string) *proxy {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{listener: listener, target: target, conns: make(map[net.Conn]bool)}
	p.tasks.Go(p.accept)
	t.Cleanup(func() {
		p.mu.Lock()
		p.closed = true
		p.mu.Unlock()
		listener.Close()
		p.cut()
		p.tasks.Wait()
	})
	return p
}

func (p *proxy) url() string { return "esdb://" + p.listener.Addr().String() + "?tls=false" }

func (p *proxy) accept() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		out, err := net.Dial("tcp", p.target)
		if err != nil {
			in.Close()
			continue
		}
		if !p.add(in, out) {
			return
		}
		p.tasks.Go(func() { p.carry(in, out) })
		p.tasks.Go(func() { p.carry(out, in) })
	}
}

func (p *proxy) add(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		p.conns[c] = true
		if p.closed {
			c.Close()
		}
	}
	return !p.closed
}

// carry passes nothing on any more once it has swallowed something: no network lets what comes later take its place.
func (p *proxy) carry(from, to net.Conn) {
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		for _, c := range []net.Conn{from, to} {
			c.Close()
			delete(p.conns, c)
		}
	}()
	buf := make([]byte, 32<<10)
	for swallowed := false; ; {
		n, err := from.Read(buf)
		p.mu.Lock()
		delay := p.delay
		swallowed = swallowed || p.silent
		p.mu.Unlock()
		if delay > 0 {
			time.Sleep(rand.N(delay))
		}
		if swallowed {
			n = 0
		}
		if _, failed := to.Write(buf[:n]); failed != nil || err != nil {
			return
		}
	}
}

// cut ends all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		c.Close()
	}
}

func (p *proxy) set(delay time.Duration, silent bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.delay, p.silent = delay, silent
}
