package e2e_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"
)

// A receiver that hangs holds up only itself, and nothing of what was published to it goes missing. How little the others
// notice is measured by hooklog-bench -measure isolation; here only what is counted.
func TestAReceiverThatHangsHoldsUpOnlyItself(t *testing.T) {
	t.Parallel()
	const healthy, messages, rate = 10, 600, 200
	s := newServer(t)
	o := s.organize(t, "isolation", "standard", nil, "")
	var good []*receiver
	for range healthy {
		r := newReceiver(t, nil)
		o.subscribe(t, r.URL+"/hook")
		good = append(good, r)
	}
	var hung atomic.Int64
	release := make(chan struct{})
	bad := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		hung.Add(1)
		select {
		case <-time.After(10 * time.Second):
		case <-r.Context().Done():
		case <-release:
		}
	}))
	t.Cleanup(func() {
		close(release)
		bad.CloseClientConnections()
		bad.Close()
	})
	hanging := o.subscribe(t, bad.URL+"/hook")

	var events []string
	for tick := time.NewTicker(time.Second / rate); len(events) < messages; <-tick.C {
		p := o.publish(t, fmt.Sprintf(`{"n":%d}`, len(events)))
		if p.Deliveries != healthy+1 {
			t.Fatalf("accepted with %d deliveries, want %d", p.Deliveries, healthy+1)
		}
		events = append(events, p.EventID)
	}
	for _, r := range good {
		eventually(t, "a healthy receiver has got everything", func() bool { return len(r.snapshot()) == messages })
		for event, n := range r.snapshot() {
			if n != 1 {
				t.Errorf("a healthy receiver got %s %d times", event, n)
			}
		}
	}
	t.Logf("the hanging receiver holds %d requests; highest resident size of the server %d MiB", hung.Load(), s.memory(t)>>20)

	// What waits for the hanging receiver is cancelled with its subscription, and stays visible.
	standing := func() map[string]int {
		states := map[string]int{}
		for _, event := range events {
			states[o.explain(t, event).to(hanging.ID).Status]++
		}
		return states
	}
	before := standing()
	if before["pending"]+before["success"]+before["failed"] != messages {
		t.Errorf("what was published to the hanging receiver stands at %v", before)
	}
	o.mustAs(t, o.partner, http.StatusNoContent, "DELETE", "/api/v1/partner/webhooks/"+hanging.ID, nil, nil)
	eventually(t, "what its deletion leaves of the deliveries is cancelled", func() bool {
		after := standing()
		t.Logf("deliveries to the hanging receiver: %v, and once it is deleted %v", before, after)
		return after["cancelled"] > 0 && after["cancelled"]+after["success"] == messages
	})
	s.stop(t)
	l := s.dump(t)
	targets := 0
	for _, n := range l.messages {
		targets += n
	}
	if len(l.messages) != messages || targets != messages*(healthy+1) {
		t.Errorf("the log has %d messages with %d targets, want %d with %d", len(l.messages), targets, messages, messages*(healthy+1))
	}
	attempts := l.facts["hooklog.AttemptSucceeded.v1"] + l.facts["hooklog.AttemptFailed.v1"]
	if least, most := messages*healthy, messages*healthy+int(hung.Load()); attempts < least || attempts > most {
		t.Errorf("%d attempts are recorded, want between %d and %d", attempts, least, most)
	}
}
