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
	idle     []chan *hand // of workers that wait for an event; closing one ends its worker
}

// maxIdle is how many workers of a consumer wait for events. A goroutine that has worked has the stack for it: a new one
// would have to grow it again.
const maxIdle = 256

func (c *consumer) room() bool { return !c.left && c.running < c.buffer }

// begin lets a worker handle an event. The group's mutex is held.
func (c *consumer) begin(h *hand) {
	if n := len(c.idle); n > 0 {
		c.idle[n-1] <- h
		c.idle = c.idle[:n-1]
		return
	}
	c.handlers.Add(1)
	go c.work(h)
}

// rest lets a worker wait for an event on a channel of capacity 1; false if it is to end. The group's mutex is held.
func (c *consumer) rest(wake chan *hand) bool {
	if c.left || len(c.idle) >= maxIdle {
		return false
	}
	c.idle = append(c.idle, wake)
	return true
}

// leave ends the workers that wait. The group's mutex is held.
func (c *consumer) leave() {
	c.left = true
	for _, wake := range c.idle {
		close(wake)
	}
	c.idle = nil
}

// work handles an event and goes on with those that the group has for this consumer.
func (c *consumer) work(h *hand) {
	defer c.handlers.Done()
	wake := make(chan *hand, 1)
	for h != nil {
		next, rests := c.group.settle(h, c.handle(c.ctx, h.handed), wake)
		if rests {
			next = <-wake
		}
		h = next
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
