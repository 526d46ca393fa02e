package esdbserver

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/hooklog/hooklog/eventlog"
)

// clockInterval is how often a group looks at what is overdue and at its checkpoint.
const clockInterval = time.Second

// group hands the events of a stream, or of $all, to competing consumers. Nothing is written or read under mu.
type group struct {
	server  *Server
	key     groupKey
	filter  filter
	life    context.Context
	end     context.CancelFunc
	running sync.WaitGroup // the goroutines below
	room    chan struct{}  // capacity 1: the buffer has become emptier
	due     chan struct{}  // capacity 1: the checkpoint is to be stored
	parking chan struct{}  // capacity 1: there is something to park
	// replayRoom is room for the replay.
	replayRoom chan struct{}

	mu        sync.Mutex
	settings  settings
	stored    kept
	begun     bool // events are being read
	live      bool // all events there are have been read
	known     int64
	progress  progress
	buffer    []*message // read and never handed out
	retries   retryQueue
	inHand    map[eventlog.ID]*message
	waiting   int // messages in buffer, retries, in hand or being parked
	bytes     int // of those
	consumers []*consumer
	turn      int
	pins      pins
	handed    int64
	storedAt  time.Time

	toPark     []parking
	replaying  bool
	replayed   progress // numbers of parked messages that were replayed
	replayedTo int64    // the last of them
	truncated  int64    // the last that is gone from their stream
}

// groupKey names a group. Stream is "$all" for those on $all.
type groupKey struct{ stream, name string }

const allStreams = "$all"

func (k groupKey) String() string { return k.stream + "::" + k.name }
func (k groupKey) all() bool      { return k.stream == allStreams }

// newGroup sets a group going. Gone is the last number of its parked messages that needs no replay any more.
func newGroup(s *Server, key groupKey, with settings, stored kept, gone int64) (*group, error) {
	f, err := newFilter(with.Filter)
	if err != nil {
		return nil, err
	}
	g := &group{
		server: s, key: key, filter: f, settings: with, stored: stored,
		room: make(chan struct{}, 1), due: make(chan struct{}, 1), parking: make(chan struct{}, 1),
		replayRoom: make(chan struct{}, 1), inHand: make(map[eventlog.ID]*message), storedAt: time.Now(), turn: -1,
	}
	from := with.From
	if stored.Checkpoint != nil {
		from = *stored.Checkpoint
	}
	g.progress.done, g.known = from, from
	g.replayed.done, g.replayedTo, g.truncated = gone, gone, gone
	g.life, g.end = context.WithCancel(s.life)
	g.running.Go(g.clock)
	g.running.Go(g.parkAll)
	return g, nil
}

// close ends the group: consumers are dropped, then what is finished is stored.
func (g *group) close() error {
	g.mu.Lock()
	for _, c := range g.consumers {
		c.dropped = true
		c.wake()
	}
	g.consumers = nil
	g.mu.Unlock()
	g.end()
	g.running.Wait()
	return g.store(context.Background())
}

var errTooMany = errors.New("the group has as many consumers as it admits")

// join adds a consumer. The first one sets the group going.
func (g *group) join(c *consumer) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if most := int(g.settings.MaxConsumers); most > 0 && len(g.consumers) >= most {
		return errTooMany
	}
	if g.life.Err() != nil {
		return eventlog.ErrClosed
	}
	g.consumers = append(g.consumers, c)
	g.pins.share(g.consumers)
	if !g.begun {
		g.begun = true
		g.running.Go(g.read)
	}
	g.dispatch()
	return nil
}

// leave takes a consumer out. What it has not answered is handed out again at once, without regard to the retries.
func (g *group) leave(c *consumer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.consumers = slices.DeleteFunc(g.consumers, func(other *consumer) bool { return other == c })
	g.pins.share(g.consumers)
	for _, m := range g.inHand {
		if m.consumer == c {
			g.takeBack(m)
			m.retries++
			g.retries.add(m)
		}
	}
	g.dispatch()
}

// takeBack takes a message out of its consumer's hands.
func (g *group) takeBack(m *message) {
	delete(g.inHand, m.id)
	m.consumer.inHand--
	if i := slices.Index(m.consumer.outgoing, m); i >= 0 { // It has not been sent yet.
		m.consumer.outgoing = slices.Delete(m.consumer.outgoing, i, i+1)
		m.consumer.retries = slices.Delete(m.consumer.retries, i, i+1)
	}
	m.consumer = nil
}

func (g *group) retry(m *message, reason string) {
	if m.retries >= int(g.settings.MaxRetries) {
		g.park(m, reason)
		return
	}
	m.retries++
	g.retries.add(m)
}

// finish forgets a message.
func (g *group) finish(m *message) {
	g.waiting--
	g.bytes -= m.size()
	if m.replay != nil {
		g.replayed.finish(m.replay)
	} else {
		g.progress.finish(m.slot)
		g.checkpointIfMany()
	}
	g.wakeReaders()
}

func (g *group) checkpointIfMany() {
	if most := int(g.settings.MaxCheckpoint); most > 0 && g.progress.count >= most {
		select {
		case g.due <- struct{}{}:
		default:
		}
	}
}

func (g *group) wakeReaders() {
	for _, room := range [...]chan struct{}{g.room, g.replayRoom} {
		select {
		case room <- struct{}{}:
		default:
		}
	}
}

// dispatch hands out what there is to those who have room: first what was handed out before.
func (g *group) dispatch() {
	if len(g.consumers) == 0 {
		return
	}
	before := len(g.retries) + len(g.buffer)
	g.retries = g.handOutOf(g.retries)
	g.buffer = g.handOutOf(g.buffer)
	if len(g.retries)+len(g.buffer) < before {
		g.wakeReaders()
	}
}

// handOutOf hands out messages of a queue and returns the rest. A message whose consumer has no room is passed over if
// the group is pinned, and so is one whose id is in hand already.
func (g *group) handOutOf(queue []*message) []*message {
	taken, rest := 0, queue[:0:0]
	for i, m := range queue {
		if g.inHand[m.id] != nil {
			rest = append(rest, m)
			continue
		}
		c := g.choose(m)
		if c == nil && g.settings.Strategy == pinned {
			rest = append(rest, m)
			continue
		}
		if c == nil {
			taken = i
			break
		}
		g.handOut(m, c)
		queue[i] = nil
		taken = i + 1
	}
	if len(rest) == 0 {
		return queue[taken:]
	}
	if g.settings.Strategy == pinned {
		return rest
	}
	return append(rest, queue[taken:]...)
}

func (g *group) handOut(m *message, c *consumer) {
	m.consumer = c
	m.due = time.Now().Add(g.settings.timeout())
	g.inHand[m.id] = m
	c.inHand++
	c.handed++
	g.handed++
	c.outgoing = append(c.outgoing, m)
	c.retries = append(c.retries, m.retries)
	c.wake()
}

// clock takes back what is overdue and stores the checkpoint, until the group ends.
func (g *group) clock() {
	ticks := time.NewTicker(clockInterval)
	defer ticks.Stop()
	for {
		select {
		case <-g.life.Done():
			return
		case <-ticks.C:
			g.takeOverdue(time.Now())
			if !g.checkpointDue() {
				continue
			}
		case <-g.due:
		}
		if err := g.store(g.life); err != nil && g.life.Err() == nil {
			g.server.config.Logger.Error().Err(err).Str("group", g.key.String()).Msg("store the checkpoint")
		}
	}
}

func (g *group) takeOverdue(now time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	var overdue []*message
	for _, m := range g.inHand {
		if !m.due.After(now) {
			overdue = append(overdue, m)
		}
	}
	for _, m := range overdue {
		g.takeBack(m)
		g.retry(m, "the message timed out")
	}
	if len(overdue) > 0 {
		g.dispatch()
	}
}

func (g *group) checkpointDue() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	after := g.settings.checkpointAfter()
	if g.replayed.done > g.truncated {
		return true
	}
	return after > 0 && time.Since(g.storedAt) >= after && g.progress.count >= max(1, int(g.settings.MinCheckpoint))
}
