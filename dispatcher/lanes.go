package dispatcher

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// Limits bounds what runs and waits in one process. A zero member takes its default.
type Limits struct {
	// Lane is the most attempts in flight for one subscription (16), LaneFast for one whose receiver answers within
	// 20 ms (twice Lane). A new lane begins with LaneStart (4).
	Lane, LaneStart, LaneFast int
	// Host is the most to one host and port (64), Process in all (512). One organization holds at most a quarter of
	// the process while another was active within the last minute, and never more than three quarters.
	Host, Process int
	// Recovery is how many deliveries a second recoveries redeliver, together (100).
	Recovery int
	// Handed is the most facts taken from the group and not yet acknowledged (1,024).
	Handed int
	// Queue is how many tasks may wait in a lane (256) that does not answer fast.
	Queue int
	// Offered is the most retries on their way from the clock through the log to the group: what is published meanwhile
	// stands behind no more of them (64). Beside other nodes, which are handed most of what this one offers, it is 1,024.
	Offered int
	// Wait is the longest that a task waits for a slot before it is left to the clock (5 s).
	Wait time.Duration
}

// Defaults of Limits.Offered.
const (
	offeredAlone  = 64
	offeredBeside = 1024
)

func (l Limits) withDefaults(alone bool) (Limits, error) {
	offered := offeredBeside
	if alone {
		offered = offeredAlone
	}
	for _, m := range []struct {
		n   *int
		def int
	}{{&l.Lane, 16}, {&l.LaneStart, 4}, {&l.Host, 64}, {&l.Process, 512}, {&l.Handed, 1024}, {&l.Recovery, 100}, {&l.Queue, 256}, {&l.Offered, offered}} {
		if *m.n < 0 {
			return l, errors.New("dispatcher: a limit is negative")
		}
		if *m.n == 0 {
			*m.n = m.def
		}
	}
	if l.Wait < 0 || l.Wait > 20*time.Second {
		return l, errors.New("dispatcher: Wait must be at most 20s, so that the group does not hand a waiting fact out again")
	}
	if l.Wait == 0 {
		l.Wait = 5 * time.Second
	}
	if l.LaneFast == 0 {
		l.LaneFast = 2 * l.Lane
	}
	l.LaneStart = min(l.LaneStart, l.Lane)
	return l, nil
}

// Bounds of what is remembered for the clock. What falls out is found in the due index after its grace.
const (
	maxLeftPerLane = 256
	maxLeft        = 1 << 14
	// reservedFor is how long room is kept for a delivery that the clock offered: another node may have got it.
	reservedFor = 10 * time.Second
	// idleFor is how long an idle lane is kept with what it has learned.
	idleFor = 5 * time.Minute
	// otherActive is how long an organization counts as active beside another.
	otherActive = time.Minute
)

// lanes is the set of lanes and what they share. Its mutex guards everything; under it there is no I/O and no call out.
type lanes struct {
	limits Limits

	mu      sync.Mutex
	lanes   map[domain.SubscriptionID]*lane
	hosts   map[string]*host
	tenants map[domain.OrganizationID]*tenant
	waiting map[*lane]struct{} // lanes with a queue
	leaving map[*lane]struct{} // lanes that left something to the clock
	ring    []*tenant          // tenants with ready lanes, in turn
	made    made
	running int
	left    int
	// offered counts what is reserved in all lanes.
	offered int
	// roomMade pulses when a lane that has a backlog may have room, and when the clock may offer again. Its capacity is 1.
	roomMade chan struct{}
	// paced pulses when a task waits in a lane that has a pace. Its capacity is 1.
	paced chan struct{}
	// current is the organization that was active last, switched when another was before it.
	current  domain.OrganizationID
	switched time.Time
}

func newLanes(limits Limits) *lanes {
	return &lanes{limits: limits, lanes: map[domain.SubscriptionID]*lane{}, hosts: map[string]*host{},
		tenants: map[domain.OrganizationID]*tenant{}, waiting: map[*lane]struct{}{}, leaving: map[*lane]struct{}{},
		made: newMade(), roomMade: make(chan struct{}, 1), paced: make(chan struct{}, 1)}
}

// of returns the lane of a subscription, making it if there is none. brake is what is known of the subscription's
// failures.
func (x *lanes) of(s domain.Subscription, brake int) *lane {
	x.mu.Lock()
	defer x.mu.Unlock()
	l, ok := x.lanes[s.ID]
	if !ok {
		l = &lane{id: s.ID, limit: x.limits.LaneStart, org: x.tenant(s.Organization), url: s.URL, host: x.host(hostOf(s.URL)),
			busy: map[domain.DeliveryID]struct{}{}, reserved: map[domain.DeliveryID]time.Time{}, left: map[domain.DeliveryID]domain.DeliveryOf{}}
		l.org.lanes++
		l.host.lanes++
		x.lanes[s.ID] = l
	}
	if l.url != s.URL && l.idle() {
		x.dropHost(l)
		l.url, l.host = s.URL, x.host(hostOf(s.URL))
		l.host.lanes++
	}
	l.brake, l.lastUsed = brake, time.Now()
	l.pace = l.pace.changed(s.RateLimit)
	return l
}

func (x *lanes) tenant(id domain.OrganizationID) *tenant {
	t, ok := x.tenants[id]
	if !ok {
		t = &tenant{id: id}
		x.tenants[id] = t
	}
	return t
}

func (x *lanes) host(name string) *host {
	h, ok := x.hosts[name]
	if !ok {
		h = &host{name: name}
		x.hosts[name] = h
	}
	return h
}

// admission is what became of a submitted task.
type admission uint8

const (
	started   admission = iota // the submitter runs it now
	queued                     // a free slot will run it
	leftAlone                  // the lane is full: the clock will offer it
	duplicate                  // this process has the same delivery in hand, or attempted it since it was looked at
)

// submit asks for a slot.
func (x *lanes) submit(t *task) admission {
	x.mu.Lock()
	defer x.mu.Unlock()
	l := t.lane
	now := time.Now()
	x.noteActive(l.org.id, now)
	if _, busy := l.busy[t.id]; busy || x.made.stale(t.id, t.known.Attempts) {
		if t.offered {
			x.unreserve(l, t.id)
		}
		return duplicate
	}
	if x.unreserve(l, t.id) {
		t.offered = true
	}
	x.forget(l, t.id)
	if (l.queue.len() == 0 || t.offered) && x.mayStart(l, t) {
		l.busy[t.id] = struct{}{}
		x.start(l, t)
		return started
	}
	if !t.offered && !l.admits(x.limits, x.crowded()) {
		x.leave(l, t)
		return leftAlone
	}
	l.busy[t.id] = struct{}{}
	t.queuedAt = now
	l.enqueue(t)
	l.org.waiting++
	x.waiting[l] = struct{}{}
	x.markReady(l)
	if l.pace != nil {
		pulse(x.paced)
	}
	return queued
}

func (x *lanes) noteActive(org domain.OrganizationID, now time.Time) {
	if org != x.current {
		if !x.current.IsZero() {
			x.switched = now
		}
		x.current = org
	}
}

// mayStart reports whether lane, host, organization and process have a slot for a task.
func (x *lanes) mayStart(l *lane, t *task) bool {
	return l.mayStart(t.offered) && l.host.running < x.limits.Host && x.running < x.limits.Process && l.org.running < x.share()
}

// crowded reports whether more than one organization was active within the last minute.
func (x *lanes) crowded() bool {
	return !x.switched.IsZero() && time.Since(x.switched) < otherActive
}

// share is the most that one organization may hold.
func (x *lanes) share() int {
	if x.crowded() {
		return max(1, x.limits.Process/4)
	}
	return max(1, x.limits.Process*3/4)
}

func (x *lanes) start(l *lane, t *task) {
	l.running++
	if l.pace != nil {
		l.pace.take(time.Now())
	}
	if !t.offered {
		l.direct++
	}
	l.lastDirect = !t.offered
	l.lastUsed = time.Now()
	l.host.running++
	l.org.running++
	x.running++
}

// finish gives a slot back and returns the tasks that can start now.
func (x *lanes) finish(t *task, r result) []*task {
	x.mu.Lock()
	defer x.mu.Unlock()
	l := t.lane
	l.running--
	if !t.offered {
		l.direct--
	}
	l.host.running--
	l.org.running--
	x.running--
	delete(l.busy, t.id)
	if r.recorded || r.underway {
		x.made.add(t, r.underway)
	}
	l.adapt(r, x.limits)
	x.markReady(l)
	x.unblock(l.host)
	next := x.startReady()
	if l.backlog && l.room() > 0 {
		pulse(x.roomMade)
	}
	return next
}

// unmake forgets an attempt whose outcome could not be recorded: it is made again.
func (x *lanes) unmake(t *task) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.made.forget(t)
}

// unblock puts lanes that waited for a host alone back among the ready ones.
func (x *lanes) unblock(h *host) {
	blocked := h.blocked
	h.blocked = nil
	for _, l := range blocked {
		l.blocked = false
		x.markReady(l)
	}
}

// markReady lets a lane whose first task could start wait for the process alone.
func (x *lanes) markReady(l *lane) {
	if l.ready || l.blocked || l.queue.len() == 0 || !l.mayStart(l.queue.at(0).offered) {
		return
	}
	if l.host.running >= x.limits.Host {
		l.blocked = true
		l.host.blocked = append(l.host.blocked, l)
		return
	}
	l.ready = true
	l.org.ready.push(l)
	if !l.org.inRing {
		l.org.inRing = true
		x.ring = append(x.ring, l.org)
	}
}

// startReady starts waiting tasks while there are slots, organizations and their lanes in turn.
func (x *lanes) startReady() []*task {
	var next []*task
	for x.running < x.limits.Process {
		org := x.turn()
		if org == nil {
			break
		}
		l := org.ready.pop()
		l.ready = false
		if l.queue.len() > 0 && l.mayStart(l.queue.at(0).offered) && l.host.running < x.limits.Host {
			t := x.dequeue(l)
			x.start(l, t)
			next = append(next, t)
		}
		x.markReady(l)
		x.putBack(org)
	}
	return next
}

// turn takes the next organization that has a ready lane and is within its share out of the ring.
func (x *lanes) turn() *tenant {
	share := x.share()
	for i, org := range x.ring {
		if org.ready.len() > 0 && org.running < share {
			x.ring = slices.Delete(x.ring, i, i+1)
			org.inRing = false
			return org
		}
	}
	return nil
}

func (x *lanes) putBack(org *tenant) {
	if !org.inRing && org.ready.len() > 0 {
		org.inRing = true
		x.ring = append(x.ring, org)
	}
}

func (x *lanes) dequeue(l *lane) *task {
	t := l.queue.pop()
	l.org.waiting--
	if l.queue.len() == 0 {
		delete(x.waiting, l)
	}
	return t
}

// leave remembers a delivery for the clock, within bounds.
func (x *lanes) leave(l *lane, t *task) {
	l.backlog = true
	x.leaving[l] = struct{}{}
	if len(l.left) < maxLeftPerLane && x.left < maxLeft {
		l.left[t.id] = t.of
		x.left++
	} else if t.of.PublishedAt.After(l.overflow) {
		l.overflow = t.of.PublishedAt
	}
}

// forget drops what leave remembered.
func (x *lanes) forget(l *lane, id domain.DeliveryID) {
	if _, ok := l.left[id]; ok {
		delete(l.left, id)
		x.left--
		x.noteLeft(l)
	}
}

// noteLeft notes that a lane has nothing left to the clock any more, if so.
func (x *lanes) noteLeft(l *lane) {
	if len(l.left) == 0 && l.overflow.IsZero() {
		delete(x.leaving, l)
	}
}

// takeExpired removes the tasks that waited too long and leaves them to the clock; drop removes all that wait.
func (x *lanes) takeExpired(drop bool) []*task {
	x.mu.Lock()
	defer x.mu.Unlock()
	var expired []*task
	now := time.Now()
	for l := range x.waiting {
		for l.queue.len() > 0 && (drop || now.Sub(l.queue.at(0).queuedAt) >= x.limits.Wait) {
			t := x.dequeue(l)
			delete(l.busy, t.id)
			x.leave(l, t)
			expired = append(expired, t)
		}
	}
	return expired
}

// reserve keeps room for a delivery that the clock is about to offer, as it was looked at when it had that many attempts.
func (x *lanes) reserve(l *lane, id domain.DeliveryID, attempts int) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if l.holds(id) || l.room() <= 0 || x.offered >= x.limits.Offered || x.made.stale(id, attempts) {
		return false
	}
	l.reserved[id] = time.Now()
	x.offered++
	return true
}

// holds is the lane's holds for who does not hold the mutex.
func (x *lanes) holds(l *lane, id domain.DeliveryID) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return l.holds(id)
}

// unreserve gives back room that reserve kept, if so, and wakes the clock when half of what it may offer has gone its way.
func (x *lanes) unreserve(l *lane, id domain.DeliveryID) (kept bool) {
	if _, kept = l.reserved[id]; !kept {
		return false
	}
	delete(l.reserved, id)
	if x.offered--; x.offered == x.limits.Offered/2 {
		pulse(x.roomMade)
	}
	return true
}

// mayOffer reports whether the clock may offer more.
func (x *lanes) mayOffer() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.offered < x.limits.Offered
}

// release gives back room that reserve kept, and forgets that the delivery was left.
func (x *lanes) release(l *lane, id domain.DeliveryID, forget bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.unreserve(l, id)
	if forget {
		x.forget(l, id)
	}
}

// pass gives back room that was kept for a delivery that was handed out and is not attempted after all.
func (x *lanes) pass(s domain.SubscriptionID, id domain.DeliveryID) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if l, ok := x.lanes[s]; ok {
		x.unreserve(l, id)
	}
}

// roomOf returns how many deliveries the clock may offer to a lane now.
func (x *lanes) roomOf(l *lane) int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return max(0, min(l.room(), x.limits.Process-x.running, x.limits.Offered-x.offered))
}

// setBacklog notes whether the clock has more for a lane than there was room for.
func (x *lanes) setBacklog(l *lane, backlog bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	l.backlog = backlog || len(l.left) > 0 || !l.overflow.IsZero()
	x.markReady(l)
}

// leftIn returns deliveries that were left to the clock by lanes that have room, no more than the clock may offer.
func (x *lanes) leftIn(limit int) []leftDelivery {
	x.mu.Lock()
	defer x.mu.Unlock()
	var found []leftDelivery
	limit = min(limit, x.limits.Offered-x.offered)
	for l := range x.leaving {
		room := l.room()
		for id, of := range l.left {
			if room <= 0 || len(found) >= limit {
				break
			}
			if _, kept := l.reserved[id]; !kept {
				found = append(found, leftDelivery{l, id, of})
				room--
			}
		}
	}
	return found
}

// overflowing returns the lanes with room that could not remember all that they left.
func (x *lanes) overflowing() []overflow {
	x.mu.Lock()
	defer x.mu.Unlock()
	var found []overflow
	if x.offered >= x.limits.Offered {
		return nil // nothing of it could be offered
	}
	for l := range x.leaving {
		if room := l.room(); !l.overflow.IsZero() && room > 0 && len(l.left) < maxLeftPerLane/2 {
			found = append(found, overflow{l, l.overflow, room})
		}
	}
	return found
}

// overflow is a lane that left deliveries published up to a time, which must be looked for in the due index.
type overflow struct {
	lane *lane
	upTo time.Time
	room int
}

// drained notes that the due index holds nothing more that the lane left up to a time.
func (x *lanes) drained(o overflow) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if o.lane.overflow.Equal(o.upTo) {
		o.lane.overflow = time.Time{}
		x.noteLeft(o.lane)
	}
}

type leftDelivery struct {
	lane *lane
	id   domain.DeliveryID
	of   domain.DeliveryOf
}

// sweep drops reservations that nobody came for, lanes that have long been idle, and attempts that everybody can see who looks
// at what is folded.
func (x *lanes) sweep(folded eventlog.Position) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.made.turn(folded)
	now := time.Now()
	for id, l := range x.lanes {
		for d, at := range l.reserved {
			if now.Sub(at) >= reservedFor {
				x.unreserve(l, d)
			}
		}
		if l.idle() && now.Sub(l.lastUsed) >= idleFor {
			delete(x.lanes, id)
			x.dropHost(l)
			if l.org.lanes--; l.org.lanes == 0 && !l.org.inRing {
				delete(x.tenants, l.org.id)
			}
		}
	}
}

func (x *lanes) dropHost(l *lane) {
	if l.host.lanes--; l.host.lanes == 0 {
		delete(x.hosts, l.host.name)
	}
}

func (x *lanes) stats() Stats {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := Stats{Running: x.running, Left: x.left}
	for _, l := range x.lanes {
		if !l.idle() {
			s.Lanes++
		}
		s.Waiting += l.queue.len()
	}
	return s
}
