package projections

import (
	"slices"

	"github.com/hooklog/hooklog/domain"
)

func appendClientKey(b []byte, space byte, org domain.OrganizationID, client string) []byte {
	return append(append(append(b, space), org[:]...), client...)
}

// noteClient lists a folder that a message named. That it may be listed already is not looked up: its row says nothing.
func (x *projector) noteClient(org domain.OrganizationID, client string) error {
	if client == "" || !x.folds[clientsPart] {
		return nil
	}
	b := x.batch
	b.key = appendClientKey(b.key[:0], x.in(clientSpace), org, client)
	return b.set(b.key, nil)
}

func showClientKey(rest []byte) string {
	if len(rest) < idSize {
		return ""
	}
	return "client " + string(rest[idSize:]) + " of " + domain.OrganizationID(rest[:idSize]).String()
}

// Clients lists, by name, the folders that an organization's messages and its subscriptions name, the first limit of them.
func (x *Fold) Clients(org domain.OrganizationID, limit int) (names []string, err error) {
	m := x.reading()
	defer m.done()
	prefix := organizationKey(m.in(clientSpace), org)
	err = m.store.scan(prefix, after(prefix), func(key, _ []byte) (bool, error) {
		names = append(names, string(key[len(prefix):]))
		return len(names) < limit, nil
	})
	if err != nil {
		return nil, err
	}
	d := m.directory
	d.mu.RLock()
	if o, ok := d.organizations[org]; ok {
		for _, id := range o.members {
			names = append(names, d.subscriptions[id].state.Clients...)
		}
	}
	d.mu.RUnlock()
	slices.Sort(names)
	names = slices.Compact(names)
	return names[:min(limit, len(names))], nil
}
