package dispatcher

import (
	"time"

	"github.com/hooklog/hooklog/domain"
)

// task is one attempt to be made: the work of one target of a handed fact. It is owned by the goroutine that submits
// it, then by the lane, then by the goroutine that runs it.
type task struct {
	id        domain.DeliveryID
	of        domain.DeliveryOf
	known     domain.Delivery
	work      *work
	lane      *lane
	offered   bool // the clock handed it out: room was kept for it
	queuedAt  time.Time
	made      *generation // where its attempt is remembered while the outcome is on its way into the log
	recording recording
}

// lane is the bounded queue of one subscription's attempts in this process. Everything in it is guarded by lanes.mu.
type lane struct {
	id   domain.SubscriptionID
	org  *tenant
	url  string
	host *host // where url leads

	// running attempts, at most cap() of them; direct counts those that the clock did not offer.
	running, direct int
	// limit shrinks while attempts time out and grows with successes; hung says that the last attempt timed out.
	limit int
	hung  bool
	// brake is how many more failures the subscription may have before it is disabled, or -1.
	brake int
	queue fifo[*task]
	// busy are the deliveries queued or running; reserved those offered by the clock and not yet handed out.
	busy     map[domain.DeliveryID]struct{}
	reserved map[domain.DeliveryID]time.Time
	// left are deliveries that found the lane full and wait for the clock. Those that found no place in it either were
	// published up to overflow.
	left     map[domain.DeliveryID]domain.DeliveryOf
	overflow time.Time
	// backlog says that the clock has more for this lane than there was room for; lastDirect that the last attempt of
	// a lane with room for one was not the clock's.
	backlog, lastDirect bool
	// took is a moving average of attempts' durations.
	took     time.Duration
	lastUsed time.Time
	// pace is the subscription's own bound of attempts, nil if it has none.
	pace    *pace
	ready   bool // stands in org.ready
	blocked bool // stands in host.blocked
}

// host is a receiver's host and port.
type host struct {
	name    string
	running int
	lanes   int
	blocked []*lane // lanes that wait for the host alone
}

// tenant is an organization's share of the process.
type tenant struct {
	id      domain.OrganizationID
	running int
	waiting int
	lanes   int
	ready   fifo[*lane] // lanes whose head could start if the process had room
	inRing  bool
}

// cap is how many attempts may run at once.
func (l *lane) cap() int {
	if l.brake >= 0 {
		return min(l.limit, l.brake)
	}
	return l.limit
}

// enqueue lets a task wait: what the clock offered, oldest first, before everything else.
func (l *lane) enqueue(t *task) {
	at := l.queue.len()
	if t.offered {
		at = 0
		for at < l.queue.len() && l.queue.at(at).offered {
			at++
		}
	}
	l.queue.insert(at, t)
}

// holds reports whether a delivery is in hand, or room is kept for it.
func (l *lane) holds(id domain.DeliveryID) bool {
	_, busy := l.busy[id]
	_, kept := l.reserved[id]
	return busy || kept
}

// room is how many deliveries the clock may offer now.
func (l *lane) room() int {
	room := l.cap() - l.running
	if l.pace != nil {
		room = min(room, l.pace.soon(time.Now()))
	}
	return room - l.queue.len() - len(l.reserved)
}

// wait estimates how long a task would wait at the end of the queue. A lane that does not hang will soon run as many
// as a lane may.
func (l *lane) wait(limits Limits) time.Duration {
	width := l.cap()
	if !l.hung && l.brake < 0 {
		width = max(width, limits.Lane)
	}
	wait := l.took * time.Duration(l.queue.len()+1) / time.Duration(max(1, width))
	if l.pace != nil {
		wait = max(wait, l.pace.until(time.Now(), l.queue.len()+1))
	}
	return wait
}

// slowAnswer is the average duration from which a receiver is slow: what waits for it stands in others' way.
const slowAnswer = 250 * time.Millisecond

// admits reports whether a task that cannot start at once may wait. While its organization is the only one at work, a
// lane that is not slow may hold all that this node takes from the group: the rest waits there at no cost. Beside others
// it may hold half of that if its queue drains soon; any other lane no more than its share, its organization no more
// than a quarter.
func (l *lane) admits(limits Limits, crowded bool) bool {
	wait := l.wait(limits)
	switch {
	case l.cap() <= 0, l.pace != nil && l.backlog: // what waits longest goes first, and the clock has that
		return false
	case !crowded && !l.hung && l.took < slowAnswer && l.pace == nil:
		return true
	case wait > limits.Wait:
		return false
	case wait <= limits.Wait/5 && l.queue.len() < limits.Handed/2:
		return true
	}
	return l.queue.len() < limits.Queue && l.org.waiting < limits.Handed/4
}

// mayStart reports whether the lane itself has a free slot for a task. While the clock has a backlog, half of the
// slots, or every second turn of a single one, are the clock's.
func (l *lane) mayStart(offered bool) bool {
	c := l.cap()
	switch {
	case l.running >= c, l.pace != nil && !l.pace.ready(time.Now()):
		return false
	case offered || !l.backlog:
		return true
	case c == 1:
		return !l.lastDirect
	}
	return l.direct < (c+1)/2
}

// adapt learns from an attempt.
func (l *lane) adapt(r result, limits Limits) {
	l.brake = r.brake
	if r.took == 0 {
		return // no request was made
	}
	if l.took == 0 {
		l.took = r.took
	}
	l.took += (r.took - l.took) / 8
	l.hung = r.timedOut
	switch {
	case r.timedOut:
		l.limit = max(1, l.limit/2)
	case r.succeeded && (l.limit < limits.Lane || l.took <= fastAnswer && l.limit < limits.LaneFast):
		l.limit++
	case l.took > fastAnswer:
		l.limit = min(l.limit, limits.Lane)
	}
}

// fastAnswer is the average duration up to which a receiver is given more attempts at once: it is not at its limit.
const fastAnswer = 20 * time.Millisecond

func (l *lane) idle() bool {
	return l.running == 0 && l.queue.len() == 0 && len(l.reserved) == 0 && len(l.left) == 0 && l.overflow.IsZero()
}

// result is what an attempt teaches its lane.
type result struct {
	succeeded, timedOut bool
	// recorded says that the attempt's outcome is folded, underway that it is still to be recorded. Without either none was
	// made, or nothing is left of it.
	recorded, underway bool
	took               time.Duration
	brake              int
}
