package commands

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/sealing"
	"github.com/hooklog/hooklog/webhook"
)

// NewSubscription is what a partner asks for. What is zero is left to the profile.
type NewSubscription struct {
	URL         string
	Events      []string
	Clients     []string
	Name        string
	Description string
	Email       string
	// Vouched is an address that is confirmed with the subscription, on an operator's word; empty is none.
	Vouched string
	// Headers are sent with every attempt; their values are kept sealed.
	Headers       []domain.Header
	RetrySchedule []domain.Duration
	Timeout       domain.Duration
	RateLimit     domain.Rate
	Filter        *domain.Filter
	// Ordered asks for strict order.
	Ordered bool
	// Secret is the partner's own; nil lets one be made.
	Secret *string
	// Disabled says that the subscription begins disabled, by DisabledBy.
	Disabled   bool
	DisabledBy domain.DisabledBy
}

// settings are those of a new subscription but for its headers, which are not sealed yet.
func (n NewSubscription) settings() domain.SubscriptionSettings {
	return domain.SubscriptionSettings{URL: n.URL, Events: n.Events, Clients: n.Clients, Name: n.Name, Description: n.Description,
		Email: n.Email, RetrySchedule: n.RetrySchedule, Timeout: n.Timeout, RateLimit: n.RateLimit, Filter: n.Filter, Ordered: n.Ordered}
}

// LoadSubscription folds a subscription's stream; the zero Subscription if there is none.
func (c *Commands) LoadSubscription(ctx context.Context, id domain.SubscriptionID) (domain.Subscription, error) {
	l, err := load(ctx, c, domain.SubscriptionStream(id), domain.Subscription{ID: id}, foldSubscription)
	return l.state, err
}

func foldSubscription(s domain.Subscription, f recordedFact) domain.Subscription {
	return s.Apply(f.Fact, f.Meta, f.revision)
}

// CreateSubscription begins a subscription and returns the secret that was made for it, which can be had only here; the
// zero Secret if the partner brought its own.
func (c *Commands) CreateSubscription(ctx context.Context, by By, org domain.OrganizationID, n NewSubscription) (s domain.Subscription, made sealing.Secret, at eventlog.Position, err error) {
	o, err := c.openOrganization(ctx, org)
	if err != nil {
		return s, made, at, err
	}
	catalogue, err := c.catalogue(ctx, o)
	if err != nil {
		return s, made, at, err
	}
	if err := c.checkNew(ctx, n, catalogue); err != nil {
		return s, made, at, err
	}
	if n.Secret == nil {
		text, err := catalogue.profile.NewSecret(random())
		if err != nil {
			return s, made, at, fmt.Errorf("make a signing secret: %w", err)
		}
		made, n.Secret = sealing.NewSecret(text), &text
	}
	s, at, err = c.create(ctx, by, o, n, catalogue)
	return s, made, at, err
}

// checkNew judges a new subscription before anything is recorded, its URL last: that asks the network.
func (c *Commands) checkNew(ctx context.Context, n NewSubscription, k *catalogue) error {
	bad := domain.CheckHeaders(k.profile, n.Headers)
	if n.Secret != nil {
		if err := k.profile.CheckSecret(*n.Secret); err != nil {
			bad = append(bad, domain.FieldError{Field: "secret", Message: err.Error()})
		}
	}
	if err := joinRefusals(checkSettings(n.settings(), k), bad); err != nil {
		return err
	}
	return c.URLs.CheckURL(ctx, n.URL)
}

// joinRefusals adds members that were found wrong to a refusal of members, or makes one.
func joinRefusals(err error, bad []domain.FieldError) error {
	var refused *domain.Error
	if errors.As(err, &refused) && refused.Code == domain.Invalid {
		return domain.RefuseFields(slices.Concat(refused.Fields, bad)...)
	}
	if err != nil {
		return err
	}
	return domain.RefuseFields(bad...)
}

// create seals and records a subscription that was judged.
func (c *Commands) create(ctx context.Context, by By, o domain.Organization, n NewSubscription, k *catalogue) (s domain.Subscription, at eventlog.Position, err error) {
	m := by.meta(c.Now())
	id := newID[domain.SubscriptionID](c, m)
	settings := n.settings()
	sealed, err := c.seal(ctx, o.ID, *n.Secret, id.String())
	if err != nil {
		return s, at, err
	}
	if settings.Headers, err = c.sealHeaders(ctx, o.ID, id, n.Headers); err != nil {
		return s, at, err
	}
	created, err := domain.DecideCreate(o, settings, sealed, k.subscribable)
	if err != nil {
		return s, at, err
	}
	if limit := k.profile.MaxSubscriptions(); limit > 0 {
		if err := c.admit(ctx, by, o.ID, id, limit); err != nil {
			return s, at, err
		}
	}
	if err := c.vouch(ctx, by, o.ID, n.Vouched); err != nil {
		return s, at, err
	}
	facts := []domain.Fact{created}
	if n.Disabled {
		facts = append(facts, &domain.SubscriptionDisabled{Organization: o.ID, By: n.DisabledBy})
	}
	a, err := c.appendAll(ctx, domain.SubscriptionStream(id), eventlog.NoStream, m, facts...)
	if errors.Is(err, eventlog.ErrRevisionConflict) {
		return s, at, errWithdrawn
	}
	return foldAll(loaded[domain.Subscription]{state: domain.Subscription{ID: id}, expected: eventlog.NoStream}, foldSubscription, m, a, facts), a.Position, err
}

// checkSettings judges settings before anything is asked of the network.
func checkSettings(s domain.SubscriptionSettings, k *catalogue) error {
	err := s.Check(k.subscribable)
	if k.err != nil {
		return k.err
	}
	return err
}

func (c *Commands) seal(ctx context.Context, org domain.OrganizationID, plaintext, owner string) ([]byte, error) {
	key, err := c.DataKey(ctx, org)
	if err != nil {
		return nil, err
	}
	sealed, err := key.Seal([]byte(plaintext), []byte(owner))
	if err != nil {
		return nil, fmt.Errorf("seal for %s: %w", owner, err)
	}
	return sealed, nil
}

// DeleteSubscription ends a subscription of the organization.
func (c *Commands) DeleteSubscription(ctx context.Context, by By, org domain.OrganizationID, id domain.SubscriptionID) (eventlog.Position, error) {
	return c.changeSubscription(ctx, by, org, id, domain.Subscription.DecideDelete)
}

// EnableSubscription starts a disabled subscription of the organization again.
func (c *Commands) EnableSubscription(ctx context.Context, by By, org domain.OrganizationID, id domain.SubscriptionID) (eventlog.Position, error) {
	return c.changeSubscription(ctx, by, org, id, domain.Subscription.DecideEnable)
}

// DisableSubscription stops an active subscription of the organization.
func (c *Commands) DisableSubscription(ctx context.Context, by By, org domain.OrganizationID, id domain.SubscriptionID, who domain.DisabledBy, why string) (eventlog.Position, error) {
	return c.changeSubscription(ctx, by, org, id, func(s domain.Subscription) (domain.Fact, error) {
		return s.DecideDisable(who, why)
	})
}

// changeSubscription changes a subscription of the organization; of any other it is not found.
func (c *Commands) changeSubscription(ctx context.Context, by By, org domain.OrganizationID, id domain.SubscriptionID, decide func(domain.Subscription) (domain.Fact, error)) (eventlog.Position, error) {
	_, at, err := change(ctx, c, by, domain.SubscriptionStream(id), domain.Subscription{ID: id}, foldSubscription,
		func(s domain.Subscription) (domain.Fact, error) {
			if s.Organization != org {
				return nil, domain.ErrNoSubscription
			}
			return decide(s)
		})
	return at, err
}

// DisableFailing stops a subscription whose attempts reached the profile's limit, unless it was enabled, disabled or
// deleted since: lifecycle is the subscription's as it was when the failures were counted.
func (c *Commands) DisableFailing(ctx context.Context, by By, id domain.SubscriptionID, lifecycle uint64, limit domain.LimitReached) error {
	_, _, err := change(ctx, c, by, domain.SubscriptionStream(id), domain.Subscription{ID: id}, foldSubscription,
		func(s domain.Subscription) (domain.Fact, error) {
			if f := s.DecideDisableFailing(lifecycle, limit.Fact, limit.Why); f != nil {
				return f, nil
			}
			return nil, nil
		})
	return err
}

// TestSubscription publishes a test to one active subscription, whether or not it asks for the type. The caller proves
// to hold the signing secret; nil means that none was given. The order of the checks is docs/contract.md's.
func (c *Commands) TestSubscription(ctx context.Context, by By, org domain.OrganizationID, id domain.SubscriptionID, secret *string) (domain.MessageID, eventlog.Position, error) {
	s, err := c.testable(ctx, org, id)
	switch {
	case err != nil:
		return domain.MessageID{}, eventlog.Position{}, err
	case secret == nil:
		return domain.MessageID{}, eventlog.Position{}, domain.RefuseFields(domain.FieldError{Field: "secret", Message: "is required"})
	}
	good, err := c.holdsSecret(ctx, s, *secret)
	if err != nil {
		return domain.MessageID{}, eventlog.Position{}, err
	}
	if !good {
		return domain.MessageID{}, eventlog.Position{}, domain.Refuse(domain.Unauthenticated, "the secret is not the webhook's")
	}
	return c.publishTest(ctx, by, s)
}

// TestOwnSubscription is TestSubscription for a caller who need not prove to hold the secret.
func (c *Commands) TestOwnSubscription(ctx context.Context, by By, org domain.OrganizationID, id domain.SubscriptionID) (domain.MessageID, eventlog.Position, error) {
	s, err := c.testable(ctx, org, id)
	if err != nil {
		return domain.MessageID{}, eventlog.Position{}, err
	}
	return c.publishTest(ctx, by, s)
}

// testable returns an active subscription of the organization.
func (c *Commands) testable(ctx context.Context, org domain.OrganizationID, id domain.SubscriptionID) (domain.Subscription, error) {
	s, err := c.LoadSubscription(ctx, id)
	if err != nil {
		return s, err
	}
	if !s.Exists() || s.Deleted || s.Organization != org {
		return s, domain.ErrNoSubscription
	}
	o, err := c.organization(ctx, org)
	if err == nil && (!s.Active() || o.Closed()) {
		err = domain.Refuse(domain.Conflict, "the webhook is not active")
	}
	return s, err
}

// holdsSecret compares in constant time with the secrets in force.
func (c *Commands) holdsSecret(ctx context.Context, s domain.Subscription, given string) (bool, error) {
	key, err := c.DataKey(ctx, s.Organization)
	if err != nil {
		return false, err
	}
	sealed := [][]byte{s.Secret}
	if s.PreviousSecret != nil && c.Now().Before(s.PreviousUntil) {
		sealed = append(sealed, s.PreviousSecret)
	}
	good := false
	for _, box := range sealed {
		secret, err := openSecret(key, s.ID, box)
		if err != nil {
			return false, err
		}
		if secret.Equal(sealing.NewSecret(given)) {
			good = true
		}
	}
	return good, nil
}

func openSecret(key *sealing.DataKey, owner domain.SubscriptionID, box []byte) (sealing.Secret, error) {
	secret, err := key.Open(box, []byte(owner.String()))
	if err != nil {
		return sealing.Secret{}, fmt.Errorf("open the secret of %s: %w", owner, err)
	}
	return sealing.NewSecret(string(secret)), nil
}

// ReadSecret returns the present secret of a subscription, for its owner. It is refused with Forbidden where the
// organization's profile shows secrets only once.
func (c *Commands) ReadSecret(ctx context.Context, s domain.Subscription) (sealing.Secret, error) {
	o, err := c.organization(ctx, s.Organization)
	if err != nil {
		return sealing.Secret{}, err
	}
	p, err := profileOf(o)
	if err != nil {
		return sealing.Secret{}, err
	}
	if !p.SecretReadable() {
		return sealing.Secret{}, domain.Refuse(domain.Forbidden, "the secret is shown only when it is made")
	}
	key, err := c.DataKey(ctx, o.ID)
	if err != nil {
		return sealing.Secret{}, err
	}
	return openSecret(key, s.ID, s.Secret)
}

// profileOf returns the profile that an organization was registered with.
func profileOf(o domain.Organization) (*webhook.Profile, error) {
	p, ok := webhook.ByName(o.Profile)
	if !ok {
		return nil, fmt.Errorf("%s has the unknown profile %q", o.ID, o.Profile)
	}
	return p, nil
}
