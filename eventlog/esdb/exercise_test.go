package esdb_test

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded"
	"github.com/hooklog/hooklog/eventlog/esdb"
	"github.com/hooklog/hooklog/eventlog/esdbserver"
	"github.com/hooklog/hooklog/eventlog/eventlogtest"
	"github.com/hooklog/hooklog/waittest"
)

func TestMain(m *testing.M) { waittest.Main(m) }

// node is EventStoreDB's protocol over an embedded log in memory, at a port of this machine.
type node struct {
	t       testing.TB
	fs      vfs.FS
	config  esdbserver.Config
	address string
	log     *embedded.Log
	stop    func()
}

func newNode(t testing.TB, config esdbserver.Config) *node {
	t.Helper()
	n := &node{t: t, fs: vfs.NewMem(), config: config, address: "127.0.0.1:0"}
	n.start()
	t.Cleanup(func() { n.stop() })
	return n
}

func (n *node) start() {
	n.t.Helper()
	log, err := embedded.Open("log", embedded.Options{FS: n.fs})
	if err != nil {
		n.t.Fatal(err)
	}
	n.log, n.config.Log = log, log
	server, err := esdbserver.New(n.config)
	if err != nil {
		n.t.Fatal(err)
	}
	listener := waittest.Listen(n.t, n.address)
	n.address = listener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, listener) }()
	n.stop = func() {
		cancel()
		if err := errors.Join(<-served, log.Close()); err != nil {
			n.t.Errorf("stop the server: %v", err)
		}
		n.stop = func() {}
	}
}

// restart stops the server and its log, and starts both again at the same address.
func (n *node) restart() {
	n.t.Helper()
	n.stop()
	n.start()
}

func (n *node) url() string { return "esdb://" + n.address + "?tls=false" }

// open opens a log that is closed with the test.
func open(t testing.TB, url string) *esdb.Log {
	t.Helper()
	l, err := esdb.Open(soon(t), esdb.Config{URL: url})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return l
}

// served is a log with the server that it is on.
type served struct {
	eventlog.Log
	node *node
}

// TestLogOverTheProtocol is the second corner of the triangle: this package, the protocol, the embedded log.
func TestLogOverTheProtocol(t *testing.T) {
	eventlogtest.Exercise(t, eventlogtest.Backend{
		Open: func(t testing.TB) eventlog.Log {
			n := newNode(t, esdbserver.Config{Insecure: true})
			return &served{open(t, n.url()), n}
		},
		Reopen: func(t testing.TB, l eventlog.Log) eventlog.Log {
			t.Helper()
			s := l.(*served)
			if err := s.Close(); err != nil {
				t.Fatalf("close: %v", err)
			}
			s.node.restart()
			return &served{open(t, s.node.url()), s.node}
		},
		Features: eventlogtest.Features{ReservedDollar: true, TypesCountTwice: true, ReplayForgotten: true, MessageTimeout: time.Second, Patience: time.Minute},
	})
}

// TestLogOnEventStoreDB is the third: a real server, which a run leaves its streams and groups on.
func TestLogOnEventStoreDB(t *testing.T) {
	url := os.Getenv("ESDB_URL")
	if url == "" {
		t.Skip("ESDB_URL names no EventStoreDB")
	}
	eventlogtest.Exercise(t, eventlogtest.Backend{
		Open: func(t testing.TB) eventlog.Log { return open(t, url) },
		Features: eventlogtest.Features{
			NoRestart:      "the server is not this test's to restart",
			ReservedDollar: true, TypesCountTwice: true, SharedFeed: true, MessageTimeout: 2 * time.Second, Patience: time.Minute,
		},
	})
}
