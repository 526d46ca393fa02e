package segment

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

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
	for _, segments := range []int{100, 200, 300} {
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

// TestFilesThatAreIdleAreClosed opens another file when of many only one was used again.
func TestFilesThatAreIdleAreClosed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fs := &counted{FS: vfs.NewMem()}
		files := newFiles(fs, "")
		use := func(name string) {
			t.Helper()
			h, err := files.open(name)
			if err != nil {
				t.Fatal(err)
			}
			h.close()
		}
		for i := range 20 {
			f, err := fs.Create(fmt.Sprint(i), vfs.WriteCategoryUnspecified)
			if err = errors.Join(err, f.Close()); err != nil {
				t.Fatal(err)
			}
			if i < 19 {
				use(fmt.Sprint(i))
			}
		}
		time.Sleep(idle / 2)
		use("7")
		time.Sleep(idle / 2)
		if use("7"); fs.open.Load() != 19 {
			t.Errorf("%d files are open, want 19", fs.open.Load())
		}
		time.Sleep(time.Second)
		if use("19"); fs.open.Load() != 2 {
			t.Errorf("%d files are open, want those two that were used within the minute", fs.open.Load())
		}
		opened := fs.opened.Load()
		if use("7"); fs.opened.Load() != opened {
			t.Error("a file that was in use had been closed")
		}
		if files.closeAll(); fs.open.Load() != 0 {
			t.Errorf("%d files are open after the end", fs.open.Load())
		}
	})
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
