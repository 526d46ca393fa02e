package esdb_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/esdb"
	"github.com/hooklog/hooklog/eventlog/esdbserver"
	"github.com/rs/zerolog"
)

// certificate makes one for this machine, which signs itself, and a file that says so.
func certificate(t *testing.T) (config *tls.Config, file string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "log"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, NextProtos: []string{"h2"}}, file
}

// lines may be written and read at the same time.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestTLSAndCredentials(t *testing.T) {
	t.Parallel()
	config, file := certificate(t)
	n := newNode(t, esdbserver.Config{TLS: config, Users: map[string]esdbserver.User{
		"node": {Password: "s3cr@t", Node: true}, "reader": {Password: "s3cr@t"},
	}})
	said := &lines{}
	opened := func(url string) (*esdb.Log, error) {
		l, err := esdb.Open(soon(t), esdb.Config{URL: url, Logger: zerolog.New(said).Level(zerolog.TraceLevel)})
		if err == nil {
			t.Cleanup(func() { l.Close() }) // It never fails.
		}
		return l, err
	}
	at := n.address + "?tlsCAFile=" + file
	l, err := opened("esdb://node:s3cr%40t@" + at)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(soon(t), "s", eventlog.NoStream, newEvent("t")); err != nil {
		t.Errorf("append: %v", err)
	}
	for what, url := range map[string]string{"a wrong password": "esdb://node:s3cret@" + at, "an unknown user": "esdb://nobody:s3cr%40t@" + at, "no user": "esdb://" + at} {
		if _, err := opened(url); !errors.Is(err, esdb.ErrUnauthenticated) && !errors.Is(err, esdb.ErrAccessDenied) {
			t.Errorf("%s: got %v", what, err)
		}
	}
	if _, err := opened("esdb://node:s3cr%40t@" + n.address); err == nil || !strings.Contains(err.Error(), "x509: ") {
		t.Errorf("a certificate that nobody vouches for: got %v", err)
	}
	if _, err := opened("esdb://node:s3cr%40t@" + n.address + "?tlsVerifyCert=false"); err != nil {
		t.Errorf("a certificate that is not to be verified: got %v", err)
	}
	reader, err := opened("esdb://reader:s3cr%40t@" + at)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Append(soon(t), "s", eventlog.NoStream, newEvent("t")); !errors.Is(err, esdb.ErrAccessDenied) {
		t.Errorf("append of a user who may only read: got %v", err)
	}
	if strings.Contains(said.String(), "s3cr") {
		t.Errorf("a password was logged:\n%s", said)
	}
}

func TestConnectionStringsOfClusters(t *testing.T) {
	t.Parallel()
	n := newNode(t, esdbserver.Config{Insecure: true})
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	for _, url := range []string{
		"esdb://" + gone.Addr().String() + "," + n.address + "?tls=false&gossipTimeout=1",
		"esdb+discover://" + n.address + "?tls=false",
	} {
		l := open(t, url)
		e := newEvent("t")
		if _, err := l.Append(soon(t), "s-"+e.ID.String(), eventlog.NoStream, e); err != nil {
			t.Errorf("%s: append: %v", url, err)
		}
		n.restart()
		if head, err := l.Head(soon(t)); err != nil || head.IsZero() {
			t.Errorf("%s: after a restart: head %s, %v", url, head, err)
		}
	}
}

func TestOpenWaitsForTheServer(t *testing.T) {
	t.Parallel()
	n := newNode(t, esdbserver.Config{Insecure: true})
	open(t, n.url()) // It goes on without a server, too.
	n.stop()
	eventually(t, "the refusal to be told", func() bool {
		ctx, cancel := context.WithTimeout(soon(t), 2*time.Second) // on a busy machine it may end before anybody was called
		defer cancel()
		_, err := esdb.Open(ctx, esdb.Config{URL: n.url()})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("without server: got %v", err)
		}
		return strings.Contains(err.Error(), "refused")
	})
	opened := make(chan error, 1)
	go func() {
		l, err := esdb.Open(soon(t), esdb.Config{URL: n.url()})
		if err == nil {
			err = l.Close()
		}
		opened <- err
	}()
	time.Sleep(100 * time.Millisecond)
	n.start()
	if err := <-opened; err != nil {
		t.Errorf("a server that comes later: got %v", err)
	}
}
