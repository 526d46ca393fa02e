package commands

import (
	"context"
	"fmt"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/sealing"
)

// SubscriptionChange is what of a subscription is to change. What it does not name stays as somebody else made it.
type SubscriptionChange struct {
	// Edit changes settings other than the headers; it is called again if somebody else was faster. Nil changes nothing.
	Edit func(*domain.SubscriptionSettings)
	// URL is given if Edit sets it: it is judged before.
	URL *string
	// Vouched is an address that is confirmed with the change, on an operator's word; empty is none.
	Vouched string
	// NoHeaders takes all headers away; then Headers are applied.
	NoHeaders bool
	Headers   []HeaderEdit
	// Enabled, unless nil, enables or disables the subscription, in DisabledBy's name.
	Enabled    *bool
	DisabledBy domain.DisabledBy
}

// ChangeSubscription changes a subscription of the organization. What is judged by the network is judged first; what is
// decided is decided on the stream, so that no change of somebody else is lost.
func (c *Commands) ChangeSubscription(ctx context.Context, by By, org domain.OrganizationID, id domain.SubscriptionID, change SubscriptionChange) (domain.Subscription, eventlog.Position, error) {
	s, k, err := c.changeable(ctx, org, id)
	if err != nil {
		return s, eventlog.Position{}, err
	}
	if _, err := c.decideChange(ctx, s, change, k); err != nil {
		return s, eventlog.Position{}, err
	}
	if change.URL != nil {
		if err := c.URLs.CheckURL(ctx, *change.URL); err != nil {
			return s, eventlog.Position{}, err
		}
	}
	if err := c.vouch(ctx, by, org, change.Vouched); err != nil {
		return s, eventlog.Position{}, err
	}
	return changeAll(ctx, c, by, domain.SubscriptionStream(id), domain.Subscription{ID: id}, foldSubscription,
		func(s domain.Subscription) ([]domain.Fact, error) { return c.decideChange(ctx, s, change, k) })
}

// changeable finds a subscription of an organization that is open, and what it may subscribe to.
func (c *Commands) changeable(ctx context.Context, org domain.OrganizationID, id domain.SubscriptionID) (domain.Subscription, *catalogue, error) {
	s, err := c.LoadSubscription(ctx, id)
	if err != nil {
		return s, nil, err
	}
	if !s.Exists() || s.Deleted || s.Organization != org {
		return s, nil, domain.ErrNoSubscription
	}
	o, err := c.openOrganization(ctx, org)
	if err != nil {
		return s, nil, err
	}
	k, err := c.catalogue(ctx, o)
	return s, k, err
}

// decideChange judges a change against the present state. It asks the log for types alone.
func (c *Commands) decideChange(ctx context.Context, s domain.Subscription, change SubscriptionChange, k *catalogue) ([]domain.Fact, error) {
	edited := s.SubscriptionSettings
	if change.Edit != nil {
		change.Edit(&edited)
	}
	var bad []domain.FieldError
	if change.NoHeaders || len(change.Headers) > 0 {
		headers, err := c.openHeaders(ctx, s)
		if err != nil {
			return nil, err
		}
		if change.NoHeaders {
			headers = nil
		}
		headers = editHeaders(headers, change.Headers)
		if bad = domain.CheckHeaders(k.profile, headers); len(bad) == 0 {
			if edited.Headers, err = c.sealHeaders(ctx, s.Organization, s.ID, headers); err != nil {
				return nil, err
			}
		}
	}
	facts, err := s.DecideChange(edited, change.Enabled, change.DisabledBy, k.subscribable)
	if k.err != nil {
		return nil, k.err
	}
	return facts, joinRefusals(err, bad)
}

// RotateSecret gives a subscription of the organization a new secret and returns it; it can be had only here. The old
// one stays good for the overlap.
func (c *Commands) RotateSecret(ctx context.Context, by By, org domain.OrganizationID, id domain.SubscriptionID, overlap time.Duration) (domain.Subscription, sealing.Secret, eventlog.Position, error) {
	s, k, err := c.changeable(ctx, org, id)
	if err != nil {
		return s, sealing.Secret{}, eventlog.Position{}, err
	}
	secret, err := k.profile.NewSecret(random())
	if err != nil {
		return s, sealing.Secret{}, eventlog.Position{}, fmt.Errorf("make a signing secret: %w", err)
	}
	sealed, err := c.seal(ctx, org, secret, id.String())
	if err != nil {
		return s, sealing.Secret{}, eventlog.Position{}, err
	}
	s, at, err := change(ctx, c, by, domain.SubscriptionStream(id), domain.Subscription{ID: id}, foldSubscription,
		func(s domain.Subscription) (domain.Fact, error) { return s.DecideRotate(sealed, overlap, c.Now()) })
	return s, sealing.NewSecret(secret), at, err
}
