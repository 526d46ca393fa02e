package segment

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// fillStep is how many zeros are written and synced together: few enough that a sync of the writer's, which writes them, too,
// and may wait for the file system to note the longer file, takes about a millisecond more. Where more is missing it is a
// quarter of that, so that the writer does not overtake the filler.
const fillStep = 256 << 10

// filler fills the segment that grows with zeros ahead of the writer. Doing that itself, 4 MiB at a time, the writer held up all
// appends for 10 to 200 ms each time. The filler has a handle of its own to the file, so that each of the two is told of every
// error of the disk; an error of the filler's costs nothing but time, since the writer then fills the file itself.
type filler struct {
	background
	files *files
	sync  bool
	ahead int64
	bytes int64                  // what a segment has when it is closed: behind that nothing is filled
	least int64                  // what is worth a step
	next  atomic.Pointer[active] // what is to be filled

	of   *active // whose file is open; nil if none is
	file vfs.File
}

func newFiller(s *Store) *filler {
	return &filler{background: newBackground(), files: s.files, sync: !s.options.NoSync, ahead: s.options.Ahead, bytes: s.options.Bytes,
		least: max(1, min(fillStep, s.options.Ahead/2))}
}

// turnTo lets another segment be filled. The writer calls it.
func (f *filler) turnTo(a *active) {
	f.next.Store(a)
	f.want(a)
}

// want asks for what is missing ahead of the writer, who calls it, if that is worth a step.
func (f *filler) want(a *active) {
	if end := min(a.size+f.ahead, f.bytes); end-a.filled.Load() >= f.least {
		a.wanted.Store(end)
		f.wake()
	}
}

// fill writes zeros until there are enough.
func (f *filler) fill() error {
	for more := true; more && !f.ended(); {
		a := f.next.Load()
		if a == nil {
			return nil // the first one is being begun
		}
		err := f.open(a)
		if err == nil {
			more, err = f.step(a)
		}
		if err != nil {
			return fmt.Errorf("fill %s: %w", segmentName(a.segment.first), err)
		}
	}
	return nil
}

// open opens a segment's file, unless it is open.
func (f *filler) open(a *active) error {
	if f.of == a {
		return nil
	}
	err := f.close()
	file, openErr := f.files.fs.OpenReadWrite(f.files.path(segmentName(a.segment.first)), vfs.WriteCategoryUnspecified)
	if openErr == nil {
		f.of, f.file = a, file
	}
	return errors.Join(err, openErr)
}

func (f *filler) close() error {
	if f.of == nil {
		return nil
	}
	f.of = nil
	return f.file.Close()
}

// step fills a piece, and reports whether there is another one to fill.
func (f *filler) step(a *active) (more bool, err error) {
	a.filling.Lock()
	defer a.filling.Unlock()
	from := a.filled.Load()
	missing := a.wanted.Load() - from
	if missing < f.least {
		return false, nil
	}
	n := max(f.least, missing/4)
	if err := writeZeros(f.file, from, n); err != nil {
		return false, err
	}
	if f.sync {
		if err := f.file.Sync(); err != nil {
			return false, err
		}
	}
	a.filled.Store(from + n)
	return true, nil
}

var zeros [64 << 10]byte

func writeZeros(file vfs.File, from, n int64) error {
	for end := from + n; from < end; {
		written, err := file.WriteAt(zeros[:min(end-from, int64(len(zeros)))], from)
		if err != nil {
			return err
		}
		from += int64(written)
	}
	return nil
}
