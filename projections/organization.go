package projections

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/hooklog/hooklog/domain"
)

// organizationRow is an organization in the store.
type organizationRow struct {
	State domain.Organization `json:"state"`
	// Seen counts the facts of its subscriptions.
	Seen uint64 `json:"seen"`
}

func (x *projector) foldOrganization(p placed) error {
	id, ok := domain.OrganizationOfStream(p.Stream)
	if !ok {
		return fmt.Errorf("%w: not an organization's stream", errMisplaced)
	}
	d := x.directory
	state := domain.Organization{ID: id}
	if o, ok := d.organizations[id]; ok {
		state = o.state
	}
	state, err := nextOrganization(state, p)
	if err != nil {
		return err
	}
	d.mu.Lock()
	d.putOrganization(state)
	d.mu.Unlock()
	if _, closes := p.fact.(*domain.OrganizationClosed); closes {
		for _, sub := range d.organizations[id].members {
			if err := x.dropDue(sub); err != nil {
				return err
			}
		}
	}
	return x.writeOrganization(id)
}

// nextOrganization applies a fact to an organization.
func nextOrganization(o domain.Organization, p placed) (domain.Organization, error) {
	if _, begins := p.fact.(*domain.OrganizationRegistered); begins == o.Exists() {
		return o, fmt.Errorf("%w: the organization exists already, or not yet", errMisplaced)
	}
	return o.Apply(p.fact, p.meta), nil
}

func (x *projector) writeOrganization(id domain.OrganizationID) error {
	o := x.directory.organizations[id]
	return x.writeJSON(organizationKey(x.in(organizationSpace), id), organizationRow{o.state, o.subscribers.Seen})
}

// writeJSON writes a row that holds a document.
func (x *projector) writeJSON(key []byte, row any) error {
	text, err := json.Marshal(row)
	if err != nil {
		return fmt.Errorf("%w: encode a row: %w", errStore, err)
	}
	return x.batch.set(key, text)
}

// Organization returns an organization that was registered.
func (x *Fold) Organization(id domain.OrganizationID) (domain.Organization, bool) {
	return x.now().organization(id)
}

func (x *models) organization(id domain.OrganizationID) (domain.Organization, bool) {
	d := x.directory
	d.mu.RLock()
	defer d.mu.RUnlock()
	if o, ok := d.organizations[id]; ok && o.state.Exists() {
		return o.state, true
	}
	return domain.Organization{}, false
}

// OrganizationBySlug returns the organization that was registered under a slug.
func (x *Fold) OrganizationBySlug(slug string) (domain.Organization, bool) {
	d := x.now().directory
	d.mu.RLock()
	defer d.mu.RUnlock()
	id, ok := d.slugs[slug]
	if !ok {
		return domain.Organization{}, false
	}
	return d.organizations[id].state, true
}

// Organizations lists all organizations, newest first; limit 0 is all. next is empty on the last page.
func (x *Fold) Organizations(limit int, cursor string) (page []domain.Organization, next string, err error) {
	d := x.now().directory
	d.mu.RLock()
	defer d.mu.RUnlock()
	ids, next, err := pageOfIDs(list{kind: organizationList}, d.registered, limit, cursor)
	for _, id := range ids {
		page = append(page, d.organizations[id].state)
	}
	return page, next, err
}

// pageOfIDs takes a page from an ascending list, beginning at its end.
func pageOfIDs[T ~[idSize]byte](l list, ids []T, limit int, cursor string) (page []T, next string, err error) {
	place, err := l.place(cursor)
	if err != nil {
		return nil, "", err
	}
	end := len(ids)
	if place != nil {
		if len(place) != idSize {
			return nil, "", domain.Refuse(domain.BadCursor, "the cursor is malformed")
		}
		end, _ = slices.BinarySearchFunc(ids, T(place), compareIDs[T])
	}
	begin := 0
	if limit > 0 {
		begin = max(0, end-limit)
	}
	page = slices.Clone(ids[begin:end])
	slices.Reverse(page)
	if begin > 0 {
		last := [idSize]byte(page[len(page)-1])
		next = l.cursor(last[:])
	}
	return page, next, nil
}
