package domain

import (
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/hooklog/hooklog/webhook"
)

// EventTypeDefined adds an event type to an organization's catalogue, or describes it anew.
type EventTypeDefined struct {
	Organization OrganizationID `json:"organization"`
	Name         string         `json:"name"`
	EventTypeSettings
}

// EventTypeRetired closes an event type to new subscriptions; publishing goes on.
type EventTypeRetired struct {
	Organization OrganizationID `json:"organization"`
	Name         string         `json:"name"`
}

// FactType names the fact in the log.
func (*EventTypeDefined) FactType() string { return "hooklog.EventTypeDefined.v1" }

// FactType names the fact in the log.
func (*EventTypeRetired) FactType() string { return "hooklog.EventTypeRetired.v1" }

// EventTypeSettings is what of an event type can change.
type EventTypeSettings struct {
	Description string          `json:"description,omitempty"`
	Category    string          `json:"category,omitempty"`
	Example     json.RawMessage `json:"example,omitempty"`
	Schema      json.RawMessage `json:"schema,omitempty"`
}

// EventType is the dotted name of a kind of message in an organization's catalogue.
type EventType struct {
	Organization OrganizationID `json:"organization"`
	Name         string         `json:"name"`
	EventTypeSettings
	CreatedAt time.Time `json:"created_at"`
	RetiredAt time.Time `json:"retired_at,omitzero"`
}

// Exists reports whether the event type was ever defined.
func (e EventType) Exists() bool { return e.Name != "" }

// Retired reports whether new subscriptions to the type are refused.
func (e EventType) Retired() bool { return !e.RetiredAt.IsZero() }

// Apply folds one fact of the event type's stream.
func (e EventType) Apply(f Fact, m Meta) EventType {
	switch f := f.(type) {
	case *EventTypeDefined:
		if !e.Exists() {
			e.CreatedAt = m.At
		}
		e.Organization, e.Name, e.EventTypeSettings, e.RetiredAt = f.Organization, f.Name, f.EventTypeSettings, time.Time{}
	case *EventTypeRetired:
		e.RetiredAt = m.At
	}
	return e
}

// OperationalPrefix begins the types that Hooklog itself speaks of; nobody can define or publish them.
const OperationalPrefix = "hooklog."

// DecideDefine adds a type that is not in the catalogue yet, or brings a retired one back.
func (e EventType) DecideDefine(org Organization, name string, s EventTypeSettings) (Fact, error) {
	if err := org.CheckOpen(); err != nil {
		return nil, err
	}
	if e.Exists() && !e.Retired() {
		return nil, Refuse(Conflict, "the event type %s exists already", name)
	}
	bad := s.check()
	if err := webhook.CheckTypeName(name); err != nil {
		bad = append(bad, FieldError{"name", err.Error()})
	} else if strings.HasPrefix(name, OperationalPrefix) || name == webhook.TestType {
		bad = append(bad, FieldError{"name", "is a name that Hooklog keeps for itself"})
	}
	if err := RefuseFields(bad...); err != nil {
		return nil, err
	}
	return &EventTypeDefined{Organization: org.ID, Name: name, EventTypeSettings: s}, nil
}

// DecideDescribe replaces the settings of a type that exists.
func (e EventType) DecideDescribe(s EventTypeSettings) (Fact, error) {
	if !e.Exists() {
		return nil, Refuse(NotFound, "no such event type")
	}
	if e.Retired() {
		return nil, Refuse(Conflict, "the event type is retired")
	}
	if err := RefuseFields(s.check()...); err != nil {
		return nil, err
	}
	return &EventTypeDefined{Organization: e.Organization, Name: e.Name, EventTypeSettings: s}, nil
}

// DecideRetire closes the type to new subscriptions; nil if it is closed already.
func (e EventType) DecideRetire() (Fact, error) {
	if !e.Exists() {
		return nil, Refuse(NotFound, "no such event type")
	}
	if e.Retired() {
		return nil, nil
	}
	return &EventTypeRetired{Organization: e.Organization, Name: e.Name}, nil
}

func (s EventTypeSettings) check() []FieldError {
	var bad []FieldError
	if utf8.RuneCountInString(s.Description) > 2000 {
		bad = append(bad, FieldError{"description", "must have at most 2000 characters"})
	}
	if utf8.RuneCountInString(s.Category) > 100 {
		bad = append(bad, FieldError{"category", "must have at most 100 characters"})
	}
	for _, doc := range [...]struct {
		field string
		value json.RawMessage
	}{{"example", s.Example}, {"schema", s.Schema}} {
		if len(doc.value) > 0 && doc.value[0] != '{' {
			bad = append(bad, FieldError{doc.field, "must be a JSON object"})
		}
	}
	return bad
}
