package e2e_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// moving is a log with deliveries that arrived, that are dead, and that wait, and what was seen of it.
type moving struct {
	organization
	good, dead, waiting *receiver
	up                  atomic.Bool // the waiting ones are answered with 200
	hang                atomic.Bool // or not at all
	events              []string
	goodID, deadID      string
	lists               map[string]string
}

// partnersPaths are what is compared before and after: nothing of it changes while deliveries wait.
func (m *moving) partnersPaths() []string {
	return []string{"/api/v1/webhooks/" + m.goodID + "/deliveries?limit=200", "/api/v1/webhooks/" + m.deadID + "/deliveries?limit=200",
		"/api/v1/partner/webhooks/" + m.deadID + "/failures?limit=200", "/api/v1/event-types"}
}

func newMoving(t *testing.T) *moving {
	t.Helper()
	m := &moving{lists: map[string]string{}}
	m.good, m.dead = newReceiver(t, nil), newReceiver(t, func(string, int) int { return http.StatusInternalServerError })
	m.waiting = newReceiver(t, func(string, int) int {
		for m.hang.Load() {
			time.Sleep(10 * time.Millisecond)
		}
		if m.up.Load() {
			return http.StatusOK
		}
		return http.StatusServiceUnavailable
	})
	m.organization = newServer(t).organize(t, "moving", "standard", nil, "")
	m.goodID = m.subscribeWith(t, m.good.URL, "1s")
	m.deadID = m.subscribeWith(t, m.dead.URL, "1s")
	m.subscribeWith(t, m.waiting.URL, slices.Repeat([]string{"4s"}, 20)...)
	for i := range 30 {
		m.events = append(m.events, m.publish(t, fmt.Sprintf(`{"n":%d}`, i)).EventID)
	}
	eventually(t, "all but the waiting ones end", func() bool {
		return !slices.ContainsFunc(m.events, func(e string) bool {
			return m.good.count(e) != 1 || m.dead.count(e) != 2 || m.waiting.count(e) < 1
		})
	})
	eventually(t, "the ends are listed", func() bool {
		rows, _ := m.failures(t, m.deadID, 200, "")
		return len(rows) == 2*len(m.events) && len(m.everyDelivery(t, m.goodID, "&status=success").Items) == len(m.events)
	})
	return m
}

// takeLists remembers what partners are shown.
func (m *moving) takeLists(t *testing.T) {
	t.Helper()
	for _, path := range m.partnersPaths() {
		m.lists[path] = m.list(t, m.server, path)
	}
}

// subscribeWith subscribes with a schedule of its own and returns the webhook's id.
func (m *moving) subscribeWith(t *testing.T, url string, schedule ...string) string {
	t.Helper()
	var w struct{ ID string }
	m.mustAs(t, m.partner, http.StatusCreated, "POST", "/api/v1/webhooks",
		map[string]any{"url": url + "/hook", "events": []string{thing}, "retry_schedule": schedule}, &w)
	return w.ID
}

func (m *moving) list(t *testing.T, s *server, path string) string {
	t.Helper()
	var answer json.RawMessage
	s.mustAs(t, m.partner, http.StatusOK, "GET", path, nil, &answer)
	return string(answer)
}

// copyLog copies a log and returns the digest, which stands twice.
func copyLog(t *testing.T, from, to string) string {
	t.Helper()
	out, complaint, code := run(t, "log", "copy", "--from", from, "--to", to)
	if code != 0 {
		t.Fatalf("log copy from %s to %s: %d %s", from, to, code, complaint)
	}
	sums := regexp.MustCompile(`sha256 ([0-9a-f]{64})`).FindAllStringSubmatch(out, -1)
	if len(sums) != 2 || sums[0][1] != sums[1][1] {
		t.Fatalf("log copy printed %s", out)
	}
	return sums[0][1]
}

// check runs a server on a copy: the same lists, what waits goes on and arrives once, and nothing else is sent.
func (m *moving) check(t *testing.T, s *server) {
	t.Helper()
	for path, want := range m.lists {
		if got := m.list(t, s, path); got != want {
			t.Errorf("GET %s on the copy in %s: %s\nwant %s", path, s.data, got, want)
		}
	}
	before := map[string]int{}
	for _, e := range m.events {
		before[e] = m.waiting.ended(e)
	}
	m.up.Store(true)
	eventually(t, "what waited arrives from the copy", func() bool {
		return !slices.ContainsFunc(m.events, func(e string) bool { return m.waiting.ended(e) == before[e] })
	})
	time.Sleep(time.Second) // for what must not come
	s.stop(t)
	m.up.Store(false)
	for _, e := range m.events {
		if got := m.waiting.ended(e) - before[e]; got != 1 {
			t.Errorf("event %s arrived %d times from the copy in %s", e, got, s.data)
		}
	}
}

// ended counts the successes of an event.
func (r *receiver) ended(event string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.successes[event]
}

func withKeyset(t *testing.T, from, to string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(from, "keyset.json"))
	if err == nil {
		err = os.WriteFile(filepath.Join(to, "keyset.json"), content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return to
}

// A copy of a log is a Hooklog that goes on: embedded to embedded, to a log node over gRPC, and back to embedded.
func TestALogMovesHouse(t *testing.T) {
	t.Parallel()
	m := newMoving(t)
	if long {
		m.leaveFirstAttempts(t)
	} else {
		m.takeLists(t)
		m.stop(t)
	}
	sentGood, sentDead := m.good.snapshot(), m.dead.snapshot()
	dir := t.TempDir()
	moved, back := filepath.Join(dir, "moved"), filepath.Join(dir, "back")
	node := newLogNode(t, filepath.Join(dir, "log"))
	sum := copyLog(t, m.data, moved)
	if there, again := copyLog(t, m.data, node.url()), copyLog(t, node.url(), back); there != sum || again != sum {
		t.Errorf("digests: %s, over gRPC %s, back %s", sum, there, again)
	}
	if long {
		time.Sleep(2 * time.Minute) // what no group hands out is offered by the clock after that
	}
	for _, data := range []string{moved, back} {
		s := &server{data: withKeyset(t, m.data, data), listen: freeAddress(t), operator: freeAddress(t), logs: &buffer{}, key: m.key}
		t.Cleanup(func() { s.kill(t) })
		s.start(t)
		m.check(t, s)
	}
	m.check(t, newNodeOn(t, filepath.Join(dir, "node"), node.url(), filepath.Join(m.data, "keyset.json"), m.key))
	if !maps.Equal(m.good.snapshot(), sentGood) || !maps.Equal(m.dead.snapshot(), sentDead) {
		t.Error("something that had ended was sent again")
	}
	if out, complaint, code := run(t, "log", "copy", "--from", m.data, "--to", moved); code == 0 || !strings.Contains(complaint, "something else") {
		t.Errorf("a copy that went on was taken for a copy: %d %s%s", code, out, complaint)
	}
}

// leaveFirstAttempts publishes events that nothing is recorded of but their acceptance, and kills the server.
func (m *moving) leaveFirstAttempts(t *testing.T) {
	t.Helper()
	m.hang.Store(true)
	for i := range 40 {
		e := m.publish(t, fmt.Sprintf(`{"first":%d}`, i)).EventID
		eventually(t, "the others get it", func() bool { return m.good.count(e) == 1 && m.dead.count(e) == 2 })
		m.events = append(m.events, e)
	}
	time.Sleep(2 * time.Second) // what has ended is recorded
	m.takeLists(t)
	m.kill(t)
	m.hang.Store(false)
}
