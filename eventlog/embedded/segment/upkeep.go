package segment

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"sync"
)

// upkeep indexes closed segments and merges indexes.
type upkeep struct {
	background
	files sync.Mutex // held while files come and go
}

// tidy does all there is to do, until the store is closed.
func (s *Store) tidy() error {
	for !s.upkeep.ended() {
		if seg := s.closable(); seg != nil {
			if err := s.index(seg); err != nil {
				return fmt.Errorf("index %s: %w", segmentName(seg.first), err)
			}
			continue
		}
		tables := s.mergeable()
		if tables == nil {
			return nil
		}
		if err := s.merge(tables); err != nil {
			return fmt.Errorf("merge the indexes of %d segments: %w", len(tables), err)
		}
	}
	return nil
}

// closable is the first segment that will not grow and is not indexed.
func (s *Store) closable() *segment {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for i, seg := range s.segments {
		if seg.memory != nil && i < len(s.segments)-1 {
			return seg
		}
	}
	return nil
}

func (s *Store) mergeable() []*table {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return mergeable(s.parts)
}

// index writes the files of a closed segment and lets its memory go.
func (s *Store) index(seg *segment) error {
	closed, t, err := s.writeIndex(seg.memory)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.segments[slices.Index(s.segments, seg)] = closed
	s.parts[slices.Index(s.parts, part(seg.memory))] = t
	return nil
}

// writeIndex writes the files of a closed segment, the index of streams first.
func (s *Store) writeIndex(m *memory) (*segment, *table, error) {
	t, err := s.writeTable(m.span(), m.untimed(), func(yield func(entry, error) bool) {
		for _, e := range m.sorted() {
			if !yield(e, nil) {
				return
			}
		}
	})
	if err != nil {
		return nil, nil, err
	}
	err = s.replace(offsetsName(m.first), func(out io.Writer) error { return writeOffsets(out, m) })
	if err != nil {
		t.close()
		return nil, nil, err
	}
	return &segment{files: s.files, first: m.first, records: m.span().records(), end: m.end}, t, nil
}

// merge replaces neighbouring tables by one.
func (s *Store) merge(tables []*table) error {
	untimed := uint64(0)
	for _, t := range tables {
		untimed += t.untimed
	}
	t, err := s.writeTable(spanOf(tables), untimed, merged(tables))
	if err != nil {
		return err
	}
	s.upkeep.files.Lock()
	defer s.upkeep.files.Unlock()
	s.mu.Lock()
	at := slices.Index(s.parts, part(tables[0]))
	s.parts = slices.Replace(s.parts, at, at+len(tables), part(t))
	s.mu.Unlock()
	var errs []error
	for _, old := range tables { // nobody reads them any more
		old.close()
		errs = append(errs, s.files.remove(old.name))
	}
	return errors.Join(errs...)
}

func (s *Store) writeTable(run span, untimed uint64, entries iter.Seq2[entry, error]) (*table, error) {
	err := s.replace(tableName(run), func(out io.Writer) error {
		return writeTable(out, run, untimed, s.options.filter, entries)
	})
	if err != nil {
		return nil, err
	}
	return openTable(s.files, run)
}

func (s *Store) replace(name string, write func(io.Writer) error) error {
	s.upkeep.files.Lock()
	defer s.upkeep.files.Unlock()
	return s.files.replace(name, !s.options.NoSync, write)
}
