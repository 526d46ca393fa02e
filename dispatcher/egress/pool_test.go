package egress

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

var privateNets = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")}

func TestConnectionsAreKeptOnlyWhileIdleLongEnough(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, header string
		pause        time.Duration
		reused       bool
	}{
		{"at once", "", 0, true},
		{"just under four seconds", "", 3999 * time.Millisecond, true},
		{"four seconds", "", 4 * time.Second, false},
		{"receiver says 10 s, 9 s later", "Keep-Alive: timeout=10\r\n", 8999 * time.Millisecond, true},
		{"receiver says 10 s, 10 s later", "Keep-Alive: timeout=10, max=100\r\n", 9 * time.Second, false},
		{"receiver says 2 s", "Keep-Alive: max=5, timeout=2\r\n", time.Second, false},
		{"receiver says 1 s", "Keep-Alive: timeout=1\r\n", 0, false},
		{"receiver says 0", "Keep-Alive: timeout=0\r\n", 0, false},
		{"receiver says nonsense", "Keep-Alive: timeout=soon\r\n", 3 * time.Second, true},
		{"receiver says an hour, just under a minute", "Keep-Alive: timeout=3600\r\n", 59999 * time.Millisecond, true},
		{"receiver says an hour, a minute", "Keep-Alive: timeout=3600\r\n", time.Minute, false},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, m := inMemory(t, answering("HTTP/1.1 200 OK\r\n"+test.header+"Content-Length: 0\r\n\r\n"))
				wantReason(t, post(t, c, devURL), "")
				time.Sleep(test.pause)
				result := post(t, c, devURL)
				wantReason(t, result, "")
				if result.Reused != test.reused || (m.conns.Load() == 1) != test.reused {
					t.Errorf("Reused = %v on %d connections, want %v", result.Reused, m.conns.Load(), test.reused)
				}
			})
		})
	}
}

// A connection in constant use is given up a minute after its address was judged; by then the name has moved inside.
func TestKeptConnectionIsJudgedAgainAfterAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		serve := &memory{serve: answering(okAnswer)}
		resolver := fixedResolver{"dev.example.com": {"10.0.0.1"}}
		c := newClient(t, Config{Resolver: resolver, AllowInsecure: privateNets, Dial: serve.dial})
		start := time.Now()
		for time.Since(start) < MaxCheckAge {
			wantReason(t, post(t, c, "http://dev.example.com/"), "")
			resolver["dev.example.com"] = []string{"127.0.0.1"}
			time.Sleep(2 * time.Second)
		}
		result := post(t, c, "http://dev.example.com/")
		wantReason(t, result, "dns_resolved_to_private:loopback")
		if n := serve.conns.Load(); n != 1 || !result.Refused {
			t.Errorf("%d connections, Refused = %v, want one connection for a minute and then a refusal", n, result.Refused)
		}
		c.Close()
		serve.wg.Wait()
	})
}

// poolState is what a client's pool holds at one moment.
type poolState struct {
	conns, hosts int
	swept        bool // the sweeper will come
}

// lookInto takes the pool's lock: the sweeper may come at any time.
func lookInto(c *Client) poolState {
	c.idle.mu.Lock()
	defer c.idle.mu.Unlock()
	return poolState{conns: c.idle.count, hosts: len(c.idle.hosts), swept: c.idle.sweeper != nil}
}

func oldestIdle(c *Client) *conn {
	c.idle.mu.Lock()
	defer c.idle.mu.Unlock()
	return c.idle.oldest
}

func TestIdleConnectionsAreSweptAndBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var open atomic.Int32
		gate := make(chan struct{})
		serve := &memory{serve: func(c net.Conn, _ int) {
			open.Add(1)
			defer open.Add(-1)
			requests(c, func(*http.Request, []byte, int) string {
				<-gate
				return okAnswer
			})
		}}
		c := newClient(t, Config{AllowInsecure: loopbackNets, MaxIdlePerHost: 3, MaxIdle: 5, Dial: serve.dial})
		var wg sync.WaitGroup
		for i := range 12 {
			wg.Go(func() { wantReason(t, post(t, c, fmt.Sprintf("http://127.0.0.1:%d/", 1+i%2)), "") })
		}
		synctest.Wait()
		close(gate)
		wg.Wait()
		synctest.Wait()
		if n := open.Load(); n != 5 {
			t.Errorf("%d connections are kept, want MaxIdle 5 of at most 3 for each of two hosts", n)
		}
		if got, want := lookInto(c), (poolState{conns: 5, hosts: 2, swept: true}); got != want {
			t.Errorf("pool = %+v, want %+v", got, want)
		}
		time.Sleep(defaultIdle + sweepEvery)
		synctest.Wait()
		if n := open.Load(); n != 0 {
			t.Errorf("%d connections are open after their time, want none", n)
		}
		if got := lookInto(c); got != (poolState{}) {
			t.Errorf("pool = %+v, want it empty and at rest", got)
		}
		wantReason(t, post(t, c, devURL), "")
		c.Close()
		serve.wg.Wait()
		wantReason(t, post(t, c, devURL), "http_error:local")
	})
}

func TestTheOldestIdleConnectionMakesRoom(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, m := inMemory(t, answering(okAnswer))
		c.idle.max = 2
		for _, port := range []int{1, 2, 1, 3} { // 2 is the oldest when 3 comes
			wantReason(t, post(t, c, fmt.Sprintf("http://127.0.0.1:%d/", port)), "")
		}
		for _, step := range []struct {
			port   int
			reused bool
		}{{1, true}, {3, true}, {2, false}} {
			if result := post(t, c, fmt.Sprintf("http://127.0.0.1:%d/", step.port)); result.Reused != step.reused {
				t.Errorf("port %d: Reused = %v, want %v (%d connections)", step.port, result.Reused, step.reused, m.conns.Load())
			}
		}
	})
}

func TestStaleConnectionIsNotUsed(t *testing.T) {
	t.Parallel()
	farewells := map[string]func(net.Conn){
		"closed":           func(c net.Conn) { c.Close() },
		"unexpected bytes": func(c net.Conn) { _, _ = io.WriteString(c, "HTTP/1.1 408 Request Timeout\r\n\r\n") },
		"reset": func(c net.Conn) {
			_ = c.(*net.TCPConn).SetLinger(0)
			c.Close()
		},
	}
	for name, farewell := range farewells {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			said := make(chan struct{})
			leave := make(chan struct{})
			addr, accepted := listen(t, func(c net.Conn, n int) {
				requests(c, func(_ *http.Request, _ []byte, i int) string {
					if n == 1 && i > 1 {
						t.Error("a request came over the stale connection")
					}
					if n > 1 {
						return lastingAnswer
					}
					_, _ = io.WriteString(c, lastingAnswer)
					<-leave
					farewell(c)
					close(said)
					if name == "unexpected bytes" {
						waitForClose(c)
					}
					return ""
				})
			})
			c := newClient(t, Config{AllowInsecure: loopbackNets})
			wantReason(t, post(t, c, "http://"+addr+"/"), "")
			close(leave)
			<-said
			for kept := oldestIdle(c); kept.alive(); { // until the farewell has come through the kernel
				time.Sleep(time.Millisecond)
			}
			result := post(t, c, "http://"+addr+"/")
			wantReason(t, result, "")
			if result.Reused || accepted.Load() != 2 {
				t.Errorf("Reused = %v on %d connections, want a fresh one", result.Reused, accepted.Load())
			}
		})
	}
}

func TestConnectionClosedWithoutSocketIsStaleToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, m := inMemory(t, func(c net.Conn, n int) {
			requests(c, func(*http.Request, []byte, int) string {
				_, _ = io.WriteString(c, okAnswer)
				return ""
			})
		})
		for range 2 {
			result := post(t, c, devURL)
			synctest.Wait()
			wantReason(t, result, "")
			if result.Reused {
				t.Error("a closed connection was reused")
			}
		}
		if n := m.conns.Load(); n != 2 {
			t.Errorf("%d connections, want 2", n)
		}
	})
}

// The receiver may have acted on a request whose answer was lost: it is not sent again by itself.
func TestRequestOnKeptConnectionIsNeverSentTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var seen atomic.Int32
		c, m := inMemory(t, func(c net.Conn, _ int) {
			requests(c, func(_ *http.Request, _ []byte, n int) string {
				seen.Add(1)
				if n == 2 {
					return ""
				}
				return okAnswer
			})
		})
		wantReason(t, post(t, c, devURL), "")
		result := post(t, c, devURL)
		wantReason(t, result, "http_error:closed")
		if !result.Reused || !result.Sent || seen.Load() != 2 || m.conns.Load() != 1 {
			t.Errorf("Reused = %v, Sent = %v, %d requests on %d connections", result.Reused, result.Sent, seen.Load(), m.conns.Load())
		}
	})
}

// brokenConn fails its second write after some bytes.
type brokenConn struct {
	net.Conn
	writes, passes int
}

func (c *brokenConn) Write(p []byte) (int, error) {
	if c.writes++; c.writes < 2 {
		return c.Conn.Write(p)
	}
	n, err := c.Conn.Write(p[:c.passes])
	if err == nil {
		err = syscall.EPIPE
	}
	c.Conn.Close()
	return n, &net.OpError{Op: "write", Err: err}
}

func TestFreshConnectionIsTriedOnlyIfNothingWentOut(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for passes, want := range map[int]string{0: "", 1: "http_error:reset"} {
			serve := &memory{serve: answering(okAnswer)}
			c := newClient(t, Config{AllowInsecure: loopbackNets, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
				near, err := serve.dial(ctx, network, addr)
				if serve.conns.Load() > 1 {
					return near, err
				}
				return &brokenConn{Conn: near, passes: passes}, err
			}})
			wantReason(t, post(t, c, devURL), "")
			result := post(t, c, devURL)
			wantReason(t, result, want)
			if fresh := serve.conns.Load() == 2; fresh != (passes == 0) || result.Reused == fresh {
				t.Errorf("%d bytes went out: %d connections, Reused = %v", passes, serve.conns.Load(), result.Reused)
			}
			c.Close()
			serve.wg.Wait()
		}
	})
}

// cancellingConn ends the caller's context while the answer is being read.
type cancellingConn struct {
	net.Conn
	cancel func()
}

func (c *cancellingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.cancel()
	return n, err
}

// The interrupt of a context that ended at the last moment may still be on its way to the connection.
func TestConnectionOfACancelledAttemptIsNotKept(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		serve := &memory{serve: answering(okAnswer)}
		c := newClient(t, Config{AllowInsecure: loopbackNets, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			near, err := serve.dial(ctx, network, addr)
			return &cancellingConn{near, cancel}, err
		}})
		wantReason(t, c.Post(ctx, Request{URL: devURL}), "")
		if lookInto(c).conns != 0 {
			t.Error("the connection was kept")
		}
		serve.wg.Wait()
	})
}

func TestCancelledAttemptLeavesNoPoisonedConnection(t *testing.T) {
	t.Parallel()
	c, _ := inMemory(t, answering(okAnswer))
	for range 300 {
		ctx, cancel := context.WithCancel(t.Context())
		go cancel()
		if result := c.Post(ctx, Request{URL: devURL}); result.Reason != "" && result.Reason != "http_error:canceled" {
			t.Fatalf("reason = %q (%s)", result.Reason, result.Detail)
		}
		wantReason(t, post(t, c, devURL), "")
	}
}

// partedConn takes some of a request and breaks, with an answer already waiting.
type partedConn struct {
	net.Conn
	answer io.Reader
}

func (c *partedConn) Write(p []byte) (int, error)     { return len(p) / 2, syscall.EPIPE }
func (c *partedConn) Read(p []byte) (int, error)      { return c.answer.Read(p) }
func (c *partedConn) SetDeadline(time.Time) error     { return nil }
func (c *partedConn) SetReadDeadline(time.Time) error { return nil }

func TestAnswerToHalfARequestCounts(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]string{
		"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n": "http_413",
		"": "http_error:reset",
	} {
		near, far := net.Pipe()
		far.Close()
		c := newClient(t, Config{AllowInsecure: loopbackNets, Dial: func(context.Context, string, string) (net.Conn, error) {
			return &partedConn{near, strings.NewReader(answer)}, nil
		}})
		result := post(t, c, devURL)
		wantReason(t, result, want)
		if kept := lookInto(c).conns; !result.Sent || kept != 0 {
			t.Errorf("Sent = %v, %d connections kept; want a request sent in part and its connection closed", result.Sent, kept)
		}
	}
}
