package http

import (
	"slices"

	"github.com/hooklog/hooklog/commands"
	"github.com/hooklog/hooklog/domain"
)

// vntanaWebhook is a subscription as VNTANA's surface shows it: with its secret, every time.
type vntanaWebhook struct {
	UserEmail    *string          `json:"userEmail"`
	Name         *string          `json:"name"`
	Description  *string          `json:"description"`
	Disable      bool             `json:"disable"`
	Secret       string           `json:"secret"`
	URL          string           `json:"url"`
	Organization string           `json:"organizationUuid"`
	Events       []vntanaCategory `json:"events"`
	Clients      []string         `json:"clients"`
	UUID         string           `json:"uuid"`
	Created      timestamp        `json:"created"`
	Updated      timestamp        `json:"updated"`
}

// showVntana shows a subscription, its secret unsealed.
func (x *exchange) showVntana(c vntanaCatalogue, s domain.Subscription) (vntanaWebhook, error) {
	secret, err := x.Commands.ReadSecret(x.context(), s)
	body := vntanaWebhook{UserEmail: vntanaText(s.Email), Name: vntanaText(s.Name), Description: vntanaText(s.Description), Disable: !s.Active(),
		Secret: secret.Reveal(), URL: s.URL, Organization: s.Organization.UUID(), Events: c.asked(s.Events).byCategory(),
		Clients: append([]string{}, s.Clients...), UUID: s.ID.UUID(), Created: timestamp(s.CreatedAt), Updated: timestamp(s.UpdatedAt)}
	return body, err
}

// replyVntanaWebhook answers with a subscription.
func (x *exchange) replyVntanaWebhook(o domain.Organization, s domain.Subscription) error {
	c, err := x.vntanaCatalogue(o)
	if err != nil {
		return err
	}
	body, err := x.showVntana(c, s)
	if err != nil {
		return err
	}
	return x.replyVntana(body)
}

// reachesClients reports whether the session reaches what is limited to these folders: that of a folder only what is
// limited to just that.
func (x *exchange) reachesClients(clients []string) bool {
	return x.session.Client == "" || slices.Equal(clients, []string{x.session.Client})
}

// vntanaSubscription is the subscription that the path names, if the session reaches it.
func (x *exchange) vntanaSubscription() (domain.Organization, domain.Subscription, error) {
	o, err := x.chosenOrganization()
	if err != nil {
		return o, domain.Subscription{}, err
	}
	id, err := domain.ParseSubscriptionID("wh_" + x.variable("webhook"))
	if err != nil {
		return o, domain.Subscription{}, domain.ErrNoSubscription
	}
	s, err := x.foundIn(o, id)
	if err == nil && !x.reachesClients(s.Clients) {
		err = domain.ErrNoSubscription
	}
	return o, s, err
}

// vntanaAsk is what a request says of a webhook.
type vntanaAsk struct {
	url, name, description, email noted[string]
	organization, uuid            noted[string]
	events                        noted[[]vntanaEventRef]
	clients                       noted[[]string]
	disable                       noted[bool]
	// named are the types that events come to.
	named []string
}

// readVntanaAsk reads the body and judges what of it is about the caller rather than the webhook.
func (x *exchange) readVntanaAsk(o domain.Organization, begins bool) (a vntanaAsk, err error) {
	must := optional
	if begins {
		must = required
	}
	eventRefs := func(to *[]vntanaEventRef) reader { return list(to, eventRef) }
	members := []member{must("url", note(&a.url, text)), must("organizationUuid", note(&a.organization, text)),
		must("events", note(&a.events, eventRefs)), optional("clients", note(&a.clients, nullable(texts))),
		optional("userEmail", note(&a.email, nullable(text))), optional("name", note(&a.name, nullable(text))),
		optional("description", note(&a.description, nullable(text))), optional("disable", note(&a.disable, boolean))}
	if !begins {
		members = append(members, optional("uuid", note(&a.uuid, text)))
	}
	if err := x.decode(members...); err != nil {
		return a, err
	}
	switch {
	case a.organization.given && a.organization.value != o.ID.UUID():
		return a, errOtherOrganization
	case a.uuid.given && a.uuid.value != x.variable("webhook"):
		return a, refuseMember("uuid", "is not that of the path")
	case (begins || a.clients.given) && !x.reachesClients(a.clients.value):
		return a, domain.Refuse(domain.Forbidden, "the token is of the folder %s alone", x.session.Client)
	}
	c, err := x.vntanaCatalogue(o)
	if err != nil {
		return a, err
	}
	a.named, err = c.names(a.events.value)
	return a, err
}

// inVntanasWords renames members that a refusal names as Hooklog calls them.
func inVntanasWords(err error) error { return renamed(onMember(err, "url"), "email", "userEmail") }

func (x *exchange) createVntanaWebhook() error {
	o, err := x.chosenOrganization()
	if err != nil {
		return err
	}
	a, err := x.readVntanaAsk(o, true)
	if err != nil {
		return err
	}
	s, _, at, err := x.Commands.CreateSubscription(x.context(), x.by(), o.ID, commands.NewSubscription{URL: a.url.value, Events: a.named,
		Clients: a.clients.value, Name: a.name.value, Description: a.description.value, Email: a.email.value,
		Disabled: a.disable.value, DisabledBy: x.actingAs()})
	if err != nil {
		return inVntanasWords(err)
	}
	x.managed(at)
	return x.replyVntanaWebhook(o, s)
}

// changeVntanaWebhook changes what was given; what another surface sets stays.
func (x *exchange) changeVntanaWebhook() error {
	o, s, err := x.vntanaSubscription()
	if err != nil {
		return err
	}
	a, err := x.readVntanaAsk(o, false)
	if err != nil {
		return err
	}
	ask := commands.SubscriptionChange{DisabledBy: x.actingAs(), Edit: func(s *domain.SubscriptionSettings) {
		s.URL, s.Name, s.Description, s.Email = a.url.or(s.URL), a.name.or(s.Name), a.description.or(s.Description), a.email.or(s.Email)
		s.Clients = a.clients.or(s.Clients)
		if a.events.given {
			s.Events = a.named
		}
	}}
	if a.url.given {
		ask.URL = &a.url.value
	}
	if a.disable.given {
		enabled := !a.disable.value
		ask.Enabled = &enabled
	}
	s, at, err := x.Commands.ChangeSubscription(x.context(), x.by(), o.ID, s.ID, ask)
	if err != nil {
		return inVntanasWords(err)
	}
	x.managed(at)
	return x.replyVntanaWebhook(o, s)
}

func (x *exchange) showVntanaWebhook() error {
	o, s, err := x.vntanaSubscription()
	if err != nil {
		return err
	}
	return x.replyVntanaWebhook(o, s)
}

// listVntanaWebhooks lists all webhooks that the session reaches, newest first.
func (x *exchange) listVntanaWebhooks() error {
	o, err := x.chosenOrganization()
	if err != nil {
		return err
	}
	if _, err := x.vntanaOrganization(x.variable("organization")); err != nil {
		return err
	}
	rows, _, err := x.Fold.Subscriptions(o.ID, 0, "")
	if err != nil {
		return err
	}
	c, err := x.vntanaCatalogue(o)
	if err != nil {
		return err
	}
	all := []vntanaWebhook{}
	for _, row := range rows {
		if !x.reachesClients(row.Clients) {
			continue
		}
		body, err := x.showVntana(c, row.Subscription)
		if err != nil {
			return err
		}
		all = append(all, body)
	}
	return x.replyVntana(vntanaGridOf(all))
}

// deleteVntanaWebhook ends a webhook and answers with what it was.
func (x *exchange) deleteVntanaWebhook() error {
	o, s, err := x.vntanaSubscription()
	if err != nil {
		return err
	}
	at, err := x.Commands.DeleteSubscription(x.context(), x.by(), o.ID, s.ID)
	if err != nil {
		return err
	}
	x.managed(at)
	return x.replyVntanaWebhook(o, s)
}

// renewVntanaSecret gives a webhook a new secret, with which the next attempt is signed.
func (x *exchange) renewVntanaSecret() error {
	o, s, err := x.vntanaSubscription()
	if err != nil {
		return err
	}
	if err := x.decodeOptional(); err != nil {
		return err
	}
	s, _, at, err := x.Commands.RotateSecret(x.context(), x.by(), o.ID, s.ID, 0)
	if err != nil {
		return err
	}
	x.managed(at)
	return x.replyVntanaWebhook(o, s)
}
