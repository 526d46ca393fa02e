package egress

import (
	"context"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// burst is a number of attempts to one host that hold their connections until the gate opens.
type burst struct {
	*memory
	client *Client
	gate   chan struct{}
	ends   sync.WaitGroup
	mu     sync.Mutex
	counts map[string]int // of the attempts' reasons
}

// startBurst returns once all attempts hold a connection or wait.
func startBurst(ctx context.Context, t *testing.T, attempts int) *burst {
	b := &burst{gate: make(chan struct{}), counts: map[string]int{}}
	b.client, b.memory = inMemory(t, func(c net.Conn, _ int) {
		requests(c, func(*http.Request, []byte, int) string {
			<-b.gate
			return okAnswer
		})
	})
	for range attempts {
		b.ends.Go(func() {
			r := b.client.Post(ctx, Request{URL: devURL})
			b.mu.Lock()
			defer b.mu.Unlock()
			b.counts[r.Reason]++
		})
	}
	synctest.Wait()
	return b
}

// end lets the receiver answer and compares what came of the attempts.
func (b *burst) end(t *testing.T, reason string, attempts int) {
	t.Helper()
	close(b.gate)
	b.ends.Wait()
	if b.counts[reason] != attempts {
		t.Errorf("attempts by reason: %v, want %d with %q", b.counts, attempts, reason)
	}
	b.client.Close()
	if got := lookInto(b.client); got != (poolState{}) {
		t.Errorf("pool = %+v, want nothing left of the host", got)
	}
}

func TestABurstUsesTheConnectionsThatComeFree(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := startBurst(t.Context(), t, 64)
		if n := b.conns.Load(); n != maxYoung {
			t.Errorf("%d connections before the first answer, want %d", n, maxYoung)
		}
		b.end(t, "", 64)
		if n := b.conns.Load(); n > 34 { // those at first, and half of what waited
			t.Errorf("%d connections for 64 attempts, want half of them at most", n)
		}
	})
}

func TestNobodyWaitsInLineForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := startBurst(t.Context(), t, 10)
		time.Sleep(lineWait - time.Nanosecond)
		if n := b.conns.Load(); n != maxYoung {
			t.Errorf("%d connections while the others wait, want %d", n, maxYoung)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if n := b.conns.Load(); n != 10 {
			t.Errorf("%d connections after the wait, want one an attempt", n)
		}
		b.end(t, "", 10)
	})
}

func TestTheLineEndsWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		b, start := startBurst(ctx, t, 10), time.Now()
		cancel()
		synctest.Wait()
		b.end(t, "http_error:canceled", 10)
		if took := time.Since(start); took != 0 {
			t.Errorf("over after %v, want at once", took)
		}
	})
}

func TestTheLineEndsWithItsClient(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b, start := startBurst(t.Context(), t, 10), time.Now()
		b.client.Close()
		synctest.Wait()
		b.mu.Lock()
		refused, took := b.counts["http_error:local"], time.Since(start)
		b.mu.Unlock()
		if refused != 10-maxYoung || took != 0 {
			t.Errorf("%d attempts refused after %v, want %d at once", refused, took, 10-maxYoung)
		}
		b.end(t, "", maxYoung)
	})
}

// A receiver that closes every connection it was to keep makes nobody wait in line again and again.
func TestADeadConnectionGivenInLineIsNotWaitedForTwice(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c, m := inMemory(t, func(c net.Conn, _ int) {
			if readOne(c) == nil {
				time.Sleep(time.Millisecond)
				_, _ = c.Write([]byte(okAnswer))
			}
			c.Close()
		})
		start, all := time.Now(), sync.WaitGroup{}
		for range 20 {
			all.Go(func() { wantReason(t, post(t, c, devURL), "") })
		}
		all.Wait()
		if n, took := m.conns.Load(), time.Since(start); n != 20 || took > lineWait+time.Millisecond {
			t.Errorf("%d connections, over after %v; want 20 within %v", n, took, lineWait+time.Millisecond)
		}
	})
}
