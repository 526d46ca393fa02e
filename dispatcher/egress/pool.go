package egress

import (
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

// pool keeps idle connections, the youngest of a host first. All fields are guarded by mu; connections are closed
// outside of it.
type pool struct {
	maxPerHost int
	max        int

	mu       sync.Mutex
	hosts    map[hostKey]*idleHost
	oldest   *conn // list of all idle connections by the time they were put
	youngest *conn
	count    int
	sweeper  *time.Timer // set while hosts is not empty
	closed   bool
}

// idleHost is a stack; conns[0] was put first.
type idleHost struct{ conns []*conn }

func newPool(maxPerHost, max int) *pool {
	return &pool{maxPerHost: maxPerHost, max: max, hosts: make(map[hostKey]*idleHost)}
}

// take returns an idle connection that may still be used, or nil. Connections found dead on the way are closed.
func (p *pool) take(key hostKey, now time.Time) *conn {
	for {
		c := p.pop(key)
		if c == nil {
			return nil
		}
		if now.Before(c.idleUntil) && c.alive() {
			return c
		}
		c.discard()
	}
}

func (p *pool) pop(key hostKey) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	host := p.hosts[key]
	if host == nil || len(host.conns) == 0 {
		return nil
	}
	last := len(host.conns) - 1
	c := host.conns[last]
	host.conns[last] = nil
	host.conns = host.conns[:last]
	p.unlink(c)
	return c
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

// push adds c and returns the connection that has to go for it: c itself, the oldest, or nil.
func (p *pool) push(c *conn, now time.Time) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || !now.Before(c.idleUntil) {
		return c
	}
	host := p.hosts[c.key]
	if host == nil {
		host = &idleHost{}
		p.hosts[c.key] = host
	}
	if len(host.conns) >= p.maxPerHost {
		return c
	}
	var loser *conn
	if p.count >= p.max {
		loser = p.oldest
		p.remove(loser)
	}
	host.conns = append(host.conns, c)
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
		if len(host.conns) == 0 {
			delete(p.hosts, key)
		}
	}
	if p.sweeper != nil && len(p.hosts) > 0 {
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
	clear(p.hosts)
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
	for i := range host.conns {
		if host.conns[i] == c {
			copy(host.conns[i:], host.conns[i+1:])
			host.conns[len(host.conns)-1] = nil
			host.conns = host.conns[:len(host.conns)-1]
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
