package embedded

import (
	"errors"
	"fmt"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hooklog/hooklog/eventlog"
)

const (
	// leastToOpen is what the store needs free to open: it begins files even if nothing is appended.
	leastToOpen = 4 << 20
	// Free space is asked again after this time or this much written, and always while there is less than plenty.
	spaceInterval = 100 * time.Millisecond
	spaceWritten  = 16 << 20
	plenty        = 1 << 30
)

// enoughToOpen refuses to begin what a full disk would stop half-way.
func enoughToOpen(dir string, opts Options) error {
	if opts.ReadOnly {
		return nil
	}
	if free, known := freeSpace(opts.FS, dir); known && free < leastToOpen {
		return fmt.Errorf("%d bytes are free, at least %d are needed: %w", free, uint64(leastToOpen), syscall.ENOSPC)
	}
	return nil
}

// freeSpace asks for the disk that dir is on, or will be on.
func freeSpace(fsys vfs.FS, dir string) (uint64, bool) {
	for {
		usage, err := fsys.GetDiskUsage(dir)
		if err == nil {
			return usage.AvailBytes, true
		}
		above := fsys.PathDir(dir)
		if above == dir || errors.Is(err, vfs.ErrUnsupported) {
			return 0, false
		}
		dir = above
	}
}

// FreeSpace returns how many bytes of the log's disk are free for this process; [errors.ErrUnsupported] if the file
// system does not tell.
func (l *Log) FreeSpace() (uint64, error) {
	usage, err := l.opts.FS.GetDiskUsage(l.dir)
	if errors.Is(err, vfs.ErrUnsupported) {
		return 0, fmt.Errorf("free space of %s: %w", l.dir, errors.ErrUnsupported)
	}
	if err != nil {
		return 0, fmt.Errorf("free space of %s: %w", l.dir, err)
	}
	return usage.AvailBytes, nil
}

// space refuses appends early enough for the store's own writes to find room.
type space struct {
	fs    vfs.FS
	dir   string
	least uint64

	asked   time.Time
	free    uint64
	known   bool
	written uint64 // since asked
}

func (s *space) used(bytes int) { s.written += uint64(bytes) }

// enough returns [eventlog.ErrNoSpace] unless size more bytes leave the least that must be free.
func (s *space) enough(size int) error {
	if s.stale() {
		s.free, s.known = freeSpace(s.fs, s.dir)
		s.asked, s.written = time.Now(), 0
	}
	if s.known && s.free < s.least+s.written+uint64(size) {
		return fmt.Errorf("%w: %d bytes free, %d are kept", eventlog.ErrNoSpace, s.free, s.least)
	}
	return nil
}

func (s *space) stale() bool {
	return s.known && s.free < plenty || s.written >= spaceWritten || time.Since(s.asked) >= spaceInterval
}
