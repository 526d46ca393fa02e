package projections

import (
	"encoding/json"
	"maps"
	"time"

	"github.com/hooklog/hooklog/domain"
)

// held is what a projection holds in memory, as rows: by keyspace and key, without its first byte. What is looked at
// later was copied while the fold stood still.
type held struct {
	space byte
	rows  map[string]func() ([]byte, error)
	// partly says that memory need not hold everything that has a row.
	partly bool
}

// holds copies what a projection holds in memory of its keyspaces; nothing for one that holds nothing. Nothing is folded
// meanwhile.
func (m *models) holds(name string) (all []held) {
	switch name {
	case "organizations":
		return []held{m.holdsOrganizations()}
	case "keys":
		return []held{m.holdsKeys()}
	case "catalogue":
		return []held{m.holdsTypes()}
	case "subscriptions":
		return []held{m.holdsSubscriptions(), m.holdsHealth()}
	case "deliveries":
		return []held{m.holdsRecent()}
	case "corrections":
		return []held{m.holdsCorrections()}
	case "recoveries":
		return []held{m.holdsRecoveries()}
	case "notices":
		return []held{m.holdsTold()}
	case "audit":
		return []held{m.holdsAudit()}
	}
	return nil
}

func document(of any) func() ([]byte, error) {
	return func() ([]byte, error) { return json.Marshal(of) }
}

func (m *models) holdsOrganizations() held {
	h := held{space: organizationSpace, rows: map[string]func() ([]byte, error){}}
	for id, o := range m.directory.organizations {
		h.rows[string(id[:])] = document(organizationRow{o.state, o.subscribers.Seen})
	}
	return h
}

func (m *models) holdsKeys() held {
	h := held{space: keySpace, rows: map[string]func() ([]byte, error){}}
	for id, k := range m.keys.keys {
		h.rows[string(id)] = document(k)
	}
	return h
}

func (m *models) holdsTypes() held {
	h := held{space: eventTypeSpace, rows: map[string]func() ([]byte, error){}}
	for org, types := range m.types.types {
		for name, e := range types {
			h.rows[string(org[:])+name] = document(e)
		}
	}
	return h
}

// holdsSubscriptions leaves the deleted ones away.
func (m *models) holdsSubscriptions() held {
	h := held{space: subscriptionSpace, rows: map[string]func() ([]byte, error){}, partly: true}
	for id, s := range m.directory.subscriptions {
		state, at := s.state, s.at
		h.rows[string(id[:])] = func() ([]byte, error) { return subscriptionRow(state, at) }
	}
	return h
}

func (m *models) holdsHealth() held {
	h := held{space: healthSpace, rows: map[string]func() ([]byte, error){}, partly: true}
	for id, s := range m.directory.subscriptions {
		health := s.health
		h.rows[string(id[:])] = func() ([]byte, error) { return appendHealth(nil, health), nil }
	}
	return h
}

func (m *models) holdsCorrections() held {
	h := held{space: correctionSpace, rows: map[string]func() ([]byte, error){}, partly: true}
	for id, c := range maps.All(m.directory.corrections) {
		h.rows[string(id[:])] = func() ([]byte, error) { return c.append(nil), nil }
	}
	return h
}

func (m *models) holdsRecent() held {
	h := held{space: deliverySpace, rows: map[string]func() ([]byte, error){}, partly: true}
	for r := range m.recent.all() {
		key := appendDeliveryKey(nil, 0, r.Of.Subscription, r.Of.PublishedAt.UnixMilli(), r.id)
		h.rows[string(key[1:])] = func() ([]byte, error) { return r.append(nil), nil }
	}
	return h
}

// bounds copies the due index's entries.
func (x *dueIndex) bounds() map[domain.SubscriptionID]time.Time {
	x.mu.Lock()
	defer x.mu.Unlock()
	all := make(map[domain.SubscriptionID]time.Time, len(x.entries))
	for id, e := range x.entries {
		all[id] = e.bound
	}
	return all
}
