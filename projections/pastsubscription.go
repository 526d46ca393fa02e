package projections

import (
	"context"
	"fmt"

	"github.com/hooklog/hooklog/domain"
)

// SubscriptionState is a subscription as its owner sees it: its settings, its health, and the deliveries published last,
// the latest first.
type SubscriptionState struct {
	SubscriptionRow
	Unhealthy bool
	Recent    []DeliveryRow
}

// SubscriptionState returns how an organization's subscription stands, with up to so many recent deliveries; NotFound if
// it is deleted, another organization's, or was never there.
// One that this node has not folded yet is looked for in its stream.
func (x *Fold) SubscriptionState(ctx context.Context, org domain.OrganizationID, id domain.SubscriptionID, recent int) (SubscriptionState, error) {
	if _, known := x.Subscription(id); !known {
		return x.SubscriptionStateAt(ctx, org, id, Moment{Position: afterAll}, recent)
	}
	d := x.now().directory
	d.mu.RLock()
	s, ok := d.subscriptions[id]
	if !ok || s.state.Deleted || s.state.Organization != org {
		d.mu.RUnlock()
		return SubscriptionState{}, domain.ErrNoSubscription
	}
	state := SubscriptionState{SubscriptionRow: SubscriptionRow{*s.state, s.health}}
	if p, ok := d.policyOf(s); ok {
		state.Unhealthy = s.health.Unhealthy(p)
	}
	d.mu.RUnlock()
	var err error
	state.Recent, _, err = x.Deliveries(id, recent, "")
	return state, err
}

// SubscriptionStateAt is SubscriptionState as of a moment, which this node must have reached. A subscription that was
// deleted later is found.
func (x *Fold) SubscriptionStateAt(ctx context.Context, org domain.OrganizationID, id domain.SubscriptionID, m Moment, recent int) (SubscriptionState, error) {
	l, s, err := x.subscriptionThen(ctx, org, id, m)
	if err != nil {
		return SubscriptionState{}, err
	}
	state := SubscriptionState{SubscriptionRow: SubscriptionRow{Subscription: s}}
	if p, ok := l.organization.at(m).PolicyFor(s.SubscriptionSettings); ok {
		h, err := x.healthAt(ctx, l, p, m)
		if err != nil {
			return SubscriptionState{}, fmt.Errorf("fold the health of %s: %w", id, err)
		}
		state.Health, state.Unhealthy = h.Health, h.Health.Unhealthy(p)
	}
	state.Recent, err = x.pastDeliveries(ctx, l, m, recent)
	return state, err
}

// subscriptionThen finds a subscription that an organization had at a moment.
func (x *Fold) subscriptionThen(ctx context.Context, org domain.OrganizationID, id domain.SubscriptionID, m Moment) (lifeline, domain.Subscription, error) {
	l, err := x.lifelineOf(ctx, id)
	if err != nil {
		return l, domain.Subscription{}, err
	}
	s := l.at(m)
	if !s.Exists() || s.Deleted || s.Organization != org {
		return l, s, domain.ErrNoSubscription
	}
	return l, s, nil
}
