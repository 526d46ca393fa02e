package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/hooklog/hooklog/dispatcher"
	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	httpd "github.com/hooklog/hooklog/http"
	"github.com/hooklog/hooklog/notices"
)

// groupsOf tells operators of the consumer groups that a log keeps.
type groupsOf struct{ log backend }

// Groups returns how all of them stand.
func (g groupsOf) Groups(ctx context.Context) ([]httpd.GroupState, error) {
	names, err := g.log.GroupNames(ctx)
	if err != nil {
		return nil, err
	}
	states := make([]httpd.GroupState, len(names))
	for i, name := range names {
		if states[i], err = g.state(ctx, name); err != nil {
			return nil, err
		}
	}
	return states, nil
}

func (g groupsOf) state(ctx context.Context, name string) (httpd.GroupState, error) {
	s, err := g.log.Stats(ctx, name)
	if err != nil {
		return httpd.GroupState{}, fmt.Errorf("look at the group %s: %w", name, err)
	}
	head, err := g.log.Head(ctx)
	if err != nil {
		return httpd.GroupState{}, err
	}
	state := httpd.GroupState{Name: name, Own: name == dispatcher.Group.Name || name == notices.Group.Name, Checkpoint: s.Checkpoint, LastKnown: s.LastKnown,
		InFlight: s.InFlight, Parked: s.Parked, Consumers: s.Consumers}
	if n, ok := g.log.between(s.Checkpoint, head); ok {
		state.Behind = &n
	}
	return state, nil
}

// ReplayParked puts the parked facts of a group back.
func (g groupsOf) ReplayParked(ctx context.Context, name string) (int, error) {
	n, err := g.log.ReplayParked(ctx, name)
	if errors.Is(err, eventlog.ErrNoGroup) {
		return 0, domain.Refuse(domain.NotFound, "no such group")
	}
	return n, err
}
