package projections

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
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
	return loadParsed(x, organizationSpace, parseDocument[organizationRow], func(row organizationRow) {
		x.directory.putOrganization(row.State)
		x.directory.organizations[row.State.ID].subscribers.Seen = row.Seen
	})
}

func (x *models) loadKeys() error {
	return loadParsed(x, keySpace, parseDocument[domain.Key], x.keys.put)
}

func (x *models) loadEventTypes() error {
	return loadParsed(x, eventTypeSpace, parseDocument[domain.EventType], x.types.put)
}

// parseDocument reads a row that is a JSON document.
func parseDocument[T any](value []byte) (row T, err error) {
	if err := json.Unmarshal(value, &row); err != nil {
		return row, fmt.Errorf("%w: %w", errRow, err)
	}
	return row, nil
}

func (x *models) loadSubscriptions() error {
	return loadParsed(x, subscriptionSpace, func(value []byte) (r placedSubscription, err error) {
		r.state, r.at, err = parseSubscription(value)
		return r, err
	}, func(r placedSubscription) {
		if !r.state.Deleted {
			x.directory.putSubscription(r.state, r.at)
		}
	})
}

// placedSubscription is a subscription with the place of its last fact.
type placedSubscription struct {
	state *domain.Subscription
	at    eventlog.Position
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

// parsedTogether is how many rows are read before all processors parse them.
const parsedTogether = 4096

// loadParsed reads a keyspace whose rows take longer to parse than to read, and puts them in order.
func loadParsed[T any](x *models, space byte, parse func(value []byte) (T, error), put func(T)) error {
	var values [][]byte
	rows := make([]T, parsedTogether)
	flush := func() error {
		err := parseAll(values, rows, parse)
		if err == nil {
			for i := range values {
				put(rows[i])
			}
		}
		values = values[:0]
		return err
	}
	err := x.loadEach(space, func(_, value []byte) error {
		if values = append(values, bytes.Clone(value)); len(values) < parsedTogether {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

// parseAll parses values into as many rows, on all processors.
func parseAll[T any](values [][]byte, rows []T, parse func(value []byte) (T, error)) error {
	var all errgroup.Group
	share := max(1, (len(values)+runtime.GOMAXPROCS(0)-1)/runtime.GOMAXPROCS(0))
	for from := 0; from < len(values); from += share {
		all.Go(func() (err error) {
			for i := from; i < min(from+share, len(values)) && err == nil; i++ {
				rows[i], err = parse(values[i])
			}
			return err
		})
	}
	return all.Wait()
}
