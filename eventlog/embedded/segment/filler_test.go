package segment

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// eventually waits for what happens in the background.
func eventually(t *testing.T, what string, happened func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !happened(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not so after a minute: %s", what)
		}
	}
}

// aheadOf is how far a store's growing segment is filled ahead of what was written.
func aheadOf(s *Store) int64 { return s.active.filled.Load() - s.active.size }

// segmentsOf are a store's segments, of which the closed ones are replaced in the background.
func segmentsOf(s *Store) []*segment {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return slices.Clone(s.segments)
}

func TestTheGrowingSegmentIsFilledAhead(t *testing.T) {
	t.Parallel()
	const ahead = 4 * fillStep
	const bytes, record = 6 * fillStep, fillStep / 2
	w := newWorld(t, vfs.NewMem(), Options{Bytes: bytes, Ahead: ahead})
	filled := func() bool {
		return min(w.store.active.size+ahead, bytes)-w.store.active.filled.Load() < fillStep
	}
	sizeOf := func(s *segment) int64 {
		info, err := w.fs.Stat(w.store.files.path(segmentName(s.first)))
		w.must(err)
		return info.Size()
	}
	for range 3 { // segments
		for first := segmentsOf(w.store); len(segmentsOf(w.store)) == len(first); {
			w.append([]string{"a"}, record)
			eventually(t, "enough is filled", filled)
		}
		if got, want := sizeOf(w.store.active.segment), w.store.active.filled.Load(); got != want {
			t.Errorf("the file has %d bytes, want %d", got, want)
		}
		if all := segmentsOf(w.store); len(all) > 1 {
			if got := sizeOf(all[len(all)-2]); got < bytes || got > bytes+2*record {
				t.Errorf("a closed file has %d bytes, want no more zeros behind %d", got, bytes)
			}
		}
	}
	w.reopen() // a segment that goes on is filled, too
	eventually(t, "enough is filled", filled)
	w.check()
	w.must(w.store.Close())
}

// A writer that is faster than the filler, on a file system where both take their time, overwrites nothing and is not
// overwritten.
func TestAWriterMayOvertakeTheFiller(t *testing.T) {
	t.Parallel()
	w := &world{t: t, fs: vfs.Default, streams: map[string][]uint64{}, o: Options{Ahead: fillStep, Inspect: inspect, Name: name,
		Fault: func(err error) { t.Errorf("in the background: %v", err) }}}
	dir := t.TempDir()
	open := func() {
		s, err := Open(dir, w.o)
		w.must(err)
		w.store, w.group = s, s.NewGroup()
	}
	open()
	for range 400 {
		w.append([]string{"a", "b", "c"}, fillStep/16)
	}
	w.check()
	w.must(w.store.Close())
	open()
	w.check()
	w.must(w.store.Close())
}

// unfillable is a file system on which zeros alone cannot be written from a second handle on, as on one that is full.
type unfillable struct {
	vfs.FS
	opened atomic.Int32
}

func (f *unfillable) OpenReadWrite(name string, category vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	file, err := f.FS.OpenReadWrite(name, category, o...)
	if err == nil && strings.HasSuffix(name, segmentEnd) && f.opened.Add(1) > 1 {
		return unwritable{file}, nil
	}
	return file, err
}

type unwritable struct{ vfs.File }

func (unwritable) WriteAt([]byte, int64) (int, error) { return 0, errFull }

var errFull = errors.New("no space left")

func TestWhatCannotBeFilledAheadIsTold(t *testing.T) {
	t.Parallel()
	told := make(chan error, 1)
	fs := &unfillable{FS: vfs.NewMem()}
	w := &world{t: t, fs: fs, streams: map[string][]uint64{}, o: Options{FS: fs, Ahead: 4 * fillStep, Inspect: inspect, Name: name,
		Fault: func(err error) { told <- err }}}
	w.must(fs.MkdirAll("log", 0o700))
	w.open()
	for range 20 { // past what is filled at first
		w.append([]string{"s"}, fillStep)
	}
	if err := <-told; !errors.Is(err, errFull) {
		t.Errorf("told %v, want that there is no space", err)
	}
	w.check()
	w.must(w.store.Close())
}

// unopenable is a file system on which nothing is opened to be written while it fails.
type unopenable struct {
	vfs.FS
	fails bool
}

func (f *unopenable) OpenReadWrite(name string, category vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	if f.fails {
		return nil, errFull
	}
	return f.FS.OpenReadWrite(name, category, o...)
}

func TestASegmentThatCouldNotBeOpenedIsFilledLater(t *testing.T) {
	t.Parallel()
	fs := &unopenable{FS: vfs.NewMem()}
	w := newWorld(t, fs, Options{Ahead: -1})
	w.append([]string{"a"}, 10)
	w.store.options.Ahead = 4 * fillStep
	f := newFiller(w.store) // which nobody wakes but this test
	f.turnTo(w.store.active)
	fs.fails = true
	if err := f.fill(); !errors.Is(err, errFull) {
		t.Fatalf("got %v, want that nothing is opened", err)
	}
	fs.fails = false
	w.must(f.fill())
	if got := aheadOf(w.store); got <= 3*fillStep {
		t.Errorf("%d bytes are filled ahead", got)
	}
	w.must(errors.Join(f.close(), w.store.Close()))
}
