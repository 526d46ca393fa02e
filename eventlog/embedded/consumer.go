package embedded

import (
	"context"
	"sync"
	"time"

	"github.com/hooklog/hooklog/eventlog"
)

// consumer is one call of Consume. What is below handlers belongs to the group's mutex.
type consumer struct {
	group  *group
	ctx    context.Context
	buffer int
	handle func(context.Context, eventlog.Handed) eventlog.Verdict

	handlers sync.WaitGroup

	joinedAt uint64 // the head when it joined
	running  int    // handlers that have not returned, late ones included
	left     bool
}

func (c *consumer) room() bool { return !c.left && c.running < c.buffer }

// work handles an event and goes on with those that the group has for this consumer.
func (c *consumer) work(h *hand) {
	defer c.handlers.Done()
	for h != nil {
		h = c.group.settle(h, c.handle(c.ctx, h.handed))
	}
}

// item is an event that the group has looked at and not finished.
type item struct {
	event    eventlog.Recorded
	position uint64
	slot     uint64 // its number in the window, unless replayed
	replayed bool
	handouts int
	finished bool
	current  *hand // in whose hands it is
	last     *hand // in whose hands it was last
	due      time.Time
}

func (it *item) size() int { return len(it.event.Data) + len(it.event.Metadata) }

// hand is one handing-out of an item. The hands of a group form a list, the earliest deadline first.
type hand struct {
	item       *item
	consumer   *consumer
	handed     eventlog.Handed
	deadline   time.Time
	late       bool
	prev, next *hand
}

// hands is the list of what is in flight. All deadlines are equally far from the handing-out, so it is in order.
type hands struct {
	first, last *hand
	len         int
}

func (l *hands) push(h *hand) {
	h.prev = l.last
	if l.last == nil {
		l.first = h
	} else {
		l.last.next = h
	}
	l.last = h
	l.len++
}

func (l *hands) remove(h *hand) {
	if h.prev == nil {
		l.first = h.next
	} else {
		h.prev.next = h.next
	}
	if h.next == nil {
		l.last = h.prev
	} else {
		h.next.prev = h.prev
	}
	h.prev, h.next = nil, nil
	l.len--
}
