package esdb

import (
	"context"
	"fmt"
	"sync"
	"time"

	client "github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/rs/zerolog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Lines that the client logs. It tells of a lost connection in no other way before it acts on it.
const (
	lineFailed    = "unexpected exception: %v"
	lineNotLeader = "not leader exception, reconnecting to %v"
)

// generation is one client of the official library and one appender, each with a connection to the same node, from their
// beginning until one of the two is lost.
//
// A call that asks the client for its connection after the loss would make it look for a server again, which blocks
// everybody, drops the old connection unclosed and ends the client if there is no server. So calls enter one by one: a
// call holds entry for reading until the client has given it the connection, and the loss of the connection, which the
// client logs before it forgets it, takes entry for writing. Nobody enters after that.
type generation struct {
	client   *client.Client
	appender *appender
	logger   zerolog.Logger

	// ctx ends when the connection is known to be dead, and with it every call.
	ctx  context.Context
	kill context.CancelFunc
	// lost is closed when no more calls are taken.
	lost chan struct{}

	entry sync.RWMutex

	mu     sync.Mutex
	gone   bool
	uses   int
	leader *client.EndPoint // where the server said that the leader is
}

// newGeneration makes a generation for the node at the settings' address. Its appender does not run yet.
func newGeneration(settings client.Configuration, logger zerolog.Logger) (*generation, error) {
	g := &generation{logger: logger, lost: make(chan struct{})}
	a, err := newAppender(&settings, g.lose)
	if err != nil {
		return nil, err
	}
	settings.Logger = g.log
	c, err := client.NewClient(&settings)
	if err != nil {
		a.conn.Close()
		return nil, err
	}
	g.client, g.appender = c, a
	g.ctx, g.kill = context.WithCancel(context.Background())
	return g, nil
}

// run runs the appender until the generation or life has ended.
func (g *generation) run(life context.Context) {
	ctx, cancel := context.WithCancel(life)
	defer cancel()
	defer context.AfterFunc(g.ctx, cancel)()
	g.appender.run(ctx)
}

// log gets what the client logs.
func (g *generation) log(_ client.LogLevel, format string, args ...any) {
	g.logger.Trace().Msgf(format, args...)
	if len(args) != 1 {
		return
	}
	switch arg := args[0].(type) {
	case error:
		if format == lineFailed && status.Code(arg) == codes.Unavailable {
			g.lose(nil)
		}
	case client.EndPoint:
		if format == lineNotLeader {
			g.lose(&arg)
		}
	}
}

// lose ends the taking of calls. Those that have entered may go on.
func (g *generation) lose(leader *client.EndPoint) {
	g.entry.Lock()
	defer g.entry.Unlock()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.gone {
		return
	}
	g.gone, g.leader = true, leader
	close(g.lost)
	g.closeIdle()
}

// closeIdle closes the client once nobody can call it. The client must not be closed while it is called: who waits for
// its connection would panic. g.mu is held.
func (g *generation) closeIdle() {
	if g.gone && g.uses == 0 {
		g.kill()
		g.client.Close() // It never fails.
	}
}

// enter counts one more use; false if the connection is lost.
func (g *generation) enter() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.gone {
		g.uses++
	}
	return !g.gone
}

// leave ends a use.
func (g *generation) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.uses--
	g.closeIdle()
}

// way is what became of sending an append with a generation: it is on its way, or it failed. The zero way is none.
type way struct {
	g    *generation
	sent *sending
	err  error
}

func (w way) begun() bool { return w.g != nil }

// begin sends an append as the appender does. A way that has begun is waited for, once.
func (g *generation) begin(ctx context.Context, r *request) way {
	if !g.enter() {
		return way{g: g, err: errNotEntered}
	}
	s, err := g.appender.begin(ctx, r)
	if err != nil {
		g.leave()
	}
	return way{g, s, err}
}

func (w way) wait(ctx context.Context) (*answer, error) {
	if w.err != nil {
		return nil, w.err
	}
	defer w.g.leave()
	return w.g.appender.wait(ctx, w.sent)
}

// lease is the right to one call of the client.
type lease struct {
	g *generation
	// ctx is what the call must be made with. It ends with the caller's, and when the connection is known to be dead.
	ctx    context.Context
	cancel context.CancelFunc
	unlink func() bool
	pass   func()
	// passed is set once the client has given the call its connection.
	passed bool
}

// entering tells when the client has given a call its connection: it then derives the call's context from the caller's.
type entering struct {
	context.Context
	pass func()
}

func (e *entering) Deadline() (time.Time, bool) {
	e.pass()
	return e.Context.Deadline()
}

// lease lets one call enter. It fails with errNotEntered if the connection is lost.
func (g *generation) lease(ctx context.Context) (*lease, error) {
	g.entry.RLock()
	if !g.enter() {
		g.entry.RUnlock()
		return nil, errNotEntered
	}
	l := &lease{g: g}
	l.pass = sync.OnceFunc(func() {
		l.passed = true
		g.entry.RUnlock()
	})
	inner, cancel := context.WithCancel(ctx)
	l.ctx, l.cancel = &entering{inner, l.pass}, cancel
	l.unlink = context.AfterFunc(g.ctx, cancel)
	return l, nil
}

// end gives the right back. Nothing of the call may be used any more.
func (l *lease) end() {
	l.pass()
	l.unlink()
	l.cancel()
	l.g.leave()
}

// call makes one call. The client panics at answers that it does not expect; that becomes an error.
func (l *lease) call(f func(context.Context, *client.Client) error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = l.g.panicked(p)
		}
	}()
	if err = f(l.ctx, l.g.client); err != nil {
		return l.failed(err)
	}
	return nil
}

// failed draws the consequences of an error of the client.
func (l *lease) failed(err error) error {
	code, _ := codeOf(err)
	switch {
	case !l.passed && code != client.ErrorCodeUnsupportedFeature:
		l.g.dead() // The client found no server and has ended.
		return fmt.Errorf("%w: %w", errNotEntered, err)
	case code == client.ErrorUnavailable || status.Code(err) == codes.Unavailable:
		l.g.lose(nil)
	case l.g.ctx.Err() != nil:
		return fmt.Errorf("%w: %w", errLost, err)
	}
	return err
}

// call enters and makes one call that is over when f returns.
func (g *generation) call(ctx context.Context, f func(context.Context, *client.Client) error) error {
	l, err := g.lease(ctx)
	if err != nil {
		return err
	}
	defer l.end()
	return l.call(f)
}

func (g *generation) panicked(p any) error {
	if e, ok := p.(error); ok && e.Error() == "send on closed channel" {
		return errLost
	}
	return fmt.Errorf("%w: the client stumbled over an answer of the server: %v", errUnexpected, p)
}

// dead ends the generation after the client has ended itself. Who still waits for its connection is woken by a panic in
// the client, which call turns into errLost.
func (g *generation) dead() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.kill()
	g.client.Close()
	if !g.gone {
		g.gone = true
		close(g.lost)
	}
}
