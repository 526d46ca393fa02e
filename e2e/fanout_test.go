package e2e_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
)

// One publish reaches every subscription of its type once, past the number of targets that one fact holds.
func TestOnePublishReachesThousandsOfSubscriptions(t *testing.T) {
	t.Parallel()
	const makers = 8
	subscriptions := rounds(2_500, 10_000)
	r := newReceiver(t, nil)
	r.slim = true
	o := newServer(t).organize(t, "fanout", "vantageclaw", nil, "")
	var all sync.WaitGroup
	for m := range makers {
		all.Go(func() {
			for i := m; i < subscriptions; i += makers {
				body := map[string]any{"url": fmt.Sprintf("%s/%d", r.URL, i), "events": []string{thing}}
				o.must(t, http.StatusCreated, "POST", "/api/v1/partner/webhooks?organization="+o.slug, body, nil)
			}
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
	p := o.publish(t, `{"to":"everybody"}`)
	if p.Deliveries != subscriptions {
		t.Errorf("accepted with %d deliveries, want %d", p.Deliveries, subscriptions)
	}
	eventually(t, "every subscription got the event", func() bool { return r.count(p.EventID) >= subscriptions })
	eventually(t, "that is recorded", func() bool { return metricOf(t, o.server, "hooklog_due") == 0 })
	o.stop(t)
	l := o.dump(t)
	if l.messages[p.EventID] != subscriptions || l.facts["hooklog.AttemptSucceeded.v1"] != subscriptions || l.facts["hooklog.AttemptFailed.v1"] != 0 {
		t.Errorf("the log has %d targets and %v", l.messages[p.EventID], l.facts)
	}
	if l.facts["hooklog.MessageTargets.v1"] == 0 {
		t.Errorf("all %d targets are in one fact: this test misses the case it is for", subscriptions)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range subscriptions {
		if n := r.paths[fmt.Sprintf("/%d", i)]; n != 1 {
			t.Errorf("subscription %d got the event %d times", i, n)
		}
	}
}
