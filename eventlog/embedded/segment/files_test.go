package segment

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// counted counts the files that are open for reading.
type counted struct {
	vfs.FS
	open, opened atomic.Int64
}

func (c *counted) Open(name string, o ...vfs.OpenOption) (vfs.File, error) {
	f, err := c.FS.Open(name, o...)
	if err != nil {
		return nil, err
	}
	c.open.Add(1)
	c.opened.Add(1)
	return &countedFile{File: f, of: c}, nil
}

type countedFile struct {
	vfs.File
	of *counted
}

func (f *countedFile) Close() error {
	f.of.open.Add(-1)
	return f.File.Close()
}

// TestALongLogKeepsAsManyFilesOpenAsAShortOne reads logs through, by position and by stream, that have ever more files.
func TestALongLogKeepsAsManyFilesOpenAsAShortOne(t *testing.T) {
	t.Parallel()
	fs := &counted{FS: vfs.NewMem()}
	w := newWorld(t, fs, Options{Bytes: 400})
	for _, segments := range []int{20, 100, 300} {
		for len(w.store.segments) < segments {
			w.append([]string{"again", fmt.Sprint("once", len(w.records))}, 30)
		}
		w.settle()
		w.check()
		if n := fs.open.Load(); n != maxOpen {
			t.Errorf("after %d segments %d files are open, want %d", segments, n, maxOpen)
		}
	}
	w.reopen()
	w.check()
	if n := fs.open.Load(); n != maxOpen {
		t.Errorf("%d files are open after a start, want %d", n, maxOpen)
	}
	w.must(w.store.Close())
	if n := fs.open.Load(); n != 0 {
		t.Errorf("%d files are open after the end", n)
	}
}

// TestWhatIsReadAgainIsNotOpenedAgain counts how often a file is opened that is read beside the whole log.
func TestWhatIsReadAgainIsNotOpenedAgain(t *testing.T) {
	t.Parallel()
	fs := &counted{FS: vfs.NewMem()}
	w := newWorld(t, fs, Options{Bytes: 400})
	for len(w.store.segments) < 4*maxOpen {
		w.append([]string{fmt.Sprint("once", len(w.records))}, 30)
	}
	w.settle()
	var again int64
	for position := range w.store.Head() {
		_, err := w.store.Record(position + 1)
		w.must(err)
		before := fs.opened.Load()
		_, err = w.store.Record(1)
		w.must(err)
		if again += fs.opened.Load() - before; position == 0 {
			again = 0
		}
	}
	if again != 0 {
		t.Errorf("the first segment was opened again %d times", again)
	}
	if n := fs.opened.Load(); n < 2*int64(len(w.store.segments))-1 {
		t.Errorf("only %d files were opened", n)
	}
	w.must(w.store.Close())
}
