package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// component is a part of the node that runs until its own context ends.
type component struct {
	name string
	run  func(context.Context) error
	stop context.CancelFunc
	done chan struct{}
}

// operatorGrace is how long the operator listener finishes its requests, last of all.
const operatorGrace = time.Second

// components are the parts of the node, in the stages in which they stop: first no new requests and no new attempts,
// those under way finish within their grace; then the read side, which they may wait for; last the operator listener,
// which says unready meanwhile.
func (n *node) components() [][]*component {
	stages := [][]*component{
		{
			{name: "public listener", run: func(ctx context.Context) error {
				n.awaitDispatcher(ctx)
				return serveHTTP(ctx, n.public, n.api, n.settings.stopGrace, n.logger)
			}},
			{name: "dispatcher", run: n.dispatcher.Run},
			{name: "notices", run: n.notices.Run},
		},
		{{name: "projections", run: n.fold.Run}},
		{{name: "operator listener", run: func(ctx context.Context) error {
			return serveHTTP(ctx, n.operator, n.operatorHandler(), operatorGrace, n.logger)
		}}},
	}
	if c := n.log.clock(); c != nil {
		stages[1] = append(stages[1], &component{name: "comparison of clocks", run: func(ctx context.Context) error { return c.run(ctx, n.actor) }})
	}
	if n.facade != nil {
		stages[0] = append(stages[0], &component{name: "EventStoreDB listener", run: n.facade.serve})
	}
	return stages
}

// joinGrace is how long the public listener waits for the dispatcher. A node that cannot reach its log has more to say
// by answering 503.
const joinGrace = 5 * time.Second

// awaitDispatcher returns once what is published will be handed out without delay.
func (n *node) awaitDispatcher(ctx context.Context) {
	select {
	case <-n.dispatcher.Joined():
	case <-time.After(joinGrace):
	case <-ctx.Done():
	}
}

// run runs the node until ctx ends or a part of it fails, and returns once every part has stopped.
func (n *node) run(ctx context.Context) error {
	stages := n.components()
	g, over := errgroup.WithContext(ctx)
	for _, stage := range stages {
		for _, c := range stage {
			c.start(ctx, g)
		}
	}
	n.logger.Info().Stringer("build", thisBuild()).Str("node", n.actor).Str("data", n.settings.data).
		Str("listen", n.publicURL()).Str("operators", n.operatorURL()).
		Str("esdb", n.facade.url()).Msg("serving")
	g.Go(func() error {
		<-over.Done()
		n.stopping.Store(true)
		n.logger.Info().Dur("grace", n.settings.stopGrace).Msg("stopping")
		for _, stage := range stages {
			stopAll(stage)
		}
		return nil
	})
	err := g.Wait()
	n.logger.Info().Err(err).Msg("stopped")
	return err
}

func stopAll(stage []*component) {
	for _, c := range stage {
		c.stop()
	}
	for _, c := range stage {
		<-c.done
	}
}

// start runs the component in the group, under a context that only stop ends. A component that ends unasked is a
// failure, even if it has no error to tell.
func (c *component) start(ctx context.Context, g *errgroup.Group) {
	own, stop := context.WithCancel(context.WithoutCancel(ctx))
	c.stop, c.done = stop, make(chan struct{})
	g.Go(func() error {
		defer close(c.done)
		err := c.run(own)
		switch {
		case own.Err() != nil && (err == nil || errors.Is(err, context.Canceled)):
			return nil
		case err == nil:
			return fmt.Errorf("%s ended by itself", c.name)
		}
		return fmt.Errorf("%s: %w", c.name, err)
	})
}
