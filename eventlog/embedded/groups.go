package embedded

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"
	"github.com/hooklog/hooklog/eventlog"
)

// groups are the consumer groups that were asked for since the log was opened.
type groups struct {
	log   *Log
	tasks sync.WaitGroup // the goroutines of the groups

	mu     sync.Mutex // held while a group is loaded or made, so that there is one of each
	byName map[string]*group
	closed bool
}

func newGroups(l *Log) *groups { return &groups{log: l, byName: make(map[string]*group)} }

// close waits until every group has stored its state.
func (gs *groups) close() error {
	gs.mu.Lock()
	gs.closed = true
	all := gs.byName
	gs.mu.Unlock()
	gs.tasks.Wait()
	var err error
	for _, g := range all {
		err = errors.Join(err, g.closeErr)
	}
	return err
}

// load finds a group; [eventlog.ErrNoGroup] if there is none.
func (gs *groups) load(name string) (*group, error) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	return gs.loadLocked(name)
}

func (gs *groups) loadLocked(name string) (*group, error) {
	if g := gs.byName[name]; g != nil {
		return g, nil
	}
	if err := gs.log.enter(); err != nil {
		return nil, err
	}
	defer gs.log.leave()
	v, found, err := gs.log.value(groupKey(name))
	if err != nil {
		return nil, fmt.Errorf("load consumer group %s: %w", name, err)
	}
	if !found {
		return nil, fmt.Errorf("%w: %s", eventlog.ErrNoGroup, name)
	}
	settings, checkpoint, err := decodeGroup(name, v)
	if err != nil {
		return nil, err
	}
	parked, err := gs.log.countParked(name)
	if err != nil {
		return nil, fmt.Errorf("load consumer group %s: %w", name, err)
	}
	return gs.startLocked(settings, checkpoint, parked)
}

func (gs *groups) startLocked(settings eventlog.Group, checkpoint uint64, parked int) (*group, error) {
	if gs.closed {
		return nil, eventlog.ErrClosed
	}
	g := newGroup(gs.log, settings, checkpoint, parked)
	gs.byName[settings.Name] = g
	if !gs.log.opts.ReadOnly {
		gs.tasks.Add(1)
		go func() {
			defer gs.tasks.Done()
			g.run(gs.log.life)
		}()
	}
	return g, nil
}

// join finds a group or makes it at the head.
func (gs *groups) join(settings eventlog.Group) (*group, error) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	g, err := gs.loadLocked(settings.Name)
	if errors.Is(err, eventlog.ErrNoGroup) {
		return gs.makeLocked(settings)
	}
	if err != nil {
		return nil, err
	}
	if !g.settings.SameSettings(settings) {
		return nil, fmt.Errorf("%w: %s", eventlog.ErrGroupDiffers, settings.Name)
	}
	return g, nil
}

func (gs *groups) makeLocked(settings eventlog.Group) (*group, error) {
	if err := gs.log.enter(); err != nil {
		return nil, err
	}
	defer gs.log.leave()
	settings.TypePrefixes = slices.Clone(settings.TypePrefixes)
	head := gs.log.tail.position()
	batch := gs.log.db.NewBatch()
	defer batch.Close()
	err := batch.Set(groupKey(settings.Name), encodeGroup(settings, head), nil)
	if err == nil {
		err = gs.log.commit(batch, true)
	}
	if err != nil {
		return nil, fmt.Errorf("make consumer group %s: %w", settings.Name, err)
	}
	return gs.startLocked(settings, head, 0)
}

// countParked counts the parked events of a group.
func (l *Log) countParked(name string) (n int, err error) {
	err = l.each(parkedSpace, name, 0, math.MaxInt, func(uint64, []byte) error {
		n++
		return nil
	})
	return n, err
}

// each visits the events of a name in one of the group spaces that come after a position, at most limit of them. The
// value is valid during the visit.
func (l *Log) each(space byte, name string, after uint64, limit int, visit func(position uint64, value []byte) error) (err error) {
	_, past := namedBounds(space, name)
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: namedKey(nil, space, name, after+1), UpperBound: past})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok && limit > 0; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		_, position, err := parseNamedKey(it.Key())
		if err != nil {
			return err
		}
		if err := visit(position, value); err != nil {
			return err
		}
		limit--
	}
	return it.Error()
}

// Consume implements [eventlog.Groups]. An event for which Retry was answered waits 100 ms for each time it was handed
// out, at most a second. The verdict of a handler that took longer than the timeout is ignored; so is that of a
// consumer that has left, unless the event has not been handed to anybody else: then it counts, so that a
// service that stops in good order repeats nothing.
func (l *Log) Consume(ctx context.Context, settings eventlog.Group, buffer int, handle func(context.Context, eventlog.Handed) eventlog.Verdict) error {
	if err := errors.Join(eventlog.CheckGroup(settings, buffer), ctx.Err()); err != nil {
		return err
	}
	if l.opts.ReadOnly {
		return ErrReadOnly
	}
	g, err := l.groups.join(settings)
	if err != nil {
		return err
	}
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.life, cancel)()
	c := &consumer{group: g, ctx: inner, buffer: buffer, handle: handle}
	g.add(c)
	select {
	case <-inner.Done():
	case <-g.broken:
		cancel()
	}
	g.remove(c)
	c.handlers.Wait()
	if err := ctx.Err(); err != nil {
		return err
	}
	if l.life.Err() != nil {
		return eventlog.ErrClosed
	}
	return g.brokenBy()
}

// Stats implements [eventlog.Groups].
func (l *Log) Stats(ctx context.Context, name string) (eventlog.GroupStats, error) {
	if err := errors.Join(ctx.Err(), l.usableNow()); err != nil {
		return eventlog.GroupStats{}, err
	}
	g, err := l.groups.load(name)
	if err != nil {
		return eventlog.GroupStats{}, err
	}
	return g.stats(), nil
}

// ReplayParked implements [eventlog.Groups]. A replayed event has a new set of retries.
func (l *Log) ReplayParked(ctx context.Context, name string) (int, error) {
	if err := errors.Join(ctx.Err(), l.usableNow()); err != nil {
		return 0, err
	}
	if l.opts.ReadOnly {
		return 0, ErrReadOnly
	}
	g, err := l.groups.load(name)
	if err != nil {
		return 0, err
	}
	if err := l.enter(); err != nil {
		return 0, err
	}
	defer l.leave()
	n, err := g.replay()
	if err != nil {
		return n, fmt.Errorf("replay the parked events of %s: %w", name, err)
	}
	return n, nil
}
