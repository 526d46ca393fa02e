package domain

import (
	"encoding/binary"
	"sync/atomic"
)

const (
	// memoSlots bounds the facts that a memo keeps; a power of two.
	memoSlots = 1 << 13
	// memoBytes bounds the data of each: all of them together stay below some 60 MiB.
	memoBytes = 4 << 10
)

// memo keeps facts that were encoded or decoded a moment ago: the fold and the dispatcher of a node read an event soon
// after each other, and mostly one that the node itself wrote. An event is recognised by the very memory that holds it, so nothing that differs is ever taken for it.
type memo [memoSlots]atomic.Pointer[decoded]

type decoded struct {
	at             Place
	typ            string
	data, metadata []byte
	fact           Fact
	meta           Meta
}

func (m *memo) slot(id [16]byte) *atomic.Pointer[decoded] {
	return &m[binary.BigEndian.Uint32(id[12:])%memoSlots]
}

func (m *memo) get(at Place, data, metadata []byte) *decoded {
	d := m.slot(at.ID).Load()
	if d == nil || d.at != at || !sameMemory(d.data, data) || !sameMemory(d.metadata, metadata) {
		return nil
	}
	return d
}

// put keeps a fact, unless it is a large one.
func (m *memo) put(d *decoded) {
	if len(d.data) <= memoBytes {
		m.slot(d.at.ID).Store(d)
	}
}

func sameMemory(a, b []byte) bool {
	return len(a) == len(b) && len(a) > 0 && &a[0] == &b[0]
}
