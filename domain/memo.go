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

// memo keeps facts that were encoded or decoded a moment ago until all have read them who are about to: the fold and the
// dispatcher of a node read an event soon after each other, and mostly one that the node itself wrote. An event is
// recognised by the very memory that holds it, so nothing that differs is ever taken for it.
type memo [memoSlots]atomic.Pointer[decoded]

type decoded struct {
	at             Place
	typ            string
	data, metadata []byte
	fact           Fact
	meta           Meta
	left           atomic.Int32 // who has not read it yet
}

// readers is how many read a fact soon after it was recorded: the fold reads all of them, the dispatcher what asks for attempts.
func readers(f Fact) int32 {
	switch f.(type) {
	case *MessagePublished, *MessageTargets, *TargetsCorrected, *RetryDue, *RedeliveryRequested:
		return 2
	}
	return 1
}

func (m *memo) slot(id [16]byte) *atomic.Pointer[decoded] {
	return &m[binary.BigEndian.Uint32(id[12:])%memoSlots]
}

// get returns a fact that is kept, and forgets it if nobody is left to read it: what lies about in memory for no one is
// looked through by every collection of garbage.
func (m *memo) get(at Place, data, metadata []byte) *decoded {
	slot := m.slot(at.ID)
	d := slot.Load()
	if d == nil || d.at != at || !sameMemory(d.data, data) || !sameMemory(d.metadata, metadata) {
		return nil
	}
	if d.left.Add(-1) <= 0 {
		slot.CompareAndSwap(d, nil)
	}
	return d
}

// put keeps a fact that so many have read, unless nobody is left or it is a large one.
func (m *memo) put(d *decoded, read int32) {
	if left := readers(d.fact) - read; left > 0 && len(d.data) <= memoBytes {
		d.left.Store(left)
		m.slot(d.at.ID).Store(d)
	}
}

func sameMemory(a, b []byte) bool {
	return len(a) == len(b) && len(a) > 0 && &a[0] == &b[0]
}
