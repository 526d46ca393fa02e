package esdbserver_test

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"
	"github.com/hooklog/hooklog/eventlog/embedded"
	"github.com/hooklog/hooklog/eventlog/esdbserver"
	"github.com/hooklog/hooklog/waittest"
)

func TestMain(m *testing.M) { waittest.Main(m) }

// node is a server over an embedded log in memory.
type node struct {
	t        *testing.T
	log      *embedded.Log
	fs       vfs.FS
	config   esdbserver.Config
	address  string
	shutDown func()
	fails    error // what appends fail with, if it is set
}

func newNode(t *testing.T, config esdbserver.Config) *node {
	t.Helper()
	n := &node{t: t, fs: vfs.NewMem(), config: config, address: "127.0.0.1:0"}
	n.start()
	t.Cleanup(func() { n.shutDown() })
	return n
}

func (n *node) start() {
	n.t.Helper()
	log, err := embedded.Open("log", embedded.Options{FS: n.fs})
	if err != nil {
		n.t.Fatal(err)
	}
	n.log = log
	n.config.Log = log
	if n.fails != nil {
		n.config.Log = failing{log, n.fails}
	}
	server, err := esdbserver.New(n.config)
	if err != nil {
		n.t.Fatal(err)
	}
	listener := waittest.Listen(n.t, n.address)
	n.address = listener.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, listener) }()
	n.shutDown = func() {
		stop()
		if err := errors.Join(<-served, log.Close()); err != nil {
			n.t.Errorf("shut down: %v", err)
		}
		n.shutDown = func() {}
	}
}

// restart stops the server and its log, and starts both again at the same address.
func (n *node) restart() {
	n.t.Helper()
	n.shutDown()
	n.start()
}

func (n *node) client() *esdb.Client { return dial(n.t, "esdb://"+n.address+"?tls=false") }

func dial(t *testing.T, url string) *esdb.Client {
	t.Helper()
	config, err := esdb.ParseConnectionString(url)
	if err != nil {
		t.Fatal(err)
	}
	config.Logger = esdb.NoopLogging()
	client, err := esdb.NewClient(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { client.Close() })
	return client
}

// insecure is a node and its client.
func insecure(t *testing.T) (*node, *esdb.Client) {
	t.Helper()
	n := newNode(t, esdbserver.Config{Insecure: true})
	return n, n.client()
}

// patience is how long is waited for what takes milliseconds when all is well.
const patience = 3 * time.Minute

// soon bounds what must happen.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func event(kind string) esdb.EventData {
	return esdb.EventData{EventID: uuid.New(), EventType: kind, ContentType: esdb.ContentTypeJson, Data: []byte(`{"a":1}`), Metadata: []byte(`{"m":2}`)}
}

func events(kind string, n int) []esdb.EventData {
	all := make([]esdb.EventData, n)
	for i := range all {
		all[i] = event(kind)
	}
	return all
}

func mustAppend(t *testing.T, c *esdb.Client, stream string, expected esdb.ExpectedRevision, events ...esdb.EventData) *esdb.WriteResult {
	t.Helper()
	w, err := c.AppendToStream(soon(t), stream, esdb.AppendToStreamOptions{ExpectedRevision: expected}, events...)
	if err != nil {
		t.Fatalf("append %d events to %s: %v", len(events), stream, err)
	}
	return w
}

// collect reads to the end.
func collect(t *testing.T, r *esdb.ReadStream, err error) []*esdb.ResolvedEvent {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var all []*esdb.ResolvedEvent
	for {
		e, err := r.Recv()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		all = append(all, e)
	}
}

// hasCode checks which of the client's error codes an error has.
func hasCode(t *testing.T, err error, code esdb.ErrorCode) {
	t.Helper()
	var e *esdb.Error
	if !errors.As(err, &e) || e.Code() != code {
		t.Errorf("got error %v, want code %d", err, code)
	}
}

func numbers(events []*esdb.ResolvedEvent) []uint64 {
	var n []uint64
	for _, e := range events {
		n = append(n, e.OriginalEvent().EventNumber)
	}
	return n
}
