package main

import (
	"bytes"
	"context"
	"encoding/binary"
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

// measureLog measures the embedded log alone, in this process: appends of one event of 500 bytes, each to a new
// stream and durable, and then reading them all.
func (b *bench) measureLog(ctx context.Context) (err error) {
	log, err := embedded.Open(filepath.Join(b.dir, "log"), embedded.Options{})
	if err != nil {
		return err
	}
	n, took, err := appendMany(ctx, log, b.connections)
	if err == nil {
		fmt.Fprintf(b.out, "\nThe embedded log alone: %.0f appends/s (durable, %d at once, one event of %d bytes each, to new streams)",
			float64(n)/took.Seconds(), b.connections, payloadSize)
		began, read := time.Now(), 0
		for _, readErr := range log.ReadAll(ctx, eventlog.Position{}) {
			if err = readErr; err != nil {
				break
			}
			read++
		}
		fmt.Fprintf(b.out, "; feed %.0f events/s.\n", float64(read)/time.Since(began).Seconds())
		if err == nil && read != n {
			err = fmt.Errorf("%d events were appended and %d read", n, read)
		}
	}
	if closed := log.Close(); err == nil {
		err = closed
	}
	return err
}

func appendMany(ctx context.Context, log *embedded.Log, writers int) (int, time.Duration, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	data := appendPayload(nil, mark{})
	metadata := []byte(`{"at":"2026-01-01T00:00:00Z"}`)
	var appended atomic.Int64
	var all sync.WaitGroup
	began := time.Now()
	for w := range writers {
		all.Go(func() {
			for i := uint64(1); ctx.Err() == nil && time.Since(began) < appending; i++ {
				e := eventlog.Event{Type: "bench.Appended.v1", Data: data, Metadata: bytes.Clone(metadata)}
				binary.BigEndian.PutUint64(e.ID[:8], uint64(w))
				binary.BigEndian.PutUint64(e.ID[8:], i)
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
