package domain

import (
	"slices"
	"time"
)

// RecoveryRequested asks for a new round of every delivery of a subscription that was published in a range of time and
// has ended in one of some states.
type RecoveryRequested struct {
	Organization OrganizationID `json:"organization"`
	Subscription SubscriptionID `json:"subscription"`
	// From and To bound the times of publishing: from the one on, and before the other.
	From   time.Time       `json:"from"`
	To     time.Time       `json:"to"`
	States []DeliveryState `json:"states"`
	// Deliveries is how many there were when it was asked for.
	Deliveries int `json:"deliveries"`
}

// RecoveryProgressed says how far a recovery has come: everything up to a place has been seen to.
type RecoveryProgressed struct {
	RecoveryOf
	After DeliveryPlace `json:"after"`
	RecoveryTally
}

// RecoveryEnded ends a recovery.
type RecoveryEnded struct {
	RecoveryOf
	RecoveryTally
	// Why says what ended it before all was done; empty if all was.
	Why string `json:"why,omitempty"`
}

// FactType names the fact in the log.
func (*RecoveryRequested) FactType() string { return "hooklog.RecoveryRequested.v1" }

// FactType names the fact in the log.
func (*RecoveryProgressed) FactType() string { return "hooklog.RecoveryProgressed.v1" }

// FactType names the fact in the log.
func (*RecoveryEnded) FactType() string { return "hooklog.RecoveryEnded.v1" }

// RecoveryOf repeats, in facts that follow the first, whose recovery it is.
type RecoveryOf struct {
	Organization OrganizationID `json:"organization"`
	Subscription SubscriptionID `json:"subscription"`
}

// RecoveryTally counts what a recovery has seen to.
type RecoveryTally struct {
	// Redelivered counts the rounds that it opened; Passed the deliveries that it had to leave, because somebody else
	// had opened a round of them since it was asked for.
	Redelivered int `json:"redelivered"`
	Passed      int `json:"passed"`
}

// DeliveryPlace is a delivery's place among those of its subscription: by the millisecond of publishing, then by id.
type DeliveryPlace struct {
	PublishedAt time.Time  `json:"published_at"`
	Delivery    DeliveryID `json:"delivery"`
}

// Recovery is the redelivery of all that ended in a range of time.
type Recovery struct {
	ID RecoveryID `json:"id"`
	RecoveryRequested
	RecoveryTally
	RequestedAt time.Time `json:"requested_at"`
	// After is the last place seen to; zero at the beginning.
	After DeliveryPlace `json:"after"`
	// Holder is the actor that last brought it further, at HeldAt.
	Holder  string    `json:"holder,omitempty"`
	HeldAt  time.Time `json:"held_at"`
	EndedAt time.Time `json:"ended_at,omitzero"`
	Why     string    `json:"why,omitempty"`
	// Revision is that of the last fact folded.
	Revision uint64 `json:"revision"`
}

// Exists reports whether the recovery was ever asked for.
func (r Recovery) Exists() bool { return !r.Subscription.IsZero() }

// Ended reports whether nothing more is to be done.
func (r Recovery) Ended() bool { return !r.EndedAt.IsZero() }

// Of returns what the facts that follow repeat.
func (r Recovery) Of() RecoveryOf { return RecoveryOf{r.Organization, r.Subscription} }

// Apply folds one fact of the recovery's stream, at its revision there.
func (r Recovery) Apply(f Fact, m Meta, revision uint64) Recovery {
	switch f := f.(type) {
	case *RecoveryRequested:
		r.RecoveryRequested, r.RequestedAt = *f, m.At
	case *RecoveryProgressed:
		r.After, r.RecoveryTally, r.Holder, r.HeldAt = f.After, f.RecoveryTally, m.Actor, m.At
	case *RecoveryEnded:
		r.RecoveryTally, r.EndedAt, r.Why = f.RecoveryTally, m.At, f.Why
	}
	r.Revision = revision
	return r
}

// recoverable are the states in which a delivery has ended.
var recoverable = []DeliveryState{Dead, Cancelled, Succeeded}

// RecoveryRange says what is to be recovered. No states are those that ended without success.
type RecoveryRange struct {
	From, To time.Time
	States   []DeliveryState
}

// Check refuses a range without a beginning before its end, or with states in which a delivery has not ended. What is
// yet to come is cut off, so that a recovery has an end.
func (r RecoveryRange) Check(now time.Time) (RecoveryRange, error) {
	r.From, r.To = Time(r.From), Time(r.To)
	if r.To.After(now) {
		r.To = Time(now)
	}
	if !r.From.Before(r.To) {
		return r, RefuseFields(FieldError{"from", "must be before to, and in the past"})
	}
	if len(r.States) == 0 {
		r.States = []DeliveryState{Dead, Cancelled}
	}
	for _, s := range r.States {
		if !slices.Contains(recoverable, s) {
			return r, RefuseFields(FieldError{"status", "must be dead_letter, cancelled or success"})
		}
	}
	return r, nil
}

// Holds reports whether a delivery, as readers see it, is within the range.
func (r RecoveryRange) Holds(d Delivery) bool {
	return slices.Contains(r.States, d.State) && !d.Of.PublishedAt.Before(r.From) && d.Of.PublishedAt.Before(r.To)
}

// Range returns what is to be recovered.
func (r RecoveryRequested) Range() RecoveryRange { return RecoveryRange{r.From, r.To, r.States} }

// DecideRecover asks for the recovery of so many deliveries.
func (s Subscription) DecideRecover(r RecoveryRange, deliveries int, now time.Time) (*RecoveryRequested, error) {
	if err := s.mustBeThere(); err != nil {
		return nil, err
	}
	if !s.Active() {
		return nil, errNotActive
	}
	r, err := r.Check(now)
	if err != nil {
		return nil, err
	}
	return &RecoveryRequested{Organization: s.Organization, Subscription: s.ID, From: r.From, To: r.To, States: r.States, Deliveries: deliveries}, nil
}

// RecoveryStep is what was seen to since a recovery's last fact.
type RecoveryStep struct {
	// After is the last place seen to; it is not looked at if Done.
	After DeliveryPlace
	RecoveryTally
	// Done says that there is nothing after it, or, with Why, that nothing more can be done.
	Done bool
	Why  string
}

// DecideStep records a step; nil if the recovery has ended.
func (r Recovery) DecideStep(s RecoveryStep) Fact {
	tally := RecoveryTally{r.Redelivered + s.Redelivered, r.Passed + s.Passed}
	switch {
	case !r.Exists() || r.Ended():
		return nil
	case s.Done:
		return &RecoveryEnded{RecoveryOf: r.Of(), RecoveryTally: tally, Why: s.Why}
	}
	return &RecoveryProgressed{RecoveryOf: r.Of(), After: s.After, RecoveryTally: tally}
}

// RecoveryPage is the part of a recovery that is next.
type RecoveryPage struct {
	Deliveries []Delivery
	// After is the last place that was looked at.
	After DeliveryPlace
	// Done says that there is nothing after it.
	Done bool
}
