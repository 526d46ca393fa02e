package projections

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/hooklog/hooklog/domain"
)

// load brings into memory what the models of the given parts hold there.
func (x *models) load(parts partSet) (err error) {
	for p, in := range parts {
		if in && partInfos[p].load != nil {
			err = errors.Join(err, partInfos[p].load(x))
		}
	}
	return err
}

func (x *models) loadCore() error {
	return errors.Join(x.loadOrganizations(), x.loadSubscriptions(), x.loadHealth(), x.loadTold(), x.loadCorrections(), x.loadDue())
}

func (x *models) loadOrganizations() error {
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

func (x *models) loadKeys() error {
	return x.loadEach(keySpace, func(_, value []byte) error {
		var k domain.Key
		if err := json.Unmarshal(value, &k); err != nil {
			return fmt.Errorf("%w: %w", errRow, err)
		}
		x.keys.put(k)
		return nil
	})
}

func (x *models) loadEventTypes() error {
	return x.loadEach(eventTypeSpace, func(_, value []byte) error {
		var e domain.EventType
		if err := json.Unmarshal(value, &e); err != nil {
			return fmt.Errorf("%w: %w", errRow, err)
		}
		x.types.put(e)
		return nil
	})
}

func (x *models) loadSubscriptions() error {
	return x.loadEach(subscriptionSpace, func(_, value []byte) error {
		s, at, err := parseSubscription(value)
		if err == nil && !s.Deleted {
			x.directory.putSubscription(s, at)
		}
		return err
	})
}

func (x *models) loadHealth() error {
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

func (x *models) loadEach(space byte, load func(key, value []byte) error) error {
	prefix := []byte{x.in(space)}
	return x.store.scan(prefix, after(prefix), func(key, value []byte) (bool, error) { return true, load(key, value) })
}
