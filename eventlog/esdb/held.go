package esdb

import (
	"bytes"
	"encoding/binary"
	"sync/atomic"

	"github.com/hooklog/hooklog/eventlog"
)

const (
	// heldSlots bounds the events that are held; a power of two.
	heldSlots = 1 << 13
	// heldBytes bounds each.
	heldBytes = 4 << 10
)

// held are the bytes of events that were appended or received a moment ago. Most of what a node receives it has appended
// itself, and the rest comes to its fold and to its dispatcher: each of them gets the same memory, by which a reader knows
// an event again that it has decoded before. It is given only for bytes that are the same.
type held [heldSlots]atomic.Pointer[kept]

type kept struct {
	id             eventlog.ID
	data, metadata []byte
}

// hold holds an event, unless it is a large one.
func (h *held) hold(e *eventlog.Event) {
	if len(e.Data)+len(e.Metadata) <= heldBytes {
		h.slot(e.ID).Store(&kept{e.ID, e.Data, e.Metadata})
	}
}

// known gives an event the memory in which it is held, or holds it.
func (h *held) known(e *eventlog.Event) {
	k := h.slot(e.ID).Load()
	if k == nil || k.id != e.ID || !bytes.Equal(k.data, e.Data) || !bytes.Equal(k.metadata, e.Metadata) {
		h.hold(e)
		return
	}
	e.Data, e.Metadata = k.data, k.metadata
}

func (h *held) slot(id eventlog.ID) *atomic.Pointer[kept] {
	return &h[binary.BigEndian.Uint32(id[12:])%heldSlots]
}
