package domain

import (
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// life draws a history of one or two subscriptions as the service would have recorded it: deliveries are attempted when
// they are due, failures disable at the profile's limit, people disable, enable and redeliver.
type life struct {
	*chronicle
	t       *rapid.T
	policy  Policy
	profile string
	health  map[SubscriptionID]Health
	waiting []Delivery
	ended   []Delivery
	subs    []SubscriptionID
	// answers are what receivers answer in this life.
	answers []int
}

func drawLife(t *rapid.T) *life {
	profile := rapid.SampledFrom([]string{"vantageclaw", "clawbook", "vantagekit", "standard"}).Draw(t, "profile")
	l := &life{chronicle: newChronicle(profile), t: t, policy: policyOf(t, profile), profile: profile, health: map[SubscriptionID]Health{}}
	l.subs = []SubscriptionID{l.sub, l.subscribe()}
	l.answers = [][]int{{200, 200, 500, 500, 503, 0, 404, 410, 429}, {500}, {500, 503, 0, 500, 500, 500, 500, 200}, {200, 410, 404}}[rapid.IntRange(0, 3).Draw(t, "mood")]
	for _, id := range l.subs {
		l.health[id] = Health{}.Lifecycle(&SubscriptionCreated{}, 0)
	}
	steps := []func(){l.send, l.send, l.send, l.retry, l.retry, l.retry, l.retry, l.toggle, l.again, l.wait}
	for range rapid.IntRange(0, 200).Draw(t, "length") {
		l.sub = rapid.SampledFrom(l.subs).Draw(t, "subscription")
		steps[rapid.IntRange(0, len(steps)-1).Draw(t, "step")]()
	}
	return l
}

func (l *life) wait() {
	l.now = l.now.Add(time.Duration(rapid.IntRange(1, 1e6).Draw(l.t, "wait")) * 100 * time.Millisecond)
}

func (l *life) send() {
	d := l.publish()
	if s := l.state[l.sub]; s.Active() {
		l.waiting = append(l.waiting, d)
	}
}

// retry makes the attempt of a waiting delivery that has come due first, or of a new one.
func (l *life) retry() {
	if len(l.waiting) == 0 {
		return
	}
	i := 0
	for j, d := range l.waiting {
		if d.Due.Before(l.waiting[i].Due) {
			i = j
		}
	}
	d := l.waiting[i]
	l.waiting = slices.Delete(l.waiting, i, i+1)
	status := rapid.SampledFrom(l.answers).Draw(l.t, "status")
	d = l.attempt(d, l.policy, status, rapid.Float64Range(0, 0.99).Draw(l.t, "jitter"))
	l.judge(d.Of.Subscription)
	if d.Open() {
		if l.state[d.Of.Subscription].Active() {
			l.waiting = append(l.waiting, d)
		}
	} else {
		l.ended = append(l.ended, d)
	}
}

// judge disables a subscription whose last attempt reached the limit.
func (l *life) judge(id SubscriptionID) {
	h := l.health[id]
	switch f := l.facts[len(l.facts)-1].Fact.(type) {
	case *AttemptSucceeded:
		h = h.Succeeded(f)
	case *AttemptFailed:
		h = h.Failed(f, l.policy, "fact", l.now)
	}
	l.health[id] = h
	if h.Limit != nil {
		l.sub = id
		l.wire()
		l.now = l.now.Add(time.Millisecond)
		l.stop(ByFailures)
	}
}

// wire records what was on the wire when the limit was reached.
func (l *life) wire() {
	for range rapid.IntRange(1, 3).Draw(l.t, "on the wire") {
		i := slices.IndexFunc(l.waiting, func(d Delivery) bool { return d.Of.Subscription == l.sub })
		if i < 0 {
			return
		}
		d := l.attempt(l.waiting[i], l.policy, rapid.SampledFrom([]int{200, 500}).Draw(l.t, "status"), 0)
		l.waiting[i] = d
		if !d.Open() {
			l.waiting = slices.Delete(l.waiting, i, i+1)
		}
	}
}

func (l *life) stop(by DisabledBy) {
	l.disable(by)
	l.health[l.sub] = l.health[l.sub].Lifecycle(&SubscriptionDisabled{}, l.state[l.sub].Revision)
	l.waiting = slices.DeleteFunc(l.waiting, func(d Delivery) bool { return d.Of.Subscription == l.sub })
}

func (l *life) toggle() {
	if l.state[l.sub].Disabled == nil {
		if rapid.IntRange(0, 5).Draw(l.t, "by hand") == 0 {
			l.stop(ByOwner)
		}
		return
	}
	l.enable()
	l.health[l.sub] = l.health[l.sub].Lifecycle(&SubscriptionEnabled{}, l.state[l.sub].Revision)
}

// again redelivers a delivery that has ended.
func (l *life) again() {
	if len(l.ended) == 0 {
		return
	}
	i := rapid.IntRange(0, len(l.ended)-1).Draw(l.t, "which")
	d := l.ended[i]
	s := l.state[d.Of.Subscription]
	f, err := d.DecideRedeliver(s, false)
	if err != nil {
		return
	}
	l.ended = slices.Delete(l.ended, i, i+1)
	l.write(DeliveryStream(d.Of.ID()), f)
	l.waiting = append(l.waiting, d.Apply(f, Meta{At: l.now}, d.Next))
}

// window draws a part of the history.
func (l *life) window() SimulationRequest {
	all := int64(l.now.Sub(noon))
	from := rapid.Int64Range(0, all).Draw(l.t, "from")
	return SimulationRequest{From: noon.Add(time.Duration(from)), To: noon.Add(time.Duration(rapid.Int64Range(from+1, all+1e9).Draw(l.t, "to")))}
}

// TestTheRecordedPolicyReplayedGivesWhatHappened: nothing named, and the recorded schedule and limit named, both give
// the same attempts and the same ends, all of them known.
func TestTheRecordedPolicyReplayedGivesWhatHappened(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := drawLife(t)
		r := allOf()
		if rapid.Bool().Draw(t, "a part") {
			r = l.window()
		}
		named := r
		for _, d := range l.policy.Schedule {
			named.Schedule = append(named.Schedule, Duration(d))
		}
		if rule := l.policy.disableRule(); rule.FailingFor == 0 {
			named = named.disablingAfter(rule.ConsecutiveFailures)
		}
		for _, r := range []SimulationRequest{r, named} {
			got := simulateOver(l.facts, r)
			for _, s := range got.Subscriptions {
				if !reflect.DeepEqual(s.Recorded, s.Simulated) || s.Saved+s.Lost+s.Undecided != 0 || s.Founded[Known] != s.Deliveries ||
					!s.RecordedDisabledAt.Equal(s.SimulatedDisabledAt) && s.RecordedDisabledAt.IsZero() != s.SimulatedDisabledAt.IsZero() {
					t.Fatalf("%s %s..%s: %+v", l.profile, r.From, r.To, s)
				}
			}
			if !reflect.DeepEqual(got.Total.Recorded, got.Total.Simulated) || got.RecordedDisabled != got.SimulatedDisabled {
				t.Fatalf("in all: %+v", got)
			}
		}
	})
}

// TestTheRecordedCourseIsWhatWasRecorded: over all of a history, attempts and ends are those that its own deliveries tell.
func TestTheRecordedCourseIsWhatWasRecorded(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := drawLife(t)
		var attempts, succeeded, dead uint64
		for _, p := range l.facts {
			switch f := p.Fact.(type) {
			case *AttemptSucceeded:
				attempts, succeeded = attempts+1, succeeded+1
			case *AttemptFailed:
				attempts, dead = attempts+1, dead+one(f.Dead)
			}
		}
		got := simulateOver(l.facts, allOf(time.Second).disablingAfter(3)).Total.Recorded
		if got.Attempts != attempts || got.Ends[EndSucceeded] != succeeded || got.Ends[EndDead] != dead || got.Ends[EndOpen] != uint64(len(l.waiting)) {
			t.Fatalf("got %+v, want %d attempts, %d succeeded, %d dead, %d open", got, attempts, succeeded, dead, len(l.waiting))
		}
	})
}

// TestEveryPolicyAccountsForEveryDelivery: whatever is asked, the recorded course is what was recorded, every round has one
// end in each course, and the same history gives the same report.
func TestEveryPolicyAccountsForEveryDelivery(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := drawLife(t)
		r := l.window()
		if rapid.Bool().Draw(t, "other schedule") {
			for range rapid.IntRange(1, 6).Draw(t, "delays") {
				r.Schedule = append(r.Schedule, Duration(rapid.IntRange(1, 100_000).Draw(t, "delay"))*MinDelay)
			}
		}
		if rapid.Bool().Draw(t, "other limit") {
			r = r.disablingAfter(rapid.IntRange(0, 25).Draw(t, "limit"))
		}
		before := simulateOver(l.facts, SimulationRequest{From: r.From, To: r.To})
		got, again := simulateOver(l.facts, r), simulateOver(l.facts, r)
		if !reflect.DeepEqual(got, again) {
			t.Fatalf("two reports of one history: %+v and %+v", got, again)
		}
		total := got.Total
		for name, c := range map[string]SimulatedCourse{"recorded": total.Recorded, "simulated": total.Simulated} {
			var sum uint64
			for _, n := range c.Ends {
				sum += n
			}
			if sum != total.Deliveries {
				t.Fatalf("%s: %d ends of %d", name, sum, total.Deliveries)
			}
		}
		if total.Founded[Known]+total.Founded[Estimated]+total.Founded[Unknown] != total.Deliveries || total.Founded[Unknown] != total.Simulated.Ends[EndUnknown] {
			t.Fatalf("founded %+v", total)
		}
		if total.Recorded.Ends[EndSucceeded] < before.Total.Recorded.Ends[EndSucceeded] || total.Saved > total.Simulated.Ends[EndSucceeded] ||
			total.Recorded.Ends[EndSucceeded]+total.Saved < total.Simulated.Ends[EndSucceeded]-min(total.Simulated.Ends[EndSucceeded], total.Undecided) {
			t.Fatalf("recorded %+v, before %+v", total, before.Total)
		}
	})
}
