package projections

import (
	"fmt"
	"sync"

	"github.com/hooklog/hooklog/domain"
)

// catalogue holds the event types that organizations defined. The goroutine that folds is the only one that changes it,
// under mu; it may read without.
type catalogue struct {
	mu    sync.RWMutex
	types map[domain.OrganizationID]map[string]domain.EventType
}

func newCatalogue() *catalogue {
	return &catalogue{types: map[domain.OrganizationID]map[string]domain.EventType{}}
}

// put takes in an event type's state.
func (c *catalogue) put(e domain.EventType) {
	own, ok := c.types[e.Organization]
	if !ok {
		own = map[string]domain.EventType{}
		c.types[e.Organization] = own
	}
	own[e.Name] = e
}

func (x *projector) foldEventType(p placed, org domain.OrganizationID, name string) error {
	if p.Stream != domain.EventTypeStream(org, name) {
		return fmt.Errorf("%w: not the event type's stream", errMisplaced)
	}
	if _, ok := x.directory.organizations[org]; !ok {
		return fmt.Errorf("%w: an event type of no organization", errMisplaced)
	}
	c := x.types
	e := c.types[org][name].Apply(p.fact, p.meta)
	if !e.Exists() {
		return fmt.Errorf("%w: the event type does not exist", errMisplaced)
	}
	c.mu.Lock()
	c.put(e)
	c.mu.Unlock()
	return x.writeJSON(eventTypeKey(x.in(eventTypeSpace), org, name), e)
}

// EventType returns a type that the organization itself defined, retired ones included; not those of its profile.
func (x *Fold) EventType(org domain.OrganizationID, name string) (domain.EventType, bool) {
	c := x.now().types
	c.mu.RLock()
	defer c.mu.RUnlock()
	e, ok := c.types[org][name]
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
	page, next = pageOfTypes(l, x.now().catalogue(org), place, limit)
	return page, next, nil
}

func (x *models) catalogue(org domain.OrganizationID) []domain.EventType {
	state, ok := x.organization(org)
	if !ok {
		return nil
	}
	c := x.types
	c.mu.RLock()
	defer c.mu.RUnlock()
	return catalogueOf(state, c.types[org])
}
