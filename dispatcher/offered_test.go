package dispatcher_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hooklog/hooklog/dispatcher"
	"github.com/hooklog/hooklog/dispatcher/egress"
	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// Retries that were offered and have become void on their way keep nobody else's back: with them on the way the clock may
// offer no more, and when they have come it may.
func TestRetriesThatBecameVoidOnTheirWayHoldUpNoOthers(t *testing.T) {
	const delay = 5 * time.Second
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		hand := make(chan struct{})
		r.alone, r.limits = true, dispatcher.Limits{Offered: 2}
		r.groups = func(g eventlog.Groups) eventlog.Groups { return held{g, "hooklog.RetryDue.v1", hand} }
		r.receiver = func(egress.Request) egress.Result { return answer(500) }
		r.start()
		defer func() { r.stop() }()
		org := r.organization("acme", "vantageclaw", domain.Duration(delay))
		gone := r.subscribe(org, "https://example.com/gone")
		r.publish(org, 1)
		r.publish(org, 2)
		time.Sleep(time.Second)
		r.subscribe(org, "https://example.com/stays")
		r.publish(org, 3)
		failed := time.Now()
		time.Sleep(delay - time.Second/2) // the first two are due
		if offers := len(only[*domain.RetryDue](r.facts())); offers != 2 {
			t.Fatalf("%d retries offered, want the first 2", offers)
		}
		_, err := r.commands.DeleteSubscription(r.t.Context(), by, org, gone)
		must(t, err)
		time.Sleep(time.Second) // the third is due
		if offers := len(only[*domain.RetryDue](r.facts())); offers != 2 {
			t.Fatalf("%d retries offered, want no more than 2 on their way", offers)
		}
		close(hand)
		time.Sleep(time.Second)
		var last time.Time
		for _, q := range r.got() {
			if strings.HasSuffix(q.url, "/stays") {
				last = q.at
			}
		}
		if waited := last.Sub(failed); waited < delay || waited > delay+time.Second {
			t.Errorf("the retry of a subscription that stays came after %v, want %v and what the log held it back", waited, delay)
		}
	})
}
