package esdb

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"time"

	client "github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/esdbwire"
)

// appendsAtOnce is how many appends of a connection are answered or given up before more are taken.
const appendsAtOnce = 1024

// ownDeadline is how long an append may take if neither its caller nor the connection string says.
const ownDeadline = 10 * time.Second

// appender sends all appends of a generation through one call of BatchAppend, which the client does not offer, on a
// connection of its own beside the client's. A call that has ended is followed by the next one as soon as there is
// something to send.
type appender struct {
	conn     *grpc.ClientConn
	options  []grpc.CallOption
	deadline time.Duration
	// lose is told that the connection is of no use any more, and where the server said that its leader is.
	lose func(*client.EndPoint)

	places chan struct{} // holds a value for each append that is in waiting or about to be
	filled chan struct{} // capacity 1: there is something to send

	mu      sync.Mutex
	waiting map[uint64]*sending
	unsent  []*sending // in the order in which they came; those in waiting that were not sent
	own     uint64     // the half that all correlation ids share
	last    uint64     // the other half of the last one
	open    int        // sent in this call and not answered, whether still waited for or not
	heard   bool       // something was answered in this call
	ended   bool
}

// request is an append as it is sent.
type request struct {
	stream   string
	expected eventlog.Expected
	events   []eventlog.Event
}

// sending is an append on its way.
type sending struct {
	*request
	own, id uint64 // the halves of its correlation id
	until   time.Time
	sent    bool
	done    chan *answer // capacity 1
}

func newAppender(s *client.Configuration, lose func(*client.EndPoint)) (*appender, error) {
	conn, err := dialNode(s, s.Address)
	if err != nil {
		return nil, err
	}
	a := &appender{
		conn: conn, options: append(callOptions(s), grpc.ForceCodecV2(esdbwire.NewCodec())), deadline: ownDeadline, lose: lose, own: rand.Uint64(),
		places: make(chan struct{}, appendsAtOnce), filled: make(chan struct{}, 1), waiting: make(map[uint64]*sending),
	}
	if s.DefaultDeadline != nil {
		a.deadline = *s.DefaultDeadline
	}
	return a, nil
}

// begin has a request sent; wait waits for the answer, and is called once. The
// error of either is errNotEntered if the request was not sent or is known to have been refused; every other leaves it
// unknown what came of it.
func (a *appender) begin(ctx context.Context, r *request) (*sending, error) {
	s := &sending{request: r, own: a.own, until: time.Now().Add(a.deadline), done: make(chan *answer, 1)}
	if d, ok := ctx.Deadline(); ok && d.Before(s.until) {
		s.until = d
	}
	if err := a.enter(ctx, s.until); err != nil {
		return nil, notEntered(err)
	}
	if err := a.put(s); err != nil {
		<-a.places
		return nil, err
	}
	return s, nil
}

// enter waits for a place.
func (a *appender) enter(ctx context.Context, until time.Time) error {
	select {
	case a.places <- struct{}{}:
		return nil
	default:
	}
	ctx, cancel := context.WithDeadline(ctx, until)
	defer cancel()
	select {
	case a.places <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a *appender) wait(ctx context.Context, s *sending) (*answer, error) {
	late := time.NewTimer(time.Until(s.until))
	defer late.Stop()
	select {
	case got := <-s.done:
		return got, got.err
	case <-ctx.Done():
		return nil, a.give(s, ctx.Err())
	case <-late.C:
		return nil, a.give(s, context.DeadlineExceeded)
	}
}

func notEntered(why error) error { return fmt.Errorf("%w: %w", errNotEntered, why) }

// put adds an append to those to be sent.
func (a *appender) put(s *sending) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.ended {
		return errNotEntered
	}
	a.last++
	s.id = a.last
	a.waiting[s.id] = s
	a.unsent = append(a.unsent, s)
	signal(a.filled)
	return nil
}

// give gives an append up.
func (a *appender) give(s *sending, why error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.forget(s)
	if s.sent {
		return status.FromContextError(why).Err()
	}
	for i, other := range a.unsent {
		if other == s {
			a.unsent = append(a.unsent[:i], a.unsent[i+1:]...)
			break
		}
	}
	return notEntered(why)
}

// forget lets the next one in, if an append was waited for. a.mu is held.
func (a *appender) forget(s *sending) {
	if a.waiting[s.id] == s {
		delete(a.waiting, s.id)
		<-a.places
	}
}

// run sends until ctx ends, and closes the connection.
func (a *appender) run(ctx context.Context) {
	defer a.conn.Close() // It only fails if it is closed already.
	defer a.end()
	for {
		select {
		case <-a.filled:
		case <-ctx.Done():
			return
		}
		trailer, err := a.call(ctx)
		if ctx.Err() != nil {
			return
		}
		a.judge(trailer, err)
	}
}

// call makes one call of BatchAppend and returns why it ended.
func (a *appender) call(ctx context.Context) (metadata.MD, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	call, err := streams.NewStreamsClient(a.conn).BatchAppend(ctx, a.options...)
	if err != nil {
		return nil, err
	}
	var sender sync.WaitGroup
	defer sender.Wait()
	defer cancel()
	sender.Go(func() { a.send(call) })
	for {
		got := new(answer)
		if err := call.RecvMsg(got); err != nil {
			return call.Trailer(), err
		}
		a.answered(got)
	}
}

// send sends what there is and what comes, until the call has ended. It yields before it sends, so that appenders who are
// about to run can join: on few cores that makes groups several times larger, and costs nothing when nobody comes.
func (a *appender) send(call streams.Streams_BatchAppendClient) {
	for {
		for range 3 {
			runtime.Gosched()
		}
		for s := a.next(); s != nil; s = a.next() {
			if call.SendMsg(s) != nil {
				return // Recv tells why.
			}
		}
		select {
		case <-a.filled:
		case <-call.Context().Done():
			return
		}
	}
}

// next returns what is to be sent next, or nil.
func (a *appender) next() *sending {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.unsent) == 0 {
		return nil
	}
	s := a.unsent[0]
	a.unsent[0], a.unsent = nil, a.unsent[1:]
	s.sent = true
	a.open++
	return s
}

// answered hands an answer to the append that it belongs to, if that is still waited for.
func (a *appender) answered(got *answer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.open--
	a.heard = true
	if s := a.waiting[got.id]; s != nil && s.sent {
		a.forget(s)
		s.done <- got
	}
}

// judge draws the consequences of the end of a call. A node that is no leader refuses an append; if only one was open it
// is that one. A refusal before the first answer is of all of them; after it nobody knows what came of those that are open.
func (a *appender) judge(trailer metadata.MD, err error) {
	leader := leaderOf(trailer)
	if leader != nil || status.Code(err) == codes.Unavailable {
		a.lose(leader)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case leader != nil && a.open == 1:
		err = notEntered(err)
	case leader != nil || a.heard:
		err = fmt.Errorf("%w: %w", errLost, err)
	}
	a.failLocked(err)
}

// end ends the taking of appends and fails those that wait.
func (a *appender) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
	a.failLocked(errLost)
}

func (a *appender) failLocked(err error) {
	for _, s := range a.waiting {
		a.forget(s)
		if s.sent {
			s.done <- &answer{err: err}
		} else {
			s.done <- &answer{err: notEntered(err)}
		}
	}
	a.unsent, a.open, a.heard = nil, 0, false
}

// ping makes sure that the server still answers on the connection.
func (a *appender) ping(ctx context.Context) error {
	_, err := serverfeatures.NewServerFeaturesClient(a.conn).GetSupportedMethods(ctx, &shared.Empty{})
	if status.Code(err) == codes.Unavailable {
		a.lose(nil)
	}
	return err
}

// leaderOf reads where a node that is no leader says that the leader is.
func leaderOf(trailer metadata.MD) *client.EndPoint {
	value := func(key string) string {
		if v := trailer.Get(key); len(v) > 0 {
			return v[0]
		}
		return ""
	}
	port, err := strconv.ParseUint(value("leader-endpoint-port"), 10, 16)
	if value("exception") != "not-leader" || value("leader-endpoint-host") == "" || err != nil {
		return nil
	}
	return &client.EndPoint{Host: value("leader-endpoint-host"), Port: uint16(port)}
}
