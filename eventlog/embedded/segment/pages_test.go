package segment

import (
	"fmt"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

// TestRecordsOfEveryPageAreFound has segments that end before, at and after the end of a page of offsets.
func TestRecordsOfEveryPageAreFound(t *testing.T) {
	t.Parallel()
	w := newWorld(t, vfs.NewMem(), Options{Bytes: 1})
	for _, records := range []int{1, pageRecords - 1, pageRecords, pageRecords + 1, 2 * pageRecords, 2*pageRecords + 1} {
		w.append(slices.Repeat([]string{"a", "b", "c"}, records)[:records], 10)
	}
	w.append([]string{"a"}, 10)
	w.settle()
	w.check()
	w.check() // from what is kept
	w.must(w.store.Close())
}

// countingReads is a file system that counts the reads of files whose names have one of the ends.
func countingReads(ends ...string) (vfs.FS, *atomic.Int64) {
	reads := new(atomic.Int64)
	count := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileReadAt && slices.Contains(ends, filepath.Ext(op.Path)) {
			reads.Add(1)
		}
		return nil
	})
	return errorfs.Wrap(vfs.NewMem(), count), reads
}

// TestTheIndexIsReadOnce counts what is read of the index of closed segments.
func TestTheIndexIsReadOnce(t *testing.T) {
	t.Parallel()
	fs, reads := countingReads(tableEnd, offsetsEnd)
	w := newWorld(t, fs, Options{Bytes: 400})
	for i := range 40 {
		w.append([]string{"again", fmt.Sprint("once", i)}, 30)
	}
	w.settle()
	look := func() int64 {
		before := reads.Load()
		w.checkStream("again", w.streams["again"])
		return reads.Load() - before
	}
	if look() == 0 {
		t.Error("the index was not read at all")
	}
	w.check()
	if n := look(); n != 0 {
		t.Errorf("the index was read %d times again", n)
	}
	w.must(w.store.Close())
}

func TestPagesLeaveWhenThereAreTooMany(t *testing.T) {
	t.Parallel()
	p, reads := newPages(), 0
	ask := func(number int) byte {
		b, err := p.get(pagePlace{span{1, 2}, number}, func(b *[pageSize]byte) error {
			reads++
			b[0] = byte(number)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return b[0]
	}
	for number := range 2 * maxPages {
		if got := ask(number); got != byte(number) {
			t.Fatalf("page %d begins with %d", number, got)
		}
		ask(0) // used all the time, so it stays
	}
	if len(p.byPlace) != maxPages || p.used.Len() != maxPages {
		t.Errorf("%d and %d pages are kept, want %d", len(p.byPlace), p.used.Len(), maxPages)
	}
	if reads != 2*maxPages {
		t.Errorf("%d pages were read, want %d", reads, 2*maxPages)
	}
	if ask(1); reads != 2*maxPages+1 {
		t.Error("a page that was not used for long was kept")
	}
}

// TestAStreamIsReadWithoutOffsets counts what is read of the files that tell where the records of closed segments are.
func TestAStreamIsReadWithoutOffsets(t *testing.T) {
	t.Parallel()
	fs, reads := countingReads(offsetsEnd)
	w := newWorld(t, fs, Options{Bytes: 400})
	for i := range 40 {
		w.append([]string{"again", fmt.Sprint("once", i)}, 30)
	}
	w.settle()
	w.reopen()
	reads.Store(0)
	for stream, positions := range w.streams {
		w.checkStream(stream, positions)
	}
	if n := reads.Load(); n != 0 {
		t.Errorf("offsets were read %d times", n)
	}
	if _, err := w.store.Record(1); err != nil || reads.Load() == 0 {
		t.Errorf("by its position: %d reads of offsets, %v", reads.Load(), err)
	}
	w.must(w.store.Close())
}
