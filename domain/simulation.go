package domain

import (
	"time"

	"github.com/hooklog/hooklog/webhook"
)

// SimulationRequest asks what another policy would have made of the rounds that began in a window of the past. What it
// leaves out stays as it was recorded.
type SimulationRequest struct {
	// From and To bound when a round began: From counts, To does not.
	From, To time.Time
	// Schedule are the delays between attempts; nil keeps each subscription's own.
	Schedule []Duration
	// DisableAfter is the number of consecutive failed attempts that disables a subscription, 0 for never; nil keeps
	// each profile's rule. Answers that disable at once by the profile do so in any case.
	DisableAfter *int
	// Organization and Subscription limit what is replayed; zero is all.
	Organization OrganizationID
	Subscription SubscriptionID
}

// MaxDisableAfter is the most consecutive failures that may be asked for.
const MaxDisableAfter = 1_000_000

// Check refuses a request that breaks a rule; the schedule's are those of every schedule.
func (r SimulationRequest) Check() error {
	var bad []FieldError
	if r.From.IsZero() {
		bad = append(bad, FieldError{"from", "is required"})
	}
	if r.To.IsZero() {
		bad = append(bad, FieldError{"to", "is required"})
	} else if !r.To.After(r.From) {
		bad = append(bad, FieldError{"to", "must be later than from"})
	}
	bad = append(bad, checkSchedule("retry_schedule", r.Schedule)...)
	if n := r.DisableAfter; n != nil && (*n < 0 || *n > MaxDisableAfter) {
		bad = append(bad, FieldError{"disable_after", "must be from 0 to 1000000"})
	}
	return RefuseFields(bad...)
}

// asRecorded reports whether the request changes nothing, so that the replay must give what happened.
func (r SimulationRequest) asRecorded() bool { return r.Schedule == nil && r.DisableAfter == nil }

// policy puts what the request changes in the place of what was recorded.
func (r SimulationRequest) policy(p Policy) Policy {
	if r.Schedule != nil {
		p.Schedule = make([]time.Duration, len(r.Schedule))
		for i, d := range r.Schedule {
			p.Schedule[i] = time.Duration(d)
		}
	}
	if r.DisableAfter != nil {
		p.disable = &webhook.DisableRule{ConsecutiveFailures: *r.DisableAfter}
	}
	return p
}

// PlacedFact is a recorded fact with its place in its stream.
type PlacedFact struct {
	Fact     Fact
	Meta     Meta
	Stream   string
	Revision uint64
}

// Simulation replays recorded facts under another policy. It reads the log twice, each time in order: Observe takes the
// facts from the log's beginning, until it returns false, and gathers how the receivers answered; Replay takes those
// from the first fact of the window on (Begun) to the same end. Then Report compares.
//
// While a round's simulated course is the recorded one, each of its attempts is the recorded attempt itself. From where
// it parts, attempts are made at the times that the policy demands, with the middle of the jitter, and each is answered
// as the receiver's other answers tell (evidence). So the recorded policy, replayed, gives exactly what happened.
//
// Memory is bounded by what is known of organizations and subscriptions, at most [MaxStretches] stretches of evidence
// and [MaxPeculiar] peculiar deliveries a subscription, and the rounds that are open at one time in either course. It
// does not grow with the length of the log. A Simulation belongs to one goroutine.
type Simulation struct {
	request SimulationRequest
	world   *world
	// begun says that Observe has seen the first fact of the window.
	begun bool
	// now is the latest time of a fact, span the longest that a round can take.
	now     time.Time
	span    time.Duration
	facts   uint64
	agenda  agenda
	replays uint64 // rounds that were opened, to tell them apart in the agenda
	// unlisted counts withheld deliveries that no fact lists.
	unlisted uint64
}

// NewSimulation begins the simulation of a request that was checked.
func NewSimulation(r SimulationRequest) *Simulation {
	r.From, r.To = Time(r.From), Time(r.To)
	s := &Simulation{request: r, world: newWorld()}
	if r.Schedule != nil {
		s.spanned(r.policy(Policy{}))
	}
	return s
}

// Begun reports whether Observe has reached the window: Replay begins with the fact that made it so.
func (x *Simulation) Begun() bool { return x.begun }

// begin lets the replayed course begin, once.
func (x *Simulation) begin() {
	if !x.begun {
		x.begun = true
		x.world.part()
	}
}

// Observes reports whether Observe has a use for facts of a type; others need not be decoded.
func (x *Simulation) Observes(typ string) bool {
	switch typ {
	case (*MessagePublished)(nil).FactType(), (*MessageTargets)(nil).FactType(), (*TargetsCorrected)(nil).FactType(),
		(*RetryDue)(nil).FactType(), (*RedeliveryRequested)(nil).FactType():
		return false
	}
	return true
}

// Replays reports whether Replay has a use for facts of a type.
func (x *Simulation) Replays(typ string) bool { return typ != (*RetryDue)(nil).FactType() }

// Observe takes the next fact of the log, whose type Observes admits. It returns false once no later fact can matter:
// the longest schedule has passed since the window's end.
func (x *Simulation) Observe(p PlacedFact) bool {
	if x.over(p.Meta.At) {
		return false
	}
	x.facts++
	if !p.Meta.At.Before(x.request.From) {
		x.begin()
	}
	if a, ok := attemptOf(p.Fact); ok {
		x.observeAttempt(p, a)
		return true
	}
	if !x.begun {
		x.world.apply(p)
	} else {
		x.world.learn(p)
	}
	x.spanOf(p)
	return true
}

// observeAttempt folds health until the window begins, and gathers evidence from shortly before it on.
func (x *Simulation) observeAttempt(p PlacedFact, a *Attempt) {
	if !x.wanted(a.Organization, a.Subscription) {
		return
	}
	s := x.world.subscriptions[a.Subscription]
	if s == nil {
		return
	}
	if !x.begun {
		s.recorded = x.world.fold(s.recorded, s, p, nil)
	}
	if p.Meta.At.Before(x.request.From.Add(-evidenceReach)) {
		return
	}
	if reply, ok := replyOf(p.Fact, s.profile()); ok {
		s.evidence.add(a.StartedAt, a.DeliveryOf.ID(), reply)
	}
}

func took(a *Attempt) time.Duration { return time.Duration(a.TookMicros) * time.Microsecond }

// attemptOf returns the attempt that a fact records.
func attemptOf(f Fact) (*Attempt, bool) {
	switch f := f.(type) {
	case *AttemptSucceeded:
		return &f.Attempt, true
	case *AttemptFailed:
		return &f.Attempt, true
	}
	return nil, false
}

// wanted reports whether the request is about a subscription.
func (x *Simulation) wanted(org OrganizationID, sub SubscriptionID) bool {
	r := &x.request
	return (r.Organization.IsZero() || r.Organization == org) && (r.Subscription.IsZero() || r.Subscription == sub)
}

// inWindow reports whether a round that began at a time is replayed.
func (x *Simulation) inWindow(at time.Time) bool {
	return !at.Before(x.request.From) && at.Before(x.request.To)
}

// over reports whether every round of the window must have ended before a time.
func (x *Simulation) over(at time.Time) bool { return at.After(x.request.To.Add(x.span)) }

// spanOf notes how long rounds can take after a fact that may change it.
func (x *Simulation) spanOf(p PlacedFact) {
	switch f := p.Fact.(type) {
	case *OrganizationRegistered:
		if profile, ok := webhook.ByName(f.Profile); ok {
			x.spanned(PolicyOf(profile, f.OrganizationSettings, SubscriptionSettings{}))
		}
	case *OrganizationChanged:
		x.spannedBy(f.RetrySchedule)
	case *SubscriptionCreated:
		x.spannedBy(f.RetrySchedule)
	case *SubscriptionChanged:
		x.spannedBy(f.RetrySchedule)
	}
}

func (x *Simulation) spannedBy(schedule []Duration) {
	x.spanned(SimulationRequest{Schedule: schedule}.policy(Policy{}))
}

// spanned lets the replay run long enough for a schedule: its delays with the most jitter, and an hour for what waits
// and for requests that take their time.
func (x *Simulation) spanned(p Policy) {
	var sum time.Duration
	for _, d := range p.Schedule {
		sum += d + d/10
	}
	x.span = max(x.span, sum+time.Hour)
}
