package egress

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"
)

// hostKey names what a connection leads to: requests share a connection only if scheme, host and port are the same.
type hostKey struct {
	secure bool
	host   string
	port   uint16
}

// conn is one connection to a receiver. It belongs to one attempt or to the pool, never to both.
type conn struct {
	net.Conn               // TLS or plain
	key      hostKey       // what it leads to
	remote   string        // the address judged and dialled, with its port
	checked  time.Time     // when that address was judged
	reader   *bufio.Reader // reads through limit
	limit    boundedReader
	socket   syscall.RawConn // of the plain connection below; nil if there is no socket

	interrupt func()        // ends pending reads and writes; safe at any time
	peek      func(uintptr) // sets quiet for a file descriptor
	quiet     bool

	idleUntil time.Time // set and read by the pool only
	older     *conn     // in the pool's list of all idle connections
	newer     *conn
}

// answerBuffers keeps the read buffers of closed connections.
var answerBuffers = sync.Pool{New: func() any { return bufio.NewReader(nil) }}

func newConn(key hostKey, plain, top net.Conn, remote netip.AddrPort, checked time.Time) *conn {
	c := &conn{Conn: top, key: key, remote: remote.String(), checked: checked}
	c.limit.from = top
	c.reader = answerBuffers.Get().(*bufio.Reader)
	c.reader.Reset(&c.limit)
	c.interrupt = func() { _ = top.SetDeadline(longAgo) } // fails only on a closed connection, which needs no interrupt
	if owner, ok := plain.(syscall.Conn); ok {
		if socket, err := owner.SyscallConn(); err == nil {
			c.socket = socket
			c.peek = func(fd uintptr) { c.quiet = isQuiet(fd) }
		}
	}
	return c
}

// longAgo is a deadline that has always passed.
var longAgo = time.Unix(1, 0)

// discard closes the connection without reading what the receiver may still send. Nobody may use c afterwards.
func (c *conn) discard() {
	_ = c.Close() // nothing is owed to the receiver any more; the file descriptor is freed in any case
	c.reader.Reset(nil)
	answerBuffers.Put(c.reader)
	c.reader = nil
}

// alive reports, without blocking, whether an idle connection may carry another request: the peer has neither closed
// it nor sent anything. Any readable byte condemns it, of TLS too: what is owed after a handshake was read with the
// first answer, so that the rest is a farewell or the start of an answer nobody asked for.
func (c *conn) alive() bool {
	if c.socket != nil {
		c.quiet = false
		return c.socket.Control(c.peek) == nil && c.quiet
	}
	if err := c.SetReadDeadline(longAgo); err != nil {
		return false
	}
	c.limit.left = 1
	_, err := c.reader.Peek(1)
	return errors.Is(err, os.ErrDeadlineExceeded)
}

// boundedReader reads from a connection until left bytes have come.
type boundedReader struct {
	from io.Reader
	left int64
	err  error // of the last read: io.EOF if the peer closed
}

// Read fails with errHeaderTooLarge once the bound is used up.
func (r *boundedReader) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, errHeaderTooLarge
	}
	if int64(len(p)) > r.left {
		p = p[:r.left]
	}
	n, err := r.from.Read(p)
	r.left -= int64(n)
	r.err = err
	return n, err
}
