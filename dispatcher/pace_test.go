package dispatcher_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hooklog/hooklog/commands"
	"github.com/hooklog/hooklog/dispatcher/egress"
	"github.com/hooklog/hooklog/domain"
)

// limited subscribes a URL with a bound of attempts.
func (r *rig) limited(org domain.OrganizationID, url, bound string) domain.SubscriptionID {
	r.t.Helper()
	n := commands.NewSubscription{URL: url, Events: []string{"things.happened"}}
	must(r.t, n.RateLimit.UnmarshalText([]byte(bound)))
	s, _, at, err := r.commands.CreateSubscription(r.t.Context(), by, org, n)
	must(r.t, err)
	must(r.t, r.fold.WaitFor(r.t.Context(), at))
	return s.ID
}

// A bounded subscription gets its deliveries evenly and no faster; others do not wait. (What a lane could not even remember
// is offered only after the grace that other nodes have: hence the longest time here.) It holds the row webhooks.rate.
func TestABoundedSubscriptionIsAttemptedEvenly(t *testing.T) {
	for _, c := range []struct {
		bound    string
		messages int
		within   time.Duration
	}{{"10/s", 100, 20 * time.Second}, {"30/m", 30, 90 * time.Second}, {"2/m", 3, 4 * time.Minute}, {"500/s", 400, 40 * time.Second}} {
		t.Run(c.bound, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				r.receiver = func(egress.Request) egress.Result { return answer(200) }
				r.start()
				defer func() { r.stop() }()
				org := r.organization("acme", "standard")
				r.limited(org, "https://slow.example.com/", c.bound)
				r.subscribe(org, "https://fast.example.com/")
				began := time.Now()
				for n := range c.messages {
					r.publish(org, n)
				}
				time.Sleep(time.Second)
				if n := countTo(r.got(), "https://fast.example.com/"); n != c.messages {
					t.Errorf("the subscription beside it got %d of %d after a second", n, c.messages)
				}
				time.Sleep(c.within)
				var bound domain.Rate
				must(t, bound.UnmarshalText([]byte(c.bound)))
				checkPace(t, r.got(), bound, began)
				if n := countTo(r.got(), "https://slow.example.com/"); n != c.messages {
					t.Errorf("%d of %d arrived within %s", n, c.messages, c.within)
				}
				facts := r.facts()
				if offers := len(only[*domain.RetryDue](facts)); offers > c.messages {
					t.Errorf("%d hand-overs for %d attempts", offers, c.messages)
				}
			})
		})
	}
}

func countTo(requests []request, url string) (n int) {
	for _, q := range requests {
		if q.url == url {
			n++
		}
	}
	return n
}

// checkPace demands that no stretch of time holds more attempts than the bound allows in it, and one burst.
func checkPace(t *testing.T, requests []request, bound domain.Rate, began time.Time) {
	t.Helper()
	var at []time.Duration
	for _, q := range requests {
		if q.url == "https://slow.example.com/" {
			at = append(at, q.at.Sub(began))
		}
	}
	burst := max(1, int(bound.PerSecond()*0.02))
	for from := range at {
		for to := from + 1; to < len(at); to++ {
			if n, most := to-from+1, int((at[to]-at[from]).Seconds()*bound.PerSecond()+1e-3)+burst; n > most {
				t.Fatalf("%d attempts from %s to %s, want at most %d", n, at[from], at[to], most)
			}
		}
	}
}

func TestABoundIsChangedAndTakenAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.receiver = func(egress.Request) egress.Result { return answer(200) }
		r.start()
		defer func() { r.stop() }()
		org := r.organization("acme", "standard")
		id := r.limited(org, "https://slow.example.com/", "1/m")
		for n := range 100 {
			r.publish(org, n)
		}
		time.Sleep(90 * time.Second)
		if n := len(r.got()); n != 2 {
			t.Errorf("%d attempts in a minute and a half, want 2", n)
		}
		_, _, err := r.commands.ChangeSubscription(t.Context(), by, org, id, commands.SubscriptionChange{
			Edit: func(s *domain.SubscriptionSettings) { s.RateLimit = domain.Rate{} }})
		must(t, err)
		time.Sleep(time.Minute)
		if n := len(r.got()); n != 100 {
			t.Errorf("%d attempts without a bound, want 100", n)
		}
	})
}

// A recovery goes on where it was stopped, and every delivery of it is attempted once.
func TestARecoveryGoesOnAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		var good atomic.Bool
		r.receiver = func(egress.Request) egress.Result {
			if good.Load() {
				return answer(200)
			}
			return answer(400)
		}
		r.start()
		defer func() { r.stop() }()
		org := r.organization("acme", "vantagekit")
		id := r.subscribe(org, "https://example.com/")
		from := time.Now()
		const messages = 400
		for n := range messages {
			r.publish(org, n)
		}
		time.Sleep(time.Minute)
		good.Store(true)
		before := len(r.got())
		rec, _, err := r.commands.RequestRecovery(t.Context(), by, org, id, domain.RecoveryRange{From: from, To: time.Now()}, messages)
		must(t, err)
		for range 3 {
			time.Sleep(700 * time.Millisecond)
			r.restart()
		}
		if n := len(r.got()) - before; n == 0 || n >= messages {
			t.Errorf("%d of %d redelivered after 2 s at 100 a second", n, messages)
		}
		time.Sleep(time.Minute)
		rec, err = r.commands.LoadRecovery(t.Context(), rec.ID)
		must(t, err)
		if !rec.Ended() || rec.Why != "" || rec.Redelivered != messages || rec.Passed != 0 {
			t.Errorf("recovery %+v", rec)
		}
		times := map[string]int{}
		for _, q := range r.got()[before:] {
			times[q.body]++
		}
		for body, n := range times {
			if n != 1 {
				t.Errorf("%s was sent %d times", body, n)
			}
		}
		if len(times) != messages || r.fold.OpenDeliveries() != 0 || len(r.fold.OpenRecoveries()) != 0 {
			t.Errorf("%d sent again, %d open, %d recoveries open", len(times), r.fold.OpenDeliveries(), len(r.fold.OpenRecoveries()))
		}
	})
}

func TestADisabledSubscriptionStopsItsRecovery(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.receiver = func(egress.Request) egress.Result { return answer(400) }
		r.start()
		defer func() { r.stop() }()
		org := r.organization("acme", "vantagekit")
		id := r.subscribe(org, "https://example.com/")
		from := time.Now()
		for n := range 300 {
			r.publish(org, n)
		}
		time.Sleep(time.Minute)
		rec, _, err := r.commands.RequestRecovery(t.Context(), by, org, id, domain.RecoveryRange{From: from, To: time.Now()}, 300)
		must(t, err)
		time.Sleep(1500 * time.Millisecond)
		_, err = r.commands.DisableSubscription(t.Context(), by, org, id, domain.ByOwner, "")
		must(t, err)
		time.Sleep(time.Minute)
		rec, err = r.commands.LoadRecovery(t.Context(), rec.ID)
		must(t, err)
		if rec.Why != "subscription_disabled" || rec.Redelivered < 100 || rec.Redelivered >= 300 {
			t.Errorf("recovery %+v", rec)
		}
	})
}
