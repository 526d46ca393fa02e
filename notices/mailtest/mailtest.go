// Package mailtest is a mail server for tests. It speaks enough SMTP to be sent mail (EHLO, STARTTLS, AUTH PLAIN, one
// transaction after the other), keeps what it takes, and can be killed at any moment, in the middle of a transaction
// too, and started again on the same port.
package mailtest

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hooklog/hooklog/waittest"
)

// Options say what a server demands.
type Options struct {
	// TLS is what it encrypts with; nil is not at all.
	TLS *tls.Config
	// Implicit encrypts from the first byte.
	Implicit bool
	// Password of the user called "user", if set, must be given.
	Password string
}

// Mail is one that the server has taken.
type Mail struct {
	From string
	To   []string
	// Data is the mail itself.
	Data string
	// TLS and Login say how it came.
	TLS, Login bool
}

// Stage is a moment of a transaction, right before the server's answer to it.
type Stage int

// The stages of a transaction, in order.
const (
	// Connected is before the greeting.
	Connected Stage = iota
	// Recipient has come; the mail has not.
	Recipient
	// HalfBody is in the middle of the mail.
	HalfBody
	// Taken is when the server keeps the mail and has not said so.
	Taken
)

// Server is a mail server on the loopback. Where tests have bubbles of time it belongs outside of them, so that waiting
// for it does not let their time pass.
type Server struct {
	Options
	t       testing.TB
	address string
	done    sync.WaitGroup

	mu       sync.Mutex
	listener net.Listener
	cut      bool
	conns    map[net.Conn]struct{}
	mails    []Mail
	refusal  string
	at       map[Stage]func()
}

// Start starts a server that is killed when the test ends.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	s := &Server{Options: o, t: t, address: "127.0.0.1:0", conns: map[net.Conn]struct{}{}, at: map[Stage]func(){}}
	s.Restart()
	t.Cleanup(s.Kill)
	return s
}

// Restart listens on the same port as before.
func (s *Server) Restart() {
	s.t.Helper()
	l := waittest.Listen(s.t, s.address)
	s.mu.Lock()
	s.address, s.listener, s.cut = l.Addr().String(), l, false
	s.mu.Unlock()
	s.done.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.done.Go(func() { s.serve(c) })
		}
	})
}

// Cut ends the server at once, as a power switch would: nobody can connect, and every connection is gone. It may be
// called from a stage.
func (s *Server) Cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.cut = true
	_ = s.listener.Close()
	for c := range s.conns {
		_ = c.Close()
	}
}

// Kill cuts the server and waits until nothing of it runs.
func (s *Server) Kill() {
	s.Cut()
	s.done.Wait()
}

// Port is where it listens.
func (s *Server) Port() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int(netip.MustParseAddrPort(s.address).Port())
}

// Mails are those that it has taken so far.
func (s *Server) Mails() []Mail {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Mail(nil), s.mails...)
}

// Refuse answers every recipient so; empty takes them.
func (s *Server) Refuse(answer string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refusal = answer
}

// Once calls do when the next transaction comes to a stage, before that is answered.
func (s *Server) Once(at Stage, do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.at[at] = do
}

// reach calls what was asked for at a stage; false if the server was cut by then.
func (s *Server) reach(at Stage) bool {
	s.mu.Lock()
	do := s.at[at]
	delete(s.at, at)
	s.mu.Unlock()
	if do != nil {
		do()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.cut
}

// session is one connection.
type session struct {
	*Server
	conn net.Conn
	in   *bufio.Reader
	mail Mail
}

// keep notes a connection; false if it came while the server was cut.
func (s *Server) keep(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.cut {
		s.conns[c] = struct{}{}
	}
	return !s.cut
}

func (s *Server) drop(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.conns, c)
	_ = c.Close()
}

func (s *Server) serve(c net.Conn) {
	defer s.drop(c)
	if !s.keep(c) {
		return
	}
	x := &session{Server: s, conn: c}
	if s.Implicit {
		x.conn, x.mail.TLS = tls.Server(c, s.TLS), true
	}
	x.in = bufio.NewReader(x.conn)
	if !s.reach(Connected) {
		return
	}
	for x.say("220 test ESMTP"); ; {
		line, err := x.in.ReadString('\n')
		if err != nil || !x.answer(strings.TrimRight(line, "\r\n")) {
			return
		}
	}
}

func (x *session) say(format string, args ...any) {
	_, _ = fmt.Fprintf(x.conn, format+"\r\n", args...)
}

// answer answers one line; false ends the connection.
func (x *session) answer(line string) bool {
	verb, rest, _ := strings.Cut(line, " ")
	switch strings.ToUpper(verb) {
	case "EHLO":
		x.greet()
	case "STARTTLS":
		x.say("220 go on")
		x.conn = tls.Server(x.conn, x.TLS)
		x.in, x.mail.TLS = bufio.NewReader(x.conn), true
	case "AUTH":
		x.logIn(rest)
	case "MAIL":
		x.mail.From, x.mail.To = rest, nil
		x.say("250 2.1.0 ok")
	case "RCPT":
		return x.recipient(rest)
	case "DATA":
		return x.data()
	case "QUIT":
		x.say("221 2.0.0 bye")
		return false
	default:
		x.say("250 2.0.0 ok")
	}
	return true
}

func (x *session) greet() {
	x.say("250-test")
	if x.TLS != nil && !x.mail.TLS {
		x.say("250-STARTTLS")
	}
	if x.Password != "" {
		x.say("250-AUTH PLAIN")
	}
	x.say("250 8BITMIME")
}

func (x *session) logIn(how string) {
	_, response, _ := strings.Cut(how, " ")
	text, err := base64.StdEncoding.DecodeString(response)
	if err != nil || string(text) != "\x00user\x00"+x.Password {
		x.say("535 5.7.8 no")
		return
	}
	x.mail.Login = true
	x.say("235 2.7.0 yes")
}

// recipient takes one, or refuses it; false if the server was cut meanwhile.
func (x *session) recipient(to string) bool {
	x.mu.Lock()
	refusal := x.refusal
	x.mu.Unlock()
	if refusal != "" {
		x.say("%s", refusal)
		return true
	}
	x.mail.To = append(x.mail.To, to)
	if !x.reach(Recipient) {
		return false
	}
	x.say("250 2.1.5 ok")
	return true
}

// data takes a mail; false if the connection ended before all of it was there.
func (x *session) data() bool {
	x.say("354 go on")
	var data strings.Builder
	for {
		line, err := x.in.ReadString('\n')
		if err != nil {
			return false
		}
		if line == ".\r\n" {
			break
		}
		_, _ = io.WriteString(&data, strings.TrimPrefix(line, "."))
		if !x.reach(HalfBody) {
			return false
		}
	}
	x.mail.Data = data.String()
	x.mu.Lock()
	x.mails = append(x.mails, x.mail)
	x.mu.Unlock()
	if !x.reach(Taken) {
		return false
	}
	x.say("250 2.0.0 taken")
	return true
}

// Certificate makes a certificate of 127.0.0.1 that is good at the beginning of a bubble's time, too, and the pool of those
// who trust it.
func Certificate(t testing.TB) (*tls.Config, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("make a key: %v", err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true,
		BasicConstraintsValid: true, NotBefore: time.Date(1990, 1, 1, 0, 0, 0, 0, time.UTC), NotAfter: time.Date(2090, 1, 1, 0, 0, 0, 0, time.UTC)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatalf("make a certificate: %v", err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatalf("read the certificate: %v", err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}, pool
}
