package egress

import (
	"context"
	"slices"
	"time"
)

// A burst of attempts to one host finds no idle connections. If each opened its own, the host would get as many
// handshakes at once, and those connections would mostly be closed again unused. So a few open theirs, and the others
// wait in line for a moment: who is first in it gets the next connection that is free, or may open one as soon as an
// attempt on a new connection is over. So their number doubles with every answer of the receiver. Where that is too far
// away to answer within the moment, it costs no more than this.
const (
	maxYoung = 4
	lineWait = 5 * time.Millisecond
)

// line is who waits for a connection to one host. It is guarded by the pool's mutex.
type line struct {
	// young counts the attempts under way on connections that they opened.
	young   int
	waiters []*waiter // in the order in which they came
}

// waiter gets one connection, or nil if it is to open one, which is counted already.
type waiter struct{ given chan *conn }

// join counts who may open a connection and returns nil, or else a place in the line.
func (l *line) join(waits bool) *waiter {
	if !waits || l.young < maxYoung {
		l.young++
		return nil
	}
	w := &waiter{make(chan *conn, 1)}
	l.waiters = append(l.waiters, w)
	return w
}

// give hands a connection to who is first in line; false if nobody is.
func (l *line) give(c *conn) bool {
	if len(l.waiters) == 0 {
		return false
	}
	l.waiters[0].given <- c
	l.waiters[0] = nil
	l.waiters = l.waiters[1:]
	return true
}

// dismiss lets all who wait go without a connection.
func (l *line) dismiss() {
	for l.give(nil) {
		l.young++
	}
}

// await returns what a waiter is given. Its patience has an end: then it is to open a connection like those before it.
func (p *pool) await(ctx context.Context, key hostKey, w *waiter) *conn {
	timer := time.NewTimer(lineWait)
	defer timer.Stop()
	select {
	case c := <-w.given:
		return c
	case <-timer.C:
	case <-ctx.Done():
	}
	return p.leave(key, w)
}

// leave takes a waiter out of the line, unless it was given something just now.
func (p *pool) leave(key hostKey, w *waiter) *conn {
	p.mu.Lock()
	defer p.mu.Unlock()
	host := p.hosts[key]
	at := slices.Index(host.waiters, w)
	if at < 0 {
		return <-w.given
	}
	host.waiters = slices.Delete(host.waiters, at, at+1)
	host.young++
	return nil
}

// open counts an attempt that opens a connection without having asked.
func (p *pool) open(key hostKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.host(key).young++
}

// opened notes that an attempt is over that opened its connection: another one may.
func (p *pool) opened(key hostKey) {
	p.mu.Lock()
	defer p.mu.Unlock()
	host := p.hosts[key]
	host.young--
	if host.young < maxYoung && host.give(nil) {
		host.young++
	}
	p.forget(key, host)
}
