package segment

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// small is the size up to which an unfinished segment is written anew when the store is opened, so that the many short
// lives of a process do not leave as many files.
const small = 16 << 20

// recover finds out what the directory holds and puts it in order.
func (s *Store) recover() error {
	names, err := s.files.fs.List(s.files.dir)
	if err != nil {
		return fmt.Errorf("list the segments: %w", err)
	}
	found, err := sortNames(names)
	if err != nil {
		return err
	}
	if err := s.removeAll(found.unfinished); err != nil {
		return err
	}
	for i, first := range found.segments {
		if err := s.recoverSegment(first, found.offsets[first], i == len(found.segments)-1); err != nil {
			return fmt.Errorf("%s: %w", segmentName(first), err)
		}
	}
	tables, err := s.withoutOutdated(found.tables)
	if err != nil {
		return err
	}
	if err := s.recoverParts(tables); err != nil {
		return err
	}
	return s.goOn()
}

func (s *Store) removeAll(names []string) error {
	if s.options.ReadOnly {
		return nil
	}
	for _, name := range names {
		if err := s.files.remove(name); err != nil {
			return err
		}
	}
	return nil
}

// recoverSegment takes in the next segment.
func (s *Store) recoverSegment(first uint64, closed, last bool) error {
	if first != s.Head()+1 {
		return fmt.Errorf("%w: the records from %d on are missing", ErrDamaged, s.Head()+1)
	}
	var seg *segment
	var err error
	if closed {
		seg, err = openClosed(s.files, first)
	} else {
		seg, err = s.readThrough(first, last)
	}
	if err != nil || seg == nil {
		return err
	}
	s.segments = append(s.segments, seg)
	s.head.Store(seg.span().last)
	return nil
}

// withoutOutdated leaves out the tables of an earlier version, and removes them: what they found is indexed anew.
func (s *Store) withoutOutdated(tables []span) (left []span, err error) {
	var outdated []string
	for _, run := range tables {
		old, err := s.files.outdatedTable(tableName(run))
		if err != nil {
			return nil, err
		}
		if old {
			outdated = append(outdated, tableName(run))
		} else {
			left = append(left, run)
		}
	}
	if len(outdated) > 0 {
		s.options.Outdated()
	}
	return left, s.removeAll(outdated)
}

// recoverParts chooses the widest tables. A closed segment without one is read through and indexed.
func (s *Store) recoverParts(tables []span) error {
	var useless []string
	for i := 0; i < len(s.segments); {
		seg := s.segments[i]
		for len(tables) > 0 && tables[0].first < seg.first {
			useless, tables = append(useless, tableName(tables[0])), tables[1:]
		}
		p, next, err := s.partFor(i, tables)
		if err != nil {
			return err
		}
		s.parts, i = append(s.parts, p), next
		if len(tables) > 0 && p.span() == tables[0] {
			tables = tables[1:]
		}
	}
	for _, t := range tables {
		useless = append(useless, tableName(t))
	}
	return s.removeAll(useless)
}

// partFor finds the part that begins with a segment, and which segment comes after it.
func (s *Store) partFor(i int, tables []span) (part, int, error) {
	seg := s.segments[i]
	if seg.memory != nil {
		return seg.memory, i + 1, nil
	}
	if len(tables) > 0 && tables[0].first == seg.first {
		for next := i; next < len(s.segments) && s.segments[next].memory == nil; next++ {
			if s.segments[next].span().last == tables[0].last {
				t, err := openTable(s.files, tables[0])
				return t, next + 1, err
			}
		}
	}
	p, err := s.indexAnew(i)
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w", segmentName(seg.first), err)
	}
	return p, i + 1, nil
}

// indexAnew reads a closed segment through, and writes its index.
func (s *Store) indexAnew(i int) (part, error) {
	again, err := s.readThrough(s.segments[i].first, false)
	if err != nil {
		return nil, err
	}
	if s.options.ReadOnly {
		s.segments[i] = again
		return again.memory, nil
	}
	closed, t, err := s.writeIndex(again.memory)
	if err != nil {
		return nil, err
	}
	s.segments[i] = closed
	return t, nil
}

// readThrough reads a segment from its beginning and indexes it in memory. Of the last one it cuts off what a crash has
// torn; it returns nil if nothing is left.
func (s *Store) readThrough(first uint64, last bool) (*segment, error) {
	file, err := s.files.openAlone(segmentName(first))
	if err != nil {
		return nil, err
	}
	defer file.close()
	size, err := file.size()
	if err != nil {
		return nil, err
	}
	r := reading{store: s, file: file, size: size, memory: newMemory(first)}
	torn, err := r.all()
	if err != nil {
		return nil, err
	}
	if torn && !last {
		return nil, fmt.Errorf("%w at %d, though other segments follow", ErrDamaged, r.at)
	}
	if torn {
		if err := r.prove(); err != nil {
			return nil, err
		}
	}
	if len(r.memory.records) == 0 {
		return nil, s.removeAll([]string{segmentName(first)})
	}
	return &segment{files: s.files, first: first, memory: r.memory}, nil
}

// reading is a segment being read through.
type reading struct {
	store  *Store
	file   *handle
	size   int64
	at     int64 // up to where everything is good
	memory *memory
	buffer []byte
	group  []listed
}

// all reads groups until the end, or until one is not whole: then torn is true.
func (r *reading) all() (torn bool, err error) {
	head, err := r.read(0, segmentHeader)
	if err != nil || head == nil {
		return head == nil, err
	}
	if err := checkSegmentHead(head, r.memory.first); errors.Is(err, ErrDamaged) {
		return true, nil
	} else if err != nil {
		return false, err
	}
	for r.at = segmentHeader; r.at < r.size; {
		whole, err := r.one()
		if err != nil {
			return false, err
		}
		if !whole {
			empty, err := r.onlyZeros()
			return !empty, err
		}
	}
	return false, nil
}

// onlyZeros reports whether nothing was ever written behind what is good.
func (r *reading) onlyZeros() (bool, error) {
	for from := r.at; from < r.size; from += int64(len(zeros)) {
		b, err := r.read(from, int(min(int64(len(zeros)), r.size-from)))
		if err != nil || !bytes.Equal(b, zeros[:len(b)]) {
			return false, err
		}
	}
	return true, nil
}

// read returns bytes of the file, which are good until the next call; nil if the file ends before.
func (r *reading) read(from int64, size int) ([]byte, error) {
	if from+int64(size) > r.size {
		return nil, nil
	}
	if cap(r.buffer) < size {
		r.buffer = make([]byte, size)
	}
	b := r.buffer[:size]
	return b, r.file.readAt(b, from)
}

// one takes in the group that begins at r.at; false if it is not whole.
func (r *reading) one() (whole bool, err error) {
	head, err := r.read(r.at, groupHeader)
	if err != nil || head == nil {
		return false, err
	}
	h, ok := parseHeader(head)
	position := r.memory.first + uint64(len(r.memory.records))
	if !ok || h.offset != r.at || h.first != position || h.records == 0 {
		return false, nil
	}
	body, err := r.read(r.at+groupHeader, int(h.bytes))
	if err != nil || body == nil {
		return false, err
	}
	r.group = r.group[:0]
	for rest := body; len(rest) > 0; position++ {
		offset := uint32(groupHeader + len(body) - len(rest))
		var record []byte
		if record, rest, ok = cutRecord(rest); !ok {
			return false, nil
		}
		place, err := r.store.options.Inspect(record, position)
		if err != nil {
			return false, nil // torn, or worse: prove tells
		}
		r.group = append(r.group, listed{r.store.options.key(string(place.Stream)), offset, uint32(place.Revision)})
	}
	if len(r.group) != int(h.records) {
		return false, nil
	}
	end := r.at + groupHeader + int64(h.bytes)
	r.memory.add(r.group, r.at, end)
	r.at = end
	return true, nil
}

// prove looks behind what is torn for a group that was written after a later one had been synced. If there is one the
// torn one was synced before, so it was not a crash that tore it.
func (r *reading) prove() error {
	const step = 1 << 20
	for from := r.at + 1; from < r.size; from += step {
		size := int(min(step+groupHeader, r.size-from))
		b, err := r.read(from, size)
		if err != nil {
			return err
		}
		for i := range b {
			if h, ok := parseHeader(b[i:]); ok && h.offset == from+int64(i) && h.flags&afterSync != 0 {
				return fmt.Errorf("%w at %d: what was written after it, at %d, is whole, so the disk did not keep what it had synced",
					ErrDamaged, r.at, h.offset)
			}
		}
	}
	return nil
}

// goOn makes a small unfinished segment, without what was torn, the one that grows. A large one is closed, which says
// where it ends; the next append begins another.
func (s *Store) goOn() error {
	last := len(s.segments) - 1
	if last < 0 || s.options.ReadOnly {
		return nil
	}
	seg := s.segments[last]
	if seg.memory == nil {
		return nil
	}
	if seg.memory.end > small {
		return s.index(seg)
	}
	file, err := s.copyAnew(seg)
	if err != nil {
		return fmt.Errorf("go on with %s: %w", segmentName(seg.first), err)
	}
	s.active = &active{segment: seg, file: file, size: seg.memory.end}
	s.active.filled.Store(seg.memory.end)
	return nil
}

// copyAnew writes the good part of a segment anew and returns the file, to be written on.
func (s *Store) copyAnew(seg *segment) (vfs.File, error) {
	name := segmentName(seg.first)
	old, err := s.files.openAlone(name)
	if err != nil {
		return nil, err
	}
	defer old.close()
	unfinished := s.files.path(name + unfinishedEnd)
	file, err := s.files.fs.OpenReadWrite(unfinished, vfs.WriteCategoryUnspecified)
	if err != nil {
		return nil, err
	}
	_, err = io.Copy(io.NewOffsetWriter(file, 0), io.NewSectionReader(old.file, 0, seg.memory.end))
	if err == nil && !s.options.NoSync {
		err = file.Sync()
	}
	if err == nil {
		err = s.files.fs.Rename(unfinished, s.files.path(name))
	}
	if err == nil && !s.options.NoSync {
		err = s.files.syncDir()
	}
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}
