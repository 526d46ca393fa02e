package egress

import (
	"context"
	"sync"
	"time"
)

const (
	// MaxCheckAge is how long a connection may be used for new requests after its address was judged.
	MaxCheckAge = 60 * time.Second
	// defaultIdle is how long a connection is kept for the next request where the receiver does not say: just under
	// the five seconds after which common servers close.
	defaultIdle = 4 * time.Second
	// sweepEvery is the rhythm in which idle connections are looked at for their end.
	sweepEvery = time.Second
)

// pool keeps idle connections, the youngest of a host first, and says when another one is opened. All fields are guarded
// by mu; connections are closed outside of it.
type pool struct {
	maxPerHost int
	max        int

	mu       sync.Mutex
	hosts    map[hostKey]*hostPool
	oldest   *conn // list of all idle connections by the time they were put
	youngest *conn
	count    int
	sweeper  *time.Timer // set while connections are idle
	closed   bool
}

// hostPool is what the pool keeps of one host.
type hostPool struct {
	idle []*conn // a stack; idle[0] was put first
	line
}

func newPool(maxPerHost, max int) *pool {
	return &pool{maxPerHost: maxPerHost, max: max, hosts: make(map[hostKey]*hostPool)}
}

// take returns an idle connection that may still be used, at once or after a short wait in line. If it returns nil, the
// caller is to open one, and to call opened when its attempt is over. Connections found dead on the way are closed.
func (p *pool) take(ctx context.Context, key hostKey, now time.Time) *conn {
	for waits := true; ; waits = false {
		c, w := p.pop(key, waits)
		if w != nil {
			c = p.await(ctx, key, w)
		}
		if c == nil {
			return nil
		}
		if now.Before(c.idleUntil) && c.alive() {
			return c
		}
		c.discard()
	}
}

// pop returns an idle connection, a place in the line, or neither to whoever is to open one.
func (p *pool) pop(key hostKey, waits bool) (*conn, *waiter) {
	p.mu.Lock()
	defer p.mu.Unlock()
	host := p.host(key)
	last := len(host.idle) - 1
	if last < 0 {
		return nil, host.join(waits)
	}
	c := host.idle[last]
	host.idle[last] = nil
	host.idle = host.idle[:last]
	p.unlink(c)
	return c, nil
}

func (p *pool) host(key hostKey) *hostPool {
	host := p.hosts[key]
	if host == nil {
		host = &hostPool{}
		p.hosts[key] = host
	}
	return host
}

// forget drops a host of which nothing is kept and at which nobody is.
func (p *pool) forget(key hostKey, host *hostPool) {
	if len(host.idle) == 0 && host.young == 0 && len(host.waiters) == 0 {
		delete(p.hosts, key)
	}
}

// put keeps a connection for idle, never past the age of its check, or closes it.
func (p *pool) put(c *conn, now time.Time, idle time.Duration) {
	c.idleUntil = now.Add(idle)
	if end := c.checked.Add(MaxCheckAge); end.Before(c.idleUntil) {
		c.idleUntil = end
	}
	if loser := p.push(c, now); loser != nil {
		loser.discard()
	}
}

// push gives c to who is first in line, or adds it. It returns the connection that has to go for it: c itself, the oldest,
// or nil.
func (p *pool) push(c *conn, now time.Time) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || !now.Before(c.idleUntil) {
		return c
	}
	host := p.host(c.key)
	if host.give(c) {
		return nil
	}
	if len(host.idle) >= p.maxPerHost {
		return c
	}
	var loser *conn
	if p.count >= p.max {
		loser = p.oldest
		p.remove(loser)
	}
	host.idle = append(host.idle, c)
	p.link(c)
	if p.sweeper == nil {
		p.sweeper = time.AfterFunc(sweepEvery, p.sweep)
	}
	return loser
}

// sweep closes what is too old and runs again while connections are idle.
func (p *pool) sweep() {
	for _, c := range p.expired(time.Now()) {
		c.discard()
	}
}

func (p *pool) expired(now time.Time) []*conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	var expired []*conn
	for c := p.oldest; c != nil; {
		next := c.newer
		if !now.Before(c.idleUntil) {
			p.remove(c)
			expired = append(expired, c)
		}
		c = next
	}
	for key, host := range p.hosts {
		p.forget(key, host)
	}
	if p.sweeper != nil && p.count > 0 {
		p.sweeper.Reset(sweepEvery)
	} else {
		p.sweeper = nil
	}
	return expired
}

// close closes all idle connections and every one that is put later.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	if p.sweeper != nil {
		p.sweeper.Stop()
		p.sweeper = nil
	}
	first := p.oldest
	p.oldest, p.youngest, p.count = nil, nil, 0
	for key, host := range p.hosts {
		host.idle = nil
		host.dismiss()
		p.forget(key, host)
	}
	p.mu.Unlock()
	for c := first; c != nil; {
		next := c.newer
		c.discard()
		c = next
	}
}

func (p *pool) isClosed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.closed
}

// remove takes a connection out of its host's stack and the list.
func (p *pool) remove(c *conn) {
	host := p.hosts[c.key]
	for i := range host.idle {
		if host.idle[i] == c {
			copy(host.idle[i:], host.idle[i+1:])
			host.idle[len(host.idle)-1] = nil
			host.idle = host.idle[:len(host.idle)-1]
			break
		}
	}
	p.unlink(c)
}

func (p *pool) link(c *conn) {
	c.older, c.newer = p.youngest, nil
	if p.youngest != nil {
		p.youngest.newer = c
	} else {
		p.oldest = c
	}
	p.youngest = c
	p.count++
}

func (p *pool) unlink(c *conn) {
	if c.older != nil {
		c.older.newer = c.newer
	} else {
		p.oldest = c.newer
	}
	if c.newer != nil {
		c.newer.older = c.older
	} else {
		p.youngest = c.older
	}
	c.older, c.newer = nil, nil
	p.count--
}
