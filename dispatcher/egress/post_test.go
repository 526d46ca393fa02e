package egress

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestPostSendsExactlyTheseBytes(t *testing.T) {
	t.Parallel()
	got := make(chan string, 1)
	const want = "POST /hook?a=b HTTP/1.1\r\nHost: 127.0.0.1:8443\r\nContent-Type: application/json\r\nX-Signature: sha256=ab\r\n" +
		"Content-Length: 10\r\n\r\n{\"a\":\"ü\"}"
	c, _ := inMemory(t, func(c net.Conn, _ int) {
		buf := make([]byte, 4096)
		n, err := c.Read(buf)
		if err != nil {
			t.Errorf("read request: %v", err)
		}
		got <- string(buf[:n]) // one read: the request came in one write
		_, _ = io.WriteString(c, okAnswer)
	})
	result := c.Post(t.Context(), Request{URL: "http://127.0.0.1:8443/hook?a=b#c", Body: []byte(`{"a":"ü"}`),
		Header: []Field{{"Content-Type", "application/json"}, {"X-Signature", "sha256=ab"}}})
	wantReason(t, result, "")
	if request := <-got; request != want {
		t.Errorf("request = %q\nwant      %q", request, want)
	}
	if result.Address != "127.0.0.1:8443" || !result.Sent || result.Reused || result.Duration <= 0 {
		t.Errorf("result = %+v", result)
	}
}

func TestStatusDecides(t *testing.T) {
	t.Parallel()
	for _, status := range []int{200, 201, 202, 204, 226, 299, 300, 301, 302, 303, 304, 307, 308, 400, 401, 404, 410, 413, 429, 500, 502, 503, 599, 600, 999} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			var hits atomic.Int32
			c, m := inMemory(t, func(c net.Conn, _ int) {
				requests(c, func(*http.Request, []byte, int) string {
					hits.Add(1)
					return fmt.Sprintf("HTTP/1.1 %d Some\r\nLocation: http://127.0.0.1/other\r\nContent-Length: 0\r\n\r\n", status)
				})
			})
			result := post(t, c, devURL)
			want := fmt.Sprintf("http_%d", status)
			if status < 300 {
				want = ""
			}
			wantReason(t, result, want)
			if result.Status != status || !result.Sent || result.Refused {
				t.Errorf("result = %+v", result)
			}
			if hits.Load() != 1 || m.conns.Load() != 1 {
				t.Errorf("%d requests on %d connections, want one: redirects are not followed", hits.Load(), m.conns.Load())
			}
		})
	}
}

func TestBrokenAnswers(t *testing.T) {
	t.Parallel()
	const interim = "HTTP/1.1 100 Continue\r\n\r\n"
	filler := strings.Repeat("x", 1000)
	line := "X-Filler: " + filler + "\r\n"
	cases := []struct{ name, answer, want string }{
		{"nothing", "", "http_error:closed"},
		{"half a status line", "HTTP/1.1 20", "http_error:closed"},
		{"half the headers", "HTTP/1.1 200 OK\r\nContent-Le", "http_error:closed"},
		{"another protocol", "SSH-2.0-OpenSSH_9.9\r\n", "http_error:protocol"},
		{"garbage", "\x16\x03\x01\x00\xff\xff\n\n\n", "http_error:protocol"},
		{"HTTP/0.9", "<html>hello</html>\r\n\r\n", "http_error:protocol"},
		{"HTTP/2", "HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n", "http_error:protocol"},
		{"status of two digits", "HTTP/1.1 20 OK\r\n\r\n", "http_error:protocol"},
		{"status 099", "HTTP/1.1 099 OK\r\n\r\n", "http_error:protocol"},
		{"status -20", "HTTP/1.1 -20 OK\r\n\r\n", "http_error:protocol"},
		{"two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", "http_error:protocol"},
		{"negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", "http_error:protocol"},
		{"unknown coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: smoke\r\n\r\n", "http_error:protocol"},
		{"header without colon", "HTTP/1.1 200 OK\r\nnonsense\r\n\r\n", "http_error:protocol"},
		{"switching protocols", "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", "http_error:protocol"},
		{"five interim answers", strings.Repeat(interim, 5) + okAnswer, ""},
		{"six interim answers", strings.Repeat(interim, 6) + okAnswer, "http_error:protocol"},
		{"flood of interim answers", strings.Repeat(interim, 10_000), "http_error:protocol"},
		{"early hints", "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + okAnswer, ""},
		{"headers below 64 KiB", "HTTP/1.1 200 OK\r\n" + strings.Repeat(line, 64) + "Content-Length: 0\r\n\r\n", ""},
		{"headers above 64 KiB", "HTTP/1.1 200 OK\r\n" + strings.Repeat(line, 66) + "Content-Length: 0\r\n\r\n", "http_error:too_large"},
		{"endless header line", "HTTP/1.1 200 OK\r\nX: " + strings.Repeat(filler, 1000), "http_error:too_large"},
		{"endless status line", "HTTP/1.1 200 " + strings.Repeat(filler, 1000), "http_error:too_large"},
		{"interim answers above 64 KiB", strings.Repeat("HTTP/1.1 103 Early\r\n"+strings.Repeat(line, 20)+"\r\n", 4) + okAnswer, "http_error:too_large"},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c, m := inMemory(t, func(c net.Conn, _ int) {
				if readOne(c) == nil {
					_, _ = io.WriteString(c, test.answer) // fails where the client has seen enough
				}
			})
			result := post(t, c, devURL)
			wantReason(t, result, test.want)
			if !result.Sent || len(result.Detail) > maxDetail || strings.ContainsAny(result.Detail, "\r\n\x16") {
				t.Errorf("Sent = %v, Detail = %q", result.Sent, result.Detail)
			}
			if n := m.conns.Load(); n != 1 {
				t.Errorf("%d connections, want 1: what was sent is not sent again", n)
			}
		})
	}
}

func TestFailureBodyIsKept(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789abcdef", MaxAnswerBody/16)
	cases := []struct {
		name, answer, want string
		reusable           bool
	}{
		{"short", "HTTP/1.1 500 No\r\nContent-Length: 5\r\n\r\nsorry", "sorry", true},
		{"chunked", "HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nsor\r\n2\r\nry\r\n0\r\nX-Trailer: a\r\n\r\n", "sorry", true},
		{"until the end", "HTTP/1.1 500 No\r\n\r\nsorry", "sorry", false},
		{"cut off", "HTTP/1.1 500 No\r\nContent-Length: 50\r\n\r\nsorry", "sorry", false},
		{"broken chunk", "HTTP/1.1 500 No\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nsorry\r\nzz\r\n", "sorry", false},
		{"exactly 16 KiB", fmt.Sprintf("HTTP/1.1 500 No\r\nContent-Length: %d\r\n\r\n%s", len(long), long), long, true},
		{"one byte more", fmt.Sprintf("HTTP/1.1 500 No\r\nContent-Length: %d\r\n\r\n%s!", len(long)+1, long), long, false},
		{"compressed stays as it is", "HTTP/1.1 500 No\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00", "\x1f\x8b\x08\x00", true},
		{"none", "HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n", "", true},
		{"not on success", "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfine!", "", true},
		{"bytes after the answer", "HTTP/1.1 500 No\r\nContent-Length: 5\r\n\r\nsorryHTTP/1.1 200 OK\r\n\r\n", "sorry", false},
		{"close asked for", "HTTP/1.1 500 No\r\nConnection: close\r\nContent-Length: 5\r\n\r\nsorry", "sorry", false},
		{"HTTP/1.0", "HTTP/1.0 500 No\r\nContent-Length: 5\r\n\r\nsorry", "sorry", false},
		{"HTTP/1.0 keeping alive", "HTTP/1.0 500 No\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nsorry", "sorry", true},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, m := inMemory(t, func(c net.Conn, _ int) {
					requests(c, func(*http.Request, []byte, int) string {
						if test.reusable {
							return test.answer
						}
						_, _ = io.WriteString(c, test.answer) // fails where the client has seen enough
						return ""
					})
				})
				for range 2 {
					if result := post(t, c, devURL); string(result.Body) != test.want {
						t.Errorf("body = %d bytes %.40q, want %d bytes %.40q", len(result.Body), result.Body, len(test.want), test.want)
					}
					if kept := lookInto(c).conns > 0; kept != test.reusable {
						t.Errorf("connection kept = %v, want %v", kept, test.reusable)
					}
				}
				if want := map[bool]int32{true: 1, false: 2}[test.reusable]; m.conns.Load() != want {
					t.Errorf("%d connections for two requests, want %d", m.conns.Load(), want)
				}
			})
		})
	}
}

// In virtual time: what a slow receiver costs is exact.
func TestSlowReceivers(t *testing.T) {
	t.Parallel()
	drip := func(c net.Conn, text string) {
		for i := 0; ; i++ {
			if _, err := c.Write([]byte{text[i%len(text)]}); err != nil {
				return
			}
			time.Sleep(30 * time.Millisecond)
		}
	}
	cases := []struct {
		name  string
		serve func(net.Conn)
		want  string
		took  time.Duration // of the call
	}{
		{"never answers", func(c net.Conn) { waitForClose(c) }, "timeout", 10 * time.Second},
		{"never reads", func(net.Conn) { time.Sleep(time.Hour) }, "timeout", 10 * time.Second},
		{"drips headers", func(c net.Conn) { drip(c, "HTTP/1.1 200 OK\r\nX-A: "+strings.Repeat("a", 1000)) }, "timeout", 10 * time.Second},
		{"stops in the middle of the status line", func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 2")
			waitForClose(c)
		}, "timeout", 10 * time.Second},
		{"drips the body of a success", func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
			drip(c, "a")
		}, "", 0}, // too long to keep the connection for: not waited for at all
		{"drips a short body of a success", func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
			drip(c, "a")
		}, "", successBodyWait},
		{"drips the body of a failure", func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 500 No\r\nContent-Length: 1000\r\n\r\n")
			drip(c, "a")
		}, "http_500", failureBodyWait},
		{"drips chunks", func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
			drip(c, "1\r\na\r\n")
		}, "", successBodyWait},
		{"answers late", func(c net.Conn) {
			time.Sleep(9900 * time.Millisecond)
			_, _ = io.WriteString(c, "HTTP/1.1 500 No\r\nContent-Length: 10\r\n\r\n")
			waitForClose(c)
		}, "http_500", 10 * time.Second}, // the body's second ends with the attempt
		{"answers too late", func(c net.Conn) {
			time.Sleep(10001 * time.Millisecond)
			_, _ = io.WriteString(c, okAnswer)
		}, "timeout", 10 * time.Second},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, _ := inMemory(t, func(c net.Conn, _ int) {
					if test.name == "never reads" || readOne(c) == nil {
						test.serve(c)
					}
				})
				start := time.Now()
				result := postWithin(t, c, devURL, 10*time.Second)
				wantReason(t, result, test.want)
				if took := time.Since(start); took != test.took {
					t.Errorf("took %v, want %v", took, test.took)
				}
			})
		})
	}
}

func TestTimeoutsAreBounded(t *testing.T) {
	t.Parallel()
	for asked, want := range map[time.Duration]time.Duration{0: DefaultTimeout, -1: DefaultTimeout, time.Second: time.Second, time.Hour: MaxTimeout} {
		synctest.Test(t, func(t *testing.T) {
			c, _ := inMemory(t, func(c net.Conn, _ int) { waitForClose(c) })
			start := time.Now()
			result := c.Post(t.Context(), Request{URL: devURL, Timeout: asked})
			wantReason(t, result, "timeout")
			if took := time.Since(start); took != want || result.Duration != want {
				t.Errorf("timeout %v: took %v, Duration %v, want %v", asked, took, result.Duration, want)
			}
		})
	}
}

func TestCancellationEndsTheAttempt(t *testing.T) {
	t.Parallel()
	const delay = 700 * time.Millisecond
	cases := []struct {
		name  string
		serve func(net.Conn)
		want  string
	}{
		{"while writing", func(net.Conn) { time.Sleep(time.Minute) }, "http_error:canceled"},
		{"while waiting for the answer", func(c net.Conn) { waitForClose(c) }, "http_error:canceled"},
		{"while reading the body", func(c net.Conn) {
			if readOne(c) == nil {
				_, _ = io.WriteString(c, "HTTP/1.1 500 No\r\nContent-Length: 10\r\n\r\n")
				waitForClose(c)
			}
		}, "http_500"},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c, _ := inMemory(t, func(c net.Conn, _ int) { test.serve(c) })
				ctx, cancel := context.WithCancel(t.Context())
				time.AfterFunc(delay, cancel)
				start := time.Now()
				wantReason(t, c.Post(ctx, Request{URL: devURL}), test.want)
				if took := time.Since(start); took != delay {
					t.Errorf("took %v, want %v", took, delay)
				}
				wantReason(t, c.Post(ctx, Request{URL: devURL}), "http_error:canceled")
			})
		})
	}
	t.Run("while dialling", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c := newClient(t, Config{AllowInsecure: loopbackNets, Dial: hangingDial})
			ctx, cancel := context.WithCancel(t.Context())
			time.AfterFunc(delay, cancel)
			result := c.Post(ctx, Request{URL: devURL})
			wantReason(t, result, "http_error:canceled")
			if result.Duration != delay || result.Sent {
				t.Errorf("Duration = %v, Sent = %v, want %v, false", result.Duration, result.Sent, delay)
			}
		})
	})
	t.Run("by the caller's deadline", func(t *testing.T) {
		t.Parallel()
		synctest.Test(t, func(t *testing.T) {
			c, _ := inMemory(t, func(c net.Conn, _ int) { waitForClose(c) })
			ctx, cancel := context.WithTimeout(t.Context(), delay)
			defer cancel()
			result := c.Post(ctx, Request{URL: devURL})
			wantReason(t, result, "timeout")
			if result.Duration != delay {
				t.Errorf("Duration = %v, want %v", result.Duration, delay)
			}
		})
	})
}

func hangingDial(ctx context.Context, _, _ string) (net.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func TestHeadersThatMustNotBeSent(t *testing.T) {
	t.Parallel()
	c, m := inMemory(t, answering(okAnswer))
	for _, field := range []Field{
		{"", "a"}, {"X A", "a"}, {"X:A", "a"}, {"X\r\nB", "a"}, {"X\x00", "a"}, {"Ä", "a"},
		{"X", "a\r\nB: c"}, {"X", "a\nb"}, {"X", "a\x00"}, {"X", "ü"}, {"X", "\x7f"},
		{"Host", "a"}, {"host", "a"}, {"Content-Length", "1"}, {"transfer-encoding", "chunked"}, {"Connection", "close"},
		{"Upgrade", "h2c"}, {"TE", "trailers"}, {"Trailer", "X"}, {"Expect", "100-continue"}, {"Keep-Alive", "a"}, {"Proxy-Connection", "a"},
	} {
		result := c.Post(t.Context(), Request{URL: devURL, Header: []Field{{"X-Good", "a"}, field}})
		wantReason(t, result, "http_error:request")
		if result.Sent || strings.Contains(result.Detail, field.Value) && len(field.Value) > 1 {
			t.Errorf("%q: Sent = %v, Detail = %q; want nothing sent and no value told", field, result.Sent, result.Detail)
		}
	}
	if n := m.conns.Load(); n != 0 {
		t.Errorf("%d connections, want none", n)
	}
	wantReason(t, c.Post(t.Context(), Request{URL: devURL, Header: []Field{{"X-Empty", ""}, {"X_~!", "a \t~"}, {"Hostess", "a"}}}), "")
}

func TestRefusedTargetsAreNotDialled(t *testing.T) {
	t.Parallel()
	resolver := fixedResolver{"intern.example.com": {"192.168.0.1"}}
	for url, want := range map[string]Verdict{
		"http://example.com/":         InsecureScheme,
		"https://localhost/":          NonPublicName,
		"https://127.0.0.1/":          Loopback,
		"https://[::ffff:10.0.0.1]/":  Private,
		"https://[2606:4700::1%25a]/": Zoned,
		"https://2130706433/":         BadURL,
		"nonsense":                    BadURL,
		"https://intern.example.com/": Private,
	} {
		var hook dialled
		c := newClient(t, Config{Resolver: resolver, Dial: hook.dial})
		result := post(t, c, url)
		wantReason(t, result, "dns_resolved_to_private:"+string(want))
		if !result.Refused || result.Sent || result.Status != 0 || len(hook.got()) != 0 || result.Detail == "" {
			t.Errorf("%s: result = %+v, dialled %v", url, result, hook.got())
		}
	}
}

func TestAddressesAreTriedInTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var tried []string
		serve := &memory{serve: answering(okAnswer)}
		resolver := fixedResolver{"dev.example.com": {"10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1", "fd00::2"}}
		c := newClient(t, Config{Resolver: resolver, AllowInsecure: privateNets, Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
			tried = append(tried, addr)
			switch addr {
			case "10.0.0.1:80":
				return hangingDial(ctx, network, addr)
			case "10.0.0.2:80":
				return serve.dial(ctx, network, addr)
			}
			return nil, errTest
		}})
		result := postWithin(t, c, "http://dev.example.com/", 10*time.Second)
		c.Close()
		serve.wg.Wait()
		wantReason(t, result, "")
		if want := "[10.0.0.1:80 [fd00::1]:80 10.0.0.2:80]"; fmt.Sprint(tried) != want {
			t.Errorf("tried %v, want %v", tried, want)
		}
		if result.Duration != 2500*time.Millisecond { // a quarter of ten seconds for the first of four
			t.Errorf("Duration = %v, want 2.5s", result.Duration)
		}
	})
}

func TestEveryAddressSilentIsATimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		resolver := fixedResolver{"dev.example.com": {"10.0.0.1", "10.0.0.2", "10.0.0.3"}}
		c := newClient(t, Config{Resolver: resolver, AllowInsecure: privateNets, Dial: hangingDial})
		result := postWithin(t, c, "http://dev.example.com/", 10*time.Second)
		wantReason(t, result, "timeout")
		if result.Duration != 10*time.Second {
			t.Errorf("Duration = %v, want 10s", result.Duration)
		}
	})
}

func TestSilentResolver(t *testing.T) {
	t.Parallel()
	for timeout, want := range map[time.Duration]string{3 * time.Second: "timeout", 20 * time.Second: "http_error:dns"} {
		synctest.Test(t, func(t *testing.T) {
			c := newClient(t, Config{Resolver: hangingResolver{}})
			result := c.Post(t.Context(), Request{URL: "https://example.com/", Timeout: timeout})
			wantReason(t, result, want)
			if result.Duration != min(timeout, resolveBudget) {
				t.Errorf("Duration = %v, want %v", result.Duration, min(timeout, resolveBudget))
			}
		})
	}
}
