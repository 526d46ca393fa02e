package projections

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// SubscriptionExplanation is why a subscription stands as it does: the failed attempts that were counted, and the fact
// that disabled it, if one did.
type SubscriptionExplanation struct {
	SubscriptionRow
	Unhealthy bool
	// Profile is the name of the organization's. Under it a subscription is disabled by so many consecutive failures, or
	// by a failure so long after the first of them; 0 is never.
	Profile      string
	DisableAfter int
	FailingFor   time.Duration
	// Since is the fact that created or enabled the subscription: nothing before it counts.
	Since RecordedFact
	// Disabled is the fact that disabled the subscription, nil if it is active.
	Disabled *RecordedFact
	// Counted is a page of the failed attempts since the last success that counted, oldest first; Total counts them all.
	Counted []RecordedFact
	Total   int
	Next    string
}

// ExplainSubscription tells why an organization's subscription stood as it did at a moment, which this node must have
// reached; NotFound if it did not exist then.
func (x *Fold) ExplainSubscription(ctx context.Context, org domain.OrganizationID, id domain.SubscriptionID, m Moment, limit int, cursor string) (SubscriptionExplanation, error) {
	counted := list{countedList, id}
	place, err := counted.place(cursor)
	if err != nil {
		return SubscriptionExplanation{}, err
	}
	l, s, err := x.subscriptionThen(ctx, org, id, m)
	if err != nil {
		return SubscriptionExplanation{}, err
	}
	o := l.organization.at(m)
	e := SubscriptionExplanation{SubscriptionRow: SubscriptionRow{Subscription: s}, Profile: o.Profile}
	p, ok := o.PolicyFor(s.SubscriptionSettings)
	if !ok {
		return e, nil // a profile of a newer release: nothing is counted under it
	}
	h, err := x.healthAt(ctx, l, p, m)
	if err != nil {
		return e, fmt.Errorf("fold the health of %s: %w", id, err)
	}
	e.Health, e.Unhealthy, e.Total = h.Health, h.Health.Unhealthy(p), len(h.counted)
	rule := p.Profile.DisableRule()
	e.DisableAfter, e.FailingFor = rule.ConsecutiveFailures, rule.FailingFor
	if now, ok := l.lifeAt(m); ok {
		e.Since = x.recordedFact(now.begin)
		if s.Disabled != nil && now.ended {
			disabled := x.recordedFact(now.end)
			e.Disabled = &disabled
		}
	}
	e.Counted, e.Next, err = pageOfCounted(counted, h.counted, place, limit)
	return e, err
}

// pageOfCounted takes the facts after a place in the log.
func pageOfCounted(l list, all []RecordedFact, place []byte, limit int) (page []RecordedFact, next string, err error) {
	if place != nil {
		var last eventlog.Position
		if err := last.UnmarshalBinary(place); err != nil {
			return nil, "", domain.Refuse(domain.BadCursor, "the cursor is malformed")
		}
		at, _ := slices.BinarySearchFunc(all, last, func(r RecordedFact, last eventlog.Position) int {
			if r.Position.After(last) {
				return 1
			}
			return -1
		})
		all = all[at:]
	}
	if len(all) <= limit {
		return all, "", nil
	}
	at, err := all[limit-1].Position.AppendBinary(nil)
	return all[:limit], l.cursor(at), err
}

// Here is the moment that this node has reached.
func (x *Fold) Here() Moment { return Moment{Position: x.Position()} }
