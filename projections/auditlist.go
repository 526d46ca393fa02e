package projections

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// auditQuery finds the positions of facts that are in certain lists, block by block. It is good for one look at the
// store, while its models stand.
type auditQuery struct {
	models *models
	view   *auditOpen
	filter *FactFilter
	// sides are the lists of each condition: a fact must be in one list of every side.
	sides [][]*auditList
	it    *pebble.Iterator
	// seeks counts the look-ups of rows.
	seeks int
}

// auditList is one list and where the query stands in it.
type auditList struct {
	prefix []byte
	// block is the next one that the list has a row for, in the query's direction, if found.
	block  uint64
	found  bool
	sought bool
	value  []byte
}

func (m *models) auditQuery(f *FactFilter) (*auditQuery, error) {
	q := &auditQuery{models: m, view: m.audit.view.Load(), filter: f}
	space := m.in(auditSpace)
	it, err := m.store.NewIter(&pebble.IterOptions{LowerBound: []byte{space}, UpperBound: []byte{space + 1}})
	if err != nil {
		return nil, fmt.Errorf("read the audit index: %w", err)
	}
	q.it = it
	q.sides = f.lists(space)
	return q, nil
}

func (q *auditQuery) close() error { return q.it.Close() }

// lists names the lists that a filter leads to. A subscription belongs to one organization, so its own list is enough.
func (f *FactFilter) lists(space byte) (sides [][]*auditList) {
	side := func(prefixes ...[]byte) {
		lists := make([]*auditList, len(prefixes))
		for i, p := range prefixes {
			lists[i] = &auditList{prefix: p}
		}
		sides = append(sides, lists)
	}
	if !f.Subscription.IsZero() {
		side(factsOfSubscription(space, f.Subscription))
	} else if f.Organizations != nil {
		var prefixes [][]byte
		for _, id := range f.Organizations {
			prefixes = append(prefixes, factsOfOrganization(space, id))
		}
		side(prefixes...)
	}
	if len(f.Types) > 0 {
		var prefixes [][]byte
		for _, name := range f.Types {
			prefixes = append(prefixes, factsOfType(space, name))
		}
		side(prefixes...)
	}
	if len(sides) == 0 {
		side([]byte{space, auditAll})
	}
	return sides
}

// next finds the first full block from a given one on, in the filter's direction, in which every side has something.
// It looks at no more than budget blocks; at is then where to go on and more is true.
func (q *auditQuery) next(from uint64, budget int) (at uint64, found, more bool, err error) {
	at = from
	for range budget {
		again := false
		for _, side := range q.sides {
			block, ok, err := q.nearest(side, at)
			if err != nil || !ok || block >= q.view.number {
				return at, false, false, err
			}
			again = again || block != at
			at = block
		}
		if !again {
			return at, true, false, nil
		}
	}
	return at, false, true, nil
}

// nearest is the nearest block from a given one on for which a side has a row.
func (q *auditQuery) nearest(side []*auditList, from uint64) (block uint64, found bool, err error) {
	for _, l := range side {
		if err := q.seek(l, from); err != nil {
			return 0, false, err
		}
		if l.found && (!found || q.before(l.block, block)) {
			block, found = l.block, true
		}
	}
	return block, found, nil
}

// before tells which of two blocks comes first in the filter's direction.
func (q *auditQuery) before(a, b uint64) bool {
	if q.filter.Newest {
		return a > b
	}
	return a < b
}

// seek moves a list to its nearest block from a given one on.
func (q *auditQuery) seek(l *auditList, from uint64) error {
	if l.sought && (!l.found || !q.before(l.block, from)) {
		return nil
	}
	q.seeks++
	l.sought, l.found = true, false
	ok := false
	switch {
	case !q.filter.Newest:
		ok = q.it.SeekGE(blockKey(l.prefix, from))
	case from == math.MaxUint64:
		ok = q.it.SeekLT(after(l.prefix))
	default:
		ok = q.it.SeekLT(blockKey(l.prefix, from+1))
	}
	if !ok {
		return q.it.Error()
	}
	rest, mine := bytes.CutPrefix(q.it.Key(), l.prefix)
	if !mine || len(rest) != 8 {
		return nil
	}
	value, err := q.it.ValueAndErr()
	if err != nil {
		return fmt.Errorf("read the audit index: %w", err)
	}
	l.block, l.found, l.value = binary.BigEndian.Uint64(rest), true, append(l.value[:0], value...)
	return nil
}

// positions are those of a block that are in one list of every side, in the order of the log. Where no fact of a side
// can be of the times asked for there are none.
func (q *auditQuery) positions(block uint64) (common []eventlog.Position, err error) {
	for i, side := range q.sides {
		var some []eventlog.Position
		lists := 0
		for _, l := range side {
			if !l.found || l.block != block {
				continue
			}
			span, in := parseAuditRow(l.value)
			if !q.filter.mayBe(span) {
				continue
			}
			lists++
			for at := (eventlog.Position{}); len(in.rest) > 0 && !in.bad; {
				at = in.step(at)
				some = append(some, at)
			}
			if err := in.end(); err != nil {
				return nil, err
			}
		}
		if lists > 1 {
			slices.SortFunc(some, eventlog.Position.Compare)
			some = slices.Compact(some)
		}
		if i == 0 {
			common = some
		} else {
			common = intersect(common, some)
		}
	}
	return common, nil
}

// intersect returns what is in both of two ascending lists, in the place of the first.
func intersect(a, b []eventlog.Position) []eventlog.Position {
	both := a[:0]
	for _, at := range a {
		for len(b) > 0 && at.After(b[0]) {
			b = b[1:]
		}
		if len(b) > 0 && at == b[0] {
			both = append(both, at)
		}
	}
	return both
}

// openPositions are those of the block that is not full, in the order of the log.
func (q *auditQuery) openPositions() (found []eventlog.Position) {
	v, f := q.view, q.filter
	types := numbersOf(v.types.names, f.Types)
	organizations := numbersOf(v.organizations.names, f.Organizations)
	var subscriptions map[int]bool
	if !f.Subscription.IsZero() {
		subscriptions = numbersOf(v.subscriptions.names, []domain.SubscriptionID{f.Subscription})
	}
	for i := range v.facts {
		fact := &v.facts[i]
		if (types == nil || types[fact.typ]) && (organizations == nil || organizations[fact.organization]) &&
			(subscriptions == nil || subscriptions[fact.subscription]) && f.mayBe(auditSpan{fact.micros, fact.micros}) {
			found = append(found, fact.at)
		}
	}
	return found
}

// numbersOf are the numbers of those of the names that are wanted; nil if all are.
func numbersOf[T comparable](names, wanted []T) map[int]bool {
	if wanted == nil {
		return nil
	}
	numbers := map[int]bool{}
	for i, name := range names {
		if slices.Contains(wanted, name) {
			numbers[i+1] = true
		}
	}
	return numbers
}

// blockOf finds the block of a position: the last one that does not begin behind it.
func (q *auditQuery) blockOf(at eventlog.Position) (uint64, error) {
	if n := len(q.view.facts); n > 0 && !q.view.facts[0].at.After(at) {
		return q.view.number, nil
	}
	low, high := uint64(0), q.view.number // the block is in [low, high)
	for low+1 < high {
		middle := low + (high-low)/2
		first, err := q.firstOf(middle)
		if err != nil {
			return 0, err
		}
		if first.After(at) {
			high = middle
		} else {
			low = middle
		}
	}
	return low, nil
}

// firstOf returns the position of the first fact of a full block.
func (q *auditQuery) firstOf(block uint64) (eventlog.Position, error) {
	q.seeks++
	value, ok, err := q.models.store.value(blockKey([]byte{q.models.in(auditSpace), auditAll}, block))
	if err != nil || !ok {
		return eventlog.Position{}, errors.Join(err, fmt.Errorf("block %d of the audit index: %w", block, errRow))
	}
	_, in := parseAuditRow(value)
	at := in.step(eventlog.Position{})
	if in.bad {
		return at, errRow
	}
	return at, nil
}
