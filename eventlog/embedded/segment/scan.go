package segment

import "fmt"

// Scan reads records that follow each other, from the one after a position on, up to a position that is not past the
// head: at least one, and further ones as far as room holds them whole and within the segment. yield is given each,
// unchecked; they lie in room, or a single one that is longer in memory of its own. It stops when yield returns false.
func (s *Store) Scan(after, upTo uint64, room []byte, yield func(position uint64, record []byte) bool) error {
	position := after + 1
	if position > upTo {
		return nil
	}
	chunk, err := s.chunk(position, room)
	if err != nil {
		return err
	}
	for ; position <= upTo; position++ {
		if _, grouped := parseHeader(chunk); grouped {
			chunk = chunk[groupHeader:]
		}
		record, rest, ok := cutRecord(chunk)
		if !ok {
			break
		}
		chunk = rest
		if !yield(position, record) {
			return nil
		}
	}
	if position == after+1 {
		return fmt.Errorf("position %d: %w: its length is wrong", position, ErrDamaged)
	}
	return nil
}

func (s *Store) chunk(position uint64, room []byte) ([]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	seg, err := s.segmentOf(position)
	if err != nil {
		return nil, err
	}
	return seg.chunk(position, room)
}

// chunk reads from a record on: the whole of it, and what follows as far as room reaches.
func (s *segment) chunk(position uint64, room []byte) ([]byte, error) {
	from, to, err := s.extent(position)
	if err != nil {
		return nil, err
	}
	end := s.end
	if s.memory != nil {
		end = s.memory.written()
	}
	file, err := s.files.open(segmentName(s.first))
	if err != nil {
		return nil, err
	}
	defer file.close()
	b := room[:min(int64(len(room)), end-from)]
	if to-from > int64(len(room)) {
		b = make([]byte, to-from)
	}
	return b, file.readAt(b, from)
}

// written is the end of the last record that was taken in.
func (m *memory) written() int64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.end
}
