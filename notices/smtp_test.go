package notices_test

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"
)

// smtpServer is a mail server that speaks enough SMTP to be sent mail: EHLO, STARTTLS, AUTH PLAIN, one transaction after
// the other. It is started outside of any bubble, so that waiting for it does not let time pass.
type smtpServer struct {
	t       *testing.T
	address string
	tls     *tls.Config
	// implicit encrypts from the first byte; password, if set, must be given.
	implicit bool
	password string

	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]struct{}
	mails    []received
	// refuse is the answer to RCPT, if set.
	refuse string
	done   sync.WaitGroup
}

// received is a mail that the server has taken.
type received struct {
	from  string
	to    []string
	data  string
	tls   bool
	login bool
}

func newSMTPServer(t *testing.T, change func(*smtpServer)) *smtpServer {
	t.Helper()
	s := &smtpServer{t: t, address: "127.0.0.1:0", conns: map[net.Conn]struct{}{}}
	if change != nil {
		change(s)
	}
	s.start()
	t.Cleanup(s.kill)
	return s
}

// start listens, on the same port as before.
func (s *smtpServer) start() {
	s.t.Helper()
	l, err := net.Listen("tcp", s.address)
	must(s.t, err)
	s.address = l.Addr().String()
	s.listener = l
	s.done.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns[c] = struct{}{}
			s.mu.Unlock()
			s.done.Go(func() { s.serve(c) })
		}
	})
}

// kill closes the listener and cuts every connection.
func (s *smtpServer) kill() {
	_ = s.listener.Close()
	s.mu.Lock()
	for c := range s.conns {
		_ = c.Close()
	}
	s.mu.Unlock()
	s.done.Wait()
}

func (s *smtpServer) port() int {
	return int(netip.MustParseAddrPort(s.address).Port())
}

func (s *smtpServer) got() []received {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]received(nil), s.mails...)
}

func (s *smtpServer) setRefuse(answer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse = answer
}

func (s *smtpServer) serve(c net.Conn) {
	defer func() { _ = c.Close() }()
	m := received{}
	if s.implicit {
		c = tls.Server(c, s.tls)
		m.tls = true
	}
	in := bufio.NewReader(c)
	say := func(format string, args ...any) { _, _ = fmt.Fprintf(c, format+"\r\n", args...) }
	say("220 test ESMTP")
	for {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		line = strings.TrimRight(line, "\r\n")
		verb, rest, _ := strings.Cut(line, " ")
		switch strings.ToUpper(verb) {
		case "EHLO":
			say("250-test")
			if s.tls != nil && !m.tls {
				say("250-STARTTLS")
			}
			if s.password != "" {
				say("250-AUTH PLAIN")
			}
			say("250 8BITMIME")
		case "STARTTLS":
			say("220 go on")
			c = tls.Server(c, s.tls)
			in, m.tls = bufio.NewReader(c), true
		case "AUTH":
			_, response, _ := strings.Cut(rest, " ")
			text, err := base64.StdEncoding.DecodeString(response)
			if err != nil || string(text) != "\x00user\x00"+s.password {
				say("535 5.7.8 no")
				continue
			}
			m.login = true
			say("235 2.7.0 yes")
		case "MAIL":
			m.from, m.to = rest, nil
			say("250 2.1.0 ok")
		case "RCPT":
			s.mu.Lock()
			refuse := s.refuse
			s.mu.Unlock()
			if refuse != "" {
				say("%s", refuse)
				continue
			}
			m.to = append(m.to, rest)
			say("250 2.1.5 ok")
		case "DATA":
			say("354 go on")
			var data strings.Builder
			for {
				line, err := in.ReadString('\n')
				if err != nil {
					return
				}
				if line == ".\r\n" {
					break
				}
				data.WriteString(strings.TrimPrefix(line, "."))
			}
			m.data = data.String()
			s.mu.Lock()
			s.mails = append(s.mails, m)
			s.mu.Unlock()
			say("250 2.0.0 taken")
		case "QUIT":
			say("221 2.0.0 bye")
			return
		default:
			say("250 2.0.0 ok")
		}
	}
}

// certificate makes a certificate of 127.0.0.1 that is good at the beginning of a bubble's time, too.
func certificate(t *testing.T) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true,
		BasicConstraintsValid: true, NotBefore: time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2090, 1, 1, 0, 0, 0, 0, time.UTC)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	leaf, err := x509.ParseCertificate(der)
	must(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, pool
}
