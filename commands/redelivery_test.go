package commands

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/webhook"
)

// rounds is a subscription with deliveries whose rounds are opened and ended at random.
type rounds struct {
	*world
	t      *rapid.T
	org    domain.Organization
	sub    domain.Subscription
	of     []domain.DeliveryOf
	target []uint64
	policy domain.Policy
	// recoveries are those asked for, and at how many facts of each delivery.
	recoveries []domain.Recovery
}

func newRounds(t *testing.T, rt *rapid.T, n int) *rounds {
	w := newWorld(t)
	r := &rounds{world: w, t: rt, org: w.acme()}
	r.sub, _ = w.subscribe(r.org, "order.paid")
	profile, _ := webhook.ByName("vantagekit")
	r.policy = domain.PolicyOf(profile, domain.OrganizationSettings{}, domain.SubscriptionSettings{})
	for i := range n {
		p, err := w.Publish(w.ctx, by, order(r.org, fmt.Sprintf(`{"n":%d}`, i)))
		w.must(err)
		m, err := w.LoadMessage(w.ctx, p.Message)
		w.must(err)
		of := m.Published.Of(m.Meta)
		r.of = append(r.of, domain.DeliveryOf{Message: p.Message, Subscription: r.sub.ID, Organization: r.org.ID, EventType: of.EventType, PublishedAt: of.PublishedAt})
		r.target = append(r.target, m.Published.Targets[0].Revision)
		w.clock.pass(time.Millisecond)
	}
	return r
}

func (r *rounds) which() int { return rapid.IntRange(0, len(r.of)-1).Draw(r.t, "delivery") }

// finish records an outcome that ends the round, or is an extra one.
func (r *rounds) finish(i int, status int) {
	known, err := r.LoadDelivery(r.ctx, r.of[i], r.target[i])
	r.must(err)
	o := domain.Outcome{StartedAt: r.clock.now(), Status: status, Revision: r.sub.Revision}
	if !webhook.Success(status) {
		o.Reason = domain.StatusReason(status)
	}
	_, _, err = r.RecordOutcome(r.ctx, by, known, o, r.policy, eventlog.ID{})
	r.must(err)
}

func (r *rounds) redeliver(i int) {
	_, _, err := r.Redeliver(r.ctx, by, r.of[i], r.target[i])
	if code := domain.CodeOf(err); err != nil && code != domain.Conflict {
		r.t.Fatalf("redeliver: %v", err)
	}
}

func (r *rounds) ask() {
	within := domain.RecoveryRange{From: noon, To: r.clock.now().Add(time.Second)}
	r.clock.pass(time.Second)
	rec, _, err := r.RequestRecovery(r.ctx, by, r.org.ID, r.sub.ID, within, len(r.of))
	if domain.CodeOf(err) == domain.Conflict {
		return
	}
	r.must(err)
	r.recoveries = append(r.recoveries, rec)
}

// step lets a recovery see to all deliveries, as a node does whose fold is whatever: what it knows is not what is so.
func (r *rounds) step() {
	if len(r.recoveries) == 0 {
		return
	}
	rec, err := r.LoadRecovery(r.ctx, r.recoveries[rapid.IntRange(0, len(r.recoveries)-1).Draw(r.t, "recovery")].ID)
	r.must(err)
	page := domain.RecoveryPage{Done: rapid.Bool().Draw(r.t, "done"), After: domain.DeliveryPlace{PublishedAt: noon, Delivery: r.of[0].ID()}}
	for i, of := range r.of {
		if rapid.Bool().Draw(r.t, "in the page") {
			page.Deliveries = append(page.Deliveries, domain.NewDelivery(of, r.target[i]))
		}
	}
	dies := rapid.IntRange(-1, len(page.Deliveries)).Draw(r.t, "dies before")
	err = r.StepRecovery(r.ctx, by, rec, page, func(context.Context) error {
		if dies--; dies == -1 {
			return errCrash
		}
		return nil
	})
	if err != nil && !errors.Is(err, errCrash) {
		r.t.Fatalf("step: %v", err)
	}
}

func (r *rounds) toggle() {
	s, err := r.LoadSubscription(r.ctx, r.sub.ID)
	r.must(err)
	if s.Active() {
		_, err = r.DisableSubscription(r.ctx, by, r.org.ID, r.sub.ID, domain.ByOwner, "")
	} else {
		_, err = r.EnableSubscription(r.ctx, by, r.org.ID, r.sub.ID)
	}
	r.must(err)
	r.sub, err = r.LoadSubscription(r.ctx, r.sub.ID)
	r.must(err)
}

// check holds what must be so after every step: rounds follow each other, each has at most one end, and none begins
// before the one before it ended or was cancelled; a recovery opens at most one round of a delivery.
func (r *rounds) check() {
	s, err := r.LoadSubscription(r.ctx, r.sub.ID)
	r.must(err)
	for i, of := range r.of {
		round, ended, revision := 1, false, r.target[i]
		by := map[domain.RecoveryID]int{}
		for _, f := range r.stream(domain.DeliveryStream(of.ID())) {
			switch f := f.(type) {
			case *domain.RedeliveryRequested:
				if _, cancelled := s.ClosedAfter(revision); !ended && !cancelled {
					r.t.Fatalf("round %d of %s begins while round %d is open", f.Round, of.ID(), round)
				}
				if f.Round != round+1 {
					r.t.Fatalf("round %d follows round %d", f.Round, round)
				}
				round, ended, revision = f.Round, false, f.Revision
				if !f.Recovery.IsZero() {
					by[f.Recovery]++
				}
			case *domain.AttemptSucceeded:
				ended = r.ends(f.Attempt, round, ended, true)
			case *domain.AttemptFailed:
				ended = r.ends(f.Attempt, round, ended, f.Dead)
			}
		}
		for id, n := range by {
			if n > 1 {
				r.t.Fatalf("%s opened %d rounds of %s", id, n, of.ID())
			}
		}
	}
}

func (r *rounds) ends(a domain.Attempt, round int, ended, end bool) bool {
	if a.Round != round || a.Extra != ended {
		r.t.Fatalf("attempt %d is of round %d, extra %v; round %d has ended: %v", a.Number, a.Round, a.Extra, round, ended)
	}
	return ended || end
}

func TestEachRoundHasOneEnd(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		r := newRounds(t, rt, 3)
		for range rapid.IntRange(1, 25).Draw(rt, "steps") {
			switch rapid.IntRange(0, 6).Draw(rt, "step") {
			case 0, 1:
				r.finish(r.which(), rapid.SampledFrom([]int{200, 400, 500}).Draw(rt, "status"))
			case 2:
				r.redeliver(r.which())
			case 3:
				r.ask()
			case 4, 5:
				r.step()
			case 6:
				r.toggle()
			}
			r.check()
		}
	})
}

func TestARecoveryCountsWhatItRedeliveredBeforeACrash(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	o := w.acme()
	r := &rounds{world: w, org: o}
	r.sub, _ = w.subscribe(o, "order.paid")
	profile, _ := webhook.ByName("vantagekit")
	r.policy = domain.PolicyOf(profile, domain.OrganizationSettings{}, domain.SubscriptionSettings{})
	var page domain.RecoveryPage
	for range 4 {
		p, err := w.Publish(w.ctx, by, order(o, `{}`))
		w.must(err)
		m, err := w.LoadMessage(w.ctx, p.Message)
		w.must(err)
		r.of = append(r.of, domain.DeliveryOf{Message: p.Message, Subscription: r.sub.ID, Organization: o.ID, EventType: "order.paid", PublishedAt: m.Meta.At})
		r.target = append(r.target, 0)
	}
	for i, of := range r.of[:3] { // the last one is open
		r.finish(i, 400)
		page.Deliveries = append(page.Deliveries, domain.NewDelivery(of, 0))
	}
	page.Deliveries = append(page.Deliveries, domain.NewDelivery(r.of[3], 0))
	r.ask()
	r.redeliver(2) // a person was faster
	rec := r.recoveries[0]
	n := 0
	err := w.StepRecovery(w.ctx, by, rec, page, func(context.Context) error {
		if n++; n == 2 {
			return errCrash
		}
		return nil
	})
	if !errors.Is(err, errCrash) {
		t.Fatalf("got %v", err)
	}
	r.finish(0, 200) // what was redelivered before the crash has succeeded since
	page.Done = true
	w.must(w.StepRecovery(w.ctx, by, rec, page, func(context.Context) error { return nil }))
	w.must(w.StepRecovery(w.ctx, by, rec, page, func(context.Context) error { return errCrash })) // another node, late
	rec, err = w.LoadRecovery(w.ctx, rec.ID)
	w.must(err)
	if want := (domain.RecoveryTally{Redelivered: 2, Passed: 1}); rec.RecoveryTally != want || !rec.Ended() || rec.Why != "" {
		t.Errorf("got %+v", rec)
	}
	w.holds(domain.DeliveryStream(r.of[0].ID()), 3)
	w.holds(domain.DeliveryStream(r.of[1].ID()), 2)
	w.holds(domain.DeliveryStream(r.of[2].ID()), 2)
	w.holds(domain.DeliveryStream(r.of[3].ID()), 0)
}
