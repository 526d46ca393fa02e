package egress

import (
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

var knownReasons = func() map[string]bool {
	known := map[string]bool{"": true, reasonTimeout: true}
	for _, kind := range []Kind{KindClosed, KindProtocol, KindTooLarge} {
		known[reasonError+string(kind)] = true
	}
	return known
}()

// Whatever a receiver writes, the attempt ends with a reason of the contract, within its bounds, and the next one on
// the same client is answered by nothing that was left over.
func FuzzAnswer(f *testing.F) {
	for _, seed := range []string{okAnswer, "HTTP/1.1 100 Continue\r\n\r\n" + okAnswer, "HTTP/1.0 500 No\r\n\r\nsorry", okAnswer + okAnswer,
		"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\nA: b\r\n\r\n", "HTTP/1.1 429 No\r\nRetry-After: 9\r\nKeep-Alive: timeout=0\r\n\r\n",
		"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\nhello", "HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\na", "\n\n"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		synctest.Test(t, func(t *testing.T) {
			c, m := inMemory(t, func(c net.Conn, n int) {
				if readOne(c) != nil {
					return
				}
				if n == 1 {
					_, _ = c.Write([]byte(text)) // fails where the client has seen enough
					return
				}
				_, _ = c.Write([]byte("HTTP/1.1 555 Second\r\nContent-Length: 0\r\n\r\n"))
			})
			result := post(t, c, devURL)
			if !knownReasons[result.Reason] && result.Status == 0 {
				t.Fatalf("answer %q gives reason %q (%s)", text, result.Reason, result.Detail)
			}
			if (result.Reason == "") != result.Succeeded() || result.Status != 0 && (result.Status < 200 || result.Status > 999) {
				t.Fatalf("answer %q gives status %d with reason %q", text, result.Status, result.Reason)
			}
			if len(result.Body) > MaxAnswerBody || result.Duration > 5*time.Second || result.RetryAfter < 0 {
				t.Fatalf("answer %q breaks a bound: %d bytes, %v, %v", text, len(result.Body), result.Duration, result.RetryAfter)
			}
			if strings.ContainsFunc(result.Detail, func(r rune) bool { return r < ' ' || r > '~' }) {
				t.Fatalf("answer %q leaves %q for the log", text, result.Detail)
			}
			for m.conns.Load() == 1 { // the first connection may be found dead only in use
				if next := post(t, c, devURL); next.Reused && next.Status != 0 {
					t.Fatalf("answer %q answers two requests: %+v", text, next)
				} else if next.Status == 555 {
					break
				}
			}
		})
	})
}
