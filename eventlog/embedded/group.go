package embedded

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/hooklog/hooklog/eventlog"
)

// Bounds of what a group keeps in memory. One batch may pass them.
const (
	windowSpan      = 64 << 10 // positions of admitted events between the first unfinished one and the last
	unfinishedExtra = 12 << 10 // unfinished events besides what the consumers have room for
	unfinishedBytes = 64 << 20

	// How many events wait for room. From files half of what there is room for is read ahead, within these bounds, since each
	// event may keep a whole chunk. What the log's tail has in memory is taken as far as tailAhead: read from files later, and
	// decoded again, an event takes 11 µs.
	minReadAhead = 64
	maxReadAhead = 1024
	tailAhead    = 8 << 10
)

// When the state of a group is stored: after this time, or after so many finished events.
const (
	storeInterval = time.Second
	storeSettled  = 1000
)

// Pauses before an event is handed out again for which Retry was answered: retryPause for each handing-out.
const (
	retryPause    = 100 * time.Millisecond
	maxRetryPause = time.Second
)

// group is a consumer group while the log is open. One goroutine, run, reads ahead, watches deadlines and stores; the
// handlers' goroutines settle and take what is next. No I/O happens under mu.
type group struct {
	log      *Log
	settings eventlog.Group
	source   *source       // owned by run
	wake     chan struct{} // capacity 1: run has something to look at
	broken   chan struct{} // closed when run gave up
	closeErr error         // written before run returns

	replays sync.Mutex // one replay at a time; before storing
	storing sync.Mutex // one store at a time; before mu

	mu         sync.Mutex
	consumers  []*consumer
	turn       int
	room       int // sum of the consumers' buffers
	read       uint64
	window     window
	ready      queue
	urgent     queue // what was handed out before
	delayed    delays
	hands      hands
	unfinished int
	bytes      int // of unfinished
	parked     int
	stored     uint64
	changes    unstored
	toReplay   bool
	replayedTo uint64
	replaying  map[uint64]struct{} // replayed events whose key is still in the store
	hungry     bool                // run waits for room
	alarm      time.Time           // when run will look by itself; zero is never
	reason     error               // why run gave up
}

func newGroup(l *Log, settings eventlog.Group, checkpoint uint64, parked int) *group {
	source := newSource(l, checkpoint)
	source.spare = make(chan *room, 1)
	return &group{
		log: l, settings: settings, source: source,
		wake: make(chan struct{}, 1), broken: make(chan struct{}),
		read: checkpoint, stored: checkpoint, parked: parked,
		toReplay: true, replaying: make(map[uint64]struct{}),
	}
}

func (g *group) wakeLocked() {
	select {
	case g.wake <- struct{}{}:
	default:
	}
}

func (g *group) add(c *consumer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c.joinedAt = g.log.tail.position()
	g.consumers = append(g.consumers, c)
	g.room += c.buffer
	g.pump(nil)
	g.wakeLocked()
}

// remove hands what the consumer has not answered to the others.
func (g *group) remove(c *consumer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	c.leave()
	g.consumers = slices.DeleteFunc(g.consumers, func(other *consumer) bool { return other == c })
	g.room -= c.buffer
	for h := g.hands.first; h != nil; {
		next := h.next
		if h.consumer == c {
			g.takeBack(h)
			g.again(h.item, 0)
		}
		h = next
	}
	g.pump(nil)
	g.wakeLocked()
}

// finished is the place up to which everything is finished or parked.
func (g *group) finished() uint64 {
	if len(g.window.slots) > 0 {
		return g.window.slots[0].position - 1
	}
	return g.read
}

func (g *group) stats() eventlog.GroupStats {
	g.mu.Lock()
	defer g.mu.Unlock()
	return eventlog.GroupStats{
		Name:       g.settings.Name,
		Checkpoint: eventlog.PositionOf(0, g.stored),
		LastKnown:  eventlog.PositionOf(0, g.read),
		InFlight:   g.hands.len,
		Parked:     g.parked,
		Consumers:  len(g.consumers),
	}
}

// settle takes a verdict and returns what the same worker handles next. If there is nothing, it may rest until it is woken.
func (g *group) settle(h *hand, v eventlog.Verdict, wake chan *hand) (next *hand, rests bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	h.consumer.running--
	it := h.item
	switch {
	case it.current == h:
		g.takeBack(h)
		g.judge(it, v)
	case it.last == h && it.current == nil && !it.finished && !h.late && v != eventlog.Retry:
		g.judge(it, v) // Its consumer has left, and nobody else has it yet.
	}
	next = g.pump(h.consumer)
	if g.hungry && g.wantsLocked() || g.changes.settled == storeSettled {
		g.hungry = false
		g.wakeLocked()
	}
	return next, next == nil && h.consumer.rest(wake)
}

func (g *group) judge(it *item, v eventlog.Verdict) {
	switch v {
	case eventlog.Ack, eventlog.Skip:
		g.finish(it)
	case eventlog.Park:
		g.park(it)
	default:
		g.again(it, min(time.Duration(it.handouts)*retryPause, maxRetryPause))
	}
}

func (g *group) takeBack(h *hand) {
	g.hands.remove(h)
	h.item.current = nil
}

// again queues an event to be handed out once more, or parks it if it was often enough.
func (g *group) again(it *item, pause time.Duration) {
	switch {
	case it.handouts > g.settings.MaxRetries:
		g.park(it)
	case pause > 0:
		it.due = time.Now().Add(pause)
		g.delayed.add(it)
		g.alarmLocked(it.due)
	default:
		g.urgent.push(it)
	}
}

func (g *group) park(it *item) {
	g.parked++
	g.changes.parked = append(g.changes.parked, parking{position: it.position, retries: uint64(max(it.handouts-1, 0))})
	g.finish(it)
}

// finish forgets an event. It may still stand in a queue, which passes over it.
func (g *group) finish(it *item) {
	g.unfinished--
	g.bytes -= it.size()
	it.finished = true
	it.event = eventlog.Recorded{}
	if it.replayed {
		g.changes.replayed = append(g.changes.replayed, it.position)
	} else {
		g.window.remove(it)
	}
	g.changes.settled++
	g.changedLocked()
}

// changedLocked begins the time after which the state is stored.
func (g *group) changedLocked() {
	if g.changes.since.IsZero() {
		g.changes.since = time.Now()
		g.alarmLocked(g.changes.since.Add(storeInterval))
	}
}

// pump hands out what there is to those who have room, in turns. The first event for mine is returned, workers take the
// others.
func (g *group) pump(mine *consumer) *hand {
	var first *hand
	for {
		q := g.nextQueue()
		if q == nil {
			return first
		}
		c := g.nextConsumer()
		if c == nil {
			return first
		}
		h := g.handOut(q.pop(), c)
		if c == mine && first == nil {
			first = h
			continue
		}
		c.begin(h)
	}
}

// nextQueue returns the queue whose first item is next to be handed out.
func (g *group) nextQueue() *queue {
	for _, q := range [...]*queue{&g.urgent, &g.ready} {
		for q.len() > 0 && q.items[q.head].finished {
			q.pop()
		}
		if q.len() > 0 {
			return q
		}
	}
	return nil
}

func (g *group) nextConsumer() *consumer {
	for range g.consumers {
		g.turn++
		if c := g.consumers[g.turn%len(g.consumers)]; c.room() {
			return c
		}
	}
	return nil
}

func (g *group) handOut(it *item, c *consumer) *hand {
	h := &hand{item: it, consumer: c, deadline: time.Now().Add(g.settings.MessageTimeout)}
	h.handed = eventlog.Handed{
		Recorded: it.event, Retries: it.handouts, Replayed: it.replayed, Backlog: it.position <= c.joinedAt,
	}
	it.handouts++
	it.current, it.last = h, h
	c.running++
	g.hands.push(h)
	if g.hands.first == h {
		g.alarmLocked(h.deadline)
	}
	return h
}

// alarmLocked sees to it that run looks at the clock no later than at.
func (g *group) alarmLocked(at time.Time) {
	if g.alarm.IsZero() || at.Before(g.alarm) {
		g.alarm = at
		g.wakeLocked()
	}
}

// run lives as long as the log.
func (g *group) run(life context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for life.Err() == nil {
		growth, err := g.look()
		if err != nil && life.Err() == nil {
			g.giveUp(err)
			<-life.Done()
			break
		}
		g.mu.Lock()
		alarm := g.alarm
		g.mu.Unlock()
		var ring <-chan time.Time
		if !alarm.IsZero() {
			timer.Reset(time.Until(alarm))
			ring = timer.C
		}
		select {
		case <-life.Done():
		case <-growth:
		case <-g.wake:
		case <-ring:
		}
	}
	g.closeErr = g.storeAtEnd()
}

// storeAtEnd stores what is not stored; a log that has failed is left alone.
func (g *group) storeAtEnd() error {
	g.mu.Lock()
	changed := !g.changes.since.IsZero()
	g.mu.Unlock()
	if !changed || g.log.failure.err() != nil {
		return nil
	}
	return g.store(false)
}

func (g *group) giveUp(err error) {
	g.log.opts.Logger.Error().Err(err).Str("group", g.settings.Name).Msg("a consumer group cannot go on")
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reason = err
	close(g.broken)
}

func (g *group) brokenBy() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.reason
}

// look does everything that is to be done now. It returns what to wait for if the group has read up to the head and
// wants more.
func (g *group) look() (<-chan struct{}, error) {
	for {
		g.clock()
		if err := g.storeIfDue(); err != nil {
			return nil, err
		}
		g.mu.Lock()
		wants := g.wantsLocked()
		g.hungry = !wants && len(g.consumers) > 0
		replay := wants && g.toReplay
		g.mu.Unlock()
		if !wants {
			return nil, nil
		}
		if replay {
			if err := g.readReplay(); err != nil {
				return nil, err
			}
			continue
		}
		more, err := g.readAhead()
		if err != nil {
			return nil, err
		}
		if more {
			continue
		}
		if growth := g.log.tail.growth(g.source.after); growth != nil {
			return growth, nil
		}
	}
}

// wantsLocked reports whether more events should be read.
func (g *group) wantsLocked() bool {
	ahead := max(minReadAhead, min(g.room, maxReadAhead)) / 2
	if g.log.tail.has(g.read + 1) {
		ahead = tailAhead
	}
	return len(g.consumers) > 0 &&
		g.ready.len() < ahead &&
		len(g.window.slots) < windowSpan &&
		g.unfinished < g.room+unfinishedExtra &&
		g.bytes < unfinishedBytes
}

// clock hands out again what is overdue and what has waited long enough, and sets the alarm anew.
func (g *group) clock() {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := time.Now()
	for h := g.hands.first; h != nil && !h.deadline.After(now); h = g.hands.first {
		h.late = true
		g.takeBack(h)
		g.again(h.item, 0)
	}
	for len(g.delayed) > 0 && !g.delayed[0].due.After(now) {
		g.urgent.push(g.delayed.take())
	}
	g.pump(nil)
	g.alarm = time.Time{}
	if g.hands.first != nil {
		g.earlier(g.hands.first.deadline)
	}
	if len(g.delayed) > 0 {
		g.earlier(g.delayed[0].due)
	}
	if !g.changes.since.IsZero() {
		g.earlier(g.changes.since.Add(storeInterval))
	}
}

func (g *group) earlier(at time.Time) {
	if g.alarm.IsZero() || at.Before(g.alarm) {
		g.alarm = at
	}
}

func (g *group) storeIfDue() error {
	g.mu.Lock()
	due := g.changes.settled >= storeSettled || !g.changes.since.IsZero() && time.Since(g.changes.since) >= storeInterval
	g.mu.Unlock()
	if !due {
		return nil
	}
	return g.store(false)
}

// readAhead takes the next batch from the log; false at the head.
func (g *group) readAhead() (bool, error) {
	events, _, err := g.source.next()
	if err != nil {
		return false, fmt.Errorf("consumer group %s: %w", g.settings.Name, err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	release := g.source.release()
	for i := range events {
		if !g.admits(events[i].Type) {
			continue
		}
		release = nil // the event keeps hold of the batch's memory
		it := &item{event: events[i], position: low(events[i].Position)}
		g.window.push(it)
		g.queueLocked(it)
	}
	if release != nil {
		release()
	}
	g.read = g.source.after
	if len(events) > 0 {
		g.changedLocked()
	}
	g.pump(nil)
	return len(events) > 0, nil
}

func (g *group) queueLocked(it *item) {
	g.ready.push(it)
	g.unfinished++
	g.bytes += it.size()
}

func (g *group) admits(kind string) bool {
	for _, p := range g.settings.TypePrefixes {
		if strings.HasPrefix(kind, p) {
			return true
		}
	}
	return false
}

// readReplay takes the next batch of the events that were put back.
func (g *group) readReplay() error {
	if err := g.log.enter(); err != nil {
		return err
	}
	defer g.log.leave()
	g.mu.Lock()
	after := g.replayedTo
	g.mu.Unlock()
	var items []*item
	err := g.log.each(replaySpace, g.settings.Name, after, batchEvents, func(position uint64, _ []byte) error {
		e, err := g.log.record(position)
		items = append(items, &item{event: e, position: position, replayed: true})
		return err
	})
	if err != nil {
		return fmt.Errorf("consumer group %s: replay: %w", g.settings.Name, err)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.replayedTo != after {
		return nil // ReplayParked has put the beginning back.
	}
	g.toReplay = len(items) > 0
	for _, it := range items {
		g.replayedTo = it.position
		if _, loaded := g.replaying[it.position]; !loaded {
			g.replaying[it.position] = struct{}{}
			g.queueLocked(it)
		}
	}
	g.pump(nil)
	return nil
}
