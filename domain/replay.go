package domain

import (
	"slices"
	"time"
)

// roundID names a round of a delivery.
type roundID struct {
	delivery DeliveryID
	round    int
}

// replayed is a round of the window in both courses.
type replayed struct {
	roundID
	of     *simulated
	order  uint64
	opened time.Time
	// recorded and played are how the round stands in the two courses.
	recorded, played course
	// parted says that the replayed course is no longer the recorded one. While it is, it has no attempts of its own.
	parted bool
	// due is when the next attempt may be made in the replayed course, and in the recorded one while they are one.
	due time.Time
	// certainty is the worst of the replayed attempts, and of what else ended the round.
	certainty Certainty
}

// course is one way of a round to its end.
type course struct {
	end SimulatedEnd
	// attempts are all, counted those that the schedule counts.
	attempts, counted int
}

// Replay takes the next fact of the window, whose type Replays admits. It must get what Observe got from the fact on
// that began the window, and what Observe does not need between.
func (x *Simulation) Replay(p PlacedFact) {
	x.begin()
	if p.Meta.At.After(x.now) {
		x.now = p.Meta.At
	}
	x.advance()
	switch f := p.Fact.(type) {
	case *MessagePublished:
		x.published(p, f)
	case *MessageTargets:
		x.targeted(p.Stream, f.MessageOf, f.Targets)
	case *TargetsCorrected:
		x.targeted(p.Stream, f.MessageOf, f.Added)
		x.untargeted(p.Stream, f.Removed)
	case *RedeliveryRequested:
		if s := x.world.subscriptions[f.Subscription]; s != nil {
			x.open(s, roundID{f.DeliveryOf.ID(), f.Round}, p.Meta.At, f.Revision)
		}
	case *AttemptSucceeded:
		x.attempted(p, &f.Attempt)
	case *AttemptFailed:
		x.attempted(p, &f.Attempt)
	default:
		for _, s := range x.world.apply(p) {
			x.lived(s, p)
		}
	}
}

// advance makes the attempts of the replay that were due before now.
func (x *Simulation) advance() {
	for len(x.agenda) > 0 && !x.agenda[0].due.After(x.now) {
		if r := x.agenda.take(); r.played.end == EndOpen {
			x.attempt(r)
		}
	}
}

func (x *Simulation) published(p PlacedFact, f *MessagePublished) {
	of := f.Of(p.Meta)
	if !x.inWindow(of.PublishedAt) {
		return
	}
	x.targeted(p.Stream, of, f.Targets)
	id, _ := MessageOfStream(p.Stream)
	for _, w := range f.Withheld {
		s := x.world.subscriptions[w.Subscription]
		if w.Why != WithheldFailures || s == nil || s.failing || s.stopped {
			continue
		}
		if len(s.state.Clients) > 0 && !slices.Contains(s.state.Clients, f.Client) {
			continue
		}
		x.regain(s, roundID{DeriveDeliveryID(id, w.Subscription), 1}, of.PublishedAt)
	}
	if !x.request.asRecorded() && (x.request.Organization.IsZero() || x.request.Organization == f.Organization) {
		x.unlisted += uint64(max(0, f.WithheldTotal-len(f.Withheld)))
	}
}

// targeted opens the rounds of a message's deliveries.
func (x *Simulation) targeted(stream string, of MessageOf, targets []Target) {
	id, ok := MessageOfStream(stream)
	if !ok || !x.inWindow(of.PublishedAt) {
		return
	}
	for _, t := range targets {
		if s := x.world.subscriptions[t.Subscription]; s != nil {
			x.open(s, roundID{DeriveDeliveryID(id, t.Subscription), 1}, of.PublishedAt, t.Revision)
		}
	}
}

// untargeted forgets the rounds of deliveries that a correction took back.
func (x *Simulation) untargeted(stream string, removed []SubscriptionID) {
	id, _ := MessageOfStream(stream)
	for _, sub := range removed {
		s := x.world.subscriptions[sub]
		if s == nil {
			continue
		}
		name := roundID{DeriveDeliveryID(id, sub), 1}
		if r := s.rounds[name]; r != nil && r.recorded.end != EndWithheld {
			r.played.end = EndWithheld // so that the agenda passes it over
			delete(s.rounds, name)
		}
	}
}

// open begins a round in both courses. A target that was matched before the subscription was closed is none: a
// correction takes it back. Only if failures closed it, and not in the replay, is it one there.
func (x *Simulation) open(s *simulated, id roundID, at time.Time, revision uint64) {
	if !x.inWindow(at) || !x.wanted(s.tally.Organization, s.state.ID) || s.rounds[id] != nil {
		return
	}
	if s.closedAfter(revision) {
		if d := s.state.Disabled; d != nil && d.By == ByFailures && !s.stopped && !s.failing && !x.request.asRecorded() {
			x.regain(s, id, at)
		}
		return
	}
	r := x.add(s, id, at)
	if s.failing {
		r.parted, r.played.end = true, EndWithheld
		r.doubted()
	}
}

// regain begins a round that only the replay has: the recorded course withheld it from a disabled subscription.
func (x *Simulation) regain(s *simulated, id roundID, at time.Time) {
	if !x.wanted(s.tally.Organization, s.state.ID) || s.rounds[id] != nil {
		return
	}
	r := x.add(s, id, at)
	r.recorded.end = EndWithheld
	x.part(r, at)
}

func (x *Simulation) add(s *simulated, id roundID, at time.Time) *replayed {
	x.replays++
	r := &replayed{roundID: id, of: s, order: x.replays, opened: at, due: at}
	s.rounds[id] = r
	return r
}

// part lets the replayed course go its own way: its next attempt is made at a time, or as soon as may be.
func (x *Simulation) part(r *replayed, due time.Time) {
	r.parted, r.due = true, due
	if due.Before(x.now) {
		r.due = x.now
	}
	x.agenda.put(r)
}

// attempted takes in a recorded attempt: in both courses while they are one.
func (x *Simulation) attempted(p PlacedFact, a *Attempt) {
	s := x.world.subscriptions[a.Subscription]
	if s == nil || !x.wanted(a.Organization, a.Subscription) {
		return
	}
	s.recorded = x.world.fold(s.recorded, s, p, nil)
	r := s.rounds[roundID{a.DeliveryOf.ID(), a.Round}]
	if r == nil {
		x.passing(s, p, a)
		return
	}
	open := r.recorded.attempted(a)
	if open {
		r.recorded.ended(p.Fact)
		if r.recorded.end == EndSucceeded {
			s.times[0].add(a.StartedAt.Add(took(a)).Sub(r.opened))
		}
	}
	switch {
	case !r.parted:
		x.follow(r, p, a)
	case s.failing && !a.StartedAt.After(s.failedAt) && r.played.end == EndCancelled:
		r.played.attempts++ // it was on the wire when the replay disabled the subscription
	}
	x.settle(r)
}

// attempted counts an attempt and reports whether the round was open.
func (c *course) attempted(a *Attempt) bool {
	c.attempts++
	if !a.Extra {
		c.counted++
	}
	return c.end == EndOpen && !a.Extra
}

// ended notes the end of a round by a recorded outcome.
func (c *course) ended(f Fact) {
	switch f := f.(type) {
	case *AttemptSucceeded:
		c.end = EndSucceeded
	case *AttemptFailed:
		if f.Dead {
			c.end = EndDead
		}
	}
}

// passing takes in an attempt of a round that is not replayed, or of one that has ended in both courses: it was made
// in both.
func (x *Simulation) passing(s *simulated, p PlacedFact, a *Attempt) {
	if a.Round == 1 && x.inWindow(a.PublishedAt) {
		s.tally.Recorded.Attempts++
		s.tally.Simulated.Attempts++
	}
	if s.failing && a.StartedAt.After(s.failedAt) {
		return
	}
	x.fail(s, p, Known)
}

// follow lets the replayed course take a recorded attempt, and decides whether it goes on with the recorded one.
func (x *Simulation) follow(r *replayed, p PlacedFact, a *Attempt) {
	open := r.played.attempted(a)
	x.fail(r.of, p, Known)
	if !open || r.played.end != EndOpen {
		return
	}
	f, failed := p.Fact.(*AttemptFailed)
	if !failed {
		x.succeed(r, a.StartedAt.Add(took(a)))
		return
	}
	r.due = f.NextAttemptAt
	policy, ok := r.of.recordedPolicy()
	if x.request.Schedule == nil || !ok || f.Refused() || policy.Profile.Permanent(f.Status) {
		r.played.ended(f)
		return
	}
	var wish time.Duration
	if f.Delay != nil {
		wish = time.Duration(f.Delay.RetryAfter)
	}
	wait, delay, more := x.request.policy(policy).next(r.played.counted, f.Status, wish, middle)
	switch {
	case !more:
		r.parted, r.played.end = !f.Dead, EndDead
	case f.Dead || !sameDelay(f, delay, wait, p.Meta.At):
		x.part(r, p.Meta.At.Add(wait))
	}
}

// middle is the jitter that the replay adds to delays of a minute and more: half of the most.
const middle = 0.5

// sameDelay reports whether the recorded wait is one that the other schedule would have given, too.
func sameDelay(f *AttemptFailed, d Delay, wait time.Duration, at time.Time) bool {
	recorded := f.NextAttemptAt.Sub(at)
	if f.Delay == nil {
		return recorded >= time.Duration(d.Scheduled) && recorded <= time.Duration(d.Scheduled)*11/10+time.Second
	}
	if f.Delay.Scheduled != d.Scheduled {
		return false
	}
	return f.Delay.RetryAfter == 0 || f.Delay.RetryAfter == d.RetryAfter && (recorded-wait).Abs() < time.Second
}

// attempt makes an attempt of the replay alone, as the evidence answers it.
func (x *Simulation) attempt(r *replayed) {
	a, certainty := r.of.evidence.at(r.due, r.delivery)
	r.certainty = max(r.certainty, certainty)
	if certainty == Unknown {
		r.played.end, r.of.doubt = EndUnknown, true
		x.settle(r)
		return
	}
	r.played.attempts++
	r.played.counted++
	at := r.due.Add(a.took)
	made := Attempt{Status: a.status, Revision: r.of.state.Revision}
	if a.ok {
		x.fail(r.of, PlacedFact{Fact: &AttemptSucceeded{made}, Meta: Meta{At: at}}, certainty)
		x.succeed(r, at)
	} else {
		x.fail(r.of, PlacedFact{Fact: &AttemptFailed{Attempt: made}, Meta: Meta{At: at}}, certainty)
		x.retry(r, a, at)
	}
	x.settle(r)
}

// retry decides what follows from a failed attempt of the replay.
func (x *Simulation) retry(r *replayed, a reply, at time.Time) {
	if r.played.end != EndOpen {
		return
	}
	policy, ok := r.of.recordedPolicy()
	if !ok || a.permanent {
		r.played.end = EndDead
		return
	}
	wait, _, more := x.request.policy(policy).next(r.played.counted, a.status, a.retryAfter, middle)
	if !more {
		r.played.end = EndDead
		return
	}
	r.due = at.Add(wait)
	x.agenda.put(r)
}

func (x *Simulation) succeed(r *replayed, at time.Time) {
	if r.played.end != EndOpen {
		return
	}
	r.played.end = EndSucceeded
	r.of.times[1].add(at.Sub(r.opened))
}

// fail folds an outcome into the replayed health, and disables the subscription if that says so. Where the recorded
// course reached its limit, too, the replay waits with it until it is disabled there.
func (x *Simulation) fail(s *simulated, p PlacedFact, certainty Certainty) {
	if s.failing || s.stopped {
		return
	}
	s.played = x.world.fold(s.played, s, p, x.request.policy)
	if _, ok := p.Fact.(*AttemptSucceeded); ok && certainty == Known {
		s.doubt = false
	}
	s.doubt = s.doubt || certainty != Known
	if s.played.Limit != nil && s.recorded.Limit == nil {
		x.disable(s, p.Meta.At)
	}
}

// disable lets failures disable a subscription in the replay.
func (x *Simulation) disable(s *simulated, at time.Time) {
	s.failing, s.failedAt = true, at
	s.played.Limit, s.played.Off = nil, true
	if s.tally.SimulatedDisabledAt.IsZero() {
		s.tally.SimulatedDisabledAt = at
		s.tally.DisabledEstimated = s.doubt
	}
	for _, r := range s.rounds {
		if r.played.end == EndOpen {
			r.parted, r.played.end = true, EndCancelled
			r.doubted()
			x.settle(r)
		}
	}
}

// doubted lowers the certainty of a round that a disabling ended which is not certain itself.
func (r *replayed) doubted() {
	if r.of.doubt {
		r.certainty = max(r.certainty, Estimated)
	}
}

// lived lets a recorded fact of a subscription or its organization, which is folded already, take effect on the rounds.
func (x *Simulation) lived(s *simulated, p PlacedFact) {
	switch f := p.Fact.(type) {
	case *SubscriptionCreated:
		s.played = s.recorded
	case *SubscriptionDisabled:
		if f.By == ByFailures {
			x.disabledByFailures(s, p.Meta.At)
		} else {
			x.stop(s)
		}
	case *SubscriptionDeleted, *OrganizationClosed:
		x.stop(s)
	case *SubscriptionEnabled:
		if s.failing || s.stopped {
			s.played = s.played.Lifecycle(f, p.Revision)
			s.failing, s.stopped, s.doubt = false, s.organization.Closed(), false
		}
	}
}

// stop ends every round of a subscription in both courses: people did it.
func (x *Simulation) stop(s *simulated) {
	s.stopped = true
	s.played.Limit, s.played.Off = nil, true
	for _, r := range s.rounds {
		for _, c := range []*course{&r.recorded, &r.played} {
			if c.end == EndOpen {
				c.end = EndCancelled
			}
		}
		x.settle(r)
	}
}

// disabledByFailures ends the recorded rounds, and the replayed ones if they failed as much; else those go on.
func (x *Simulation) disabledByFailures(s *simulated, at time.Time) {
	if s.tally.RecordedDisabledAt.IsZero() {
		s.tally.RecordedDisabledAt = at
	}
	for _, r := range s.rounds {
		if r.recorded.end == EndOpen {
			r.recorded.end = EndCancelled
		}
	}
	switch {
	case s.failing || s.stopped:
	case s.played.Limit != nil || x.request.asRecorded():
		x.disable(s, at)
	default:
		for _, r := range s.rounds {
			if !r.parted && r.played.end == EndOpen {
				x.part(r, r.due)
			}
		}
	}
	for _, r := range s.rounds {
		x.settle(r)
	}
}

// settle counts a round that has ended in both courses, and forgets it.
func (x *Simulation) settle(r *replayed) {
	if r.recorded.end == EndOpen || r.played.end == EndOpen {
		return
	}
	if r.of.rounds[r.roundID] == r {
		delete(r.of.rounds, r.roundID)
		r.of.tally.add(r)
	}
}
