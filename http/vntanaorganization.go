package http

import (
	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/webhook"
)

// Clients finds the folders of organizations.
type Clients interface {
	// Clients lists, by name, the folders that an organization's messages and subscriptions have named; limit bounds both.
	Clients(org domain.OrganizationID, limit int) ([]string, error)
}

// maxClientsShown is the most folders that a list tells.
const maxClientsShown = 10_000

// vntanaRole is what every session may do in its organization.
const vntanaRole = "ORGANIZATION_ADMIN"

// vntanaOrganizationBody is an organization in the list of those that a session reaches.
type vntanaOrganizationBody struct {
	UUID    string    `json:"uuid"`
	Slug    string    `json:"slug"`
	Name    string    `json:"name"`
	Role    string    `json:"role"`
	Created timestamp `json:"created"`
}

// vntanaClient is a folder. The log knows of it what messages and webhooks call it, and no more.
type vntanaClient struct {
	UUID string `json:"uuid"`
	Slug string `json:"slug"`
	Name string `json:"name"`
}

// vntanaOrganizations lists the one organization that a key has.
func (x *exchange) vntanaOrganizations() error {
	o, err := x.organizationOf(x.key.Organization)
	if err != nil {
		return err
	}
	return x.replyVntana(vntanaGridOf([]vntanaOrganizationBody{{UUID: o.ID.UUID(), Slug: o.Slug, Name: o.Name, Role: vntanaRole,
		Created: timestamp(o.CreatedAt)}}))
}

// vntanaClients lists the folders that the session reaches.
func (x *exchange) vntanaClients() error {
	o, err := x.chosenOrganization()
	if err != nil {
		return err
	}
	clients, err := x.sessionClients(o)
	if err != nil {
		return err
	}
	return x.replyVntana(vntanaGridOf(clients))
}

// sessionClients are the folders of an organization that the session reaches: all, or its own.
func (x *exchange) sessionClients(o domain.Organization) ([]vntanaClient, error) {
	names := []string{x.session.Client}
	if x.session.Client == "" {
		var err error
		if names, err = x.Fold.Clients(o.ID, maxClientsShown); err != nil {
			return nil, err
		}
	}
	clients := make([]vntanaClient, len(names))
	for i, name := range names {
		clients[i] = vntanaClient{UUID: webhook.ClientUUID(o.ID.UUID(), name), Slug: name, Name: name}
	}
	return clients, nil
}
