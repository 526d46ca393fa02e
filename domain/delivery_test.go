package domain

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var (
	success = Outcome{StartedAt: noon, Took: time.Millisecond, Status: 200, Revision: 3}
	refusal = Outcome{StartedAt: noon, Reason: refusedReason + "loopback", Refused: true}
	timeout = Outcome{StartedAt: noon, Reason: "timeout"}
)

func answered(status int) Outcome {
	return Outcome{StartedAt: noon, Took: time.Millisecond, Status: status, Reason: StatusReason(status), Revision: 3}
}

// then folds the outcome that is decided and says what it was.
func then(d Delivery, o Outcome, p Policy) (Delivery, Fact) {
	f := d.DecideOutcome(o, p, noon, 0)
	return d.Apply(f, Meta{At: noon}, d.Next), f
}

func TestAttemptsInAll(t *testing.T) {
	for name, want := range map[string]int{"vantageclaw": 7, "clawbook": 6, "vantagekit": 6, "vntana": 6, "standard": 10} {
		p := policyOf(t, name)
		d := NewDelivery(ordinaryOf, 3)
		for d.Open() {
			d, _ = then(d, answered(500), p)
			if d.Attempts > 100 {
				t.Fatalf("%s: no end", name)
			}
		}
		if d.Attempts != want || d.State != Dead || !d.Due.IsZero() || p.Profile.Attempts() != want {
			t.Errorf("%s: %d attempts, %s, due %s, want %d", name, d.Attempts, d.State, d.Due, want)
		}
	}
}

// TestPermanentAnswers holds the row of docs/contract.md, both edges of each range. It holds the row wire.permanent.
func TestPermanentAnswers(t *testing.T) {
	permanent := map[string]func(status int) bool{
		"vantageclaw": func(int) bool { return false },
		"clawbook":    func(s int) bool { return s >= 400 && s <= 499 },
		"vantagekit":  func(s int) bool { return s >= 400 && s <= 499 && s != 429 },
		"vntana":      func(int) bool { return false },
		"standard":    func(s int) bool { return s == 410 },
	}
	for name, is := range permanent {
		p := policyOf(t, name)
		for status := 300; status < 600; status++ {
			_, f := then(NewDelivery(ordinaryOf, 3), answered(status), p)
			failed, ok := f.(*AttemptFailed)
			if !ok || failed.Dead != is(status) || failed.NextAttemptAt.IsZero() != is(status) || (failed.Delay == nil) != is(status) {
				t.Errorf("%s, %d: got %+v", name, status, f)
			}
		}
		d, f := then(NewDelivery(ordinaryOf, 3), refusal, p)
		if failed := f.(*AttemptFailed); !failed.Dead || !failed.Refused() || d.State != Dead {
			t.Errorf("%s: a refused address is retried: %+v", name, f)
		}
		d, f = then(NewDelivery(ordinaryOf, 3), timeout, p)
		if failed := f.(*AttemptFailed); failed.Dead || failed.Refused() || !d.Open() {
			t.Errorf("%s: a timeout is not retried: %+v", name, f)
		}
	}
}

func TestAnOutcomeRecordsTheAttempt(t *testing.T) {
	p := policyOf(t, "vantageclaw")
	o := Outcome{StartedAt: noon.Add(7), Took: 1500 * time.Microsecond, Status: 503, Address: "192.0.2.1:443", BodySHA256: []byte("sum"),
		Reason: "http_503", Answer: []byte("sealed"), RetryAfter: 2 * time.Minute, Revision: 9}
	d := Delivery{Of: ordinaryOf, State: Scheduled, Round: 2, Attempts: 4, RoundAttempts: 0, RoundRevision: 8, Next: 6}
	want := &AttemptFailed{Attempt: Attempt{DeliveryOf: ordinaryOf, Round: 2, Number: 5, StartedAt: noon, TookMicros: 1500, Status: 503,
		Address: "192.0.2.1:443", BodySHA256: []byte("sum"), Revision: 9, RoundRevision: 8},
		Reason: "http_503", Answer: []byte("sealed"), NextAttemptAt: noon.Add(2 * time.Minute),
		Delay: &Delay{Scheduled: Duration(time.Minute), RetryAfter: Duration(2 * time.Minute)}}
	if got := d.DecideOutcome(o, p, noon, 0); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	o.Reason, o.Status = "", 204
	success := want.Attempt
	success.Status = 204
	if got, want := d.DecideOutcome(o, p, noon, 0), (&AttemptSucceeded{success}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

func TestWhatComesAfterTheEndIsExtra(t *testing.T) {
	p := policyOf(t, "vantageclaw")
	for name, end := range map[string]Outcome{"succeeded": success, "dead": refusal} {
		ended, _ := then(NewDelivery(ordinaryOf, 3), end, p)
		for _, late := range []Outcome{success, answered(500), refusal} {
			d, f := then(ended, late, p)
			var a Attempt
			switch f := f.(type) {
			case *AttemptSucceeded:
				a = f.Attempt
			case *AttemptFailed:
				a = f.Attempt
				if f.Dead || !f.NextAttemptAt.IsZero() || f.Delay != nil {
					t.Errorf("%s: an extra failure has consequences: %+v", name, f)
				}
			}
			if !a.Extra || a.Number != 2 || a.Round != 1 {
				t.Errorf("%s: got %+v", name, a)
			}
			if d.State != ended.State || d.Round != 1 || d.RoundAttempts != 1 || d.Attempts != 2 || d.Next != 2 {
				t.Errorf("%s: became %+v", name, d)
			}
		}
	}
}

// An outcome after the end of its round ends nothing and opens nothing, though it does not say that it is extra.
func TestARoundHasOneEndWhateverIsRecorded(t *testing.T) {
	p := policyOf(t, "vantageclaw")
	for name, first := range map[string]Outcome{"succeeded": success, "dead": refusal} {
		d, _ := then(NewDelivery(ordinaryOf, 3), first, p)
		for what, f := range map[string]Fact{
			"a success":               &AttemptSucceeded{Attempt{DeliveryOf: ordinaryOf, Round: 1, Number: 2}},
			"a failure with a retry":  &AttemptFailed{Attempt: Attempt{DeliveryOf: ordinaryOf, Round: 1, Number: 2}, NextAttemptAt: noon},
			"a failure without retry": &AttemptFailed{Attempt: Attempt{DeliveryOf: ordinaryOf, Round: 1, Number: 2}, Dead: true},
		} {
			after := d.Apply(f, Meta{At: noon}, d.Next)
			if after.State != d.State || !after.Due.IsZero() || after.RoundAttempts != 1 || after.Attempts != 2 {
				t.Errorf("%s after %s: %+v", what, name, after)
			}
		}
	}
}

func TestOffers(t *testing.T) {
	due := noon.Add(time.Hour)
	waiting := Delivery{Of: ordinaryOf, State: Scheduled, Round: 1, Attempts: 1, RoundAttempts: 1, RoundRevision: 3, Due: due, Next: 1}
	offered := waiting
	offered.Offered, offered.OfferedAt = 2, due
	before := waiting
	before.Offered, before.OfferedAt = 1, due
	ended := waiting
	ended.State = Succeeded
	want := &RetryDue{ordinaryOf, 1, 2, due, 3}
	for _, c := range []struct {
		name string
		d    Delivery
		now  time.Time
		want bool
	}{
		{"not due", waiting, due.Add(-1), false},
		{"due", waiting, due, true},
		{"ended", ended, due.Add(time.Hour), false},
		{"offered within the grace", offered, due.Add(OfferGrace - 1), false},
		{"offered before the grace", offered, due.Add(OfferGrace), true},
		{"an earlier attempt was offered", before, due, true},
	} {
		f := c.d.DecideOffer(c.now, OfferGrace)
		if (f != nil) != c.want {
			t.Errorf("%s: got %v", c.name, f)
		}
		if c.want && !reflect.DeepEqual(f, want) {
			t.Errorf("%s: got %+v, want %+v", c.name, f, want)
		}
	}
	if f := offered.DecideOffer(due, 0); f == nil {
		t.Error("no grace: not offered")
	}
	after := waiting.Apply(want, Meta{At: due}, 1)
	if after.Offered != 2 || !after.OfferedAt.Equal(due) || after.Next != 2 || !after.Open() || after.Attempts != 1 {
		t.Errorf("became %+v", after)
	}
	if f := NewDelivery(ordinaryOf, 3).DecideOffer(noon, OfferGrace); f == nil {
		t.Error("a first attempt is not offered")
	}
	if f := NewDelivery(ordinaryOf, 3).DecideOffer(ordinaryOf.PublishedAt.Add(-time.Hour), OfferGrace); f == nil {
		t.Error("a first attempt is not offered while the publisher's clock is ahead")
	}
}

func TestRedeliveries(t *testing.T) {
	open := NewDelivery(ordinaryOf, 0)
	ended := open
	ended.State, ended.Attempts, ended.Next = Dead, 7, 13
	active := subscription(created, disabled, enabled)
	for _, c := range []struct {
		name      string
		d         Delivery
		s         Subscription
		cancelled bool
		want      Code
	}{
		{"ended", ended, active, false, 0}, {"open", open, active, false, Conflict}, {"cancelled", open, active, true, 0},
		{"ended, disabled", ended, subscription(created, disabled), false, Conflict},
		{"ended, deleted", ended, subscription(created, deleted), false, Conflict},
		{"cancelled, disabled", open, subscription(created, disabled), true, Conflict},
	} {
		f, err := c.d.DecideRedeliver(c.s, c.cancelled)
		wantCode(t, c.name, err, c.want)
		if want := (&RedeliveryRequested{DeliveryOf: ordinaryOf, Round: 2, Revision: 2}); err == nil && !reflect.DeepEqual(f, want) {
			t.Errorf("%s: got %+v, want %+v", c.name, f, want)
		}
	}
	d := ended.Apply(&RedeliveryRequested{DeliveryOf: ordinaryOf, Round: 2, Revision: 2}, Meta{At: noon}, 13)
	want := Delivery{Of: ordinaryOf, State: Scheduled, Round: 2, Attempts: 7, RoundRevision: 2, Due: noon, Next: 14}
	if d != want {
		t.Errorf("became %+v, want %+v", d, want)
	}
	again, f := then(d, answered(500), policyOf(t, "vantageclaw"))
	if failed := f.(*AttemptFailed); failed.Number != 8 || failed.Round != 2 || !failed.NextAttemptAt.Equal(noon.Add(time.Minute)) || again.RoundAttempts != 1 {
		t.Errorf("the schedule does not begin anew: %+v, %+v", failed, again)
	}
}

// TestADeliveryFoldedFromItsStreamAlone knows what it is of, whatever fact comes first.
func TestADeliveryFoldedFromItsStreamAlone(t *testing.T) {
	a := Attempt{DeliveryOf: ordinaryOf, Round: 1, Number: 1, RoundRevision: 3}
	for name, f := range map[string]Fact{"success": &AttemptSucceeded{a}, "failure": &AttemptFailed{Attempt: a, NextAttemptAt: noon},
		"offer": &RetryDue{ordinaryOf, 1, 1, noon, 3}} {
		d := Delivery{}.Apply(f, Meta{At: noon}, 0)
		if d.Of != ordinaryOf || d.Round != 1 || d.RoundRevision != 3 || d.Next != 1 {
			t.Errorf("%s: got %+v", name, d)
		}
	}
}

// TestAnyHistoryOfADelivery plays random outcomes, offers, redeliveries and late answers of a state that is out of date.
func TestAnyHistoryOfADelivery(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := policyOf(t, rapid.SampledFrom([]string{"vantageclaw", "clawbook", "vantagekit", "vntana", "standard"}).Draw(t, "profile"))
		active := subscription(created)
		h := history{t: t, policy: p, now: noon, ends: map[int]int{}, counted: map[int]int{}}
		h.state = NewDelivery(ordinaryOf, 0)
		t.Repeat(map[string]func(*rapid.T){
			"succeed": func(*rapid.T) { h.outcome(success) },
			"fail": func(t *rapid.T) {
				h.outcome(answered(rapid.SampledFrom([]int{302, 404, 410, 429, 500, 503}).Draw(t, "status")))
			},
			"refuse":  func(*rapid.T) { h.outcome(refusal) },
			"timeout": func(*rapid.T) { h.outcome(timeout) },
			"wait": func(t *rapid.T) {
				h.now = h.now.Add(time.Duration(rapid.Int64Range(0, int64(30*time.Hour)).Draw(t, "wait")))
			},
			"offer": func(*rapid.T) {
				if f := h.state.DecideOffer(h.now, OfferGrace); f != nil {
					h.record(f)
				}
			},
			"redeliver": func(*rapid.T) {
				f, err := h.state.DecideRedeliver(active, false)
				if (err == nil) == h.state.Open() {
					t.Fatalf("redelivery of %+v: %v", h.state, err)
				}
				if err == nil {
					h.record(f)
				}
			},
			"": func(*rapid.T) { h.check() },
		})
	})
}

// history is a delivery with the facts recorded of it.
type history struct {
	t       *rapid.T
	policy  Policy
	now     time.Time
	state   Delivery
	facts   []Fact
	metas   []Meta
	numbers int
	ends    map[int]int // by round
	counted map[int]int // attempts that are not extra, by round
}

func (h *history) outcome(o Outcome) {
	f := h.state.DecideOutcome(o, h.policy, h.now, 0.5)
	var a Attempt
	ends := false
	switch f := f.(type) {
	case *AttemptSucceeded:
		a, ends = f.Attempt, !f.Extra
	case *AttemptFailed:
		a, ends = f.Attempt, f.Dead
		if !f.Dead && !f.Extra && !f.NextAttemptAt.After(h.now) {
			h.t.Fatalf("the next attempt is due at %s, not after %s", f.NextAttemptAt, h.now)
		}
	}
	h.numbers++
	if a.Number != h.numbers || a.Extra == h.state.Open() || a.Round != h.state.Round {
		h.t.Fatalf("attempt %d recorded as %+v", h.numbers, a)
	}
	if ends {
		h.ends[a.Round]++
	}
	if !a.Extra {
		h.counted[a.Round]++
	}
	h.record(f)
}

func (h *history) record(f Fact) {
	m := Meta{At: Time(h.now)}
	h.state = h.state.Apply(f, m, uint64(len(h.facts)))
	h.facts, h.metas = append(h.facts, f), append(h.metas, m)
}

func (h *history) check() {
	d := h.state
	for round := 1; round <= d.Round; round++ {
		want := 1
		if round == d.Round && d.Open() {
			want = 0
		}
		if h.ends[round] != want {
			h.t.Fatalf("round %d has %d ends, want %d: %+v", round, h.ends[round], want, d)
		}
		if h.counted[round] > len(h.policy.Schedule)+1 {
			h.t.Fatalf("round %d has %d attempts", round, h.counted[round])
		}
	}
	if d.Attempts != h.numbers || d.RoundAttempts != h.counted[d.Round] || d.Next != uint64(len(h.facts)) || d.Open() == d.Due.IsZero() {
		h.t.Fatalf("after %d attempts and %d facts: %+v", h.numbers, len(h.facts), d)
	}
	alone := Delivery{}
	fromTarget := NewDelivery(ordinaryOf, 0)
	for i, f := range h.facts {
		alone, fromTarget = alone.Apply(f, h.metas[i], uint64(i)), fromTarget.Apply(f, h.metas[i], uint64(i))
	}
	if fromTarget != d || len(h.facts) > 0 && alone != d {
		h.t.Fatalf("folded again\n%+v\nalone\n%+v\nnot\n%+v", fromTarget, alone, d)
	}
}
