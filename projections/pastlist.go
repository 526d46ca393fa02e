package projections

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"github.com/hooklog/hooklog/domain"
)

// OrganizationAt returns an organization as it was at a moment, which this node must have reached; NotFound if it was
// not registered then.
func (x *Fold) OrganizationAt(ctx context.Context, id domain.OrganizationID, m Moment) (domain.Organization, error) {
	l, err := x.organizationLineOf(ctx, id)
	if err != nil {
		return domain.Organization{}, err
	}
	o := l.at(m)
	if !o.Exists() {
		return o, domain.Refuse(domain.NotFound, "no such organization")
	}
	return o, nil
}

// OrganizationsAt is Organizations as of a moment, which this node must have reached: those registered then, as they
// were.
func (x *Fold) OrganizationsAt(ctx context.Context, m Moment, limit int, cursor string) (page []domain.Organization, next string, err error) {
	d := x.now().directory
	d.mu.RLock()
	ids := slices.Clone(d.registered)
	d.mu.RUnlock()
	ids, _, err = pageOfIDs(list{kind: organizationList}, ids, 0, cursor)
	if err != nil {
		return nil, "", err
	}
	for _, id := range ids {
		o, err := x.OrganizationAt(ctx, id, m)
		if domain.CodeOf(err) == domain.NotFound {
			continue
		}
		if err != nil {
			return nil, "", err
		}
		if limit > 0 && len(page) == limit {
			return page, list{kind: organizationList}.cursor(page[limit-1].ID[:]), nil
		}
		page = append(page, o)
	}
	return page, "", nil
}

// EventTypeAt is EventType as of a moment, which this node must have reached; false if the organization had not defined
// the type then.
func (x *Fold) EventTypeAt(ctx context.Context, org domain.OrganizationID, name string, m Moment) (e domain.EventType, ok bool, err error) {
	err = x.readFacts(ctx, domain.EventTypeStream(org, name), func(p placed) bool {
		if m.holds(p.Position, p.meta.At) && isTypeOf(p.fact, org, name) {
			if next := e.Apply(p.fact, p.meta); next.Exists() {
				e = next
			}
		}
		return true
	})
	return e, e.Exists(), err
}

// isTypeOf reports whether a fact is about an event type of an organization.
func isTypeOf(f domain.Fact, org domain.OrganizationID, name string) bool {
	switch f := f.(type) {
	case *domain.EventTypeDefined:
		return f.Organization == org && f.Name == name
	case *domain.EventTypeRetired:
		return f.Organization == org && f.Name == name
	}
	return false
}

// EventTypesAt is EventTypes as of a moment, which this node must have reached; NotFound if the organization was not
// registered then.
func (x *Fold) EventTypesAt(ctx context.Context, org domain.OrganizationID, m Moment, limit int, cursor string) (page []domain.EventType, next string, err error) {
	l := list{eventTypeList, org}
	place, err := l.place(cursor)
	if err != nil {
		return nil, "", err
	}
	state, err := x.OrganizationAt(ctx, org, m)
	if err != nil {
		return nil, "", err
	}
	own := map[string]domain.EventType{}
	for _, name := range x.definedTypes(org) {
		e, ok, err := x.EventTypeAt(ctx, org, name, m)
		if err != nil {
			return nil, "", err
		}
		if ok {
			own[name] = e
		}
	}
	page, next = pageOfTypes(l, catalogueOf(state, own), place, limit)
	return page, next, nil
}

// definedTypes are the names of all types that an organization ever defined.
func (x *Fold) definedTypes(org domain.OrganizationID) []string {
	c := x.now().types
	c.mu.RLock()
	defer c.mu.RUnlock()
	return slices.Collect(maps.Keys(c.types[org]))
}

// catalogueOf lists the types that an organization defined, newest first, then those of its profile that it did not.
func catalogueOf(o domain.Organization, own map[string]domain.EventType) []domain.EventType {
	all := slices.SortedFunc(maps.Values(own), func(a, b domain.EventType) int {
		return cmp.Or(b.CreatedAt.Compare(a.CreatedAt), cmp.Compare(a.Name, b.Name))
	})
	for _, e := range o.ProfileEventTypes() {
		if _, redefined := own[e.Name]; !redefined {
			all = append(all, e)
		}
	}
	return all
}

// pageOfTypes takes the page after a place from a catalogue.
func pageOfTypes(l list, all []domain.EventType, place []byte, limit int) (page []domain.EventType, next string) {
	if place != nil {
		all = all[1+slices.IndexFunc(all, func(e domain.EventType) bool { return e.Name == string(place) }):]
	}
	if limit > 0 && len(all) > limit {
		all = all[:limit]
		next = l.cursor([]byte(all[limit-1].Name))
	}
	return all, next
}
