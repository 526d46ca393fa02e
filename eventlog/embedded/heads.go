package embedded

import "github.com/hooklog/hooklog/eventlog"

// maxHeads is how many streams one generation of heads holds: more than there are deliveries whose retry was just recorded
// and whose outcome is not. Who comes later costs a look-up; a greater number only fills up, for minutes, with what ended.
const maxHeads = 4 << 10

// heads remembers last revisions of streams: of all that the present group of appends has touched, since the store does
// not tell of them yet, and of those that the store was asked for and had. Nearly every stream is new and has one append,
// so that nothing else is worth remembering. It forgets a whole generation at a time: what is used stays in the young one.
type heads struct {
	group, young, old map[string]eventlog.Expected
}

func newHeads() *heads {
	return &heads{group: make(map[string]eventlog.Expected), young: make(map[string]eventlog.Expected)}
}

// begin begins a group: what the last one touched is in the store.
func (h *heads) begin() { clear(h.group) }

func (h *heads) get(stream string) (eventlog.Expected, bool) {
	if head, ok := h.group[stream]; ok {
		return head, true
	}
	if head, ok := h.young[stream]; ok {
		return head, true
	}
	head, ok := h.old[stream]
	if ok {
		h.keep(stream, head)
	}
	return head, ok
}

// touch notes what a stream that get was asked for has become in the present group.
func (h *heads) touch(stream string, head eventlog.Expected) {
	h.group[stream] = head
	if _, kept := h.young[stream]; kept {
		h.young[stream] = head
	}
}

// keep remembers what the store has.
func (h *heads) keep(stream string, head eventlog.Expected) {
	if len(h.young) >= maxHeads {
		h.young, h.old = make(map[string]eventlog.Expected, maxHeads), h.young
	}
	h.young[stream] = head
}
