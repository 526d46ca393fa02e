package esdbserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/hooklog/hooklog/eventlog"
)

// groups are the persistent subscriptions. They are loaded when the server starts and kept in notes.
type groups struct {
	server *Server

	change sync.Mutex // held while a group is made, changed or removed; before mu
	mu     sync.Mutex
	byKey  map[groupKey]*group
	order  []groupKey // as they were made, or as they were loaded
}

func newGroups(s *Server) *groups { return &groups{server: s, byKey: make(map[groupKey]*group)} }

var (
	errNoGroup     = errors.New("the persistent subscription does not exist")
	errGroupExists = errors.New("the persistent subscription exists")
)

// settingsError says that a group cannot be made as it was asked for.
type settingsError struct{ error }

// load takes the groups out of their notes.
func (gs *groups) load(ctx context.Context) error {
	gs.change.Lock()
	defer gs.change.Unlock()
	for note, err := range gs.server.config.Log.Notes(ctx, groupNotes) {
		var k keptGroup
		if err == nil {
			err = json.Unmarshal(note.Content, &k)
		}
		if err == nil {
			err = gs.open(ctx, groupKey{k.Stream, k.Group}, k.Settings)
		}
		if err != nil {
			return fmt.Errorf("load the persistent subscriptions: %w", err)
		}
	}
	return nil
}

// open sets a group going that is kept.
func (gs *groups) open(ctx context.Context, key groupKey, with settings) error {
	stored, err := gs.server.progressOf(ctx, key)
	if err != nil {
		return err
	}
	gone, err := gs.server.parkedGone(ctx, key)
	if err != nil {
		return err
	}
	g, err := newGroup(gs.server, key, with, stored, gone)
	if err != nil {
		return fmt.Errorf("group %s: %w", key, err)
	}
	gs.mu.Lock()
	defer gs.mu.Unlock()
	if gs.byKey[key] == nil {
		gs.order = append(gs.order, key)
	}
	gs.byKey[key] = g
	return nil
}

// close ends every group, storing how far it has come.
func (gs *groups) close() error {
	gs.change.Lock()
	defer gs.change.Unlock()
	var err error
	for _, g := range gs.all() {
		err = errors.Join(err, g.close())
	}
	return err
}

func (gs *groups) all() []*group {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	all := make([]*group, 0, len(gs.order))
	for _, key := range gs.order {
		all = append(all, gs.byKey[key])
	}
	return all
}

func (gs *groups) find(key groupKey) (*group, error) {
	gs.mu.Lock()
	defer gs.mu.Unlock()
	if g := gs.byKey[key]; g != nil {
		return g, nil
	}
	return nil, errNoGroup
}

// create makes a group that begins at a place which start finds.
func (gs *groups) create(ctx context.Context, key groupKey, with settings, start start) error {
	gs.change.Lock()
	defer gs.change.Unlock()
	if _, err := gs.find(key); err == nil {
		return errGroupExists
	}
	if err := checkKey(key); err != nil {
		return err
	}
	if len(gs.all()) >= maxGroups {
		return settingsError{fmt.Errorf("there are %d groups already, which is the most", maxGroups)}
	}
	err := with.check()
	if err == nil {
		with.Start, with.From, err = gs.server.begin(ctx, key, start)
	}
	if err != nil {
		return err
	}
	if err := gs.server.keepGroup(ctx, key, with); err != nil {
		return err
	}
	return gs.open(ctx, key, with)
}

// checkKey refuses names that are none, or too long to park under.
func checkKey(key groupKey) error {
	return errors.Join(checkStream(key.stream), eventlog.CheckName("group", key.name),
		eventlog.CheckName("stream of parked messages", "$$"+key.parkedStream()))
}

// remove ends a group and forgets it.
func (gs *groups) remove(ctx context.Context, key groupKey) error {
	gs.change.Lock()
	defer gs.change.Unlock()
	g, err := gs.find(key)
	if err != nil {
		return err
	}
	if err := g.close(); err != nil {
		return err
	}
	if err := gs.server.forget(ctx, key); err != nil {
		return err
	}
	if err := gs.server.deleteParked(ctx, key); err != nil {
		return err
	}
	gs.mu.Lock()
	defer gs.mu.Unlock()
	delete(gs.byKey, key)
	for i, k := range gs.order {
		if k == key {
			gs.order = append(gs.order[:i:i], gs.order[i+1:]...)
			break
		}
	}
	return nil
}

// update gives a group other settings, all but the filter, and drops its consumers. The start counts only if the group has
// no checkpoint.
func (gs *groups) update(ctx context.Context, key groupKey, with settings, start start) error {
	gs.change.Lock()
	defer gs.change.Unlock()
	g, err := gs.find(key)
	if err != nil {
		return err
	}
	with.Filter = g.settings.Filter
	if err = with.check(); err == nil {
		with.Start, with.From, err = gs.server.begin(ctx, key, start)
	}
	if err != nil {
		return err
	}
	if err := gs.server.keepGroup(ctx, key, with); err != nil {
		return err
	}
	return gs.reopen(ctx, g, with)
}

// restart drops all consumers of all groups, and goes on from what is kept.
func (gs *groups) restart(ctx context.Context) error {
	gs.change.Lock()
	defer gs.change.Unlock()
	for _, g := range gs.all() {
		if err := gs.reopen(ctx, g, g.settings); err != nil {
			return err
		}
	}
	return nil
}

func (gs *groups) reopen(ctx context.Context, g *group, with settings) error {
	if err := g.close(); err != nil {
		return err
	}
	return gs.open(ctx, g.key, with)
}

// start is where a client wants a group to begin: at the end, or with the event at a place, which is included.
type start struct {
	end   bool
	place uint64
}

// begin finds the place after which a group begins, and how its start is shown.
func (s *Server) begin(ctx context.Context, key groupKey, at start) (shown string, from int64, err error) {
	if key.all() {
		return s.beginAll(ctx, at)
	}
	if !at.end {
		if at.place > maxRevision {
			return "", 0, settingsError{fmt.Errorf("revision %d is none", at.place)}
		}
		return fmt.Sprint(at.place), int64(at.place) - 1, nil
	}
	state, err := s.config.Log.Stream(ctx, key.stream)
	return "-1", int64(state.Last), err
}

func (s *Server) beginAll(ctx context.Context, at start) (string, int64, error) {
	head, err := s.config.Log.Head(ctx)
	if err != nil {
		return "", 0, err
	}
	last := position(head)
	switch {
	case at.end:
		return shownPosition(nowhere), int64(last), nil
	case at.place > last:
		return "", 0, settingsError{fmt.Errorf("position %d is past the last one, %d", at.place, last)}
	}
	return shownPosition(int64(at.place)), int64(at.place) - 1, nil
}

func shownPosition(n int64) string { return fmt.Sprintf("C:%d/P:%d", n, n) }
