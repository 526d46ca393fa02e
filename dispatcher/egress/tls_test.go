package egress

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"
)

// authority issues certificates for one test.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test authority"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{key, cert}
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

// issue makes a certificate for a name, or for an address, that ends at until.
func (a *authority) issue(t testing.TB, name string, until time.Time) tls.Certificate {
	t.Helper()
	key := newKey(t)
	template := &x509.Certificate{SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: name},
		NotBefore: until.Add(-48 * time.Hour), NotAfter: until, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	if ip := net.ParseIP(name); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{name}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	trusted, stranger := newAuthority(t), newAuthority(t)
	tomorrow, yesterday := time.Now().Add(24*time.Hour), time.Now().Add(-24*time.Hour)
	good := trusted.issue(t, "hooks.example.com", tomorrow)
	cases := []struct {
		name, url string
		config    *tls.Config
		want      string
	}{
		{"TLS 1.3", "", &tls.Config{Certificates: []tls.Certificate{good}, MinVersion: tls.VersionTLS13}, ""},
		{"TLS 1.2", "", &tls.Config{Certificates: []tls.Certificate{good}, MaxVersion: tls.VersionTLS12}, ""},
		{"TLS 1.1", "", &tls.Config{Certificates: []tls.Certificate{good}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}, "http_error:tls"},
		{"an address with its certificate", "https://" + publicAddr + "/",
			&tls.Config{Certificates: []tls.Certificate{trusted.issue(t, publicAddr, tomorrow)}}, ""},
		{"an address without", "https://" + publicAddr + "/", &tls.Config{Certificates: []tls.Certificate{good}}, "http_error:tls"},
		{"certificate of another name", "", &tls.Config{Certificates: []tls.Certificate{trusted.issue(t, "other.example.com", tomorrow)}}, "http_error:tls"},
		{"expired certificate", "", &tls.Config{Certificates: []tls.Certificate{trusted.issue(t, "hooks.example.com", yesterday)}}, "http_error:tls"},
		{"certificate of the future", "", &tls.Config{Certificates: []tls.Certificate{trusted.issue(t, "hooks.example.com", tomorrow.Add(100*time.Hour))}}, "http_error:tls"},
		{"unknown authority", "", &tls.Config{Certificates: []tls.Certificate{stranger.issue(t, "hooks.example.com", tomorrow)}}, "http_error:tls"},
		{"no common protocol", "", &tls.Config{Certificates: []tls.Certificate{good}, NextProtos: []string{"imap"}}, "http_error:tls"},
		{"HTTP/2 preferred", "", &tls.Config{Certificates: []tls.Certificate{good}, NextProtos: []string{"h2", "http/1.1"}}, ""},
		{"client certificate wanted, TLS 1.2", "", &tls.Config{Certificates: []tls.Certificate{good}, ClientAuth: tls.RequireAnyClientCert, MaxVersion: tls.VersionTLS12}, "http_error:tls"},
		{"client certificate wanted, TLS 1.3", "", &tls.Config{Certificates: []tls.Certificate{good}, ClientAuth: tls.RequireAnyClientCert}, "http_error:tls"},
	}
	for _, test := range cases {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			served := make(chan tls.ConnectionState, 1)
			c := overTLS(t, trusted, func(c net.Conn, _ int) {
				secured := tls.Server(c, test.config)
				if secured.Handshake() != nil {
					waitForClose(c)
					return
				}
				requests(secured, func(*http.Request, []byte, int) string {
					select {
					case served <- secured.ConnectionState():
					default:
					}
					return lastingAnswer
				})
			})
			url := test.url
			if url == "" {
				url = "https://hooks.example.com/hook"
			}
			result := post(t, c, url)
			wantReason(t, result, test.want)
			if test.want != "" {
				if len(served) != 0 {
					t.Error("the request reached the receiver")
				}
				return
			}
			state := <-served
			if test.url == "" && state.ServerName != "hooks.example.com" {
				t.Errorf("SNI = %q, want the host", state.ServerName)
			}
			if state.NegotiatedProtocol != "" && state.NegotiatedProtocol != "http/1.1" {
				t.Errorf("ALPN = %q, want http/1.1", state.NegotiatedProtocol)
			}
			if !strings.HasPrefix(result.Address, publicAddr+":") {
				t.Errorf("Address = %q, want %s", result.Address, publicAddr)
			}
			if again := post(t, c, url); !again.Reused || !again.Succeeded() {
				t.Errorf("second request: Reused = %v, reason %q, want it over the same connection", again.Reused, again.Reason)
			}
		})
	}
}

func TestTLSReceiversThatMisbehave(t *testing.T) {
	t.Parallel()
	trusted := newAuthority(t)
	good := trusted.issue(t, "hooks.example.com", time.Now().Add(time.Hour))
	for name, test := range map[string]struct {
		serve   func(net.Conn, int)
		timeout time.Duration
		want    string
	}{
		"plain HTTP": {func(c net.Conn, _ int) { _, _ = io.WriteString(c, "HTTP/1.1 400 Bad\r\n\r\n"); waitForClose(c) },
			patience, "http_error:tls"},
		"silence":     {func(c net.Conn, _ int) { waitForClose(c) }, 500 * time.Millisecond, "timeout"},
		"closed":      {func(c net.Conn, _ int) { _, _ = c.Read(make([]byte, 4096)) }, patience, "http_error:tls"},
		"plain after": {func(c net.Conn, _ int) { answerPlainly(c, good) }, patience, "http_error:tls"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := overTLS(t, trusted, test.serve)
			result := c.Post(t.Context(), Request{URL: "https://hooks.example.com/", Timeout: test.timeout})
			wantReason(t, result, test.want)
		})
	}
}

// answerPlainly shakes hands and then answers past the encryption.
func answerPlainly(c net.Conn, cert tls.Certificate) {
	secured := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{cert}})
	if readOne(secured) == nil {
		_, _ = io.WriteString(c, okAnswer)
		waitForClose(c)
	}
}

func TestStaleTLSConnectionIsNotUsed(t *testing.T) {
	t.Parallel()
	trusted := newAuthority(t)
	good := trusted.issue(t, "hooks.example.com", time.Now().Add(time.Hour))
	leave := make(chan struct{})
	c := overTLS(t, trusted, func(c net.Conn, n int) {
		secured := tls.Server(c, &tls.Config{Certificates: []tls.Certificate{good}})
		requests(secured, func(*http.Request, []byte, int) string {
			if n > 1 {
				return okAnswer
			}
			_, _ = io.WriteString(secured, lastingAnswer)
			<-leave
			return ""
		})
		secured.Close() // with close_notify
	})
	wantReason(t, post(t, c, "https://hooks.example.com/"), "")
	close(leave)
	for kept := oldestIdle(c); kept.alive(); {
		time.Sleep(time.Millisecond)
	}
	result := post(t, c, "https://hooks.example.com/")
	wantReason(t, result, "")
	if result.Reused {
		t.Error("a connection with a farewell waiting was reused")
	}
}

// overTLS builds a client that takes hooks.example.com for a public address, behind which serve listens on loopback.
func overTLS(t *testing.T, trusted *authority, serve func(net.Conn, int)) *Client {
	t.Helper()
	addr, _ := listen(t, serve)
	return newClient(t, Config{
		Resolver: fixedResolver{"hooks.example.com": {publicAddr}},
		RootCAs:  trusted.pool(),
		Dial: func(ctx context.Context, network, judged string) (net.Conn, error) {
			if judged != publicAddr+":443" {
				t.Errorf("dialled %s, want %s:443", judged, publicAddr)
			}
			var d net.Dialer
			return d.DialContext(ctx, network, addr)
		},
	})
}
