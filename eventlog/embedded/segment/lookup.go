package segment

import (
	"fmt"
	"math"
	"slices"
)

// Last finds the last revision of a stream; false if it has no record.
func (s *Store) Last(stream string) (revision uint64, found bool, err error) {
	err = s.Each(stream, math.MaxUint64, true, s.Head(), func(at Found) bool {
		revision, found = at.Revision, true
		return false
	})
	return revision, found, err
}

// Find finds the position of a stream's record; false if there is none.
func (s *Store) Find(stream string, revision uint64) (position uint64, found bool, err error) {
	err = s.Each(stream, revision, false, s.Head(), func(at Found) bool {
		position, found = at.Position, at.Revision == revision
		return false
	})
	return position, found, err
}

// Found is a record of a stream.
type Found struct {
	Position, Revision uint64
	// Record is whole but unchecked, and the caller's.
	Record []byte
}

// Each yields the records of a stream in order of revision, from one on; if back, down from one to the first. Records
// past upTo are passed over. It stops when yield returns false, which must not use the store and not take long.
func (s *Store) Each(stream string, from uint64, back bool, upTo uint64, yield func(Found) bool) error {
	key := s.options.key(stream)
	if back {
		from = min(from, math.MaxUint32) // no record has a greater revision
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	for i := range s.parts {
		p := s.parts[i]
		if back {
			p = s.parts[len(s.parts)-1-i]
		}
		more, err := s.eachIn(p, key, stream, from, back, upTo, yield)
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// pagePlaces is how many places are looked up at once.
const pagePlaces = 1024

func (s *Store) eachIn(p part, key uint64, stream string, from uint64, back bool, upTo uint64, yield func(Found) bool) (more bool, err error) {
	for most := pagePlaces; ; {
		found, err := p.places(key, from, back, most)
		if err != nil {
			return false, err
		}
		whole := len(found) < most
		if !whole {
			// Streams that share the key may have records of the last revision that did not fit.
			last := found[len(found)-1].revision
			if found = slices.DeleteFunc(found, func(a place) bool { return a.revision == last }); len(found) == 0 {
				most *= 4
				continue
			}
			from = last
		}
		for _, at := range found {
			if at.position > upTo {
				continue
			}
			if more, err := s.offer(at, stream, yield); err != nil || !more {
				return false, err
			}
		}
		if whole {
			return true, nil
		}
	}
}

// offer yields the record at a place if it is the stream's.
func (s *Store) offer(at place, stream string, yield func(Found) bool) (more bool, err error) {
	seg, err := s.segmentOf(at.position)
	if err != nil {
		return false, err
	}
	record, err := seg.recordIn(int64(at.from), int64(at.to))
	if err != nil {
		return false, fmt.Errorf("position %d: %w", at.position, err)
	}
	if p := s.options.Name(record); string(p.Stream) != stream || p.Revision != at.revision {
		return true, nil
	}
	return yield(Found{at.position, at.revision, record}), nil
}
