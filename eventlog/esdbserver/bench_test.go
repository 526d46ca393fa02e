package esdbserver_test

import (
	"context"
	"net"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"
	"github.com/hooklog/hooklog/eventlog/embedded"
	"github.com/hooklog/hooklog/eventlog/esdbserver"
)

// benchClient is a client of a node on the real disk, syncing.
func benchClient(b *testing.B) *esdb.Client {
	b.Helper()
	log, err := embedded.Open(b.TempDir(), embedded.Options{})
	if err != nil {
		b.Fatal(err)
	}
	server, err := esdbserver.New(esdbserver.Config{Log: log, Insecure: true})
	if err != nil {
		b.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- server.Serve(ctx, listener) }()
	config, err := esdb.ParseConnectionString("esdb://" + listener.Addr().String() + "?tls=false")
	if err != nil {
		b.Fatal(err)
	}
	config.Logger = esdb.NoopLogging()
	client, err := esdb.NewClient(config)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { client.Close(); stop(); <-served; log.Close() })
	return client
}

func benchEvents(n int) []esdb.EventData {
	all := make([]esdb.EventData, n)
	for i := range all {
		all[i] = esdb.EventData{EventID: uuid.New(), EventType: "bench", ContentType: esdb.ContentTypeJson, Data: make([]byte, 500)}
	}
	return all
}

func fillBench(b *testing.B, c *esdb.Client, n int) {
	b.Helper()
	for range n / 500 {
		if _, err := c.AppendToStream(b.Context(), "s", esdb.AppendToStreamOptions{}, benchEvents(500)...); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppend(b *testing.B) {
	c := benchClient(b)
	for n := 0; b.Loop(); n++ {
		if _, err := c.AppendToStream(b.Context(), "s-"+strconv.Itoa(n), esdb.AppendToStreamOptions{ExpectedRevision: esdb.NoStream{}}, benchEvents(1)...); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
}

func BenchmarkAppendParallel64(b *testing.B) {
	c := benchClient(b)
	var n atomic.Int64
	b.SetParallelism(32) // times GOMAXPROCS
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			_, err := c.AppendToStream(context.Background(), "s-"+strconv.FormatInt(n.Add(1), 10), esdb.AppendToStreamOptions{ExpectedRevision: esdb.NoStream{}}, benchEvents(1)...)
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
}

func BenchmarkSubscribe(b *testing.B) {
	const n = 20000
	c := benchClient(b)
	fillBench(b, c, n)
	for b.Loop() {
		s, err := c.SubscribeToAll(b.Context(), esdb.SubscribeToAllOptions{From: esdb.Start{}})
		if err != nil {
			b.Fatal(err)
		}
		for s.Recv().CaughtUp == nil {
		}
		s.Close()
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}

func BenchmarkConsume(b *testing.B) {
	const n = 20000
	c := benchClient(b)
	fillBench(b, c, n)
	for i := 0; b.Loop(); i++ {
		group := "g" + strconv.Itoa(i)
		if err := c.CreatePersistentSubscriptionToAll(b.Context(), group, esdb.PersistentAllSubscriptionOptions{StartFrom: esdb.Start{}}); err != nil {
			b.Fatal(err)
		}
		s, err := c.SubscribeToPersistentSubscriptionToAll(b.Context(), group, esdb.SubscribeToPersistentSubscriptionOptions{BufferSize: 500})
		if err != nil {
			b.Fatal(err)
		}
		for range n {
			if err := s.Ack(s.Recv().EventAppeared.Event); err != nil {
				b.Fatal(err)
			}
		}
		s.Close()
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
