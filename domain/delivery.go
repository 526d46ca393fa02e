package domain

import (
	"fmt"
	"strings"
	"time"
)

// DeliveryOf names what a delivery is of. Every fact of a delivery repeats it, so that each can be read alone.
type DeliveryOf struct {
	Message      MessageID      `json:"message"`
	Subscription SubscriptionID `json:"subscription"`
	Organization OrganizationID `json:"organization"`
	EventType    string         `json:"event_type"`
	PublishedAt  time.Time      `json:"published_at"`
}

// ID returns the delivery's derived id.
func (d DeliveryOf) ID() DeliveryID { return DeriveDeliveryID(d.Message, d.Subscription) }

// Attempt is what both outcomes record of one HTTP request.
type Attempt struct {
	DeliveryOf
	// Round and Number are counted from 1; numbers go on over rounds.
	Round     int       `json:"round"`
	Number    int       `json:"attempt"`
	StartedAt time.Time `json:"started_at"`
	// TookMicros is the duration of the request in microseconds.
	TookMicros int64 `json:"took_us"`
	// Status is the HTTP status, or 0 if there was no answer.
	Status int `json:"status,omitempty"`
	// Address is the remote address that was dialled, or empty.
	Address string `json:"address,omitempty"`
	// BodySHA256 is of the signed body.
	BodySHA256 []byte `json:"body_sha256,omitempty"`
	// Revision is that of the subscription the attempt was made with; RoundRevision that of the round's target.
	Revision      uint64 `json:"revision"`
	RoundRevision uint64 `json:"round_revision"`
	// Extra says that the round had ended when the outcome was recorded: it changes nothing but the history.
	Extra bool `json:"extra,omitempty"`
}

// AttemptSucceeded records an attempt that was answered with 2xx.
type AttemptSucceeded struct {
	Attempt
}

// AttemptFailed records an attempt that was not, and what follows from it.
type AttemptFailed struct {
	Attempt
	// Reason is http_<code>, timeout, http_error:<kind> or dns_resolved_to_private:<why> (docs/contract.md).
	Reason string `json:"reason"`
	// Answer is the first KiB of the receiver's answer, sealed under the delivery's id.
	Answer []byte `json:"answer,omitempty"`
	// Dead says that the round ended with this attempt; otherwise the next one is due at NextAttemptAt.
	Dead          bool      `json:"dead,omitempty"`
	NextAttemptAt time.Time `json:"next_attempt_at,omitzero"`
	// Delay says what the wait until then is made of.
	Delay *Delay `json:"delay,omitempty"`
}

// RetryDue hands a delivery out for its next attempt. RoundRevision is that of the round's target.
type RetryDue struct {
	DeliveryOf
	Round         int       `json:"round"`
	Number        int       `json:"attempt"`
	DueAt         time.Time `json:"due_at"`
	RoundRevision uint64    `json:"round_revision"`
}

// RedeliveryRequested opens a new round of a delivery that had ended. Revision is that of the subscription.
type RedeliveryRequested struct {
	DeliveryOf
	Round    int    `json:"round"`
	Revision uint64 `json:"revision"`
	// Recovery is what asked for it, unless a person did for this one delivery.
	Recovery RecoveryID `json:"recovery,omitzero"`
}

// FactType names the fact in the log.
func (*AttemptSucceeded) FactType() string { return "hooklog.AttemptSucceeded.v1" }

// FactType names the fact in the log.
func (*AttemptFailed) FactType() string { return "hooklog.AttemptFailed.v1" }

// FactType names the fact in the log.
func (*RetryDue) FactType() string { return "hooklog.RetryDue.v1" }

// FactType names the fact in the log.
func (*RedeliveryRequested) FactType() string { return "hooklog.RedeliveryRequested.v1" }

// refusedReason begins the reason of an attempt that the egress guard refused.
const refusedReason = "dns_resolved_to_private:"

// Refused reports whether the egress guard refused the address. That is permanent everywhere.
func (f *AttemptFailed) Refused() bool { return strings.HasPrefix(f.Reason, refusedReason) }

// DeliveryState is where a delivery's present round stands.
type DeliveryState string

// The states. A round that is scheduled is cancelled by a later closure of its subscription, which is not recorded in
// the delivery's own stream.
const (
	Scheduled DeliveryState = "scheduled"
	Succeeded DeliveryState = "succeeded"
	Dead      DeliveryState = "dead"
	Cancelled DeliveryState = "cancelled"
)

// Delivery is one message to one subscription. Its zero value with Of set is the first round, waiting for its first
// attempt: nothing is recorded in a delivery's stream before that.
type Delivery struct {
	Of    DeliveryOf
	State DeliveryState
	// Round is counted from 1, Attempts over all rounds; RoundAttempts in the present one.
	Round, Attempts, RoundAttempts int
	// RoundRevision is the revision of the subscription with which the round was opened.
	RoundRevision uint64
	// Due is the time from which the next attempt may start, while scheduled.
	Due time.Time
	// Next is the revision that the next fact of the delivery's stream will have: how many there are.
	Next uint64
	// Offered is the number of the attempt for which RetryDue was last recorded, OfferedAt when.
	Offered   int
	OfferedAt time.Time
	// Ordered says that the round was opened in strict order, so that only the clock hands it out. The delivery's own stream
	// does not tell; read models do.
	Ordered bool
}

// NewDelivery is the delivery of a message to a target before anything happened: due since it was published.
func NewDelivery(of DeliveryOf, roundRevision uint64) Delivery {
	return Delivery{Of: of, State: Scheduled, Round: 1, RoundRevision: roundRevision, Due: of.PublishedAt}
}

// Open reports whether the present round has no success and is not dead.
func (d Delivery) Open() bool { return d.State == Scheduled }

// Waits reports whether the next attempt may not start yet. The first one of a round always may: whoever opened it wants it
// at once, whatever time his clock told.
func (d Delivery) Waits(now time.Time) bool { return d.RoundAttempts > 0 && d.Due.After(now) }

// Apply folds one fact of the delivery's stream, at its revision there. A round has one end: an outcome that is recorded
// after it counts as an extra one, whatever it says.
func (d Delivery) Apply(f Fact, m Meta, revision uint64) Delivery {
	switch f := f.(type) {
	case *AttemptSucceeded:
		var counts bool
		if d, counts = d.attempted(f.Attempt); counts {
			d.State, d.Due = Succeeded, time.Time{}
		}
	case *AttemptFailed:
		var counts bool
		d, counts = d.attempted(f.Attempt)
		switch {
		case !counts:
		case f.Dead:
			d.State, d.Due = Dead, time.Time{}
		default:
			d.State, d.Due = Scheduled, f.NextAttemptAt
		}
	case *RetryDue:
		d = d.begun(f.DeliveryOf, f.Round, f.RoundRevision)
		d.Offered, d.OfferedAt = f.Number, m.At
	case *RedeliveryRequested:
		d.Of, d.State, d.Round, d.RoundAttempts = f.DeliveryOf, Scheduled, f.Round, 0
		d.RoundRevision, d.Due = f.Revision, m.At
		d.Offered, d.OfferedAt = 0, time.Time{} // what was handed out was the round before
	}
	d.Next = revision + 1
	return d
}

// begun makes sure that a state folded from the stream alone knows what it is of.
func (d Delivery) begun(of DeliveryOf, round int, roundRevision uint64) Delivery {
	if d.Round == 0 {
		d = NewDelivery(of, roundRevision)
		d.Round = round
	}
	return d
}

// attempted counts an attempt, and says whether its outcome is one of the present round.
func (d Delivery) attempted(a Attempt) (_ Delivery, counts bool) {
	d = d.begun(a.DeliveryOf, a.Round, a.RoundRevision)
	d.Attempts = max(d.Attempts, a.Number)
	if counts = !a.Extra && d.Open(); counts {
		d.RoundAttempts++
	}
	return d, counts
}

// Outcome is what came of one HTTP request, before it is decided what follows.
type Outcome struct {
	StartedAt  time.Time
	Took       time.Duration
	Status     int
	Address    string
	BodySHA256 []byte
	// Reason is empty for a success.
	Reason string
	// Refused says that the egress guard refused the address.
	Refused bool
	// Answer is the sealed first KiB of a failed attempt's answer.
	Answer []byte
	// RetryAfter is the receiver's wish, or 0.
	RetryAfter time.Duration
	// Revision is that of the subscription the attempt was made with.
	Revision uint64
}

// DecideOutcome records an attempt and what follows from it: the end of the round or the time of the next attempt.
// Whatever the state, the attempt is recorded; if the round has ended, as an extra one. finished is the time at which
// the attempt ended; random is from [0, 1).
func (d Delivery) DecideOutcome(o Outcome, p Policy, finished time.Time, random float64) Fact {
	a := Attempt{DeliveryOf: d.Of, Round: d.Round, Number: d.Attempts + 1, StartedAt: Time(o.StartedAt),
		TookMicros: o.Took.Microseconds(), Status: o.Status, Address: o.Address, BodySHA256: o.BodySHA256,
		Revision: o.Revision, RoundRevision: d.RoundRevision, Extra: !d.Open()}
	if o.Reason == "" {
		return &AttemptSucceeded{a}
	}
	f := &AttemptFailed{Attempt: a, Reason: o.Reason, Answer: o.Answer}
	if a.Extra {
		return f
	}
	if o.Refused || p.Profile.Permanent(o.Status) {
		f.Dead = true
		return f
	}
	wait, delay, ok := p.next(d.RoundAttempts+1, o.Status, o.RetryAfter, random)
	if !ok {
		f.Dead = true
		return f
	}
	f.NextAttemptAt, f.Delay = Time(finished.Add(wait)), &delay
	return f
}

// OfferGrace is how long a hand-over by the group is trusted before the clock offers a delivery again.
const OfferGrace = 2 * time.Minute

// DecideOffer hands the delivery out for its next attempt; nil if it has ended, was attempted or is not due. A
// hand-over that was recorded less than grace ago is not repeated.
func (d Delivery) DecideOffer(now time.Time, grace time.Duration) Fact {
	if !d.Open() || d.Waits(now) {
		return nil
	}
	if d.Offered == d.Attempts+1 && d.OfferedAt.Add(grace).After(now) {
		return nil
	}
	return &RetryDue{DeliveryOf: d.Of, Round: d.Round, Number: d.Attempts + 1, DueAt: d.Due, RoundRevision: d.RoundRevision}
}

var errNotActive = Refuse(Conflict, "the webhook is disabled or deleted")

// DecideRedeliver opens a new round of a delivery that has ended. cancelled says that its subscription's closure ended
// the present round.
func (d Delivery) DecideRedeliver(s Subscription, cancelled bool) (Fact, error) {
	if !s.Active() {
		return nil, errNotActive
	}
	if d.Open() && !cancelled {
		return nil, Refuse(Conflict, "the delivery has not ended")
	}
	return &RedeliveryRequested{DeliveryOf: d.Of, Round: d.Round + 1, Revision: s.Revision}, nil
}

// StatusReason returns the reason of an attempt that was answered with a status that is no success.
func StatusReason(status int) string { return fmt.Sprintf("http_%d", status) }
