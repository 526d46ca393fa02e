package projections

import (
	"context"
	"encoding/binary"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/hooklog/hooklog/eventlog"
)

// writeRuns flushes so many runs of rows that overlap, in a keyspace of their own.
func writeRuns(t *testing.T, x *Fold, runs int) {
	t.Helper()
	for range runs {
		for row := range uint64(10) {
			if err := x.store.Set(binary.BigEndian.AppendUint64([]byte{spareSpace}, row), make([]byte, 100), pebble.NoSync); err != nil {
				t.Fatal(err)
			}
		}
		if err := x.store.Flush(); err != nil {
			t.Fatal(err)
		}
	}
}

// spareSpace is no projection's.
const spareSpace = maxSpaces - 1

// merged waits until runs were merged.
func merged(t *testing.T, x *Fold) {
	t.Helper()
	for x.store.Metrics().Compact.Count == 0 {
		if t.Context().Err() != nil {
			t.Fatal("nothing was merged")
		}
		time.Sleep(time.Millisecond)
	}
}

func mergesNothing(t *testing.T, x *Fold, runs int) {
	t.Helper()
	m := x.store.Metrics()
	if got := int(m.Levels[0].Sublevels); got < runs || m.Compact.Count > 0 || m.Compact.NumInProgress > 0 {
		t.Errorf("%d runs are left of %d after %d merges", got, runs, m.Compact.Count)
	}
}

func TestMergesAreHeldBack(t *testing.T) {
	t.Parallel()
	const many = 2 * gatheredRuns
	for _, c := range []struct {
		name string
		hold func(x *Fold)
		// then ends it.
		then func(t *testing.T, x *Fold)
	}{
		{"until they are let go", func(x *Fold) { x.store.holdMerges(1) }, func(_ *testing.T, x *Fold) { x.store.compactions.letGo() }},
		{"until there are too many runs", func(x *Fold) { x.store.holdMerges(1) }, func(t *testing.T, x *Fold) {
			writeRuns(t, x, heldRuns-many)
			x.store.holdMerges(1)
			writeRuns(t, x, 1)
		}},
		{"until many rows are looked for", func(x *Fold) { x.store.holdMerges(1) }, func(t *testing.T, x *Fold) {
			for range 10 {
				if _, _, err := x.store.value([]byte{spareSpace}); err != nil {
					t.Fatal(err)
				}
			}
			x.store.holdMerges(10*factsPerLookup - 1)
			writeRuns(t, x, 1)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			x := openOn(t, vfs.NewMem())
			defer closeFold(t, x)
			x.store.sought.Store(0)
			c.hold(x)
			writeRuns(t, x, many)
			mergesNothing(t, x, many)
			c.then(t, x)
			merged(t, x)
		})
	}
}

func TestFewLookupsLetMergesWait(t *testing.T) {
	t.Parallel()
	x := openOn(t, vfs.NewMem())
	defer closeFold(t, x)
	x.store.sought.Store(10)
	x.store.holdMerges(10 * factsPerLookup)
	if !x.store.compactions.held.Load() {
		t.Error("merges are not held back")
	}
}

// TestAStartDoesNotWaitForMerges opens a store of which much is to be merged, while no merge comes to an end.
func TestAStartDoesNotWaitForMerges(t *testing.T) {
	t.Parallel()
	disk := vfs.NewMem()
	x := openOn(t, disk)
	x.store.sought.Store(0)
	x.store.holdMerges(1)
	writeRuns(t, x, 2*gatheredRuns)
	mergesNothing(t, x, 2*gatheredRuns)
	closeFold(t, x)
	writable := make(chan struct{})
	impatient := time.AfterFunc(time.Minute, func() { close(writable) })
	x = openOn(t, withoutTables{disk, writable})
	defer closeFold(t, x)
	if !impatient.Stop() {
		t.Fatal("it waited for a merge")
	}
	close(writable)
	merged(t, x)
}

// withoutTables is a file system on which no table is written until that is allowed.
type withoutTables struct {
	vfs.FS
	allowed chan struct{}
}

func (f withoutTables) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if strings.HasSuffix(name, ".sst") {
		<-f.allowed
	}
	return f.FS.Create(name, category)
}

// However folding the past ends, merges are not held back any more; and while it lasts they are.
func TestMergesAreLetGoWhenThePastIsFolded(t *testing.T) {
	t.Parallel()
	log := logWith(t, 300)
	hasty := func(x *Fold) { x.rebuilds.hasty, x.gather = 1, 1 }
	free := func(t *testing.T, x *Fold) {
		t.Helper()
		if x.store.compactions.held.Load() {
			t.Error("merges are held back")
		}
	}
	t.Run("caught up, rebuilt", func(t *testing.T) {
		t.Parallel()
		r := runWith(t, log.Log, vfs.NewMem(), func(*Config) {}, hasty)
		defer closeFold(t, r.Fold)
		defer func() { _ = r.end() }()
		log.folded(t, r.Fold)
		for !r.Live() {
			time.Sleep(time.Millisecond)
		}
		free(t, r.Fold)
		if _, err := r.Rebuild(); err != nil {
			t.Fatal(err)
		}
		rebuilt(t, r.Fold, "keys")
		r.shadowing()
		free(t, r.Fold)
	})
	t.Run("interrupted", func(t *testing.T) {
		t.Parallel()
		ctx, stop := context.WithCancel(t.Context())
		x := openOn(t, vfs.NewMem())
		defer closeFold(t, x)
		x.Feed = &stalled{Feed: log.Log, after: 100}
		hasty(x)
		x.store.sought.Store(0)
		done := make(chan error, 1)
		go func() { done <- x.Run(ctx) }()
		for x.progress.facts.Load() < 100 {
			time.Sleep(time.Millisecond)
		}
		if !x.store.compactions.held.Load() {
			t.Error("merges are not held back on the way")
		}
		stop()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		free(t, x)
	})
}

// stalled is a feed that tells of so many events, and of no more.
type stalled struct {
	eventlog.Feed
	after int
}

func (f *stalled) Subscribe(ctx context.Context, after eventlog.Position, receive func(context.Context, eventlog.Batch) error) error {
	told := 0
	return f.Feed.Subscribe(ctx, after, func(ctx context.Context, b eventlog.Batch) error {
		if told >= f.after {
			<-ctx.Done()
			return ctx.Err()
		}
		b.Events, b.Live = b.Events[:min(len(b.Events), f.after-told)], false
		told += len(b.Events)
		return receive(ctx, b)
	})
}
