package segment

import (
	"container/list"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// What is kept open for reading. The records that are asked for are mostly young, and whoever reads the log through needs two
// files at a time, so mostly a few are open however long the log is. More are while somebody asks for records from anywhere
// in the log, because to open a file takes 17 µs; whoever opens one puts out those that are idle.
const (
	maxOpen = 128
	idle    = time.Minute
)

// files opens the files of a directory for reading and keeps those lately used open, and pages of them in memory.
type files struct {
	fs  vfs.FS
	dir string

	mu     sync.Mutex
	byName map[string]*list.Element // of *handle
	used   list.List                // the lately used first

	pages *pages
}

// handle is an open file. It is closed when nobody uses it and it has been put out.
type handle struct {
	files *files
	name  string
	file  vfs.File
	// All of the rest is under files.mu.
	users int
	used  time.Time
	out   bool // no longer in byName
}

func newFiles(fs vfs.FS, dir string) *files {
	return &files{fs: fs, dir: dir, byName: map[string]*list.Element{}, pages: newPages()}
}

func (f *files) path(name string) string { return f.fs.PathJoin(f.dir, name) }

// open returns a file to read, which the caller closes.
func (f *files) open(name string) (*handle, error) {
	if kept := f.kept(name); kept != nil {
		return kept, nil
	}
	fresh, err := f.openAlone(name)
	if err != nil {
		return nil, err
	}
	return f.keep(fresh), nil
}

// openAlone opens a file for one user, who closes it.
func (f *files) openAlone(name string) (*handle, error) {
	file, err := f.fs.Open(f.path(name))
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", name, err)
	}
	return &handle{files: f, name: name, file: file, users: 1, out: true}, nil
}

func (f *files) kept(name string) *handle {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.use(name)
}

// use returns a file that is kept open, or nil; f.mu is held.
func (f *files) use(name string) *handle {
	e, ok := f.byName[name]
	if !ok {
		return nil
	}
	f.used.MoveToFront(e)
	h := e.Value.(*handle)
	h.users++
	h.used = time.Now()
	return h
}

// keep takes in a file, which somebody may have taken in meanwhile, and lets those go that were not used for longest.
func (f *files) keep(fresh *handle) *handle {
	f.mu.Lock()
	defer f.mu.Unlock()
	if kept := f.use(fresh.name); kept != nil {
		_ = fresh.file.Close()
		return kept
	}
	fresh.out, fresh.used = false, time.Now()
	f.byName[fresh.name] = f.used.PushFront(fresh)
	for f.used.Len() > maxOpen || fresh.used.Sub(f.longest().used) > idle {
		f.putOut(f.used.Back())
	}
	return fresh
}

// longest returns the file that was not used for longest; there is one, and f.mu is held.
func (f *files) longest() *handle { return f.used.Back().Value.(*handle) }

// putOut takes a file out of those kept open; f.mu is held.
func (f *files) putOut(e *list.Element) {
	h := f.used.Remove(e).(*handle)
	delete(f.byName, h.name)
	h.out = true
	if h.users == 0 {
		_ = h.file.Close()
	}
}

// closeAll closes what is kept open.
func (f *files) closeAll() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.used.Len() > 0 {
		f.putOut(f.used.Front())
	}
}

// again returns a file that is in use to another user, who closes it.
func (h *handle) again() *handle {
	h.files.mu.Lock()
	defer h.files.mu.Unlock()
	h.users++
	return h
}

// close gives the file back. An error of closing a file that was only read says nothing of what was read.
func (h *handle) close() {
	h.files.mu.Lock()
	defer h.files.mu.Unlock()
	if h.users--; h.users == 0 && h.out {
		_ = h.file.Close()
	}
}

// readAt fills b.
func (h *handle) readAt(b []byte, offset int64) error {
	n, err := h.file.ReadAt(b, offset)
	if n == len(b) {
		return nil
	}
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%s ends at %d: %w", h.name, offset+int64(n), ErrDamaged)
	}
	return fmt.Errorf("read %s: %w", h.name, err)
}

// size is the file's length.
func (h *handle) size() (int64, error) {
	info, err := h.file.Stat()
	if err != nil {
		return 0, fmt.Errorf("look at %s: %w", h.name, err)
	}
	return info.Size(), nil
}

// replace writes a file under another name, syncs it, and renames it.
func (f *files) replace(name string, sync bool, write func(io.Writer) error) error {
	unfinished := name + unfinishedEnd
	file, err := f.fs.Create(f.path(unfinished), vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("create %s: %w", name, err)
	}
	err = write(file)
	if err == nil && sync {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = f.fs.Rename(f.path(unfinished), f.path(name))
	}
	if err == nil && sync {
		err = f.syncDir()
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}

// remove removes a file that nobody reads.
func (f *files) remove(name string) error {
	f.forget(name)
	if err := f.fs.Remove(f.path(name)); err != nil {
		return fmt.Errorf("remove %s: %w", name, err)
	}
	return nil
}

// forget closes a file if it is kept open.
func (f *files) forget(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if e, ok := f.byName[name]; ok {
		f.putOut(e)
	}
}

// syncDir makes durable which files there are.
func (f *files) syncDir() error {
	dir, err := f.fs.OpenDir(f.dir)
	if err != nil {
		return fmt.Errorf("open the directory: %w", err)
	}
	if err := errors.Join(dir.Sync(), dir.Close()); err != nil {
		return fmt.Errorf("sync the directory: %w", err)
	}
	return nil
}
