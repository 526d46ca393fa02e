package segment

import (
	"slices"
	"sync"
)

// memory is the index of a segment that grows, or that is closed and whose files are not written yet.
type memory struct {
	first uint64

	mu      sync.RWMutex
	records []listed // offsets are of the segment
	// before leads from a record to the one before it with the same key: its place in records and one, or 0.
	before []uint32
	latest map[uint64]uint32
	end    int64 // of the last record
}

func newMemory(first uint64) *memory {
	return &memory{first: first, latest: map[uint64]uint32{}}
}

// add takes in records that lie behind each other, the first of them at base, up to end.
func (m *memory) add(records []listed, base, end int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, r := range records {
		r.offset += uint32(base)
		m.records = append(m.records, r)
		m.before = append(m.before, m.latest[r.key])
		m.latest[r.key] = uint32(len(m.records))
	}
	m.end = end
}

// span is what the memory covers; last is before first while it is empty.
func (m *memory) span() span {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return span{m.first, m.first + uint64(len(m.records)) - 1}
}

// extent tells where a record lies in the segment. Between it and the next there may be a group's header.
func (m *memory) extent(position uint64) (from, to int64, ok bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	i := position - m.first
	if position < m.first || i >= uint64(len(m.records)) {
		return 0, 0, false
	}
	return int64(m.records[i].offset), int64(m.endOf(uint32(i))), true
}

// endOf is where the record behind one begins, or where the last one ends; mu is held, or nothing is added any more.
func (m *memory) endOf(i uint32) uint32 {
	if int(i)+1 < len(m.records) {
		return m.records[i+1].offset
	}
	return uint32(m.end)
}

// places implements part.
func (m *memory) places(key, from uint64, back bool, most int) ([]place, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var found []place
	for at := m.latest[key]; at != 0; at = m.before[at-1] {
		r := m.records[at-1]
		p := place{uint64(r.revision), m.first + uint64(at-1), extent{r.offset, m.endOf(at - 1)}}
		if back && p.revision <= from || !back && p.revision >= from {
			found = append(found, p)
		}
	}
	// Only where streams share a key is this not in order already.
	slices.SortStableFunc(found, func(a, b place) int { return compare(b.revision, a.revision) })
	if !back {
		slices.Reverse(found)
	}
	return found[:min(len(found), most)], nil
}

// untimed is how many records have a key without a time.
func (m *memory) untimed() (n uint64) {
	for i := range m.records {
		if m.records[i].key&timedBit == 0 {
			n++
		}
	}
	return n
}

// sorted returns the records in the order of a table.
func (m *memory) sorted() []entry {
	entries := make([]entry, len(m.records))
	for i, r := range m.records {
		entries[i] = entry{r.key, r.revision, uint32(i), extent{r.offset, m.endOf(uint32(i))}}
	}
	slices.SortFunc(entries, entry.compare)
	return entries
}
