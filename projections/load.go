package projections

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// load brings into memory what the models of the given parts hold there. No two parts hold anything together.
func (x *models) load(parts partSet) error {
	var all errgroup.Group
	for p, in := range parts {
		if load := partInfos[p].load; in && load != nil {
			all.Go(func() error { return load(x) })
		}
	}
	return all.Wait()
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
	return loadParsed(x, eventTypeSpace, parseEventType, func(e *domain.EventType) { x.types.put(*e) })
}

// parseDocument reads a row that is a JSON document.
func parseDocument[T any](value []byte) (row T, err error) {
	if err := json.Unmarshal(value, &row); err != nil {
		return row, fmt.Errorf("%w: %w", errRow, err)
	}
	return row, nil
}

func parseEventType(value []byte) (*domain.EventType, error) {
	e, err := domain.ReadEventType(value)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errRow, err)
	}
	return e, nil
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

// loadParsed reads a keyspace whose rows take longer to parse than to read, and puts them in order. What parse returns
// does not hold on to the value.
func loadParsed[T any](x *models, space byte, parse func(value []byte) (T, error), put func(T)) error {
	var values values
	rows := make([]T, parsedTogether)
	flush := func() error {
		err := parseAll(&values, rows, parse)
		if err == nil {
			for i := range values.len() {
				put(rows[i])
			}
		}
		values.reset()
		return err
	}
	err := x.loadEach(space, func(_, value []byte) error {
		if values.add(value); values.len() < parsedTogether {
			return nil
		}
		return flush()
	})
	if err != nil {
		return err
	}
	return flush()
}

// values are copies of the values of rows, one behind the other in memory that is used again.
type values struct {
	bytes []byte
	ends  []int
}

func (v *values) len() int { return len(v.ends) }

func (v *values) add(value []byte) {
	v.bytes = append(v.bytes, value...)
	v.ends = append(v.ends, len(v.bytes))
}

func (v *values) at(i int) []byte {
	if i == 0 {
		return v.bytes[:v.ends[0]]
	}
	return v.bytes[v.ends[i-1]:v.ends[i]]
}

func (v *values) reset() { v.bytes, v.ends = v.bytes[:0], v.ends[:0] }

// parseAll parses values into as many rows, on all processors.
func parseAll[T any](values *values, rows []T, parse func(value []byte) (T, error)) error {
	var all errgroup.Group
	share := max(1, (values.len()+runtime.GOMAXPROCS(0)-1)/runtime.GOMAXPROCS(0))
	for from := 0; from < values.len(); from += share {
		all.Go(func() (err error) {
			for i := from; i < min(from+share, values.len()) && err == nil; i++ {
				rows[i], err = parse(values.at(i))
			}
			return err
		})
	}
	return all.Wait()
}
