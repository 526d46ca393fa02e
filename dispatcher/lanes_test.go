package dispatcher

import (
	"encoding/binary"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/hooklog/hooklog/domain"
)

// bench is a set of lanes with names for what is in it.
type bench struct {
	*lanes
	next uint64
}

func newBench(t interface{ Fatal(...any) }, l Limits) *bench {
	limits, err := l.withDefaults(true)
	if err != nil {
		t.Fatal(err)
	}
	return &bench{lanes: newLanes(limits)}
}

func (b *bench) lane(org, sub int, host string) *lane {
	s := domain.Subscription{ID: numbered[domain.SubscriptionID](sub), Organization: numbered[domain.OrganizationID](org),
		SubscriptionSettings: domain.SubscriptionSettings{URL: "https://" + host + "/"}}
	return b.of(s, -1)
}

func numbered[ID ~[16]byte](n int) (id ID) {
	binary.BigEndian.PutUint64(id[:8], uint64(n)+1)
	return id
}

func (b *bench) task(l *lane) *task {
	b.next++
	return &task{id: numbered[domain.DeliveryID](int(b.next)), lane: l, work: &work{}}
}

var fast = result{succeeded: true, took: time.Millisecond, brake: -1}

func TestALaneRunsAsManyAsItsLimitAndQueuesTheRest(t *testing.T) {
	b := newBench(t, Limits{Lane: 2, LaneStart: 2})
	l := b.lane(1, 1, "a:443")
	first, second, third := b.task(l), b.task(l), b.task(l)
	if got := []admission{b.submit(first), b.submit(second), b.submit(third)}; !slices.Equal(got, []admission{started, started, queued}) {
		t.Fatalf("got %v", got)
	}
	next := b.finish(first, fast)
	if len(next) != 1 || next[0] != third {
		t.Fatalf("finishing one starts %v, want the third", next)
	}
}

func TestTheSameDeliveryIsInHandOnce(t *testing.T) {
	b := newBench(t, Limits{Lane: 1, LaneStart: 1})
	l := b.lane(1, 1, "a:443")
	running, waiting := b.task(l), b.task(l)
	b.submit(running)
	b.submit(waiting)
	for _, again := range []*task{{id: running.id, lane: l}, {id: waiting.id, lane: l}} {
		if got := b.submit(again); got != duplicate {
			t.Errorf("got %v, want duplicate", got)
		}
	}
}

func TestALaneHoldsWhatIsInHandOrOffered(t *testing.T) {
	b := newBench(t, Limits{Lane: 1, LaneStart: 1})
	l := b.lane(1, 1, "a:443")
	offered, running, waiting, other := b.task(l), b.task(l), b.task(l), b.task(l)
	b.reserve(l, offered.id, 0)
	b.submit(running)
	b.submit(waiting)
	for _, c := range []struct {
		name string
		t    *task
		want bool
	}{{"offered", offered, true}, {"running", running, true}, {"waiting", waiting, true}, {"another", other, false}} {
		if got := b.holds(l, c.t.id); got != c.want {
			t.Errorf("%s: it is held: %v", c.name, got)
		}
	}
	b.release(l, offered.id, false)
	b.finish(running, fast)
	for name, id := range map[string]domain.DeliveryID{"let go": offered.id, "ended": running.id} {
		if b.holds(l, id) {
			t.Errorf("what was %s is held", name)
		}
	}
}

func TestALaneShrinksWithTimeoutsAndGrowsWithSuccesses(t *testing.T) {
	b := newBench(t, Limits{})
	l := b.lane(1, 1, "a:443")
	hung := result{timedOut: true, took: 10 * time.Second, brake: -1}
	for range 5 {
		x := b.task(l)
		if got := b.submit(x); got != started {
			t.Fatalf("got %v", got)
		}
		b.finish(x, hung)
	}
	if l.limit != 1 {
		t.Fatalf("limit after timeouts is %d, want 1", l.limit)
	}
	running := b.task(l)
	b.submit(running)
	if got := b.submit(b.task(l)); got != leftAlone {
		t.Fatalf("a task behind one that hangs: got %v, want it left to the clock", got)
	}
	b.finish(running, fast)
	for range 40 {
		x := b.task(l)
		x.offered = true
		if b.submit(x) == started {
			b.finish(x, fast)
		}
	}
	if l.limit < b.limits.Lane {
		t.Fatalf("limit after successes is %d, want at least %d", l.limit, b.limits.Lane)
	}
}

// What the clock offers goes through the log, and so does what is published: of the former only so much may be on its way,
// over all lanes.
func TestOnlySoManyRetriesAreOnTheirWay(t *testing.T) {
	b := newBench(t, Limits{Offered: 4})
	var tasks []*task
	offer := func(l *lane) bool {
		x := b.task(l)
		tasks = append(tasks, x)
		return b.reserve(l, x.id, 0)
	}
	woken := func() bool {
		select {
		case <-b.roomMade:
			return true
		default:
			return false
		}
	}
	one, two := b.lane(1, 1, "a:443"), b.lane(2, 2, "b:443")
	for i, l := range []*lane{one, one, two, two} {
		if !b.mayOffer() || b.roomOf(l) == 0 || !offer(l) {
			t.Fatalf("only %d could be offered, want 4", i)
		}
	}
	if b.mayOffer() || b.roomOf(one) != 0 || offer(b.lane(3, 3, "c:443")) {
		t.Fatal("more than Offered could be offered")
	}
	if got := b.submit(tasks[0]); got != started || !tasks[0].offered || woken() {
		t.Fatalf("the first one handed out: %v, offered %v", got, tasks[0].offered)
	}
	b.pass(one.id, tasks[1].id) // it turned out to have ended
	b.pass(one.id, tasks[1].id)
	if !woken() || b.roomOf(two) != 2 {
		t.Fatalf("half of what was on its way has come: the clock must be woken, and may offer 2 more; room is %d", b.roomOf(two))
	}
}

func TestOnlyAReceiverThatAnswersFastGetsMoreThanALane(t *testing.T) {
	for name, c := range map[string]struct {
		took time.Duration
		want int
	}{"fast": {5 * time.Millisecond, 32}, "slow": {50 * time.Millisecond, 16}} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, Limits{})
			l := b.lane(1, 1, "a:443")
			for range 100 {
				x := b.task(l)
				b.submit(x)
				b.finish(x, result{succeeded: true, took: c.took, brake: -1})
			}
			if l.limit != c.want {
				t.Errorf("limit %d, want %d", l.limit, c.want)
			}
		})
	}
}

func TestOneOrganizationLeavesThreeQuartersWhileAnotherIsActive(t *testing.T) {
	b := newBench(t, Limits{Process: 16, Lane: 2, LaneStart: 2})
	running := func(org int) int { return b.tenants[numbered[domain.OrganizationID](org)].running }
	b.submit(b.task(b.lane(2, 1000, "other:443")))
	for sub := range 50 {
		b.submit(b.task(b.lane(1, sub, fmt.Sprint(sub))))
	}
	if got := running(1); got != 4 {
		t.Fatalf("%d running beside another organization, want 4 of 16", got)
	}
	if got := b.submit(b.task(b.lane(2, 1001, "other:443"))); got != started {
		t.Fatalf("the other organization: got %v, want started", got)
	}
}

func TestAnOrganizationAloneLeavesAQuarterFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Limits{Process: 16, Lane: 2, LaneStart: 2})
		b.submit(b.task(b.lane(2, 1000, "other:443")))
		b.lane(1, 0, "0")
		b.submit(b.task(b.lane(1, 0, "0")))
		time.Sleep(2 * otherActive)
		for sub := range 50 {
			b.submit(b.task(b.lane(1, sub, fmt.Sprint(sub))))
		}
		if got := b.tenants[numbered[domain.OrganizationID](1)].running; got != 12 {
			t.Fatalf("%d running alone, want 12 of 16", got)
		}
	})
}

func TestAHostHasItsOwnBound(t *testing.T) {
	b := newBench(t, Limits{Host: 3, Lane: 2, LaneStart: 2})
	var tasks []*task
	for sub := range 4 {
		x := b.task(b.lane(1, sub, "same:443"))
		tasks = append(tasks, x)
		b.submit(x)
	}
	if got := b.hosts["same:443"].running; got != 3 {
		t.Fatalf("%d running to one host, want 3", got)
	}
	if got := b.submit(b.task(b.lane(1, 99, "else:443"))); got != started {
		t.Fatalf("another host: got %v, want started", got)
	}
	next := b.finish(tasks[0], fast)
	if len(next) != 1 || next[0] != tasks[3] {
		t.Fatalf("finishing one starts %v, want the one that waited for the host", next)
	}
}

func TestWhatWaitsTooLongIsLeftToTheClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, Limits{Lane: 1, LaneStart: 1})
		l := b.lane(1, 1, "a:443")
		b.submit(b.task(l))
		waiting := b.task(l)
		b.submit(waiting)
		time.Sleep(b.limits.Wait - time.Millisecond)
		if got := b.takeExpired(false); len(got) != 0 {
			t.Fatalf("expired too early: %v", got)
		}
		time.Sleep(time.Millisecond)
		if got := b.takeExpired(false); len(got) != 1 || got[0] != waiting {
			t.Fatalf("got %v, want the waiting task", got)
		}
		if b.left != 1 || !l.backlog {
			t.Fatalf("left %d, backlog %v; want 1, true", b.left, l.backlog)
		}
	})
}

func TestTheClockGetsEverySecondTurnOfALaneWithRoomForOne(t *testing.T) {
	b := newBench(t, Limits{Lane: 1, LaneStart: 1, LaneFast: 1})
	l := b.lane(1, 1, "a:443")
	b.setBacklog(l, true)
	turn := func(offered bool) admission {
		x := b.task(l)
		x.offered = offered
		got := b.submit(x)
		if got == started {
			b.finish(x, fast)
		}
		return got
	}
	if got := turn(false); got != started {
		t.Fatalf("first direct attempt: got %v", got)
	}
	if got := turn(false); got == started {
		t.Fatal("a second direct attempt went before the clock's")
	}
	if got := turn(true); got != started {
		t.Fatalf("the clock's: got %v", got)
	}
}

func TestABrakedLaneNeverRunsMoreThanMayStillFail(t *testing.T) {
	b := newBench(t, Limits{})
	l := b.lane(1, 1, "a:443")
	l.brake = 1
	x := b.task(l)
	b.submit(x)
	if got := b.submit(b.task(l)); got == started {
		t.Fatal("two run although one more failure disables")
	}
	b.finish(x, result{took: time.Millisecond, brake: 0})
	if l.running != 0 || l.room() > 0 {
		t.Fatalf("running %d, room %d at the limit; want 0, none", l.running, l.room())
	}
}

// TestLanesKeepTheirBoundsWhateverHappens checks after each step everything that must hold.
func TestLanesKeepTheirBoundsWhateverHappens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBench(t, Limits{Lane: 3, LaneStart: 2, Host: 4, Process: 8, Queue: 4, Handed: 32})
		var running, waiting []*task
		start := func(tasks ...*task) { running = append(running, tasks...) }
		for range rapid.IntRange(1, 120).Draw(t, "steps") {
			if rapid.Bool().Draw(t, "submit") || len(running) == 0 {
				org := rapid.IntRange(0, 2).Draw(t, "org")
				l := b.lane(org, org*10+rapid.IntRange(0, 3).Draw(t, "sub"), fmt.Sprint(rapid.IntRange(0, 1).Draw(t, "host")))
				x := b.task(l)
				if rapid.Bool().Draw(t, "offered") {
					x.offered = b.reserve(l, x.id, 0)
				}
				switch b.submit(x) {
				case started:
					start(x)
				case queued:
					waiting = append(waiting, x)
				}
			} else {
				i := rapid.IntRange(0, len(running)-1).Draw(t, "which")
				r := result{succeeded: rapid.Bool().Draw(t, "succeeded"), took: time.Millisecond, brake: -1}
				r.timedOut = !r.succeeded
				done := running[i]
				running = slices.Delete(running, i, i+1)
				next := b.finish(done, r)
				start(next...)
				for _, n := range next {
					waiting = slices.DeleteFunc(waiting, func(w *task) bool { return w == n })
				}
			}
			b.check(t, len(running), len(waiting))
		}
		for len(running) > 0 {
			next := b.finish(running[0], fast)
			running = append(running[1:], next...)
		}
		if s := b.stats(); s.Running != 0 {
			t.Fatalf("%d running at the end", s.Running)
		}
	})
}

func (b *bench) check(t *rapid.T, running, waiting int) {
	if s := b.stats(); s.Running != running || s.Waiting != waiting {
		t.Fatalf("lanes say %d running, %d waiting; want %d, %d", s.Running, s.Waiting, running, waiting)
	}
	if b.running > b.limits.Process {
		t.Fatalf("%d running in the process", b.running)
	}
	for _, h := range b.hosts {
		if h.running > b.limits.Host {
			t.Fatalf("%d running to %s", h.running, h.name)
		}
	}
	for _, l := range b.lanes.lanes {
		if l.running < 0 || l.running > b.limits.LaneFast || l.direct < 0 {
			t.Fatalf("lane runs %d, %d of them direct", l.running, l.direct)
		}
		if _, leaving := b.leaving[l]; leaving != (len(l.left) > 0 || !l.overflow.IsZero()) {
			t.Fatalf("that the lane left %d to the clock, and more up to %v, is known: %v", len(l.left), l.overflow, leaving)
		}
	}
}

// What the clock offers is attempted in the order in which it was due, before what came by itself.
func TestOfferedTasksWaitInTheOrderOfTheirTime(t *testing.T) {
	b := newBench(t, Limits{Lane: 1, LaneFast: 1})
	l := b.lane(0, 0, "a")
	first := b.task(l)
	if got := b.submit(first); got != started {
		t.Fatalf("the first task: %v", got)
	}
	var want []*task
	var direct *task
	for i := range 4 {
		x := b.task(l)
		x.offered = i != 0
		if got := b.submit(x); got != queued {
			t.Fatalf("task %d: %v", i, got)
		}
		if x.offered {
			want = append(want, x)
		} else {
			direct = x
		}
	}
	for i, x := range append(want, direct) {
		next := b.finish(first, result{succeeded: true, took: time.Millisecond, brake: -1})
		if len(next) != 1 || next[0] != x {
			t.Fatalf("task %d starts out of order", i)
		}
		first = x
	}
}
