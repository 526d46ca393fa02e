package egress

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestTenGigabyteAnswerCostsNothing(t *testing.T) {
	t.Parallel()
	const size = 10 << 30
	for name, head := range map[string]string{
		"success with length":   fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n", int64(size)),
		"success in one chunk":  fmt.Sprintf("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n", int64(size)),
		"success until the end": "HTTP/1.1 200 OK\r\n\r\n",
		"failure with length":   fmt.Sprintf("HTTP/1.1 500 No\r\nContent-Length: %d\r\n\r\n", int64(size)),
		"failure until the end": "HTTP/1.1 500 No\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wrote := make(chan int64, 1)
			addr, _ := listen(t, func(c net.Conn, _ int) {
				if readOne(c) != nil {
					return
				}
				block := bytes.Repeat([]byte("a"), 64<<10)
				n, err := c.Write(append([]byte(head), block...)) // at once: a body that begins late is not waited for
				sum := int64(n)
				for sum < size && err == nil {
					n, err = c.Write(block)
					sum += int64(n)
				}
				wrote <- sum
			})
			c := newClient(t, Config{AllowInsecure: loopbackNets})
			result := post(t, c, "http://"+addr+"/")
			if strings.HasPrefix(name, "success") {
				wantReason(t, result, "")
			} else if wantReason(t, result, "http_500"); len(result.Body) != MaxAnswerBody {
				t.Errorf("body = %d bytes, want %d", len(result.Body), MaxAnswerBody)
			}
			if sum := <-wrote; sum > 64<<20 { // what the sockets' buffers take, with room
				t.Errorf("the receiver could send %d bytes", sum)
			}
		})
	}
}

func TestEarlyAnswerToALongRequest(t *testing.T) {
	t.Parallel()
	addr, _ := listen(t, func(c net.Conn, _ int) {
		if _, err := c.Read(make([]byte, 100)); err == nil {
			_, _ = io.WriteString(c, "HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		}
		// The bytes still to come turn the close into a reset.
	})
	c := newClient(t, Config{AllowInsecure: loopbackNets})
	for range 20 {
		result := c.Post(t.Context(), Request{URL: "http://" + addr + "/", Body: make([]byte, 8<<20)})
		switch result.Reason { // the reset may overtake the answer; nothing else may come out
		case "http_413", "http_error:reset":
		default:
			t.Fatalf("reason = %q (%s)", result.Reason, result.Detail)
		}
	}
}

func TestResetAndRefusal(t *testing.T) {
	t.Parallel()
	addr, _ := listen(t, func(c net.Conn, _ int) {
		if readOne(c) == nil {
			_ = c.(*net.TCPConn).SetLinger(0)
		}
	})
	c := newClient(t, Config{AllowInsecure: loopbackNets})
	result := post(t, c, "http://"+addr+"/")
	wantReason(t, result, "http_error:reset")

	result = post(t, c, "http://127.0.0.1:1/") // a port that is given to nobody
	wantReason(t, result, "http_error:refused")
	if result.Sent || result.Address != "" {
		t.Errorf("Sent = %v, Address = %q for a connection that never stood", result.Sent, result.Address)
	}
}

func TestLocalhostByTheSystemResolver(t *testing.T) {
	t.Parallel()
	addr, _ := listen(t, answering(okAnswer))
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, Config{AllowInsecure: loopbackNets})
	result := post(t, c, "http://localhost:"+port+"/")
	wantReason(t, result, "")
	if result.Address != addr {
		t.Errorf("Address = %q, want %q", result.Address, addr)
	}
}

func TestNoProxyFromTheEnvironment(t *testing.T) {
	proxy, used := listen(t, func(net.Conn, int) {})
	for _, name := range []string{"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"} {
		t.Setenv(name, "http://"+proxy)
	}
	t.Setenv("NO_PROXY", "")
	addr, _ := listen(t, answering(okAnswer))
	c := newClient(t, Config{AllowInsecure: loopbackNets})
	wantReason(t, post(t, c, "http://"+addr+"/"), "")
	if n := used.Load(); n != 0 {
		t.Errorf("%d connections to the proxy, want none", n)
	}
}

// Many at once over few connections: every request is answered once and with its own answer.
func TestConcurrentPostsKeepTheirAnswers(t *testing.T) {
	t.Parallel()
	var served atomic.Int32
	addr, accepted := listen(t, func(c net.Conn, _ int) {
		requests(c, func(r *http.Request, body []byte, n int) string {
			served.Add(1)
			closing := ""
			if n%37 == 0 {
				closing = "Connection: close\r\n"
			}
			return fmt.Sprintf("HTTP/1.1 500 No\r\nKeep-Alive: timeout=3600\r\n%sContent-Length: %d\r\n\r\n%s", closing, len(body), body)
		})
	})
	c := newClient(t, Config{AllowInsecure: loopbackNets})
	const workers, each = 16, 200
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			for i := range each {
				body := fmt.Sprintf("%d-%d", w, i)
				result := c.Post(t.Context(), Request{URL: "http://" + addr + "/", Body: []byte(body), Timeout: time.Minute})
				if string(result.Body) != body {
					t.Errorf("answer %q (%s %s) to request %q", result.Body, result.Reason, result.Detail, body)
				}
			}
		})
	}
	wg.Wait()
	if served.Load() != workers*each {
		t.Errorf("%d requests served, want %d", served.Load(), workers*each)
	}
	if n := accepted.Load(); n > workers*each/37+workers*2 {
		t.Errorf("%d connections for %d requests: they are not reused", n, workers*each)
	}
}
