package esdb

import (
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	client "github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/rs/zerolog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hooklog/hooklog/eventlog"
)

// LeastVersion is the oldest EventStoreDB that is spoken to: the first that tells when a subscription has caught up.
const LeastVersion = "23.10"

// The heartbeat finds a dead connection within heartbeatInterval and heartbeatTimeout, less than the 10 seconds after
// which a node that is cut off must know it.
const (
	heartbeatInterval = 2 * time.Second
	heartbeatTimeout  = 5 * time.Second
)

// steadyAfter is how long a connection must have lasted for the next to be tried at once.
const steadyAfter = 5 * time.Second

// connection keeps a generation of the client at hand, and makes the next one when it is lost.
type connection struct {
	settings client.Configuration
	logger   zerolog.Logger

	life  context.Context
	end   context.CancelFunc
	tasks sync.WaitGroup

	mu      sync.Mutex
	current *generation   // nil while there is none
	changed chan struct{} // closed at the next change of what is above or below
	failed  error         // why there is none
	made    int           // generations so far
}

func newConnection(settings client.Configuration, logger zerolog.Logger) *connection {
	c := &connection{settings: settings, logger: logger, changed: make(chan struct{})}
	c.life, c.end = context.WithCancel(context.Background())
	return c
}

// start begins to connect.
func (c *connection) start() { c.tasks.Go(c.run) }

// close ends the connection and every call.
func (c *connection) close() {
	c.end()
	c.tasks.Wait()
}

// run makes one generation after the other.
func (c *connection) run() {
	var pause backoff
	var leader *client.EndPoint
	for {
		g, err := c.connect(leader)
		leader = nil
		if c.life.Err() != nil {
			return
		}
		if err != nil {
			c.set(nil, err)
			c.logger.Warn().Err(err).Msg("EventStoreDB cannot be reached; trying again")
			if pause.wait(c.life) != nil {
				return
			}
			continue
		}
		c.set(g, nil)
		since := time.Now()
		c.watch(g)
		c.set(nil, errLost)
		if c.life.Err() != nil {
			return
		}
		leader = g.whereLeader()
		c.logger.Warn().Msg("the connection to EventStoreDB was lost; connecting again")
		if time.Since(since) > steadyAfter {
			pause.reset()
		}
		if pause.wait(c.life) != nil {
			return
		}
	}
}

func (c *connection) set(g *generation, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.current, c.failed = g, err
	if g != nil {
		c.made++
	}
	close(c.changed)
	c.changed = make(chan struct{})
}

// connect makes a generation whose node answers. If a server has just named its leader it is tried first.
func (c *connection) connect(leader *client.EndPoint) (*generation, error) {
	if leader != nil {
		if g, err := c.dial(leader.String()); err == nil || c.life.Err() != nil {
			return g, err
		}
	}
	all := seeds(&c.settings)
	if len(all) == 0 {
		return c.dial(c.settings.Address)
	}
	var failed error
	for _, seed := range all {
		address, err := discover(c.life, &c.settings, seed)
		if err == nil {
			var g *generation
			if g, err = c.dial(address); err == nil {
				return g, nil
			}
		}
		if failed = explain(err); c.life.Err() != nil {
			break
		}
	}
	return nil, failed
}

// dial makes a generation for one node. The client does not discover by itself, so that the appender has the same node.
func (c *connection) dial(address string) (*generation, error) {
	settings := c.settings
	settings.Address, settings.GossipSeeds, settings.DnsDiscover = address, nil, false
	g, err := newGeneration(settings, c.logger)
	if err != nil {
		return nil, err
	}
	c.tasks.Go(func() { g.run(c.life) })
	found := make(chan error, 1)
	go func() { found <- g.find() }() // It ends after gossipTimeout at the latest, whatever ends before.
	select {
	case err = <-found:
	case <-c.life.Done():
		go func() {
			<-found
			g.lose(nil)
		}()
		return nil, c.life.Err()
	}
	if err == nil {
		ctx, cancel := context.WithTimeout(c.life, heartbeatTimeout)
		defer cancel()
		err = g.answers(ctx)
	}
	if err != nil {
		g.lose(nil)
		return nil, explain(err)
	}
	return g, nil
}

// answers makes sure that the server answers on both connections.
func (g *generation) answers(ctx context.Context) error {
	err := g.call(ctx, func(ctx context.Context, es *client.Client) error { _, err := lastOf(ctx, es); return err })
	if err != nil {
		return err
	}
	return g.appender.ping(ctx)
}

// find lets the client look for its server, and judges the server's version.
func (g *generation) find() error {
	v, err := g.client.GetServerVersion()
	if err != nil {
		return err
	}
	if v.Major > 23 || v.Major == 23 && v.Minor >= 10 {
		return nil
	}
	if *v == (client.ServerVersion{}) {
		return fmt.Errorf("%w: it does not tell its version, as EventStoreDB did before 21.10; the least supported is %s", ErrOldServer, LeastVersion)
	}
	return fmt.Errorf("%w: EventStoreDB %d.%d.%d; the least supported is %s", ErrOldServer, v.Major, v.Minor, v.Patch, LeastVersion)
}

// watch returns once a generation is lost or the connection is closed, and finds out when it is dead.
func (c *connection) watch(g *generation) {
	beat := time.NewTicker(heartbeatInterval)
	defer beat.Stop()
	for {
		select {
		case <-g.lost:
			return
		case <-c.life.Done():
			g.lose(nil)
			g.kill()
			return
		case <-beat.C:
			c.heartbeat(g)
		}
	}
}

func (c *connection) heartbeat(g *generation) {
	ctx, cancel := context.WithTimeout(c.life, heartbeatTimeout)
	defer cancel()
	err := g.answers(ctx)
	late := errors.Is(ctx.Err(), context.DeadlineExceeded) || status.Code(err) == codes.DeadlineExceeded // The server may tell it first.
	if err != nil && late {
		c.logger.Warn().Msg("EventStoreDB has not answered for " + heartbeatTimeout.String())
		g.lose(nil)
		g.kill()
	}
}

func (g *generation) whereLeader() *client.EndPoint {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.leader
}

// begin sends an append with the generation at hand, if there is one.
func (c *connection) begin(ctx context.Context, a *appending) way {
	c.mu.Lock()
	g := c.current
	c.mu.Unlock()
	if g == nil || c.ended(ctx) != nil {
		return way{}
	}
	return g.begin(ctx, &a.request)
}

// get returns the generation at hand, or waits for one. It fails with ErrClosed once the connection is closed.
func (c *connection) get(ctx context.Context) (*generation, error) {
	for {
		if err := c.ended(ctx); err != nil {
			return nil, err
		}
		c.mu.Lock()
		g, changed := c.current, c.changed
		c.mu.Unlock()
		if g != nil && g.taking() {
			return g, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
		case <-c.life.Done():
		}
	}
}

func (g *generation) taking() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !g.gone
}

// ended tells which of the two ends, that of the connection or that of a caller, has come.
func (c *connection) ended(ctx context.Context) error {
	if c.life.Err() != nil {
		return eventlog.ErrClosed
	}
	return ctx.Err()
}

// first waits until the server has been found. It fails at once if there is no hope.
func (c *connection) first(ctx context.Context) error {
	for {
		c.mu.Lock()
		g, changed, failed := c.current, c.changed, c.failed
		c.mu.Unlock()
		switch {
		case g != nil:
			return nil
		case failed != nil && hopeless(failed):
			return failed
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return errors.Join(ctx.Err(), failed)
		}
	}
}

// use makes one call that may be repeated: it goes on until it succeeds, fails for good or ctx ends.
func (c *connection) use(ctx context.Context, f func(context.Context, *client.Client) error) error {
	var pause backoff
	for {
		err := c.once(ctx, f)
		if err == nil {
			return nil
		}
		if ended := c.ended(ctx); ended != nil {
			return ended
		}
		if !passing(err) {
			return explain(err)
		}
		c.logger.Debug().Err(err).Msg("a call to EventStoreDB failed; trying again")
		if pause.wait(ctx) != nil {
			return ctx.Err()
		}
	}
}

// once waits for a generation and makes one call with it.
func (c *connection) once(ctx context.Context, f func(context.Context, *client.Client) error) error {
	g, err := c.get(ctx)
	if err != nil {
		return err
	}
	return g.call(ctx, f)
}

// lease waits for a generation and lets one call enter it.
func (c *connection) lease(ctx context.Context) (*lease, error) {
	g, err := c.get(ctx)
	if err != nil {
		return nil, err
	}
	return g.lease(ctx)
}

// lastOf returns the position of the last event of all, whosoever it is, or the zero Position.
func lastOf(ctx context.Context, es *client.Client) (eventlog.Position, error) {
	events, err := es.ReadAll(ctx, client.ReadAllOptions{Direction: client.Backwards, From: client.End{}}, 1)
	if err != nil {
		return eventlog.Position{}, err
	}
	defer events.Close()
	e, ok, err := next(events)
	if err != nil || !ok {
		return eventlog.Position{}, err
	}
	return positionOf(e.OriginalEvent().Position), nil
}

// everything is a count that no read reaches.
const everything = math.MaxInt64
