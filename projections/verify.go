package projections

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// Verification is what came of folding a projection again and comparing.
type Verification struct {
	Name string
	// At is the place at which both stood; Facts were folded again up to it, and Rows compared.
	At    eventlog.Position
	Facts uint64
	Rows  uint64
	// Differences are the first that were found, More counts the others.
	Differences []Difference
	More        uint64
	Took        time.Duration
}

// Difference is a row that folding again does not give, or what is held in memory and is not as its row should be.
type Difference struct {
	Projection string
	// Key names the row for people.
	Key string
	// Live is what is served and Again what folding gives; nil where there is no such row. Secrets' hashes and sealed
	// values are shown as digests.
	Live, Again json.RawMessage
}

// Verify folds a projection again from the start of the log, beside the one that is served, up to one place for both,
// and compares them row by row; what is held in memory, too. At most limit differences are listed. Nothing is switched
// or repaired. It is refused with NotFound for an unknown name, with Conflict while a rebuild or another verification
// runs, and it fails when ctx ends.
func (x *Fold) Verify(ctx context.Context, name string, limit int) (v Verification, err error) {
	p, ok := projectionNamed(name)
	if !ok {
		return v, refuseUnknownProjection(name)
	}
	release, err := x.claimShadow(ctx, name)
	if err != nil {
		return v, err
	}
	defer release()
	began := x.Now()
	var parts partSet
	parts[p.part] = true
	parts = parts.withNeeds()
	s, err := x.newShadow(parts, nil)
	if err != nil {
		return v, err
	}
	defer func() { err = errors.Join(err, s.batch.close(), s.drop(parts)) }()
	c := comparison{projection: p, limit: limit, result: Verification{Name: name}}
	s.meet = func() error { c.take(x.projector.models, s); return nil }
	if err := s.run(ctx); err != nil {
		return v, fmt.Errorf("fold %s again: %w", name, err)
	}
	err = errors.Join(c.compare(ctx), c.rows.Close())
	c.result.Took = x.Now().Sub(began)
	x.mismatches.add(name, uint64(len(c.result.Differences))+c.result.More)
	return c.result, err
}

// claimShadow makes the other colours the caller's until it calls release.
func (x *Fold) claimShadow(ctx context.Context, name string) (release func(), err error) {
	r := &x.rebuilds
	r.mu.Lock()
	if err := r.busy(); err != nil {
		r.mu.Unlock()
		return nil, err
	}
	r.verifying = name
	r.mu.Unlock()
	unclaim := func() {
		r.mu.Lock()
		r.verifying = ""
		r.mu.Unlock()
	}
	select {
	case r.shadowing <- struct{}{}: // at once, unless old rows are still read
	case <-ctx.Done():
		unclaim()
		return nil, ctx.Err()
	}
	return func() { <-r.shadowing; unclaim() }, nil
}

// comparison compares a projection as it was at one moment.
type comparison struct {
	projection  projection
	limit       int
	rows        *pebble.Snapshot
	live, again colours
	held        []held
	bounds      map[domain.SubscriptionID]time.Time
	open        checkpoint
	result      Verification
}

// take keeps how both stand. Neither is folding.
func (c *comparison) take(live *models, s *shadow) {
	c.rows = s.store.NewSnapshot()
	c.live, c.again = live.colours, s.colours
	c.held = live.holds(c.projection.name)
	if c.projection.name == "due" {
		c.bounds = live.due.bounds()
		c.open = checkpoint{open: live.due.open.Load(), unsent: live.due.unsent.Load()}
	}
	c.result.At, c.result.Facts = s.progress.reached(), s.progress.facts.Load()
}

func (c *comparison) compare(ctx context.Context) error {
	for _, space := range c.projection.spaces {
		if err := c.compareRows(ctx, space); err != nil {
			return err
		}
	}
	for _, h := range c.held {
		if err := c.compareHeld(ctx, h); err != nil {
			return err
		}
	}
	if c.bounds != nil {
		return c.compareDue()
	}
	return nil
}

// differ notes a difference.
func (c *comparison) differ(key string, live, again json.RawMessage) {
	if len(c.result.Differences) >= c.limit {
		c.result.More++
		return
	}
	c.result.Differences = append(c.result.Differences, Difference{c.projection.name, key, live, again})
}

// rowsOf walks over the rows of a keyspace, with keys that lack their first byte.
type rowsOf struct {
	it  *pebble.Iterator
	ok  bool
	bad error // the first failure to read a value
}

func (c *comparison) rowsOf(space byte, in colours) (*rowsOf, error) {
	first := space | in[space]
	it, err := c.rows.NewIter(&pebble.IterOptions{LowerBound: []byte{first}, UpperBound: []byte{first + 1}})
	if err != nil {
		return nil, fmt.Errorf("compare the read models: %w", err)
	}
	return &rowsOf{it: it, ok: it.First()}, nil
}

// compareRows compares a keyspace in both colours.
func (c *comparison) compareRows(ctx context.Context, space byte) error {
	live, err := c.rowsOf(space, c.live)
	if err != nil {
		return err
	}
	again, err := c.rowsOf(space, c.again)
	if err != nil {
		return errors.Join(err, live.end())
	}
	for (live.ok || again.ok) && ctx.Err() == nil {
		c.result.Rows++
		order := compareRest(live, again)
		var liveValue, againValue json.RawMessage
		rest := live.rest()
		if order > 0 {
			rest = again.rest()
		}
		differ := order != 0 || !bytes.Equal(live.value(), again.value())
		if differ && order <= 0 {
			liveValue = showValue(space, rest, live.value())
		}
		if differ && order >= 0 {
			againValue = showValue(space, rest, again.value())
		}
		if differ {
			c.differ(showKey(space, rest), liveValue, againValue)
		}
		if order <= 0 {
			live.next()
		}
		if order >= 0 {
			again.next()
		}
	}
	return errors.Join(ctx.Err(), live.end(), again.end())
}

func (r *rowsOf) next() { r.ok = r.it.Next() && r.bad == nil }

func (r *rowsOf) rest() []byte {
	if !r.ok {
		return nil
	}
	return r.it.Key()[1:]
}

func (r *rowsOf) value() []byte {
	value, err := r.it.ValueAndErr()
	r.bad = errors.Join(r.bad, err)
	return value
}

// end releases the rows and says what went wrong while they were read.
func (r *rowsOf) end() error { return errors.Join(r.bad, r.it.Error(), r.it.Close()) }

// compareRest orders two places; who is at the end comes last.
func compareRest(a, b *rowsOf) int {
	switch {
	case !a.ok:
		return 1
	case !b.ok:
		return -1
	}
	return bytes.Compare(a.rest(), b.rest())
}

// compareHeld compares what is held in memory with the rows that folding again gave.
func (c *comparison) compareHeld(ctx context.Context, h held) error {
	again, err := c.rowsOf(h.space, c.again)
	if err != nil {
		return err
	}
	for ; again.ok && ctx.Err() == nil; again.next() {
		c.result.Rows++
		rest, value := again.rest(), again.value()
		text, holds := h.rows[string(rest)]
		delete(h.rows, string(rest))
		if !holds && h.mayLack(rest, value) {
			continue
		}
		var live []byte
		if holds {
			if live, err = text(); err != nil {
				break
			}
		}
		if !holds {
			c.differ(inMemory(h.space, rest), nil, showValue(h.space, rest, value))
		} else if !bytes.Equal(live, value) {
			c.differ(inMemory(h.space, rest), showValue(h.space, rest, live), showValue(h.space, rest, value))
		}
	}
	err = errors.Join(err, ctx.Err(), again.end())
	for key, text := range h.rows { // what folding does not give
		live, wrong := text()
		err = errors.Join(err, wrong)
		if h.space == healthSpace && bytes.Equal(live, appendHealth(nil, domain.Health{})) {
			continue // has no row before the first failure
		}
		c.differ(inMemory(h.space, []byte(key)), showValue(h.space, []byte(key), live), nil)
	}
	return err
}

func inMemory(space byte, rest []byte) string { return showKey(space, rest) + " (in memory)" }

// mayLack reports whether a row's being missing in memory is as it should be.
func (h held) mayLack(_, value []byte) bool {
	switch h.space {
	case subscriptionSpace:
		s, _, err := parseSubscription(value)
		return err == nil && s.Deleted
	case correctionSpace:
		return len(value) == 0
	}
	return h.partly
}

// compareDue compares the due index's memory with the rows that folding again gave: every subscription that has a row
// must have an entry that is not later, and the counts must be right.
func (c *comparison) compareDue() error {
	again, err := c.rowsOf(dueSpace, c.again)
	if err != nil {
		return err
	}
	var counted checkpoint
	var last domain.SubscriptionID
	for ; again.ok; again.next() {
		sub, at, _, good := parseDueKey(again.it.Key())
		unsent, _, err := parseDueValue(again.value())
		if !good || err != nil {
			return errors.Join(errRow, again.end())
		}
		counted.open++
		if unsent {
			counted.unsent++
		}
		if bound, ok := c.bounds[sub]; sub != last && (!ok || bound.After(at)) {
			c.differ("earliest due of "+sub.String()+" (in memory)", showTime(bound, ok), showTime(at, true))
		}
		last = sub
	}
	if counted.open != c.open.open || counted.unsent != c.open.unsent {
		c.differ("open and unsent deliveries (counts)", showCounts(c.open), showCounts(counted))
	}
	return again.end()
}

func showTime(t time.Time, ok bool) json.RawMessage {
	if !ok {
		return nil
	}
	return json.RawMessage(`"` + t.UTC().Format(time.RFC3339Nano) + `"`)
}

func showCounts(c checkpoint) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"open":%d,"unsent":%d}`, c.open, c.unsent))
}
