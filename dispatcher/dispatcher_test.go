package dispatcher_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hooklog/hooklog/dispatcher"
	"github.com/hooklog/hooklog/dispatcher/egress"
	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

func TestAMessageIsDeliveredOnceAndRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.start()
		defer func() { r.stop() }()
		org := r.organization("acme", "vantageclaw")
		sub := r.subscribe(org, "https://example.com/hook")
		id := r.publish(org, 1)
		time.Sleep(time.Second)
		got := r.got()
		if len(got) != 1 {
			t.Fatalf("%d requests, want 1", len(got))
		}
		want := fmt.Sprintf(`{"event":"things.happened","id":"%s","subscription_id":"%s","occurred_at":`, id, sub)
		if len(got[0].body) < len(want) || got[0].body[:len(want)] != want {
			t.Errorf("body %s", got[0].body)
		}
		done := only[*domain.AttemptSucceeded](r.facts())
		if len(done) != 1 || done[0].Message != id || done[0].Subscription != sub || done[0].Number != 1 {
			t.Fatalf("recorded %+v", done)
		}
	})
}

// A message is opened once for all of its targets; what differs between them must not be shared with it.
func TestEachTargetGetsTheMessageInItsOwnName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.start()
		defer func() { r.stop() }()
		org := r.organization("acme", "vantageclaw")
		want := map[string]string{}
		for i := range 20 {
			url := fmt.Sprintf("https://example-%d.com/hook", i)
			want[url] = r.subscribe(org, url).String()
		}
		id := r.publish(org, 7)
		time.Sleep(time.Second)
		for _, q := range r.got() {
			body := fmt.Sprintf(`{"event":"things.happened","id":"%s","subscription_id":"%s","occurred_at":`, id, want[q.url])
			if !strings.HasPrefix(q.body, body) || !strings.HasSuffix(q.body, `"data":{"n":7}}`) {
				t.Errorf("%s got %s, want %s…", q.url, q.body, body)
			}
			delete(want, q.url)
		}
		if len(want) > 0 {
			t.Errorf("no request to %v", want)
		}
	})
}

func TestAFailingDeliveryKeepsTheDocumentedSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.receiver = func(egress.Request) egress.Result { return answer(500) }
		r.start()
		defer func() { r.stop() }()
		org := r.organization("acme", "vantageclaw")
		r.subscribe(org, "https://example.com/hook")
		r.publish(org, 1)
		time.Sleep(37 * time.Hour)
		got := r.got()
		if len(got) != 7 {
			t.Fatalf("%d requests, want 7", len(got))
		}
		signatures := map[string]bool{}
		delays := []time.Duration{time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 6 * time.Hour, 24 * time.Hour}
		for i, q := range got {
			signatures[q.header["X-VC-Signature"]] = true
			if q.body != got[0].body {
				t.Errorf("attempt %d has another body", i+1)
			}
			if i == 0 {
				continue
			}
			if waited := q.at.Sub(got[i-1].at); waited < delays[i-1] || waited > delays[i-1]*111/100+time.Second {
				t.Errorf("attempt %d came after %s, want %s and at most a tenth more", i+1, waited, delays[i-1])
			}
		}
		if len(signatures) != 7 {
			t.Errorf("%d signatures, want 7", len(signatures))
		}
		failed := only[*domain.AttemptFailed](r.facts())
		if len(failed) != 7 || !failed[6].Dead || failed[5].Dead {
			t.Errorf("recorded %d failures, the last dead: %v", len(failed), failed[len(failed)-1].Dead)
		}
	})
}

// Retries that are due shortly after one another keep their schedules each: what was offered a moment ago, or cannot be
// offered now, makes nothing late.
func TestRetriesDueShortlyAfterOneAnotherAreNotLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		failing := map[string]bool{}
		r.receiver = func(q egress.Request) egress.Result {
			r.mu.Lock()
			defer r.mu.Unlock()
			if !failing[string(q.Body)] {
				failing[string(q.Body)] = true
				return answer(500)
			}
			return answer(200)
		}
		r.start()
		defer func() { r.stop() }()
		org := r.organization("acme", "vantageclaw", domain.Duration(time.Second))
		r.subscribe(org, "https://example.com/one")
		r.subscribe(org, "https://example.com/two")
		for n := range 30 {
			r.publish(org, n)
			time.Sleep(70 * time.Millisecond)
		}
		time.Sleep(10 * time.Second)
		first := map[string]time.Time{}
		retries := 0
		for _, q := range r.got() {
			at, again := first[q.body]
			if first[q.body] = q.at; !again {
				continue
			}
			retries++
			if waited := q.at.Sub(at); waited < time.Second || waited > 1100*time.Millisecond {
				t.Errorf("a retry came after %v, want 1s", waited)
			}
		}
		if retries != 60 {
			t.Errorf("%d retries, want 60", retries)
		}
	})
}

func TestNothingFollowsTheTwentiethFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.receiver = func(egress.Request) egress.Result {
			time.Sleep(20 * time.Millisecond)
			return answer(404)
		}
		r.start()
		defer func() { r.stop() }()
		org := r.organization("acme", "vantageclaw")
		sub := r.subscribe(org, "https://example.com/hook")
		for n := range 100 {
			r.publish(org, n)
		}
		time.Sleep(2 * time.Hour)
		if got := len(r.got()); got != 20 {
			t.Errorf("%d requests, want 20", got)
		}
		if off := only[*domain.SubscriptionDisabled](r.facts()); len(off) != 1 || off[0].By != domain.ByFailures || off[0].Cause == "" {
			t.Fatalf("disabled %d times: %+v", len(off), off)
		}
		if h := r.fold.Health(sub); h.Consecutive != 20 {
			t.Errorf("the counter stands at %d, want 20", h.Consecutive)
		}
		if got := r.fold.OpenDeliveries(); got != 0 {
			t.Errorf("%d deliveries are still open", got)
		}
	})
}

func TestWhatTheGroupForgetsTheClockOffersAfterItsGrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.groups = func(g eventlog.Groups) eventlog.Groups { return forgetful{g, "hooklog.MessagePublished.v1"} }
		r.start()
		defer func() { r.stop() }()
		org := r.organization("acme", "vantageclaw")
		r.subscribe(org, "https://example.com/hook")
		published := time.Now()
		r.publish(org, 1)
		time.Sleep(10 * time.Minute)
		got := r.got()
		if len(got) != 1 {
			t.Fatalf("%d requests, want 1", len(got))
		}
		if waited := got[0].at.Sub(published); waited < domain.OfferGrace || waited > domain.OfferGrace+2*time.Second {
			t.Errorf("attempted after %s, want about %s", waited, domain.OfferGrace)
		}
	})
}

// forgetful is a group that loses facts of one type.
type forgetful struct {
	eventlog.Groups
	loses string
}

func (f forgetful) Consume(ctx context.Context, g eventlog.Group, buffer int, handle func(context.Context, eventlog.Handed) eventlog.Verdict) error {
	return f.Groups.Consume(ctx, g, buffer, func(ctx context.Context, h eventlog.Handed) eventlog.Verdict {
		if h.Type == f.loses {
			return eventlog.Ack
		}
		return handle(ctx, h)
	})
}

func TestNothingThatEndedIsSentAgainToAGroupThatBeginsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var calls atomic.Int64
		r.receiver = func(egress.Request) egress.Result { return answer([]int{200, 500}[calls.Add(1)%2]) }
		r.start()
		defer func() { r.stop() }()
		org := r.organization("acme", "standard", domain.Duration(time.Second), domain.Duration(time.Second))
		r.subscribe(org, "https://example.com/hook")
		for n := range 50 {
			r.publish(org, n)
		}
		time.Sleep(time.Hour)
		before := len(r.got())
		if open := r.fold.OpenDeliveries(); open != 0 {
			t.Fatalf("%d deliveries open", open)
		}
		r.groups = func(g eventlog.Groups) eventlog.Groups { return rewound{g, r.log} }
		r.restart()
		time.Sleep(time.Hour)
		if after := len(r.got()); after != before {
			t.Errorf("%d requests after everything had ended", after-before)
		}
	})
}

// rewound is a group whose checkpoint was put back to the start: it hands out the whole log first.
type rewound struct {
	eventlog.Groups
	feed eventlog.Feed
}

func (w rewound) Consume(ctx context.Context, g eventlog.Group, buffer int, handle func(context.Context, eventlog.Handed) eventlog.Verdict) error {
	for e, err := range w.feed.ReadAll(ctx, eventlog.Position{}) {
		if err != nil {
			return err
		}
		for _, p := range g.TypePrefixes {
			if len(e.Type) > len(p) && e.Type[:len(p)] == p {
				handle(ctx, eventlog.Handed{Recorded: e, Backlog: true})
			}
		}
	}
	return w.Groups.Consume(ctx, g, buffer, handle)
}

func TestAFullLaneAddsNothingButAttempts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.receiver = func(q egress.Request) egress.Result {
			time.Sleep(10 * time.Second)
			return egress.Result{Reason: "timeout", Duration: 10 * time.Second}
		}
		r.start()
		defer func() { r.stop() }()
		org := r.organization("acme", "standard")
		r.subscribe(org, "https://example.com/hook")
		const messages = 400
		for n := range messages {
			r.publish(org, n)
			time.Sleep(5 * time.Millisecond)
		}
		time.Sleep(time.Hour)
		facts := r.facts()
		attempts := len(only[*domain.AttemptFailed](facts))
		offers := len(only[*domain.RetryDue](facts))
		if attempts < 300 {
			t.Errorf("only %d attempts in an hour of a lane that is never idle", attempts)
		}
		if offers > attempts+16 {
			t.Errorf("%d hand-overs for %d attempts", offers, attempts)
		}
		if open := r.fold.OpenDeliveries(); open != messages {
			t.Errorf("%d deliveries open, want all %d", open, messages)
		}
	})
}

func TestAHangingReceiverHoldsUpNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.receiver = func(q egress.Request) egress.Result {
			if q.URL == "https://good.example.com/" {
				return answer(200)
			}
			time.Sleep(10 * time.Second)
			return egress.Result{Reason: "timeout", Duration: 10 * time.Second}
		}
		r.start()
		defer func() { r.stop() }()
		bad := r.organization("bad", "standard")
		for n := range 100 {
			r.subscribe(bad, fmt.Sprintf("https://bad%d.example.com/", n))
		}
		good := r.organization("good", "standard")
		r.subscribe(good, "https://good.example.com/")
		sent := map[domain.MessageID]time.Time{}
		for n := range 200 {
			r.publish(bad, n)
			sent[r.publish(good, n)] = time.Now()
			time.Sleep(50 * time.Millisecond)
		}
		time.Sleep(time.Second)
		late := 0
		for _, f := range only[*domain.AttemptSucceeded](r.facts()) {
			if f.StartedAt.Sub(sent[f.Message]) > 100*time.Millisecond {
				late++
			}
			delete(sent, f.Message)
		}
		if len(sent) > 0 || late > 0 {
			t.Errorf("%d not delivered, %d late", len(sent), late)
		}
	})
}

func TestAStopLetsRunningAttemptsEndAndLeavesTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.limits = dispatcher.Limits{Lane: 2, LaneStart: 2}
		r.receiver = func(egress.Request) egress.Result {
			time.Sleep(2 * time.Second)
			return answer(200)
		}
		r.start()
		org := r.organization("acme", "standard")
		r.subscribe(org, "https://example.com/hook")
		for n := range 6 {
			r.publish(org, n)
		}
		time.Sleep(time.Second)
		begun := time.Now()
		r.stop()
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("stopping took %s", took)
		}
		if got := len(r.got()); got != 2 {
			t.Errorf("%d requests before the stop, want the 2 that ran", got)
		}
		r.start()
		defer func() { r.stop() }()
		time.Sleep(time.Minute)
		if done := only[*domain.AttemptSucceeded](r.facts()); len(done) != 6 || len(r.got()) != 6 {
			t.Errorf("%d recorded, %d requests; want 6 of each", len(done), len(r.got()))
		}
	})
}
