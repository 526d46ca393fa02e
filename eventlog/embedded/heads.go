package embedded

import "github.com/hooklog/hooklog/eventlog"

// maxHeads is how many streams one generation of heads holds. It must be above what one group of appends can touch:
// then nothing that the group has just put is forgotten before the group is in the store.
const maxHeads = 32 << 10

// heads remembers the last revisions of the streams that were lately appended to or asked for. It forgets a whole
// generation at a time: what is used stays in the young one.
type heads struct {
	young, old map[string]eventlog.Expected
}

func newHeads() *heads { return &heads{young: make(map[string]eventlog.Expected)} }

func (h *heads) get(stream string) (eventlog.Expected, bool) {
	if head, ok := h.young[stream]; ok {
		return head, true
	}
	head, ok := h.old[stream]
	if ok {
		h.put(stream, head)
	}
	return head, ok
}

func (h *heads) put(stream string, head eventlog.Expected) {
	if len(h.young) >= maxHeads {
		h.young, h.old = make(map[string]eventlog.Expected, maxHeads), h.young
	}
	h.young[stream] = head
}
