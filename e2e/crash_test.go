package e2e_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"
)

const (
	crashAttempts = 7
	failingShare  = 0.3
	publishers    = 8
)

var crashSchedule = []string{"1s", "1s", "1s", "1s", "1s", "1s"}

// crash is a server that is killed again and again while it is published to and its receiver fails at random.
type crash struct {
	organization
	receiver *receiver
	webhook  webhook
	random   *rand.Rand

	mu           sync.Mutex
	acknowledged []string
	// open counts, for each event, the kills at which its delivery had no end in the log.
	open  map[string]int
	kills int
	// still holds how many requests had come of each event whose delivery had ended before a kill.
	still map[string]int
}

func newCrash(t *testing.T, slug string) *crash {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	c := &crash{random: rand.New(rand.NewPCG(seed, 1)), open: map[string]int{}, still: map[string]int{}}
	var mu sync.Mutex
	failing := rand.New(rand.NewPCG(seed, 2))
	c.receiver = newReceiver(t, func(string, int) int {
		mu.Lock()
		defer mu.Unlock()
		if failing.Float64() < failingShare {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	})
	c.receiver.slim = true
	c.organization = newServer(t).organize(t, slug, "vantageclaw", crashSchedule, "")
	c.webhook = c.subscribe(t, c.receiver.URL+"/hook")
	return c
}

// round publishes from several connections, kills the server at a random moment, does something to the stopped log and
// starts the server again.
func (c *crash) round(t *testing.T, damage func(*testing.T)) {
	t.Helper()
	over := make(chan struct{})
	var all sync.WaitGroup
	for range publishers {
		all.Go(func() { c.publishUntil(t, over) })
	}
	before := c.acknowledgedSoFar()
	eventually(t, "something is acknowledged", func() bool { return c.acknowledgedSoFar() >= before+publishers })
	time.Sleep(300*time.Millisecond + time.Duration(c.random.Int64N(int64(1200*time.Millisecond))))
	c.kill(t)
	close(over)
	all.Wait()
	c.kills++
	c.takeStock(t)
	if damage != nil {
		damage(t)
	}
	c.start(t)
}

func (c *crash) acknowledgedSoFar() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.acknowledged)
}

// publishUntil publishes on one connection and remembers what was acknowledged.
func (c *crash) publishUntil(t *testing.T, over <-chan struct{}) {
	body := fmt.Sprintf(`{"type":%q,"data":{"text":"crash <&> ü"}}`, thing)
	for {
		select {
		case <-over:
			return
		case <-time.After(5 * time.Millisecond):
		}
		r, err := c.as(c.platform, "POST", c.path("/events"), body)
		if err != nil || r.status == http.StatusServiceUnavailable {
			continue // Killed, or busy: nothing was promised.
		}
		var p published
		if err := json.Unmarshal(r.body, &p); r.status != http.StatusAccepted || err != nil || p.Deliveries != 1 {
			t.Errorf("publish: %d %s", r.status, r.body)
			return
		}
		c.mu.Lock()
		c.acknowledged = append(c.acknowledged, p.EventID)
		c.mu.Unlock()
	}
}

// takeStock reads the log of the killed server: what is acknowledged must be there, and what has ended must stay silent.
func (c *crash) takeStock(t *testing.T) {
	t.Helper()
	time.Sleep(100 * time.Millisecond) // what the dead server had sent is in the receiver's hands
	l := c.dump(t)
	for _, event := range c.acknowledged {
		if _, ok := l.messages[event]; !ok {
			t.Errorf("event %s was acknowledged and is not in the log", event)
		}
	}
	for event := range l.messages {
		if l.open(event) {
			c.open[event]++
			continue
		}
		seen := c.receiver.count(event)
		if before, ok := c.still[event]; ok && before != seen {
			t.Errorf("event %s had ended before a kill and was sent again: %d requests, then %d", event, before, seen)
		}
		c.still[event] = seen
	}
}

// settled reports whether every acknowledged event was answered with 2xx or has a delivery that is dead.
func (c *crash) settled(t *testing.T) bool {
	t.Helper()
	for _, event := range c.acknowledged {
		if !c.receiver.succeeded(event) && c.receiver.count(event) < crashAttempts {
			return false
		}
	}
	return true
}

// finish waits for everything to end, stops the server in good order and checks what must hold.
func (c *crash) finish(t *testing.T) ledger {
	t.Helper()
	var l ledger
	eventually(t, "every acknowledged event arrived or is dead", func() bool { return c.settled(t) })
	eventually(t, "every delivery has its end in the log", func() bool {
		time.Sleep(1500 * time.Millisecond) // an attempt more may be due
		c.stop(t)
		if l = c.dump(t); c.unended(l) == 0 {
			return true
		}
		c.start(t)
		return false
	})
	c.check(t, l)
	return l
}

func (c *crash) unended(l ledger) int {
	n := 0
	for event := range l.messages {
		if l.open(event) {
			n++
		}
	}
	return n
}

// check compares what the receiver saw with what is recorded.
func (c *crash) check(t *testing.T, l ledger) {
	t.Helper()
	for _, event := range c.acknowledged {
		if d := l.byEvent[event]; !d.ended() {
			t.Errorf("event %s was acknowledged and neither arrived nor is dead", event)
		}
	}
	unrecorded := 0
	for event, d := range l.byEvent {
		seen := c.receiver.count(event)
		unrecorded += max(0, seen-d.attempts)
		if more := seen - d.attempts; more > c.open[event] {
			t.Errorf("delivery %s: %d requests seen, %d attempts recorded, and only %d kills while it was open", d.id, seen, d.attempts, c.open[event])
		}
		if d.delivered && !c.receiver.succeeded(event) {
			t.Errorf("delivery %s is recorded as delivered, and no request of it was answered with 2xx", d.id)
		}
		if before, ok := c.still[event]; ok && before != seen {
			t.Errorf("delivery %s had ended before a kill and was sent again: %d requests, then %d", d.id, before, seen)
		}
	}
	t.Logf("%d kills, %d acknowledged: %s; %d requests were cut off by a kill before they were recorded",
		c.kills, len(c.acknowledged), l.summary(), unrecorded)
}

// history compares a few deliveries as auditors are shown them with the log.
func (c *crash) history(t *testing.T, l ledger) {
	t.Helper()
	c.start(t)
	n := 0
	for event, d := range l.byEvent {
		if n++; n > 20 {
			break
		}
		h := c.delivery(t, d.id)
		if want := map[bool]string{true: "success", false: "dead_letter"}[d.delivered]; h.Attempts != d.attempts || h.Status != want || h.EventID != event {
			t.Errorf("delivery %s of %s: shown are %+v; the log has %d attempts and %s", d.id, event, h, d.attempts, want)
		}
	}
}

func rounds(short, whole int) int {
	if long {
		return whole
	}
	return short
}

// README, "What it promises": nothing acknowledged is lost; a kill costs at most one repeated request for a delivery on
// the wire and none for one that had ended.
func TestKilledAtAnyMomentNothingIsLostOrEndedTwice(t *testing.T) {
	t.Parallel()
	c := newCrash(t, "crash")
	for range rounds(4, 20) {
		c.round(t, nil)
	}
	l := c.finish(t)
	c.history(t, l)
}

// A group whose checkpoint is put back to the start hands everything out again; nothing that had ended is sent again.
func TestARewoundGroupSendsNothingThatHadEnded(t *testing.T) {
	t.Parallel()
	c := newCrash(t, "rewound")
	for range rounds(2, 20) {
		c.round(t, c.rewindGroups)
	}
	c.finish(t)
	c.silentAfter(t, c.rewindFarGroups)
}

// A group whose state is lost forgets what was on its way; the clock offers that, and nothing that had ended is sent again.
func TestALostGroupSendsNothingThatHadEnded(t *testing.T) {
	t.Parallel()
	c := newCrash(t, "lost")
	if long {
		// What the group forgot is offered by the clock after a grace of two minutes.
		for range 3 {
			c.round(t, c.forgetGroups)
		}
		time.Sleep(2*time.Minute + 10*time.Second)
	} else {
		c.round(t, nil)
	}
	c.finish(t)
	c.silentAfter(t, c.forgetGroups)
}

// silentAfter damages the log of the stopped server, in which everything has ended, and starts it: nothing may be sent
// but what is published from then on.
func (c *crash) silentAfter(t *testing.T, damage func(*testing.T)) {
	t.Helper()
	before := c.receiver.snapshot()
	damage(t)
	c.start(t)
	p := c.publish(t, `{"after":"the damage"}`)
	eventually(t, "what is published afterwards arrives", func() bool { return c.receiver.succeeded(p.EventID) })
	time.Sleep(2 * time.Second) // longer than it takes to hand everything out again
	for event, n := range c.receiver.snapshot() {
		if event != p.EventID && n != before[event] {
			t.Errorf("event %s had ended and was sent again: %d requests, then %d", event, before[event], n)
		}
	}
}
