package domain

import (
	"encoding/json"

	"github.com/hooklog/hooklog/webhook"
)

// PolicyFor joins the organization's profile with its overrides and a subscription's; false if this release does not
// know the profile.
func (o Organization) PolicyFor(s SubscriptionSettings) (Policy, bool) {
	p, ok := webhook.ByName(o.Profile)
	if !ok {
		return Policy{}, false
	}
	return PolicyOf(p, o.OrganizationSettings, s), true
}

// ProfileEventTypes returns the event types that the organization has by its profile, in published order. They were
// never defined, so they have no time of creation.
func (o Organization) ProfileEventTypes() []EventType {
	p, ok := webhook.ByName(o.Profile)
	if !ok {
		return nil
	}
	var types []EventType
	for _, t := range p.Catalogue() {
		e := EventType{Organization: o.ID, Name: t.Name,
			EventTypeSettings: EventTypeSettings{Description: t.Description, Category: t.Category}}
		if t.Example != "" {
			e.Example = json.RawMessage(t.Example)
		}
		types = append(types, e)
	}
	return types
}
