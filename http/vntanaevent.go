package http

import (
	"fmt"
	"slices"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/webhook"
)

// vntanaEvent is an event type. Its UUID never changes.
type vntanaEvent struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	UUID        string `json:"uuid"`
}

// vntanaCategory is a part of a catalogue, or of what a webhook asks for.
type vntanaCategory struct {
	Category   string        `json:"category"`
	TotalCount int           `json:"totalCount"`
	UUID       string        `json:"uuid"`
	Events     []vntanaEvent `json:"events"`
}

// vntanaUncategorized holds the types that have no category.
const vntanaUncategorized = "Other"

// vntanaCatalogue is everything that an organization's webhooks can ask for: the types of the profile, then the
// organization's own, then Hooklog's about webhooks themselves.
type vntanaCatalogue []domain.EventType

func (x *exchange) vntanaCatalogue(o domain.Organization) (vntanaCatalogue, error) {
	types, _, err := x.Fold.EventTypes(o.ID, 0, "")
	if err != nil {
		return nil, err
	}
	published := o.ProfileEventTypes()
	rank := func(t domain.EventType) int {
		if i := slices.IndexFunc(published, func(p domain.EventType) bool { return p.Name == t.Name }); i >= 0 {
			return i
		}
		return len(published)
	}
	slices.SortStableFunc(types, func(a, b domain.EventType) int { return rank(a) - rank(b) })
	for _, t := range webhook.OperationalTypes() {
		types = append(types, domain.EventType{Name: t.Name, EventTypeSettings: domain.EventTypeSettings{Category: t.Category, Description: t.Description}})
	}
	return types, nil
}

// offered are the types that the list tells: neither retired ones nor Hooklog's own.
func (c vntanaCatalogue) offered() vntanaCatalogue {
	operational := webhook.OperationalTypes()
	return slices.DeleteFunc(slices.Clone(c), func(t domain.EventType) bool {
		return t.Retired() || slices.ContainsFunc(operational, func(o webhook.EventType) bool { return o.Name == t.Name })
	})
}

// asked are the types that a webhook's events come to, in the order of the catalogue; a name that is in none comes last.
func (c vntanaCatalogue) asked(events []string) vntanaCatalogue {
	all := slices.DeleteFunc(slices.Clone(c), func(t domain.EventType) bool {
		return !slices.ContainsFunc(events, func(e string) bool { return webhook.Matches(e, t.Name) })
	})
	for _, e := range events {
		if webhook.CheckTypeName(e) == nil && !slices.ContainsFunc(c, func(t domain.EventType) bool { return t.Name == e }) {
			all = append(all, domain.EventType{Name: e})
		}
	}
	return all
}

// byCategory divides types into their categories, both in the order in which they come.
func (c vntanaCatalogue) byCategory() []vntanaCategory {
	all := []vntanaCategory{}
	for _, t := range c {
		name := t.Category
		if name == "" {
			name = vntanaUncategorized
		}
		i := slices.IndexFunc(all, func(have vntanaCategory) bool { return have.Category == name })
		if i < 0 {
			i, all = len(all), append(all, vntanaCategory{Category: name, UUID: webhook.CategoryUUID(name)})
		}
		all[i].Events = append(all[i].Events, vntanaEvent{t.Name, t.Description, webhook.TypeUUID(t.Name)})
		all[i].TotalCount++
	}
	return all
}

// vntanaEvents lists what webhooks of the organization can ask for.
func (x *exchange) vntanaEvents() error {
	o, err := x.chosenOrganization()
	if err != nil {
		return err
	}
	c, err := x.vntanaCatalogue(o)
	if err != nil {
		return err
	}
	return x.replyVntana(vntanaGridOf(c.offered().byCategory()))
}

// vntanaEventRef names an event type in a request, as the list shows it.
type vntanaEventRef struct {
	uuid, name, description, category string
}

// eventRef reads one.
func eventRef(to *vntanaEventRef) reader {
	return func(field string, value []byte) []domain.FieldError {
		err := decodeObject(value, required("uuid", text(&to.uuid)), optional("name", orNull(text(&to.name))),
			optional("description", orNull(text(&to.description))), optional("category", orNull(text(&to.category))))
		if err != nil {
			return wrong(field, "must be an event such as {\"uuid\":…,\"name\":…}")
		}
		return nil
	}
}

// names finds the types that are named by their UUIDs. A name beside it must be the type's.
func (c vntanaCatalogue) names(refs []vntanaEventRef) ([]string, error) {
	byUUID := make(map[string]string, len(c))
	for _, t := range c {
		byUUID[webhook.TypeUUID(t.Name)] = t.Name
	}
	names := make([]string, len(refs))
	var bad []domain.FieldError
	for i, ref := range refs {
		name, known := byUUID[ref.uuid]
		field := fmt.Sprintf("events[%d]", i)
		switch {
		case !known:
			bad = append(bad, wrong(field, "the uuid is of no event of the organization")...)
		case ref.name != "" && ref.name != name:
			bad = append(bad, wrong(field, "the name is not that of the uuid, "+name)...)
		}
		names[i] = name
	}
	return names, domain.RefuseFields(bad...)
}
