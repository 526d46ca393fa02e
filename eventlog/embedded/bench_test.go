package embedded_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded"
)

// benchLog opens a log on the real disk, syncing.
func benchLog(b *testing.B, dir string) *embedded.Log {
	b.Helper()
	l, err := embedded.Open(dir, embedded.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { l.Close() })
	return l
}

var payload = fmt.Appendf(nil, `{"payload":"%0500d"}`, 7)

func benchEvent(n uint64) eventlog.Event {
	e := eventlog.Event{Type: "hooklog.MessagePublished.v1", Data: payload, Metadata: []byte(`{"at":"2026-01-02T03:04:05.000000Z"}`)}
	binary.BigEndian.PutUint64(e.ID[:], n+1)
	return e
}

func benchStream(n uint64) string { return fmt.Sprintf("hl_message-%026d", n) }

// fill appends n events as new streams, in appends of 500 events.
func fill(b *testing.B, l *embedded.Log, n int) {
	b.Helper()
	for i := 0; i < n; {
		events := make([]eventlog.Event, min(500, n-i))
		for j := range events {
			events[j] = benchEvent(uint64(i + j))
		}
		if _, err := l.Append(b.Context(), benchStream(uint64(i)), eventlog.NoStream, events...); err != nil {
			b.Fatal(err)
		}
		i += len(events)
	}
}

func BenchmarkAppend(b *testing.B) {
	l := benchLog(b, b.TempDir())
	var n uint64
	for b.Loop() {
		n++
		if _, err := l.Append(b.Context(), benchStream(n), eventlog.NoStream, benchEvent(n)); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
}

func BenchmarkAppendParallel64(b *testing.B) {
	l := benchLog(b, b.TempDir())
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
	m := l.Metrics()
	b.ReportMetric(float64(m.Appends)/float64(m.Groups), "appends/group")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "appends/s")
}

func BenchmarkReadStream(b *testing.B) {
	const streams = 20000
	l := benchLog(b, b.TempDir())
	for i := range uint64(streams) {
		if i%500 == 0 {
			fillStreams(b, l, i, 500)
		}
	}
	var n uint64
	for b.Loop() {
		n += 7919
		for _, err := range l.Read(b.Context(), benchStream(n%streams), 0) {
			if err != nil {
				b.Fatal(err)
			}
		}
	}
}

// fillStreams appends to n new streams at once, so that they share groups.
func fillStreams(b *testing.B, l *embedded.Log, first, n uint64) {
	b.Helper()
	done := make(chan error, n)
	for i := first; i < first+n; i++ {
		go func() {
			_, err := l.Append(context.Background(), benchStream(i), eventlog.NoStream, benchEvent(3*i), benchEvent(3*i+1), benchEvent(3*i+2))
			done <- err
		}()
	}
	for range n {
		if err := <-done; err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadAll(b *testing.B) {
	const events = 200000
	l := benchLog(b, b.TempDir())
	fill(b, l, events)
	read := 0
	for b.Loop() {
		for _, err := range l.ReadAll(b.Context(), eventlog.Position{}) {
			if err != nil {
				b.Fatal(err)
			}
			read++
		}
	}
	b.ReportMetric(float64(read)/b.Elapsed().Seconds(), "events/s")
}

var errDone = errors.New("done")

func BenchmarkSubscribeLive(b *testing.B) {
	l := benchLog(b, b.TempDir())
	var seen int
	done, ready := make(chan error, 1), make(chan struct{})
	total := 0
	stop := make(chan int, 1)
	go func() {
		done <- l.Subscribe(b.Context(), eventlog.Position{}, func(_ context.Context, batch eventlog.Batch) error {
			if seen == 0 && len(batch.Events) == 0 {
				close(ready)
			}
			seen += len(batch.Events)
			select {
			case total = <-stop:
			default:
			}
			if total > 0 && seen >= total {
				return errDone
			}
			return nil
		})
	}()
	<-ready
	n := 0
	for b.Loop() {
		fillStreams(b, l, uint64(n), 100)
		n += 100
	}
	stop <- 3*n + 3
	fillStreams(b, l, uint64(n), 1)
	if err := <-done; !errors.Is(err, errDone) {
		b.Fatal(err)
	}
	b.ReportMetric(float64(3*n)/b.Elapsed().Seconds(), "events/s")
}

// BenchmarkConsume hands out a backlog: the group is made, its consumer leaves, events are appended, it joins again.
func BenchmarkConsume(b *testing.B) {
	const events = 50000
	l := benchLog(b, b.TempDir())
	g := eventlog.Group{Name: "g", TypePrefixes: []string{"hooklog."}, MessageTimeout: time.Minute, MaxRetries: 3}
	consumed := 0
	consume := func(ctx context.Context, n int64) {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		var handled atomic.Int64
		err := l.Consume(ctx, g, 256, func(context.Context, eventlog.Handed) eventlog.Verdict {
			if handled.Add(1) == n {
				time.AfterFunc(0, cancel)
			}
			return eventlog.Ack
		})
		if !errors.Is(err, context.Canceled) {
			b.Fatal(err)
		}
	}
	made, leave := context.WithTimeout(b.Context(), 50*time.Millisecond)
	defer leave()
	if err := l.Consume(made, g, 1, nil); !errors.Is(err, context.DeadlineExceeded) {
		b.Fatal(err)
	}
	for round := 0; b.Loop(); round++ {
		b.StopTimer()
		fillRound(b, l, round, events)
		b.StartTimer()
		consume(b.Context(), events)
		consumed += events
	}
	b.ReportMetric(float64(consumed)/b.Elapsed().Seconds(), "events/s")
}

func fillRound(b *testing.B, l *embedded.Log, round, n int) {
	for i := 0; i < n; i += 500 {
		events := make([]eventlog.Event, 500)
		for j := range events {
			events[j] = benchEvent(uint64(i + j))
		}
		if _, err := l.Append(context.Background(), fmt.Sprintf("round-%d.%d", round, i), eventlog.NoStream, events...); err != nil {
			b.Error(err)
			return
		}
	}
}

func BenchmarkOpenMillion(b *testing.B) {
	dir := b.TempDir()
	l, err := embedded.Open(dir, embedded.Options{})
	if err != nil {
		b.Fatal(err)
	}
	fill(b, l, 1000000)
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		l, err := embedded.Open(dir, embedded.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if err := l.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
