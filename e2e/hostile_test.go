package e2e_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// hostile starts a receiver that speaks bytes instead of HTTP.
func hostile(t *testing.T, speak func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
					return
				}
				_, _ = conn.Read(make([]byte, 4096)) // whatever came, the answer is the same
				speak(conn)
			}()
		}
	}()
	return "http://" + l.Addr().String() + "/hook"
}

// docs/contract.md: only 2xx is success, nothing is followed, and an answer costs no more than its bounds.
func TestReceiversThatMisbehaveAreHeldToTheirBounds(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	// Only whoever is to be waited for in vain has little time: on a busy machine others would need more, too.
	o, hurried := s.organize(t, "hostile", "vantageclaw", []string{"1h"}, "60s"), s.organize(t, "hurried", "vantageclaw", []string{"1h"}, "4s")
	var followed atomic.Int64
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
	t.Cleanup(elsewhere.Close)
	written := new(atomic.Int64)

	cases := []struct{ name, url, reason string }{
		{"redirects", hostile(t, func(c net.Conn) {
			fmt.Fprintf(c, "HTTP/1.1 307 Temporary Redirect\r\nLocation: %s/\r\nContent-Length: 0\r\n\r\n", elsewhere.URL)
		}), "http_307"},
		{"speaks garbage", hostile(t, func(c net.Conn) { _, _ = c.Write(bytes.Repeat([]byte{0, 255, '\r', 'x'}, 100)) }), "http_error:"},
		{"closes at once", hostile(t, func(net.Conn) {}), "http_error:"},
		{"has endless headers", hostile(t, func(c net.Conn) {
			_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\n")
			for err := error(nil); err == nil; {
				_, err = io.WriteString(c, "X-Filler: "+strings.Repeat("x", 8000)+"\r\n")
			}
		}), "http_error:"},
		{"drips its headers", hostile(t, func(c net.Conn) {
			for _, b := range []byte("HTTP/1.1 200 OK\r\n" + strings.Repeat("X-Slow: yes\r\n", 100)) {
				if _, err := c.Write([]byte{b}); err != nil {
					return
				}
				time.Sleep(100 * time.Millisecond)
			}
		}), "timeout"},
		{"never answers", hostile(t, func(c net.Conn) { _, _ = c.Read(make([]byte, 1)) }), "timeout"},
		{"sends ten gigabytes with its 500", hostile(t, gigabytes("500 Internal Server Error", written)), "http_500"},
		{"nobody is there", "http://" + freeAddress(t) + "/hook", "http_error:"},
	}
	hooks := make([]webhook, len(cases))
	of := func(reason string) organization {
		if reason == "timeout" {
			return hurried
		}
		return o
	}
	for i, c := range cases {
		hooks[i] = of(c.reason).subscribe(t, c.url)
	}
	generous := o.subscribe(t, hostile(t, gigabytes("200 OK", written)))
	p := o.publish(t, `{"n":1}`)
	sent := map[string]string{o.slug: p.EventID, hurried.slug: hurried.publish(t, `{"n":1}`).EventID}
	for i, c := range cases {
		var rows []failure
		eventually(t, "the failure of one that "+c.name, func() bool {
			rows, _ = of(c.reason).failures(t, hooks[i].ID, 10, "")
			return len(rows) > 0
		})
		if len(rows) != 1 || rows[0].EventID != sent[of(c.reason).slug] || rows[0].Status != "failed" ||
			rows[0].Reason != c.reason && !(strings.HasSuffix(c.reason, ":") && strings.HasPrefix(rows[0].Reason, c.reason) && rows[0].Reason != c.reason) {
			t.Errorf("%s: %+v, want one failure with reason %s", c.name, rows, c.reason)
		}
	}
	eventually(t, "the delivery to one that sends ten gigabytes with its 200 succeeds", func() bool {
		return o.explain(t, p.EventID).to(generous.ID).Status == "success"
	})
	if n := followed.Load(); n != 0 {
		t.Errorf("a redirect was followed %d times", n)
	}
	if n := written.Load(); n > 64<<20 {
		t.Errorf("%d MiB of the endless answers were taken", n>>20)
	}
	s.stop(t)
	if got := s.dump(t).facts["hooklog.AttemptSucceeded.v1"]; got != 1 {
		t.Errorf("%d deliveries succeeded, want the one that was answered with 200", got)
	}
}

// gigabytes answers with ten of them, as far as they are taken.
func gigabytes(status string, written *atomic.Int64) func(net.Conn) {
	return func(c net.Conn) {
		const size = 10 << 30
		_, err := fmt.Fprintf(c, "HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n", status, int64(size))
		chunk := bytes.Repeat([]byte("filler "), 10_000)
		for sent := 0; sent < size && err == nil; {
			var n int
			n, err = c.Write(chunk)
			sent += n
			written.Add(int64(n))
		}
	}
}

// docs/contract.md: an unknown, malformed or foreign id is always 404.
func TestIdsOfOtherOrganizationsAreNotFound(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	r := newReceiver(t, nil)
	mine, theirs := s.organize(t, "mine", "vantageclaw", nil, ""), s.organize(t, "theirs", "vantageclaw", nil, "")
	w := theirs.subscribe(t, r.URL+"/hook")
	p := theirs.publish(t, `{"n":1}`)
	for _, id := range []string{w.ID, "wh_00000000-0000-0000-0000-000000000000", "wh_x", p.EventID} {
		for _, c := range []struct{ method, rest string }{{"DELETE", ""}, {"POST", "/test"}, {"GET", "/failures"}} {
			var body any
			if c.method == "POST" {
				body = map[string]string{"secret": w.Secret}
			}
			mine.refuses(t, mine.partner, http.StatusNotFound, c.method, "/api/v1/partner/webhooks/"+id+c.rest, body)
		}
	}
	s.refuses(t, mine.platform, http.StatusNotFound, "GET", mine.path("/events/"+p.EventID), nil)
	s.refuses(t, mine.auditor, http.StatusNotFound, "GET", "/api/v1/deliveries/del_00000000-0000-0000-0000-000000000000", nil)
	if got := theirs.webhook(t, w.ID); !got.Active {
		t.Errorf("what strangers tried left %+v", got)
	}
	eventually(t, "the owner's event arrives", func() bool { return r.succeeded(p.EventID) })
}
