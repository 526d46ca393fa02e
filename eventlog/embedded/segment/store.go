package segment

import (
	"errors"
	"fmt"
	"math"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Store is the records of a log. Append, and nothing else, must be called by one goroutine at a time.
type Store struct {
	options Options
	files   *files
	active  *active // the writer's; nil before the first append
	head    atomic.Uint64

	// mu is held for reading while records are looked up and read, which is short, and for writing while segments and
	// parts are exchanged. Both are in order of position and cover all records.
	mu       sync.RWMutex
	segments []*segment
	parts    []part

	upkeep upkeep
	filler *filler // nil if nothing is filled ahead
}

// active is the segment that grows.
type active struct {
	segment *segment
	file    vfs.File
	size    int64 // the writer's
	// filled is up to where the file is filled, with records and then zeros, for good; wanted is up to where it shall be.
	filled, wanted atomic.Int64
	// filling is held by whoever writes behind that.
	filling sync.Mutex
}

// Open opens the records in a directory, which must exist. Nobody else may have it open.
func Open(dir string, o Options) (*Store, error) {
	s := &Store{options: o.withDefaults(), upkeep: upkeep{background: newBackground()}}
	s.files = newFiles(s.options.FS, dir)
	if err := s.recover(); err != nil {
		return nil, errors.Join(err, s.release())
	}
	if s.options.ReadOnly {
		return s, nil
	}
	s.upkeep.start(s.tidy, s.options.Fault)
	s.upkeep.wake()
	if s.options.Ahead > 0 {
		s.filler = newFiller(s)
		s.filler.start(s.filler.fill, s.options.Fault)
		if s.active != nil {
			s.filler.turnTo(s.active)
		}
	}
	return s, nil
}

// Head is the position of the last record, 0 if there is none.
func (s *Store) Head() uint64 { return s.head.Load() }

// Close ends the work in the background and releases the files. What is not indexed is read again by the next Open.
func (s *Store) Close() error {
	s.upkeep.end()
	var err error
	if s.filler != nil {
		s.filler.end()
		err = s.filler.close()
	}
	return errors.Join(err, s.release())
}

func (s *Store) release() error {
	defer s.files.closeAll()
	for _, p := range s.parts {
		if t, ok := p.(*table); ok {
			t.close()
		}
	}
	s.parts = nil
	if s.active == nil {
		return nil
	}
	defer func() { s.active = nil }()
	return s.active.file.Close()
}

// Append writes a group, whose first position must be the next, and returns once it is durable. After an error nobody
// knows what the disk holds: the store must be opened anew.
func (s *Store) Append(g *Group) error {
	if g.first != s.Head()+1 || len(g.records) == 0 {
		return fmt.Errorf("a group of %d records at %d does not follow %d", len(g.records), g.first, s.Head())
	}
	if s.active == nil || s.active.size >= s.options.Bytes || s.active.size+int64(len(g.bytes)) > math.MaxUint32 {
		if err := s.roll(g.first); err != nil {
			return err
		}
	}
	a := s.active
	g.close(a.size, s.flags())
	base := a.size
	if err := s.write(a, g.bytes); err != nil {
		return fmt.Errorf("append to %s: %w", segmentName(a.segment.first), err)
	}
	a.segment.memory.add(g.records, base, a.size)
	s.head.Add(uint64(len(g.records)))
	return nil
}

func (s *Store) flags() uint32 {
	if s.options.NoSync {
		return 0
	}
	return afterSync
}

// write writes to the end of the segment and syncs.
func (s *Store) write(a *active, b []byte) error {
	if a.size+int64(len(b)) > a.filled.Load() {
		return s.lengthen(a, b)
	}
	if _, err := a.file.WriteAt(b, a.size); err != nil {
		return err
	}
	a.size += int64(len(b))
	if s.filler != nil {
		s.filler.want(a)
	}
	if s.options.NoSync {
		return nil
	}
	return a.file.SyncData()
}

// lengthen writes to the end of the segment where the file becomes longer, so that its length must be synced as well. With
// that some of what comes next is filled.
func (s *Store) lengthen(a *active, b []byte) error {
	a.filling.Lock()
	defer a.filling.Unlock()
	if _, err := a.file.WriteAt(b, a.size); err != nil {
		return err
	}
	a.size += int64(len(b))
	from := max(a.size, a.filled.Load())
	end := max(from, min(a.size+min(max(0, s.options.Ahead), 8*fillStep), s.options.Bytes))
	if err := writeZeros(a.file, from, end-from); err != nil {
		return err
	}
	if !s.options.NoSync {
		if err := a.file.Sync(); err != nil {
			return err
		}
	}
	a.filled.Store(end)
	if s.filler != nil {
		s.filler.want(a)
	}
	return nil
}

// roll lets a new segment take the appends from a position on.
func (s *Store) roll(first uint64) error {
	name := segmentName(first)
	file, err := s.files.fs.OpenReadWrite(s.files.path(name), vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("create %s: %w", name, err)
	}
	m := newMemory(first)
	next := &active{segment: &segment{files: s.files, first: first, memory: m}, file: file}
	err = s.write(next, segmentHead(first))
	if err == nil && !s.options.NoSync {
		err = s.files.syncDir()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("begin %s: %w", name, err), file.Close())
	}
	if old := s.active; old != nil {
		if err := old.file.Close(); err != nil {
			return errors.Join(fmt.Errorf("end %s: %w", segmentName(old.segment.first), err), file.Close())
		}
	}
	s.active = next
	if s.filler != nil {
		s.filler.turnTo(next)
	}
	s.mu.Lock()
	s.segments, s.parts = append(s.segments, next.segment), append(s.parts, m)
	s.mu.Unlock()
	s.upkeep.wake()
	return nil
}

// segmentOf finds the segment that holds a position up to the head; mu is held.
func (s *Store) segmentOf(position uint64) (*segment, error) {
	i := sort.Search(len(s.segments), func(i int) bool { return s.segments[i].first > position }) - 1
	if i < 0 {
		return nil, fmt.Errorf("position %d: %w: no segment has it", position, ErrDamaged)
	}
	return s.segments[i], nil
}

// Record reads the record at a position, which must not be past the head. It is the caller's and unchecked.
func (s *Store) Record(position uint64) ([]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.record(position)
}

func (s *Store) record(position uint64) ([]byte, error) {
	seg, err := s.segmentOf(position)
	if err != nil {
		return nil, err
	}
	return seg.record(position)
}
