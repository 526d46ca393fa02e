package e2e_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"
)

// at is an organization as it is asked for on another node.
func (o organization) at(s *server) organization {
	o.server = s
	return o
}

// statuses asks every node the same and returns what each answers.
func (c *cluster) statuses(key, path string) []int {
	var all []int
	for _, n := range c.nodes {
		r, err := n.as(key, "GET", path, nil)
		if err != nil {
			r.status = 0
		}
		all = append(all, r.status)
	}
	return all
}

// everywhere waits until every node answers alike, and returns how long that took.
func (c *cluster) everywhere(t *testing.T, key, path string, status int) time.Duration {
	t.Helper()
	begun := time.Now()
	eventually(t, fmt.Sprintf("GET %s is %d on every node", path, status), func() bool {
		return !slices.ContainsFunc(c.statuses(key, path), func(s int) bool { return s != status })
	})
	return time.Since(begun)
}

// Three nodes on one log are one service: README, "The log on EventStoreDB".
func TestNodesOnOneLogAreOneService(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	r := newReceiver(t, func(string, int) int { time.Sleep(5 * time.Millisecond); return http.StatusOK })
	o := c.nodes[0].organize(t, "nodes", "vantageclaw", []string{"1s", "1s"}, "")
	for i, n := range c.nodes {
		created, published := o.at(c.nodes[(i+1)%3]), o.at(n)
		w := created.subscribe(t, r.URL+"/hook")
		p := published.publish(t, `{"right":"after"}`)
		eventually(t, "what is published on another node right after a webhook was created arrives", func() bool { return r.count(p.EventID) == i+1 })
		var test struct {
			EventID string `json:"event_id"`
		}
		fresh := created.subscribe(t, r.URL+"/test")
		published.mustAs(t, o.partner, http.StatusOK, "POST", "/api/v1/partner/webhooks/"+fresh.ID+"/test", map[string]string{"secret": fresh.Secret}, &test)
		eventually(t, "a test that another node was asked for arrives", func() bool { return r.count(test.EventID) == 1 })
		o.mustAs(t, o.partner, http.StatusNoContent, "DELETE", "/api/v1/partner/webhooks/"+fresh.ID, nil, nil)
		o.webhook(t, w.ID)
	}
	c.sharesWork(t, o, r)
	c.answersAlike(t, o)
	c.revokes(t, o)
	bad := c.disables(t, o)
	l := c.dump(t)
	if len(l.actors) != 3 {
		t.Errorf("attempts were recorded by %v, want three nodes", l.actors)
	}
	if n := l.facts["hooklog.SubscriptionDisabled.v1"]; n != 1 {
		t.Errorf("%s was disabled %d times", bad, n)
	}
	t.Logf("%s, by node %v", l.summary(), l.actors)
}

func (c *cluster) sharesWork(t *testing.T, o organization, r *receiver) {
	t.Helper()
	var all sync.WaitGroup
	var mu sync.Mutex
	var events []string
	for _, n := range c.nodes {
		all.Go(func() {
			for i := range 60 {
				p := o.at(n).publish(t, fmt.Sprintf(`{"n":%d}`, i))
				mu.Lock()
				events = append(events, p.EventID)
				mu.Unlock()
			}
		})
	}
	all.Wait()
	eventually(t, "everything arrives three times", func() bool {
		return !slices.ContainsFunc(events, func(e string) bool { return r.count(e) != 3 })
	})
}

// answersAlike compares what each node's API says.
func (c *cluster) answersAlike(t *testing.T, o organization) {
	t.Helper()
	path := "/api/v1/partner/webhooks"
	eventually(t, "every node lists the same", func() bool {
		var answers []string
		for _, n := range c.nodes {
			var list json.RawMessage
			n.mustAs(t, o.partner, http.StatusOK, "GET", path, nil, &list)
			answers = append(answers, string(list))
		}
		return answers[0] == answers[1] && answers[1] == answers[2]
	})
}

func (c *cluster) revokes(t *testing.T, o organization) {
	t.Helper()
	var key struct {
		KeyID string `json:"key_id"`
		Key   string `json:"key"`
	}
	c.nodes[1].must(t, http.StatusCreated, "POST", o.path("/keys"), map[string]any{"scopes": []string{"webhooks:manage"}, "mode": "test", "rate_limit_per_minute": 100_000}, &key)
	c.everywhere(t, key.Key, "/api/v1/partner/me", http.StatusOK)
	c.nodes[2].must(t, http.StatusNoContent, "DELETE", o.path("/keys/"+key.KeyID), nil, nil)
	t.Logf("a revoked key stopped working on every node after %v", c.everywhere(t, key.Key, "/api/v1/partner/me", http.StatusUnauthorized))
}

// disables makes a webhook fail until it is off, and returns its id.
func (c *cluster) disables(t *testing.T, o organization) string {
	t.Helper()
	r := newReceiver(t, func(string, int) int { return http.StatusInternalServerError })
	w := o.subscribe(t, r.URL+"/bad")
	for i := range 30 {
		o.at(c.nodes[i%3]).publish(t, `{}`)
	}
	for _, n := range c.nodes {
		eventually(t, "the failing webhook is off on every node", func() bool { return !o.at(n).webhook(t, w.ID).Active })
		if got := o.at(n).webhook(t, w.ID); got.ConsecutiveFailures != 20 {
			t.Errorf("it stands at %d failures", got.ConsecutiveFailures)
		}
	}
	return w.ID
}

// storm publishes on all nodes of a cluster while somebody breaks it.
type storm struct {
	*cluster
	organization
	receiver *receiver
	random   *rand.Rand

	mu           sync.Mutex
	acknowledged []string
	troubles     int
	over         map[string]bool // deliveries whose end was seen
}

func newStorm(t *testing.T, slug string) *storm {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	s := &storm{random: rand.New(rand.NewPCG(seed, 1)), over: map[string]bool{}}
	var mu sync.Mutex
	failing := rand.New(rand.NewPCG(seed, 2))
	s.receiver = newReceiver(t, func(string, int) int {
		mu.Lock()
		defer mu.Unlock()
		if failing.Float64() < failingShare {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	})
	s.receiver.slim = true
	s.cluster = newCluster(t, 3)
	s.organization = s.nodes[0].organize(t, slug, "standard", crashSchedule, "")
	s.subscribe(t, s.receiver.URL+"/hook")
	return s
}

// during publishes on every node while act breaks something and mends it.
func (s *storm) during(t *testing.T, act func()) {
	t.Helper()
	over := make(chan struct{})
	var all sync.WaitGroup
	for _, n := range s.nodes {
		all.Go(func() { s.publishUntil(t, n, over) })
	}
	act()
	time.Sleep(500 * time.Millisecond)
	close(over)
	all.Wait()
	s.troubles++
}

// publishUntil publishes on one node and remembers what was acknowledged. What is refused for now was not promised.
func (s *storm) publishUntil(t *testing.T, n *server, over <-chan struct{}) {
	for {
		select {
		case <-over:
			return
		case <-time.After(10 * time.Millisecond):
		}
		r, err := n.as(s.platform, "POST", s.path("/events"), fmt.Sprintf(`{"type":%q,"data":{}}`, thing))
		if err != nil || r.status == http.StatusServiceUnavailable {
			continue
		}
		var p published
		if err := json.Unmarshal(r.body, &p); r.status != http.StatusAccepted || err != nil {
			t.Errorf("publish: %d %s", r.status, r.body)
			return
		}
		s.mu.Lock()
		s.acknowledged = append(s.acknowledged, p.EventID)
		s.mu.Unlock()
	}
}

func (s *storm) pause(least, most time.Duration) {
	time.Sleep(least + time.Duration(s.random.Int64N(int64(most-least)+1)))
}

// hasEnded reports whether the delivery of an event has an end that is recorded. It is not asked again about one that has.
func (s *storm) hasEnded(t *testing.T, event string) bool {
	t.Helper()
	if !s.over[event] {
		deliveries := s.explain(t, event).Deliveries
		s.over[event] = len(deliveries) == 1 && (deliveries[0].Status == "success" || deliveries[0].Status == "dead_letter")
	}
	return s.over[event]
}

// finish waits until everything has ended, and checks what must hold.
func (s *storm) finish(t *testing.T) {
	t.Helper()
	begun := time.Now()
	eventually(t, "every acknowledged event arrived or is dead", func() bool {
		return !slices.ContainsFunc(s.acknowledged, func(e string) bool {
			return !s.receiver.succeeded(e) && s.receiver.count(e) < crashAttempts
		})
	})
	settled := time.Since(begun)
	eventually(t, "the last outcomes are recorded", func() bool {
		return !slices.ContainsFunc(s.acknowledged, func(e string) bool { return !s.hasEnded(t, e) })
	})
	time.Sleep(2 * time.Second) // what must not come would come
	l := s.cluster.dump(t)
	for _, event := range s.acknowledged {
		if _, ok := l.messages[event]; !ok {
			t.Errorf("event %s was acknowledged and is not in the log", event)
		}
		if d := l.byEvent[event]; !d.ended() {
			t.Errorf("event %s was acknowledged and has no end in the log", event)
		}
	}
	unrecorded := 0
	for event, d := range l.byEvent {
		more := s.receiver.count(event) - d.attempts
		unrecorded += max(0, more)
		if more > s.troubles {
			t.Errorf("delivery %s: %d requests seen, %d attempts recorded after %d troubles", d.id, s.receiver.count(event), d.attempts, s.troubles)
		}
		if d.delivered && !s.receiver.succeeded(event) {
			t.Errorf("delivery %s is recorded as delivered, and no request of it was answered with 2xx", d.id)
		}
	}
	t.Logf("%d troubles, %d acknowledged: %s, by node %v; settled %v after the last; %d requests were cut off before they were recorded",
		s.troubles, len(s.acknowledged), l.summary(), l.actors, settled.Round(time.Millisecond), unrecorded)
}

// Nodes and the log are killed in random order while all nodes are published to.
func TestNodesAndTheirLogAreKilledAtRandom(t *testing.T) {
	t.Parallel()
	s := newStorm(t, "killed")
	for i := range rounds(4, 30) {
		s.during(t, func() {
			s.pause(200*time.Millisecond, time.Second)
			if i%2 == 0 {
				s.log.kill(t)
				s.pause(0, 2*time.Second)
				s.log.start(t)
				return
			}
			n := s.nodes[s.random.IntN(len(s.nodes))]
			n.kill(t)
			s.pause(0, time.Second)
			n.start(t)
		})
	}
	s.finish(t)
}

// A node is cut off from the log: by closed connections, and by silence.
func TestANodeIsCutOffFromTheLog(t *testing.T) {
	t.Parallel()
	s := newStorm(t, "cut")
	for i := range rounds(2, 10) {
		s.during(t, func() {
			s.pause(200*time.Millisecond, time.Second)
			w := s.wires[s.random.IntN(len(s.wires))]
			if i%2 == 0 {
				w.sever()
			} else {
				w.silent.Store(true)
			}
			if s.pause(time.Second, 4*time.Second); long {
				s.pause(10*time.Second, 30*time.Second)
			}
			w.mend()
		})
	}
	s.finish(t)
}

// A node that is cut off says so, and takes no key that may have been revoked meanwhile: by closed connections, and by silence.
func TestANodeCutOffTrustsNoKey(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	o := c.nodes[0].organize(t, "severed", "vantageclaw", nil, "")
	for how, cut := range map[string]func(){"severed": c.wires[1].sever, "silent": func() { c.wires[1].silent.Store(true) }} {
		var key struct {
			KeyID string `json:"key_id"`
			Key   string `json:"key"`
		}
		c.nodes[0].must(t, http.StatusCreated, "POST", o.path("/keys"), map[string]any{"scopes": []string{"webhooks:manage"}, "mode": "test", "rate_limit_per_minute": 100_000}, &key)
		c.everywhere(t, key.Key, "/api/v1/partner/me", http.StatusOK)
		cut()
		begun := time.Now()
		c.nodes[0].must(t, http.StatusNoContent, "DELETE", o.path("/keys/"+key.KeyID), nil, nil)
		revoked := time.Now()
		takesNoMore := func(which string, n *server, status int) {
			t.Helper()
			eventually(t, fmt.Sprintf("%s: %s answers %d to a revoked key", how, which, status), func() bool {
				late := time.Since(revoked) > 10*time.Second
				r, err := n.as(key.Key, "GET", "/api/v1/partner/me", nil)
				if err == nil && late && r.status == http.StatusOK {
					t.Errorf("%s: %s took a key that was shown more than 10 s after its revocation was answered", how, which)
				}
				return err == nil && r.status == status
			})
		}
		takesNoMore("the node that revoked it", c.nodes[0], http.StatusUnauthorized)
		takesNoMore("the node cut off", c.nodes[1], http.StatusServiceUnavailable)
		t.Logf("%s: a revoked key works nowhere after %v", how, time.Since(begun).Round(time.Millisecond))
		c.wires[1].mend()
		c.everywhere(t, o.partner, "/api/v1/partner/me", http.StatusOK)
		takesNoMore("the node that was cut off", c.nodes[1], http.StatusUnauthorized)
	}
}

// The others take over the retries of a node that is dead.
func TestRetriesOfADeadNodeAreTakenOver(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 2)
	r := newReceiver(t, func(_ string, n int) int {
		if n == 1 {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	})
	o := c.nodes[0].organize(t, "takeover", "standard", []string{"3s", "3s"}, "")
	o.subscribe(t, r.URL+"/hook")
	var events []string
	for i := range 20 {
		events = append(events, o.at(c.nodes[i%2]).publish(t, `{}`).EventID)
	}
	eventually(t, "every first attempt is made", func() bool {
		return !slices.ContainsFunc(events, func(e string) bool { return r.count(e) == 0 })
	})
	eventually(t, "they are recorded", func() bool {
		return !slices.ContainsFunc(events, func(e string) bool { return o.explain(t, e).Deliveries[0].Status == "pending" })
	})
	c.nodes[0].kill(t)
	o = o.at(c.nodes[1])
	begun := time.Now()
	eventually(t, "every retry is made", func() bool {
		return !slices.ContainsFunc(events, func(e string) bool { return !r.succeeded(e) })
	})
	t.Logf("all retries arrived %v after the kill; they were due 3 s after their first attempts", time.Since(begun).Round(time.Millisecond))
	for _, e := range events {
		// A retry that was on the wire at the kill may be repeated.
		if n := r.count(e); n < 2 || n > 3 {
			t.Errorf("event %s was sent %d times", e, n)
		}
	}
}

// Retries go on at the pace of the nodes together: what a node offers and another attempts keeps no room for long.
func TestNodesShareRetries(t *testing.T) {
	t.Parallel()
	c := newCluster(t, 3)
	r := newReceiver(t, func(_ string, n int) int {
		if n == 1 {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	})
	r.slim = true
	o := c.nodes[0].organize(t, "retries", "standard", []string{"1s", "1s"}, "")
	o.subscribe(t, r.URL+"/hook")
	const many = 1000
	batch := slices.Repeat([]json.RawMessage{json.RawMessage(fmt.Sprintf(`{"type":%q,"data":{}}`, thing))}, many)
	o.mustAs(t, o.platform, http.StatusOK, "POST", o.path("/events"), batch, nil)
	begun := time.Now()
	eventually(t, "every retry arrives", func() bool {
		r.mu.Lock()
		defer r.mu.Unlock()
		return len(r.successes) == many
	})
	t.Logf("%d retries on three nodes within %v", many, time.Since(begun).Round(time.Millisecond))
}
