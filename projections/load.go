package projections

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hooklog/hooklog/domain"
)

// loadDirectory brings into memory what the directory holds.
func (x *Fold) loadDirectory() error {
	return errors.Join(x.loadOrganizations(), x.loadKeys(), x.loadEventTypes(), x.loadSubscriptions(), x.loadHealth())
}

func (x *Fold) loadOrganizations() error {
	return x.loadEach(organizationSpace, func(_, value []byte) error {
		var row organizationRow
		if err := json.Unmarshal(value, &row); err != nil {
			return fmt.Errorf("%w: %w", errRow, err)
		}
		x.directory.putOrganization(row.State)
		x.directory.organizations[row.State.ID].subscribers.Seen = row.Seen
		return nil
	})
}

func (x *Fold) loadKeys() error {
	return x.loadEach(keySpace, func(_, value []byte) error {
		var k domain.Key
		if err := json.Unmarshal(value, &k); err != nil {
			return fmt.Errorf("%w: %w", errRow, err)
		}
		x.directory.putKey(k)
		return nil
	})
}

func (x *Fold) loadEventTypes() error {
	return x.loadEach(eventTypeSpace, func(_, value []byte) error {
		var e domain.EventType
		if err := json.Unmarshal(value, &e); err != nil {
			return fmt.Errorf("%w: %w", errRow, err)
		}
		x.directory.organization(e.Organization).types[e.Name] = e
		return nil
	})
}

func (x *Fold) loadSubscriptions() error {
	return x.loadEach(subscriptionSpace, func(_, value []byte) error {
		s, at, err := parseSubscription(value)
		if err == nil && !s.Deleted {
			x.directory.putSubscription(s, at)
		}
		return err
	})
}

func (x *Fold) loadHealth() error {
	return x.loadEach(healthSpace, func(key, value []byte) error {
		if len(key) != 1+idSize {
			return errRow
		}
		id := domain.SubscriptionID(key[1:])
		h, err := parseHealth(value)
		if s, ok := x.directory.subscriptions[id]; ok && err == nil {
			x.directory.putHealth(id, s, h)
		}
		return err
	})
}

func (x *Fold) loadEach(space byte, load func(key, value []byte) error) error {
	prefix := []byte{space}
	return x.store.scan(prefix, after(prefix), func(key, value []byte) (bool, error) { return true, load(key, value) })
}
