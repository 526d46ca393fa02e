package esdb_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded"
	"github.com/hooklog/hooklog/eventlog/esdb"
	"github.com/hooklog/hooklog/eventlog/esdbserver"
)

// The benchmarks of the embedded log once more, each beside that log itself: "embedded" calls it, "esdb" goes over the
// protocol and a port of this machine. The disk is the real one, and synced.

// benchLogs runs a benchmark on both.
func benchLogs(b *testing.B, run func(b *testing.B, l eventlog.Log, own *embedded.Log)) {
	b.Run("embedded", func(b *testing.B) {
		own := benchEmbedded(b)
		run(b, own, own)
	})
	b.Run("esdb", func(b *testing.B) {
		own := benchEmbedded(b)
		run(b, benchServed(b, own), own)
	})
}

func benchEmbedded(b *testing.B) *embedded.Log {
	b.Helper()
	l, err := embedded.Open(b.TempDir(), embedded.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	return l
}

func benchServed(b *testing.B, own *embedded.Log) *esdb.Log {
	b.Helper()
	server, err := esdbserver.New(esdbserver.Config{Log: own, Insecure: true})
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
	b.Cleanup(func() {
		stop()
		if err := <-served; err != nil {
			b.Error(err)
		}
	})
	return open(b, "esdb://"+listener.Addr().String()+"?tls=false")
}

var payload = fmt.Appendf(nil, `{"payload":"%0500d"}`, 7)

func benchEvent(n uint64) eventlog.Event {
	e := eventlog.Event{Type: "hooklog.MessagePublished.v1", Data: payload, Metadata: []byte(`{"at":"2026-01-02T03:04:05.000000Z"}`)}
	binary.BigEndian.PutUint64(e.ID[:], n+1)
	return e
}

func benchStream(n uint64) string { return fmt.Sprintf("hl_message-%026d", n) }

// fill appends n events to the embedded log, in appends of 500.
func fill(b *testing.B, l *embedded.Log, round, n int) {
	b.Helper()
	for i := 0; i < n; i += 500 {
		events := make([]eventlog.Event, min(500, n-i))
		for j := range events {
			events[j] = benchEvent(uint64(round*n + i + j))
		}
		if _, err := l.Append(context.Background(), fmt.Sprintf("fill-%d.%d", round, i), eventlog.NoStream, events...); err != nil {
			b.Fatal(err)
		}
	}
}

func perSecond(b *testing.B, n int, unit string) {
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), unit+"/s")
}

func BenchmarkAppend(b *testing.B) {
	benchLogs(b, func(b *testing.B, l eventlog.Log, _ *embedded.Log) {
		var n uint64
		for b.Loop() {
			n++
			if _, err := l.Append(b.Context(), benchStream(n), eventlog.NoStream, benchEvent(n)); err != nil {
				b.Fatal(err)
			}
		}
		perSecond(b, b.N, "appends")
	})
}

func BenchmarkAppendParallel64(b *testing.B) {
	benchLogs(b, func(b *testing.B, l eventlog.Log, _ *embedded.Log) {
		var n atomic.Uint64
		b.SetParallelism(32) // times GOMAXPROCS
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				i := n.Add(1)
				if _, err := l.Append(context.Background(), benchStream(i), eventlog.NoStream, benchEvent(i)); err != nil {
					b.Error(err)
					return
				}
			}
		})
		perSecond(b, b.N, "appends")
	})
}

func BenchmarkReadAll(b *testing.B) {
	const events = 100_000
	benchLogs(b, func(b *testing.B, l eventlog.Log, own *embedded.Log) {
		fill(b, own, 0, events)
		read := 0
		for b.Loop() {
			for _, err := range l.ReadAll(b.Context(), eventlog.Position{}) {
				if err != nil {
					b.Fatal(err)
				}
				read++
			}
		}
		perSecond(b, read, "events")
	})
}

// BenchmarkSubscribe catches up with a log from its start, as a rebuild does.
func BenchmarkSubscribe(b *testing.B) {
	const events = 100_000
	done := errors.New("done")
	benchLogs(b, func(b *testing.B, l eventlog.Log, own *embedded.Log) {
		fill(b, own, 0, events)
		read, batches := 0, 0
		for b.Loop() {
			seen := 0
			err := l.Subscribe(b.Context(), eventlog.Position{}, func(_ context.Context, batch eventlog.Batch) error {
				seen += len(batch.Events)
				batches++
				if seen == events {
					return done
				}
				return nil
			})
			if !errors.Is(err, done) {
				b.Fatal(err)
			}
			read += seen
		}
		perSecond(b, read, "events")
		b.ReportMetric(float64(read)/float64(batches), "events/batch")
	})
}

// BenchmarkConsume hands out a backlog: the group is made, its consumer leaves, events are appended, it joins again.
func BenchmarkConsume(b *testing.B) {
	const events = 20_000
	g := eventlog.Group{Name: "g", TypePrefixes: []string{"hooklog."}, MessageTimeout: time.Minute, MaxRetries: 3}
	benchLogs(b, func(b *testing.B, l eventlog.Log, own *embedded.Log) {
		made, leave := context.WithTimeout(b.Context(), 200*time.Millisecond)
		defer leave()
		if err := l.Consume(made, g, 1, nil); !errors.Is(err, context.DeadlineExceeded) {
			b.Fatal(err)
		}
		consumed := 0
		for round := 0; b.Loop(); round++ {
			b.StopTimer()
			fill(b, own, round, events)
			b.StartTimer()
			ctx, cancel := context.WithCancel(b.Context())
			var handled atomic.Int64
			err := l.Consume(ctx, g, 1024, func(context.Context, eventlog.Handed) eventlog.Verdict {
				if handled.Add(1) == events {
					time.AfterFunc(0, cancel)
				}
				return eventlog.Ack
			})
			if cancel(); !errors.Is(err, context.Canceled) {
				b.Fatal(err)
			}
			consumed += events
		}
		perSecond(b, consumed, "events")
	})
}
