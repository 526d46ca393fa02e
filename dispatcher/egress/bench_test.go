//go:build unix

package egress

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"syscall"
	"testing"
	"time"
)

// BenchmarkPost compares the client with http.Client on the same loopback receiver: one request at a time over one
// kept connection, 500 bytes and the headers of a signed delivery. cpu-ns/op is the user and system time of the whole
// process, the receiver's part included; that part is the same in both.
func BenchmarkPost(b *testing.B) {
	body := bytes.Repeat([]byte("a"), 500)
	header := []Field{{"Content-Type", "application/json"}, {"X-VC-Timestamp", "1700000000000"},
		{"X-VC-Signature", "sha256=7a77d4cf4b4ecfe14c2ee38a41becf07a718465f6d1f19ec506400fdd1b4c3d5"}}
	for _, secure := range []bool{false, true} {
		name := "plain"
		if secure {
			name = "tls"
		}
		server, trusted := benchReceiver(b, secure)
		b.Run(name+"/egress", func(b *testing.B) {
			c := newClient(b, Config{AllowInsecure: loopbackNets, RootCAs: trusted.pool()})
			req := Request{URL: server.URL + "/hook", Header: header, Body: body, Timeout: 10 * time.Second}
			measure(b, func(ctx context.Context) {
				if result := c.Post(ctx, req); result.Reason != "" {
					b.Fatal(result.Reason, result.Detail)
				}
			})
		})
		b.Run(name+"/http.Client", func(b *testing.B) {
			client := server.Client()
			client.Timeout = 10 * time.Second
			measure(b, func(ctx context.Context) { standardPost(b, ctx, client, server.URL+"/hook", header, body) })
		})
	}
}

func standardPost(b *testing.B, ctx context.Context, client *http.Client, url string, header []Field, body []byte) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	for _, field := range header {
		req.Header[field.Name] = []string{field.Value}
	}
	answer, err := client.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		b.Fatal(err)
	}
	answer.Body.Close()
}

// measure runs post b.N times under one cancellable context and reports CPU time.
func measure(b *testing.B, post func(ctx context.Context)) {
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	post(ctx)
	b.ReportAllocs()
	before := cpuTime(b)
	for b.Loop() {
		post(ctx)
	}
	b.ReportMetric(float64(cpuTime(b)-before)/float64(b.N), "cpu-ns/op")
}

func cpuTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// benchReceiver answers 204 and nothing else.
func benchReceiver(b *testing.B, secure bool) (*httptest.Server, *authority) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusNoContent)
	}))
	trusted := newAuthority(b)
	if secure {
		server.TLS = &tls.Config{Certificates: []tls.Certificate{trusted.issue(b, "127.0.0.1", time.Now().Add(time.Hour))}}
		server.StartTLS()
		server.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs = trusted.pool()
	} else {
		server.Start()
	}
	b.Cleanup(server.Close)
	return server, trusted
}

// BenchmarkPostToRawReceiver leaves the receiver out as far as that goes: it answers with the same bytes
// without parsing, so that what is measured is the client.
func BenchmarkPostToRawReceiver(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	go serveRaw(l)
	url := "http://" + l.Addr().String() + "/hook"
	body := bytes.Repeat([]byte("a"), 500)
	header := []Field{{"Content-Type", "application/json"}, {"X-VC-Timestamp", "1700000000000"},
		{"X-VC-Signature", "sha256=7a77d4cf4b4ecfe14c2ee38a41becf07a718465f6d1f19ec506400fdd1b4c3d5"}}
	b.Run("egress", func(b *testing.B) {
		c := newClient(b, Config{AllowInsecure: loopbackNets})
		req := Request{URL: url, Header: header, Body: body, Timeout: 10 * time.Second}
		measure(b, func(ctx context.Context) {
			if result := c.Post(ctx, req); result.Reason != "" {
				b.Fatal(result.Reason, result.Detail)
			}
		})
	})
	b.Run("http.Client", func(b *testing.B) {
		transport := &http.Transport{}
		defer transport.CloseIdleConnections()
		client := &http.Client{Transport: transport, Timeout: 10 * time.Second}
		measure(b, func(ctx context.Context) { standardPost(b, ctx, client, url, header, body) })
	})
}

// serveRaw answers every request of these benchmarks, which end in their body's last letters.
func serveRaw(l net.Listener) {
	answer := []byte("HTTP/1.1 204 No Content\r\nDate: Sat, 23 May 2026 18:00:00 GMT\r\n\r\n")
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			buf := make([]byte, 4096)
			for {
				n, err := c.Read(buf)
				if err != nil {
					return
				}
				for n < 500 || !bytes.HasSuffix(buf[:n], []byte("aaaa")) {
					more, err := c.Read(buf[n:])
					if err != nil {
						return
					}
					n += more
				}
				if _, err := c.Write(answer); err != nil {
					return
				}
			}
		}()
	}
}
