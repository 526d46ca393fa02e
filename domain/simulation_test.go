package domain

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"
	"time"
)

// chronicle writes facts as they would stand in a log, on one subscription of one organization unless said otherwise.
type chronicle struct {
	facts   []PlacedFact
	now     time.Time
	org     OrganizationID
	sub     SubscriptionID
	state   map[SubscriptionID]Subscription
	next    map[string]uint64
	counter uint64
}

func newChronicle(profile string) *chronicle {
	c := &chronicle{now: noon, state: map[SubscriptionID]Subscription{}, next: map[string]uint64{}}
	c.org = OrganizationID(c.id())
	c.write(OrganizationStream(c.org), &OrganizationRegistered{Slug: "acme", Profile: profile})
	c.sub = c.subscribe()
	c.now = noon.Add(time.Hour)
	return c
}

func (c *chronicle) id() (id [16]byte) {
	c.counter++
	binary.BigEndian.PutUint64(id[8:], c.counter)
	return id
}

func (c *chronicle) write(stream string, f Fact) {
	c.facts = append(c.facts, PlacedFact{Fact: f, Meta: Meta{At: c.now}, Stream: stream, Revision: c.next[stream]})
	if id, ok := SubscriptionOfStream(stream); ok {
		c.state[id] = c.state[id].Apply(f, Meta{At: c.now}, c.next[stream])
	}
	c.next[stream]++
}

func (c *chronicle) subscribe() SubscriptionID {
	id := SubscriptionID(c.id())
	c.write(SubscriptionStream(id), &SubscriptionCreated{Organization: c.org, SubscriptionSettings: SubscriptionSettings{URL: "https://example.com/"}})
	return id
}

func (c *chronicle) disable(by DisabledBy) {
	c.write(SubscriptionStream(c.sub), &SubscriptionDisabled{Organization: c.org, By: by})
}

func (c *chronicle) enable() { c.write(SubscriptionStream(c.sub), &SubscriptionEnabled{c.org}) }

// publish records a message to the subscription, or that it was withheld from it.
func (c *chronicle) publish() Delivery {
	id := MessageID(c.id())
	f := &MessagePublished{Organization: c.org, EventType: "a.b"}
	s := c.state[c.sub]
	if s.Disabled != nil {
		why := WithheldDisabled
		if s.Disabled.By == ByFailures {
			why = WithheldFailures
		}
		f.Withheld, f.WithheldTotal = []Withheld{{c.sub, why}}, 1
	} else {
		f.Targets, f.Total = []Target{{c.sub, s.Revision}}, 1
	}
	c.write(MessageStream(id), f)
	return NewDelivery(DeliveryOf{Message: id, Subscription: c.sub, Organization: c.org, EventType: "a.b", PublishedAt: c.now}, s.Revision)
}

// attempt makes the attempt of a delivery that is due, or now: status 0 is a timeout.
func (c *chronicle) attempt(d Delivery, p Policy, status int, random float64) Delivery {
	if c.now.Before(d.Due) {
		c.now = d.Due
	}
	o := Outcome{StartedAt: c.now, Took: 100 * time.Millisecond, Status: status, Revision: c.state[d.Of.Subscription].Revision}
	if status == 0 {
		o.Took, o.Reason = 10*time.Second, "timeout"
	} else if status/100 != 2 {
		o.Reason = StatusReason(status)
	}
	c.now = c.now.Add(o.Took)
	f := d.DecideOutcome(o, p, c.now, random)
	c.write(DeliveryStream(d.Of.ID()), f)
	return d.Apply(f, Meta{At: c.now}, d.Next)
}

// simulateOver replays facts as the read side does.
func simulateOver(facts []PlacedFact, r SimulationRequest) SimulationReport {
	x := NewSimulation(r)
	from, end := 0, len(facts)
	for i, p := range facts {
		if !x.Observes(p.Fact.FactType()) {
			continue
		}
		if !x.Observe(p) {
			end = i
			break
		}
		if !x.Begun() {
			from = i + 1
		}
	}
	for _, p := range facts[from:end] {
		if x.Replays(p.Fact.FactType()) {
			x.Replay(p)
		}
	}
	return x.Report()
}

// allOf is a request for everything in a chronicle.
func allOf(schedule ...time.Duration) SimulationRequest {
	r := SimulationRequest{From: noon, To: noon.AddDate(1, 0, 0)}
	for _, d := range schedule {
		r.Schedule = append(r.Schedule, Duration(d))
	}
	return r
}

func (r SimulationRequest) disablingAfter(n int) SimulationRequest {
	r.DisableAfter = &n
	return r
}

// told is a report in one line: the simulated course, what was saved and lost, and what it is founded on.
func told(t SimulatedTotal) string {
	e := t.Simulated.Ends
	return fmt.Sprintf("of %d: %d ok %d dead %d cancelled %d withheld %d open %d unknown; saved %d lost %d undecided %d; extra %+d; founded %v",
		t.Deliveries, e[EndSucceeded], e[EndDead], e[EndCancelled], e[EndWithheld], e[EndOpen], e[EndUnknown], t.Saved, t.Lost, t.Undecided,
		t.ExtraAttempts(), t.Founded)
}

func wantTold(t *testing.T, got SimulationReport, want string) {
	t.Helper()
	if s := told(got.Total); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

func TestNothingToSimulate(t *testing.T) {
	for name, facts := range map[string][]PlacedFact{"an empty log": nil, "nobody published": newChronicle("vantageclaw").facts} {
		got := simulateOver(facts, allOf(time.Minute))
		wantTold(t, got, "of 0: 0 ok 0 dead 0 cancelled 0 withheld 0 open 0 unknown; saved 0 lost 0 undecided 0; extra +0; founded [0 0 0]")
		if len(got.Subscriptions) != 0 || got.Total.Recorded.Median != 0 || len(got.Assumptions) == 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// outage is a history with a schedule of 1m 5m in which every attempt of some hours fails; all before and after succeed.
func outage(t *testing.T, hours int) *chronicle {
	c := newChronicle("vantageclaw")
	p := policyOf(t, "vantageclaw")
	p.Schedule = p.Schedule[:2] // as an organization's own: 1m 5m
	c.write(OrganizationStream(c.org), &OrganizationChanged{OrganizationSettings{Name: "Acme", RetrySchedule: []Duration{Duration(time.Minute), Duration(5 * time.Minute)}}})
	c.attempt(c.publish(), p, 200, 0)
	c.now = c.now.Add(time.Minute)
	first := c.publish()
	for first.Open() {
		first = c.attempt(first, p, 503, 0)
	}
	for range hours {
		c.now = c.now.Add(time.Hour)
		d := c.publish()
		for d.Open() {
			d = c.attempt(d, p, 503, 0)
		}
	}
	c.now = c.now.Add(time.Hour)
	for range 3 {
		c.attempt(c.publish(), p, 200, 0)
		c.now = c.now.Add(3 * time.Hour)
	}
	return c
}

func TestALongerScheduleSavesWhatAnOutageKilled(t *testing.T) {
	c := outage(t, 1) // dead after 6 minutes twice; the outage lasts some 2¼ hours
	got := simulateOver(c.facts, allOf(time.Minute, 5*time.Minute, 6*time.Hour))
	wantTold(t, got, "of 6: 6 ok 0 dead 0 cancelled 0 withheld 0 open 0 unknown; saved 2 lost 0 undecided 0; extra +2; founded [6 0 0]")
	if got.Total.Recorded.Ends[EndDead] != 2 || got.Total.Recorded.Ends[EndSucceeded] != 4 || got.Total.Recorded.Attempts != 10 {
		t.Errorf("recorded %+v", got.Total.Recorded)
	}
	if m := got.Total.Simulated.P95; m < 6*time.Hour || m > 7*time.Hour {
		t.Errorf("the slowest success took %s", m)
	}
	if m := got.Total.Recorded.P95; m < 98*time.Millisecond || m > 102*time.Millisecond {
		t.Errorf("recorded successes took %s", m)
	}
}

func TestAShorterScheduleLosesWhatARetryHadSaved(t *testing.T) {
	c := newChronicle("vantageclaw")
	p := policyOf(t, "vantageclaw")
	d := c.publish()
	for _, status := range []int{500, 500, 500, 200} {
		d = c.attempt(d, p, status, 0.7)
	}
	// 1m 5m in step, given up there.
	wantTold(t, simulateOver(c.facts, allOf(time.Minute, 5*time.Minute)),
		"of 1: 0 ok 1 dead 0 cancelled 0 withheld 0 open 0 unknown; saved 0 lost 1 undecided 0; extra -1; founded [1 0 0]")
	// All three attempts inside the recorded failures.
	wantTold(t, simulateOver(c.facts, allOf(30*time.Second, 30*time.Second)),
		"of 1: 0 ok 1 dead 0 cancelled 0 withheld 0 open 0 unknown; saved 0 lost 1 undecided 0; extra -1; founded [1 0 0]")
	// The second attempt lies between the third failure and the success: nearer to the success, then nearer to the failure.
	wantTold(t, simulateOver(c.facts, allOf(34*time.Minute)),
		"of 1: 1 ok 0 dead 0 cancelled 0 withheld 0 open 0 unknown; saved 0 lost 0 undecided 0; extra -2; founded [0 1 0]")
	wantTold(t, simulateOver(c.facts, allOf(10*time.Minute)),
		"of 1: 0 ok 1 dead 0 cancelled 0 withheld 0 open 0 unknown; saved 0 lost 1 undecided 0; extra -2; founded [0 1 0]")
}

func TestPastAllEvidenceTheResultIsUnknownOrOpen(t *testing.T) {
	c := newChronicle("vantageclaw")
	p := policyOf(t, "vantageclaw")
	p.Schedule = p.Schedule[:1]
	dead := c.publish()
	for dead.Open() {
		dead = c.attempt(dead, p, 503, 0)
	}
	longer := allOf(time.Minute, 24*time.Hour)
	wantTold(t, simulateOver(c.facts, longer),
		"of 1: 0 ok 0 dead 0 cancelled 0 withheld 1 open 0 unknown; saved 0 lost 0 undecided 1; extra +0; founded [1 0 0]")
	// Something recorded much later moves the clock on, but says nothing of the receiver.
	c.now = c.now.Add(48 * time.Hour)
	c.write(OrganizationStream(c.org), &OrganizationChanged{OrganizationSettings{Name: "Acme"}})
	wantTold(t, simulateOver(c.facts, longer),
		"of 1: 0 ok 0 dead 0 cancelled 0 withheld 0 open 1 unknown; saved 0 lost 0 undecided 1; extra +0; founded [0 0 1]")
}

func TestAMessagesOwnFailureSaysNothingOfTheReceiver(t *testing.T) {
	c := newChronicle("vantageclaw")
	p := policyOf(t, "vantageclaw")
	p.Schedule = p.Schedule[:3]
	poison := c.publish()
	for poison.Open() {
		c.attempt(c.publish(), p, 200, 0)
		poison = c.attempt(poison, p, 422, 0)
	}
	for range 30 {
		c.attempt(c.publish(), p, 200, 0)
		c.now = c.now.Add(time.Hour)
	}
	// An attempt more, at a time when others succeed: nothing tells whether the receiver would have taken the message.
	got := simulateOver(c.facts, allOf(time.Minute, 5*time.Minute, 30*time.Minute, 2*time.Hour))
	wantTold(t, got, "of 35: 34 ok 0 dead 0 cancelled 0 withheld 0 open 1 unknown; saved 0 lost 0 undecided 1; extra +0; founded [34 0 1]")
	// Between its own failures it fails, although others succeed.
	got = simulateOver(c.facts, allOf(10*time.Minute))
	wantTold(t, got, "of 35: 34 ok 1 dead 0 cancelled 0 withheld 0 open 0 unknown; saved 0 lost 0 undecided 0; extra -2; founded [35 0 0]")
}

func TestDisablingSoonerOrNever(t *testing.T) {
	c := newChronicle("vantageclaw")
	p := policyOf(t, "vantageclaw")
	for range 20 {
		c.attempt(c.publish(), p, 503, 0)
	}
	c.disable(ByFailures)
	c.publish() // withheld
	c.now = c.now.Add(20 * time.Second)
	c.enable()
	c.attempt(c.publish(), p, 200, 0)
	c.now = c.now.Add(time.Hour)
	c.attempt(c.publish(), p, 200, 0)
	same := "of 22: 2 ok 0 dead 20 cancelled 0 withheld 0 open 0 unknown; saved 0 lost 0 undecided 0; extra +0; founded [22 0 0]"
	wantTold(t, simulateOver(c.facts, allOf()), same)
	got := simulateOver(c.facts, allOf().disablingAfter(20))
	wantTold(t, got, same)
	if got.RecordedDisabled != 1 || got.SimulatedDisabled != 1 {
		t.Errorf("disabled %d and %d", got.RecordedDisabled, got.SimulatedDisabled)
	}
	got = simulateOver(c.facts, allOf().disablingAfter(0))
	// The withheld one is delivered too; its first answer lies between the last failure and the first success.
	wantTold(t, got, "of 23: 23 ok 0 dead 0 cancelled 0 withheld 0 open 0 unknown; saved 21 lost 0 undecided 0; extra +22; founded [22 1 0]")
	if got.SimulatedDisabled != 0 || got.Total.SavedEstimated != 1 {
		t.Errorf("never: disabled %d, estimated %d", got.SimulatedDisabled, got.Total.SavedEstimated)
	}
	got = simulateOver(c.facts, allOf().disablingAfter(5))
	wantTold(t, got, "of 22: 2 ok 0 dead 5 cancelled 15 withheld 0 open 0 unknown; saved 0 lost 0 undecided 0; extra -15; founded [22 0 0]")
	if s := got.Subscriptions[0]; !s.SimulatedDisabledAt.Before(s.RecordedDisabledAt) || s.DisabledEstimated {
		t.Errorf("disabled at %s, recorded %s", s.SimulatedDisabledAt, s.RecordedDisabledAt)
	}
}

func TestRetryAfterCountsWhereItWasRecorded(t *testing.T) {
	c := newChronicle("vantageclaw")
	p := policyOf(t, "vantageclaw")
	d := c.publish()
	o := Outcome{StartedAt: c.now, Took: time.Second, Status: 503, Reason: "http_503", RetryAfter: 4 * time.Minute}
	f := d.DecideOutcome(o, p, c.now.Add(time.Second), 0)
	c.now = c.now.Add(time.Second)
	c.write(DeliveryStream(d.Of.ID()), f)
	d = d.Apply(f, Meta{At: c.now}, 0)
	d = c.attempt(d, p, 200, 0)
	c.now = c.now.Add(time.Minute)
	c.attempt(c.publish(), p, 200, 0)
	// 30 s would lie among the failures; the receiver asked for 4 minutes, and had them.
	got := simulateOver(c.facts, allOf(30*time.Second, 10*time.Minute))
	wantTold(t, got, "of 2: 2 ok 0 dead 0 cancelled 0 withheld 0 open 0 unknown; saved 0 lost 0 undecided 0; extra +0; founded [2 0 0]")
	if d.State != Succeeded {
		t.Fatal("the delivery did not succeed")
	}
}

func TestTheWindowChoosesRoundsByTheirBeginning(t *testing.T) {
	c := newChronicle("vantageclaw")
	p := policyOf(t, "vantageclaw")
	early := c.attempt(c.publish(), p, 500, 0)
	from := c.now.Add(time.Second)
	c.now = from
	d := c.attempt(c.publish(), p, 500, 0)
	to := c.now.Add(time.Millisecond)
	c.now = to
	c.attempt(early, p, 200, 0)
	c.attempt(d, p, 200, 0)
	c.attempt(c.publish(), p, 200, 0)
	got := simulateOver(c.facts, SimulationRequest{From: from, To: to})
	wantTold(t, got, "of 1: 1 ok 0 dead 0 cancelled 0 withheld 0 open 0 unknown; saved 0 lost 0 undecided 0; extra +0; founded [1 0 0]")
	other := SimulationRequest{From: from, To: to, Subscription: SubscriptionID(c.id())}
	if got := simulateOver(c.facts, other); got.Total.Deliveries != 0 {
		t.Errorf("of another subscription: %s", told(got.Total))
	}
}

func TestARequestsRules(t *testing.T) {
	n := func(n int) *int { return &n }
	for field, r := range map[string]SimulationRequest{
		"from":              {To: noon},
		"to":                {From: noon, To: noon},
		"retry_schedule":    {From: noon, To: noon.Add(1), Schedule: []Duration{}},
		"retry_schedule[1]": {From: noon, To: noon.Add(1), Schedule: []Duration{MinDelay, MaxDelay + 1}},
		"disable_after":     {From: noon, To: noon.Add(1), DisableAfter: n(-1)},
	} {
		var e *Error
		if err := r.Check(); !errors.As(err, &e) || e.Code != Invalid || e.Fields[0].Field != field {
			t.Errorf("%s: got %v", field, err)
		}
	}
	if err := (SimulationRequest{From: noon, To: noon.Add(1), Schedule: []Duration{MinDelay, MaxDelay}, DisableAfter: n(0)}).Check(); err != nil {
		t.Error(err)
	}
}

func TestDurationsAreKeptToAHundredth(t *testing.T) {
	for _, d := range []time.Duration{0, time.Microsecond, 127 * time.Microsecond, 128 * time.Microsecond, time.Millisecond, time.Second, 10 * time.Second,
		time.Hour, 7 * 24 * time.Hour, 200 * 24 * time.Hour} {
		got := middleOf(bucketOf(d))
		if off := (got - d).Abs(); off*100 > d {
			t.Errorf("%s is kept as %s", d, got)
		}
	}
	var x durations
	for i := range 100 {
		x.add(time.Duration(i+1) * time.Microsecond)
	}
	if m, p := x.quantile(0.5), x.quantile(0.95); m != 50*time.Microsecond || p != 95*time.Microsecond {
		t.Errorf("median %s, p95 %s", m, p)
	}
}
