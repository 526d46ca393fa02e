package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded"
)

// appending is how long appending to the bare log is measured.
const appending = 3 * time.Second

// quantile picks a share's value out of unsorted values.
func quantile(values []float64, share float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[max(0, min(len(sorted)-1, int(share*float64(len(sorted)))))]
}

// measureLog measures the embedded log alone, in this process.
func (b *bench) measureLog(ctx context.Context) error {
	log, err := embedded.Open(filepath.Join(b.dir, "log"), embedded.Options{})
	if err != nil {
		return err
	}
	return errors.Join(b.measureLogAlone(ctx, "The embedded log alone", log), log.Close())
}

// measureLogAlone measures a log that holds nothing: appends of one event of 500 bytes, each to a new stream and durable,
// then reading them all, and then following the log from its start.
func (b *bench) measureLogAlone(ctx context.Context, name string, log eventlog.Log) error {
	n, took, err := appendMany(ctx, log, b.connections)
	if err != nil {
		return err
	}
	fmt.Fprintf(b.out, "\n%s: %.0f appends/s (durable, %d at once, one event of %d bytes each, to new streams)",
		name, float64(n)/took.Seconds(), b.connections, payloadSize)
	began, read := time.Now(), 0
	for _, err := range log.ReadAll(ctx, eventlog.Position{}) {
		if err != nil {
			return err
		}
		read++
	}
	fmt.Fprintf(b.out, "; read %.0f events/s", float64(read)/time.Since(began).Seconds())
	if read != n {
		return fmt.Errorf("%d events were appended and %d read", n, read)
	}
	took, err = catchUp(ctx, log, n)
	fmt.Fprintf(b.out, "; feed %.0f events/s.\n", float64(n)/took.Seconds())
	return err
}

// errCaughtUp ends a subscription that got what it was to get.
var errCaughtUp = errors.New("caught up")

// catchUp subscribes to a log from its start until it got so many events.
func catchUp(ctx context.Context, log eventlog.Feed, events int) (time.Duration, error) {
	began, got := time.Now(), 0
	err := log.Subscribe(ctx, eventlog.Position{}, func(_ context.Context, batch eventlog.Batch) error {
		if got += len(batch.Events); got >= events {
			return errCaughtUp
		}
		return nil
	})
	if errors.Is(err, errCaughtUp) {
		err = nil
	}
	return time.Since(began), err
}

func appendMany(ctx context.Context, log eventlog.Streams, writers int) (int, time.Duration, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var appended atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	for w := range writers {
		all.Go(func() {
			for i := uint64(1); ctx.Err() == nil && time.Since(began) < appending; i++ {
				e := benchEvent(uint64(w), i)
				if _, err := log.Append(ctx, "bench-"+e.ID.String(), eventlog.NoStream, e); err != nil {
					cancel(err)
					return
				}
				appended.Add(1)
			}
		})
	}
	all.Wait()
	return int(appended.Load()), time.Since(began), context.Cause(ctx)
}

var (
	benchData     = appendPayload(nil, mark{})
	benchMetadata = []byte(`{"at":"2026-01-01T00:00:00Z"}`)
)

// benchEvent is an event that is not Hooklog's, with an id of two numbers.
func benchEvent(high, low uint64) eventlog.Event {
	e := eventlog.Event{Type: "bench.Appended.v1", Data: benchData, Metadata: bytes.Clone(benchMetadata)}
	binary.BigEndian.PutUint64(e.ID[:8], high)
	binary.BigEndian.PutUint64(e.ID[8:], low)
	return e
}
