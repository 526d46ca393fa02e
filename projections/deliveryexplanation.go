package projections

import (
	"slices"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// AttemptExplanation is why an attempt was made as it was, and what followed from it.
type AttemptExplanation struct {
	Profile string
	// Schedule are the delays that held, From where they and the timeout were from.
	Schedule []time.Duration
	Timeout  time.Duration
	From     domain.PolicySources
	// SubscriptionRevision is the one the attempt was made with; OrganizationRevision that of the organization whose
	// settings held.
	SubscriptionRevision, OrganizationRevision uint64
	// Failed counts the failed attempts of the round with this one, which is its place in the schedule; 0 for an
	// attempt that failed nothing.
	Failed int
	// Wait is the wait that followed, Granted the part of Retry-After that was granted; both 0 where none followed.
	Wait, Granted time.Duration
}

// RoundEnd is why a round of a delivery ended.
type RoundEnd struct {
	Round int
	Why   domain.Ending
	// By is the fact that ended it.
	By RecordedFact
}

// DeliveryExplanation is why a delivery took the course it took.
type DeliveryExplanation struct {
	// Attempts explains the facts that are attempts, by their ids.
	Attempts map[eventlog.ID]AttemptExplanation
	// Ends are the ends of the rounds that have ended, in their order.
	Ends []RoundEnd
}

// ExplainDelivery tells why a delivery took the course that its history shows. The settings that an attempt was made with
// are folded from the streams of its subscription and organization.
func (x *Fold) ExplainDelivery(h History) DeliveryExplanation {
	l := h.line
	e := DeliveryExplanation{Attempts: map[eventlog.ID]AttemptExplanation{}}
	d := domain.NewDelivery(h.Of, l.revisionAt(h.Position))
	for _, r := range h.Facts {
		before := d
		d = d.Apply(r.Fact, r.Meta, r.Revision)
		if by, closed := x.closerBetween(l, before, r.Position); closed {
			e.end(RoundEnd{before.Round, domain.ByCancellation, by})
		}
		switch f := r.Fact.(type) {
		case *domain.AttemptSucceeded:
			e.Attempts[r.ID], _ = l.explainAttempt(f.Attempt, r.Position, 0, nil)
			if !f.Extra {
				e.end(RoundEnd{f.Round, domain.BySuccess, r})
			}
		case *domain.AttemptFailed:
			why, p := l.explainAttempt(f.Attempt, r.Position, d.RoundAttempts, f)
			e.Attempts[r.ID] = why
			if f.Dead && !f.Extra && p.Profile != nil {
				e.end(RoundEnd{f.Round, f.WhyDead(p), r})
			}
		}
	}
	if by, closed := x.closerBetween(l, d, eventlog.Position{}); closed {
		e.end(RoundEnd{d.Round, domain.ByCancellation, by})
	}
	return e
}

// closerBetween finds what cancelled an open round before a place in the log; the zero place is its end.
func (x *Fold) closerBetween(l lifeline, d domain.Delivery, before eventlog.Position) (RecordedFact, bool) {
	if !d.Open() {
		return RecordedFact{}, false
	}
	p, closed := l.closer(d.RoundRevision, presentMoment, before)
	if !closed {
		return RecordedFact{}, false
	}
	return x.recordedFact(p), true
}

// afterAll is a place after every fact.
var afterAll = eventlog.PositionOf(^uint64(0), ^uint64(0))

// end notes the end of a round, of which only the first counts.
func (e *DeliveryExplanation) end(r RoundEnd) {
	if !slices.ContainsFunc(e.Ends, func(known RoundEnd) bool { return known.Round == r.Round }) {
		e.Ends = append(e.Ends, r)
	}
}

// explainAttempt finds the policy of an attempt. The subscription's settings are those of the revision that the attempt
// names. The organization's are the latest before the outcome was recorded, unless the wait that was recorded shows that
// the attempt was begun under earlier ones.
func (l lifeline) explainAttempt(a domain.Attempt, at eventlog.Position, failed int, f *domain.AttemptFailed) (AttemptExplanation, domain.Policy) {
	s := l.atRevision(a.Revision)
	why := AttemptExplanation{SubscriptionRevision: a.Revision}
	if f != nil && !f.Extra {
		why.Failed = failed
	}
	var policy domain.Policy
	for _, version := range l.organization.before(at) {
		p, ok := version.PolicyFor(s.SubscriptionSettings)
		if !ok {
			continue
		}
		fits := f == nil || p.Explains(f, failed)
		if policy.Profile != nil && !fits {
			continue
		}
		policy = p
		why.Profile, why.Schedule, why.Timeout = version.Profile, p.Schedule, p.Timeout
		why.From, why.OrganizationRevision = domain.SourcesOf(version.OrganizationSettings, s.SubscriptionSettings), version.revision
		if fits {
			break
		}
	}
	if f != nil && f.Delay != nil && policy.Explains(f, failed) {
		why.Wait, why.Granted = policy.Wait(failed, *f.Delay)
	}
	return why, policy
}

// atRevision folds the subscription up to one of its revisions.
func (l lifeline) atRevision(revision uint64) domain.Subscription {
	s := domain.Subscription{ID: l.id}
	for _, p := range l.facts {
		if uint64(p.Revision) <= revision {
			s = s.Apply(p.fact, p.meta, uint64(p.Revision))
		}
	}
	return s
}

// organizationVersion is an organization as a fact left it.
type organizationVersion struct {
	domain.Organization
	revision uint64
}

// before are the versions of the organization before a place in the log, the latest first.
func (l organizationLine) before(at eventlog.Position) (versions []organizationVersion) {
	o := domain.Organization{ID: l.id}
	for _, p := range l.facts {
		if p.Position.After(at) {
			break
		}
		o = o.Apply(p.fact, p.meta)
		versions = append(versions, organizationVersion{o, uint64(p.Revision)})
	}
	slices.Reverse(versions)
	return versions
}
