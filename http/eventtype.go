package http

import (
	"encoding/json"
	"net/http"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/projections"
)

// EventTypes finds event types in this node's fold.
type EventTypes interface {
	EventType(org domain.OrganizationID, name string) (domain.EventType, bool)
	// EventTypes lists an organization's catalogue: its own types and those of its profile.
	EventTypes(org domain.OrganizationID, limit int, cursor string) (page []domain.EventType, next string, err error)
}

// eventTypeBody is an entry of a catalogue. Those of the profile have no time of creation.
type eventTypeBody struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Category    string          `json:"category,omitempty"`
	Example     json.RawMessage `json:"example,omitempty"`
	Schema      json.RawMessage `json:"schema,omitempty"`
	CreatedAt   *timestamp      `json:"created_at,omitempty"`
	RetiredAt   *timestamp      `json:"retired_at,omitempty"`
}

func showEventType(e domain.EventType) eventTypeBody {
	return eventTypeBody{Name: e.Name, Description: e.Description, Category: e.Category, Example: e.Example, Schema: e.Schema,
		CreatedAt: when(e.CreatedAt), RetiredAt: when(e.RetiredAt)}
}

func (x *exchange) defineEventType() error {
	o, err := x.organization()
	if err != nil {
		return err
	}
	var name string
	var s domain.EventTypeSettings
	err = x.decode(required("name", text(&name)), optional("description", text(&s.Description)),
		optional("category", text(&s.Category)), optional("example", document(&s.Example)), optional("schema", document(&s.Schema)))
	if err != nil {
		return err
	}
	e, at, err := x.Commands.DefineEventType(x.context(), x.by(), o.ID, name, s)
	if err != nil {
		return err
	}
	x.managed(at)
	return x.reply(http.StatusCreated, showEventType(e))
}

func (x *exchange) listEventTypes() error {
	o, err := x.organization()
	if err != nil {
		return err
	}
	m, past, err := x.moment()
	if err != nil {
		return err
	}
	return replyPage(x, func(limit int, cursor string) ([]domain.EventType, string, error) {
		if past {
			return x.Fold.EventTypesAt(x.context(), o.ID, m, limit, cursor)
		}
		return x.Fold.EventTypes(o.ID, limit, cursor)
	}, showEventType)
}

func (x *exchange) showEventType() error {
	o, err := x.organization()
	if err != nil {
		return err
	}
	m, past, err := x.moment()
	if err != nil {
		return err
	}
	e, err := x.eventType(o, x.variable("name"), m, past)
	if err != nil {
		return err
	}
	return x.reply(http.StatusOK, showEventType(e))
}

// eventType finds an entry of an organization's catalogue, as it is or as of a moment.
func (x *exchange) eventType(o domain.Organization, name string, m projections.Moment, past bool) (e domain.EventType, err error) {
	var own bool
	if past {
		if o, err = x.Fold.OrganizationAt(x.context(), o.ID, m); err == nil {
			e, own, err = x.Fold.EventTypeAt(x.context(), o.ID, name, m)
		}
	} else {
		e, own = x.Fold.EventType(o.ID, name)
	}
	if err != nil || own {
		return e, err
	}
	for _, e := range o.ProfileEventTypes() {
		if e.Name == name {
			return e, nil
		}
	}
	return e, domain.Refuse(domain.NotFound, "no such event type")
}

// describeEventType changes what was given; null takes a member away.
func (x *exchange) describeEventType() error {
	o, err := x.organization()
	if err != nil {
		return err
	}
	var description, category noted[string]
	var example, schema noted[json.RawMessage]
	err = x.decode(optional("description", note(&description, nullable(text))), optional("category", note(&category, nullable(text))),
		optional("example", note(&example, nullable(document))), optional("schema", note(&schema, nullable(document))))
	if err != nil {
		return err
	}
	e, at, err := x.Commands.DescribeEventType(x.context(), x.by(), o.ID, x.variable("name"), func(s domain.EventTypeSettings) domain.EventTypeSettings {
		s.Description, s.Category = description.or(s.Description), category.or(s.Category)
		s.Example, s.Schema = example.or(s.Example), schema.or(s.Schema)
		return s
	})
	if err != nil {
		return err
	}
	x.managed(at)
	return x.reply(http.StatusOK, showEventType(e))
}

func (x *exchange) retireEventType() error {
	o, err := x.organization()
	if err != nil {
		return err
	}
	at, err := x.Commands.RetireEventType(x.context(), x.by(), o.ID, x.variable("name"))
	if err != nil {
		return err
	}
	x.managed(at)
	return x.empty()
}
