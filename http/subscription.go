package http

import (
	"net/http"

	"github.com/hooklog/hooklog/commands"
	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/projections"
)

// Subscriptions finds subscriptions in this node's fold.
type Subscriptions interface {
	Subscription(id domain.SubscriptionID) (domain.Subscription, bool)
	// Health is what its attempts say of a subscription.
	Health(id domain.SubscriptionID) domain.Health
	// Subscriptions lists those of an organization that are not deleted, newest first; limit 0 is all.
	Subscriptions(org domain.OrganizationID, limit int, cursor string) (page []projections.SubscriptionRow, next string, err error)
}

// webhookBody is a subscription as the partner API shows it. The secret is there once, when it was made.
type webhookBody struct {
	ID                  domain.SubscriptionID `json:"id"`
	Organization        domain.OrganizationID `json:"organization_id"`
	URL                 string                `json:"url"`
	Events              []string              `json:"events"`
	Active              bool                  `json:"active"`
	AutoDisabledAt      *timestamp            `json:"auto_disabled_at"`
	ConsecutiveFailures int                   `json:"consecutive_failures"`
	CreatedAt           timestamp             `json:"created_at"`
	Secret              string                `json:"secret,omitempty"`
}

func showWebhook(row projections.SubscriptionRow) webhookBody {
	s := row.Subscription
	body := webhookBody{ID: s.ID, Organization: s.Organization, URL: s.URL, Events: s.Events, Active: s.Active(),
		ConsecutiveFailures: row.Consecutive, CreatedAt: timestamp(s.CreatedAt)}
	if body.Events == nil {
		body.Events = []string{}
	}
	if s.Disabled != nil && s.Disabled.By == domain.ByFailures {
		body.AutoDisabledAt = when(s.Disabled.At)
	}
	return body
}

func (x *exchange) createSubscription() error {
	o, err := x.partner()
	if err != nil {
		return err
	}
	var n commands.NewSubscription
	if err := x.decode(required("url", text(&n.URL)), optional("events", texts(&n.Events))); err != nil {
		return err
	}
	s, secret, at, err := x.Commands.CreateSubscription(x.context(), x.by(), o.ID, n)
	if err != nil {
		return onMember(err, "url")
	}
	x.managed(at)
	body := showWebhook(projections.SubscriptionRow{Subscription: s})
	body.Secret = secret.Reveal()
	return x.reply(http.StatusCreated, body)
}

func (x *exchange) listSubscriptions() error {
	o, err := x.partner()
	if err != nil {
		return err
	}
	rows, _, err := x.Fold.Subscriptions(o.ID, 0, "")
	if err != nil {
		return err
	}
	return x.reply(http.StatusOK, pageOf(rows, "", showWebhook).Items)
}

func (x *exchange) deleteSubscription() error {
	o, id, err := x.ownSubscription()
	if err != nil {
		return err
	}
	at, err := x.Commands.DeleteSubscription(x.context(), x.by(), o.ID, id)
	if err != nil {
		return err
	}
	x.managed(at)
	return x.empty()
}

// testBody is the answer to a test.
type testBody struct {
	Event    domain.MessageID `json:"event_id"`
	Enqueued bool             `json:"enqueued"`
}

// testSubscription fires a test. Whatever is wrong with the body counts only once the subscription was found and is
// active, and before the secret is compared.
func (x *exchange) testSubscription() error {
	o, id, err := x.ownSubscription()
	if err != nil {
		return err
	}
	secret, badBody := x.testSecret()
	if badBody != nil {
		secret = nil
	}
	event, at, err := x.Commands.TestSubscription(x.context(), x.by(), o.ID, id, secret)
	if badBody != nil && domain.CodeOf(err) == domain.Invalid {
		return badBody
	}
	if err != nil {
		return err
	}
	x.wrote(at)
	return x.reply(http.StatusOK, testBody{event, true})
}

// testSecret reads the secret out of the body of a test, whatever media type it claims.
func (x *exchange) testSecret() (*string, error) {
	body, err := x.readBody(maxBody, nil)
	if err != nil {
		return nil, err
	}
	var secret string
	if err := decodeObject(body, required("secret", text(&secret))); err != nil {
		return nil, err
	}
	return &secret, nil
}

// ownSubscription is what the path names: an organization that the caller reaches, and an id.
func (x *exchange) ownSubscription() (domain.Organization, domain.SubscriptionID, error) {
	o, err := x.partner()
	if err != nil {
		return o, domain.SubscriptionID{}, err
	}
	id, err := domain.ParseSubscriptionID(x.variable("webhook"))
	if err != nil {
		return o, id, domain.ErrNoSubscription
	}
	return o, id, nil
}

// foundSubscription is ownSubscription that makes sure that there is one.
func (x *exchange) foundSubscription() (domain.Subscription, error) {
	o, id, err := x.ownSubscription()
	if err != nil {
		return domain.Subscription{}, err
	}
	return x.foundIn(o, id)
}

// foundIn finds a subscription of an organization that is not deleted: in the fold, or else in its stream.
func (x *exchange) foundIn(o domain.Organization, id domain.SubscriptionID) (s domain.Subscription, err error) {
	s, ok := x.Fold.Subscription(id)
	if !ok {
		if s, err = x.Commands.LoadSubscription(x.context(), id); err != nil {
			return s, err
		}
	}
	if !s.Exists() || s.Deleted || s.Organization != o.ID {
		return s, domain.ErrNoSubscription
	}
	return s, nil
}
