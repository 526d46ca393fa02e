package http

import (
	"net/http"
	"time"

	"github.com/hooklog/hooklog/commands"
	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/projections"
)

// managedWebhook is a subscription as the management API lists it. Of its headers only the names are told. The secret is
// there once, when it was made; PreviousUntil is until when the one before it is, or was, good.
type managedWebhook struct {
	ID                  domain.SubscriptionID `json:"id"`
	Organization        domain.OrganizationID `json:"organization_id"`
	Revision            uint64                `json:"revision"`
	URL                 string                `json:"url"`
	Events              []string              `json:"events"`
	Clients             []string              `json:"clients,omitempty"`
	Name                string                `json:"name,omitempty"`
	Description         string                `json:"description,omitempty"`
	Email               string                `json:"email,omitempty"`
	HeaderNames         []string              `json:"header_names,omitempty"`
	RetrySchedule       []domain.Duration     `json:"retry_schedule,omitempty"`
	Timeout             domain.Duration       `json:"timeout,omitzero"`
	RateLimit           domain.Rate           `json:"rate_limit,omitzero"`
	Filter              *domain.Filter        `json:"filter,omitempty"`
	Ordered             bool                  `json:"ordered,omitempty"`
	Status              string                `json:"status"`
	DisabledBy          domain.DisabledBy     `json:"disabled_by,omitempty"`
	DisabledAt          *timestamp            `json:"disabled_at,omitempty"`
	ConsecutiveFailures int                   `json:"consecutive_failures"`
	FailingSince        *timestamp            `json:"failing_since,omitempty"`
	CreatedAt           timestamp             `json:"created_at"`
	PreviousUntil       *timestamp            `json:"previous_secret_until,omitempty"`
	Secret              string                `json:"secret,omitempty"`
}

func showManagedWebhook(s domain.Subscription, h domain.Health, unhealthy bool) managedWebhook {
	body := managedWebhook{ID: s.ID, Organization: s.Organization, Revision: s.Revision, URL: s.URL, Events: s.Events, Clients: s.Clients,
		Name: s.Name, Description: s.Description, Email: s.Email, RetrySchedule: s.RetrySchedule, Timeout: s.Timeout, RateLimit: s.RateLimit, Filter: s.Filter, Ordered: s.Ordered,
		Status: "active", ConsecutiveFailures: h.Consecutive, FailingSince: when(h.FailingSince), CreatedAt: timestamp(s.CreatedAt),
		PreviousUntil: when(s.PreviousUntil)}
	if body.Events == nil {
		body.Events = []string{}
	}
	for _, h := range s.Headers {
		body.HeaderNames = append(body.HeaderNames, h.Name)
	}
	if unhealthy {
		body.Status = "unhealthy"
	}
	if s.Disabled != nil {
		body.Status, body.DisabledBy, body.DisabledAt = "disabled", s.Disabled.By, when(s.Disabled.At)
	}
	return body
}

// showListed shows a subscription of an organization in a list.
func showListed(o domain.Organization) func(projections.SubscriptionRow) managedWebhook {
	return func(row projections.SubscriptionRow) managedWebhook {
		p, ok := o.PolicyFor(row.SubscriptionSettings)
		return showManagedWebhook(row.Subscription, row.Health, ok && row.Unhealthy(p))
	}
}

// replyWebhook answers with a subscription that was just written, and its health as this node knows it.
func (x *exchange) replyWebhook(status int, o domain.Organization, s domain.Subscription, made string) error {
	row := projections.SubscriptionRow{Subscription: s}
	if known, ok := x.Fold.Subscription(s.ID); ok && known.Revision >= s.Revision {
		row.Health = x.Fold.Health(s.ID)
	}
	body := showListed(o)(row)
	body.Secret = made
	return x.reply(status, body)
}

// actingAs says who disables a subscription when the caller does.
func (x *exchange) actingAs() domain.DisabledBy {
	if x.key.Has(domain.ScopeOperator) {
		return domain.ByOperator
	}
	return domain.ByOwner
}

func (x *exchange) createWebhook() error {
	o, err := x.partner()
	if err != nil {
		return err
	}
	n := commands.NewSubscription{DisabledBy: x.actingAs()}
	var own noted[string]
	var headers []commands.HeaderEdit
	enabled := true
	err = x.decode(required("url", text(&n.URL)), optional("events", texts(&n.Events)), optional("secret", note(&own, text)),
		optional("name", text(&n.Name)), optional("description", text(&n.Description)), optional("headers", headerEdits(&headers, false)),
		optional("enabled", boolean(&enabled)), optional("email", text(&n.Email)), optional("clients", texts(&n.Clients)),
		optional("retry_schedule", orNull(durations(&n.RetrySchedule))), optional("timeout", orNull(givenTimeout(&n.Timeout))),
		optional("rate_limit", orNull(pace(&n.RateLimit))), optional("filter", orNull(filter(&n.Filter))), optional("ordered", boolean(&n.Ordered)))
	if err != nil {
		return err
	}
	n.Disabled = !enabled
	if own.given {
		n.Secret = &own.value
	}
	for _, h := range headers {
		n.Headers = append(n.Headers, domain.Header{Name: h.Name, Value: *h.Value})
	}
	n.Vouched = x.vouched(n.Email)
	s, made, at, err := x.Commands.CreateSubscription(x.context(), x.by(), o.ID, n)
	if err != nil {
		return onMember(err, "url")
	}
	x.managed(at)
	return x.replyWebhook(http.StatusCreated, o, s, made.Reveal())
}

func (x *exchange) listWebhooks() error {
	o, err := x.partner()
	if err != nil {
		return err
	}
	return replyPage(x, func(limit int, cursor string) ([]projections.SubscriptionRow, string, error) {
		return x.Fold.Subscriptions(o.ID, limit, cursor)
	}, showListed(o))
}

// change holds the members of a PATCH that were given.
type change struct {
	url, name, description, email noted[string]
	events, clients               noted[[]string]
	schedule                      noted[[]domain.Duration]
	timeout                       noted[domain.Duration]
	rate                          noted[domain.Rate]
	filter                        noted[*domain.Filter]
	ordered                       noted[bool]
	enabled                       noted[bool]
	headers                       []commands.HeaderEdit
	noHeaders                     bool
}

// edit sets what was given.
func (c *change) edit(s *domain.SubscriptionSettings) {
	s.URL, s.Name, s.Description, s.Email = c.url.or(s.URL), c.name.or(s.Name), c.description.or(s.Description), c.email.or(s.Email)
	s.Events, s.Clients = c.events.or(s.Events), c.clients.or(s.Clients)
	s.RetrySchedule, s.Timeout, s.RateLimit = c.schedule.or(s.RetrySchedule), c.timeout.or(s.Timeout), c.rate.or(s.RateLimit)
	s.Filter, s.Ordered = c.filter.or(s.Filter), c.ordered.or(s.Ordered)
}

// changeWebhook changes what was given. null takes away what can be missing; of the headers those named are changed.
func (x *exchange) changeWebhook() error {
	o, id, err := x.ownSubscription()
	if err != nil {
		return err
	}
	if _, err := x.foundSubscription(); err != nil {
		return err
	}
	var c change
	err = x.decode(optional("url", note(&c.url, text)), optional("events", note(&c.events, nullable(texts))),
		optional("name", note(&c.name, nullable(text))), optional("description", note(&c.description, nullable(text))),
		optional("headers", orElse(&c.noHeaders, headerEdits(&c.headers, true))), optional("enabled", note(&c.enabled, boolean)),
		optional("email", note(&c.email, nullable(text))), optional("clients", note(&c.clients, nullable(texts))),
		optional("retry_schedule", note(&c.schedule, nullable(durations))), optional("timeout", note(&c.timeout, nullable(givenTimeout))),
		optional("rate_limit", note(&c.rate, nullable(pace))), optional("filter", note(&c.filter, nullable(filter))),
		optional("ordered", note(&c.ordered, boolean)))
	if err != nil {
		return err
	}
	ask := commands.SubscriptionChange{Edit: c.edit, Vouched: x.vouched(c.email.value), NoHeaders: c.noHeaders, Headers: c.headers,
		DisabledBy: x.actingAs()}
	if c.url.given {
		ask.URL = &c.url.value
	}
	if c.enabled.given {
		ask.Enabled = &c.enabled.value
	}
	s, at, err := x.Commands.ChangeSubscription(x.context(), x.by(), o.ID, id, ask)
	if err != nil {
		return onMember(err, "url")
	}
	x.managed(at)
	return x.replyWebhook(http.StatusOK, o, s, "")
}

// testWebhook fires a test; the caller's key is proof enough.
func (x *exchange) testWebhook() error {
	o, id, err := x.ownSubscription()
	if err != nil {
		return err
	}
	if _, err := x.foundSubscription(); err != nil {
		return err
	}
	if err := x.decodeOptional(); err != nil {
		return err
	}
	event, at, err := x.Commands.TestOwnSubscription(x.context(), x.by(), o.ID, id)
	if err != nil {
		return err
	}
	x.wrote(at)
	return x.reply(http.StatusAccepted, testBody{event, true})
}

func (x *exchange) rotateSecret() error {
	o, id, err := x.ownSubscription()
	if err != nil {
		return err
	}
	if _, err := x.foundSubscription(); err != nil {
		return err
	}
	overlap := defaultOverlap
	if err := x.decodeOptional(optional("overlap", duration(&overlap))); err != nil {
		return err
	}
	s, made, at, err := x.Commands.RotateSecret(x.context(), x.by(), o.ID, id, time.Duration(overlap))
	if err != nil {
		return err
	}
	x.managed(at)
	return x.replyWebhook(http.StatusOK, o, s, made.Reveal())
}

// listOwnEventTypes lists the catalogue of the caller's organization.
func (x *exchange) listOwnEventTypes() error {
	o, err := x.partner()
	if err != nil {
		return err
	}
	return replyPage(x, func(limit int, cursor string) ([]domain.EventType, string, error) {
		return x.Fold.EventTypes(o.ID, limit, cursor)
	}, showEventType)
}
