package segment

import "fmt"

// Scan reads records that follow each other, from the one after a position on, up to a position that is not past the
// head: at least one, and further ones within the given bytes and the segment. yield is given each, unchecked; together
// they share one allocation of about that size. It stops when yield returns false.
func (s *Store) Scan(after, upTo uint64, bytes int, yield func(position uint64, record []byte) bool) error {
	position := after + 1
	if position > upTo {
		return nil
	}
	chunk, err := s.chunk(position, bytes)
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

func (s *Store) chunk(position uint64, bytes int) ([]byte, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	seg, err := s.segmentOf(position)
	if err != nil {
		return nil, err
	}
	return seg.chunk(position, bytes)
}

// chunk reads from a record on: the whole of it, and what follows within bytes.
func (s *segment) chunk(position uint64, bytes int) ([]byte, error) {
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
	b := make([]byte, min(max(to-from, int64(bytes)), end-from))
	return b, file.readAt(b, from)
}

// written is the end of the last record that was taken in.
func (m *memory) written() int64 {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return m.end
}
