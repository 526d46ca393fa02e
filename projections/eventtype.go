package projections

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/hooklog/hooklog/domain"
)

func (x *Fold) foldEventType(p placed, org domain.OrganizationID, name string) error {
	if p.Stream != domain.EventTypeStream(org, name) {
		return fmt.Errorf("%w: not the event type's stream", errMisplaced)
	}
	d := &x.directory
	o, ok := d.organizations[org]
	if !ok {
		return fmt.Errorf("%w: an event type of no organization", errMisplaced)
	}
	e := o.types[name].Apply(p.fact, p.meta)
	if !e.Exists() {
		return fmt.Errorf("%w: the event type does not exist", errMisplaced)
	}
	d.mu.Lock()
	o.types[name] = e
	d.mu.Unlock()
	return x.writeJSON(eventTypeKey(org, name), nil, e)
}

// EventType returns a type that the organization itself defined, retired ones included; not those of its profile.
func (x *Fold) EventType(org domain.OrganizationID, name string) (domain.EventType, bool) {
	d := &x.directory
	d.mu.RLock()
	defer d.mu.RUnlock()
	o, ok := d.organizations[org]
	if !ok {
		return domain.EventType{}, false
	}
	e, ok := o.types[name]
	return e, ok
}

// EventTypes lists an organization's catalogue: the types that it defined, newest first, then those of its profile that
// it did not define itself, in published order. limit 0 is all.
func (x *Fold) EventTypes(org domain.OrganizationID, limit int, cursor string) (page []domain.EventType, next string, err error) {
	l := list{eventTypeList, org}
	place, err := l.place(cursor)
	if err != nil {
		return nil, "", err
	}
	all := x.catalogue(org)
	if place != nil {
		all = all[1+slices.IndexFunc(all, func(e domain.EventType) bool { return e.Name == string(place) }):]
	}
	if limit > 0 && len(all) > limit {
		all = all[:limit]
		next = l.cursor([]byte(all[limit-1].Name))
	}
	return all, next, nil
}

func (x *Fold) catalogue(org domain.OrganizationID) []domain.EventType {
	d := &x.directory
	d.mu.RLock()
	defer d.mu.RUnlock()
	o, ok := d.organizations[org]
	if !ok {
		return nil
	}
	var all []domain.EventType
	for _, e := range o.types {
		all = append(all, e)
	}
	slices.SortFunc(all, func(a, b domain.EventType) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.Name, b.Name))
	})
	for _, e := range o.state.ProfileEventTypes() {
		if _, own := o.types[e.Name]; !own {
			all = append(all, e)
		}
	}
	return all
}
