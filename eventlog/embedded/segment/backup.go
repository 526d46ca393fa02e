package segment

import (
	"context"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Backup writes a copy of the records up to the head as it is now, or later, into a directory that exists and is empty.
// What does not change any more is linked, if the file system can.
func (s *Store) Backup(ctx context.Context, dir string) error {
	s.upkeep.files.Lock() // tables neither come nor go
	defer s.upkeep.files.Unlock()
	c := copying{store: s, dir: dir}
	c.list()
	for _, name := range c.whole {
		if err := ctx.Err(); err != nil {
			return err
		}
		fs := s.options.FS
		if err := vfs.LinkOrCopy(fs, s.files.path(name), fs.PathJoin(dir, name)); err != nil {
			return fmt.Errorf("copy %s: %w", name, err)
		}
	}
	if c.part == "" {
		return nil
	}
	return c.copyPart()
}

// copying is a backup: files that are taken whole, and the one that is taken up to some byte.
type copying struct {
	store *Store
	dir   string
	whole []string
	part  string
	end   int64
}

func (c *copying) list() {
	s := c.store
	s.mu.RLock()
	defer s.mu.RUnlock()
	for i, seg := range s.segments {
		name := segmentName(seg.first)
		if i == len(s.segments)-1 && seg.memory != nil {
			c.part, c.end = name, seg.memory.written()
			continue
		}
		c.whole = append(c.whole, name)
		if seg.memory == nil {
			c.whole = append(c.whole, offsetsName(seg.first))
		}
	}
	for _, p := range s.parts {
		if t, ok := p.(*table); ok {
			c.whole = append(c.whole, t.name)
		}
	}
}

// copyPart copies the segment that grows.
func (c *copying) copyPart() (err error) {
	from, err := c.store.files.openAlone(c.part)
	if err != nil {
		return err
	}
	defer from.close()
	to := newFiles(c.store.options.FS, c.dir)
	return to.replace(c.part, !c.store.options.NoSync, func(out io.Writer) error {
		_, err := io.Copy(struct{ io.Writer }{out}, io.NewSectionReader(from.file, 0, c.end))
		return err
	})
}
