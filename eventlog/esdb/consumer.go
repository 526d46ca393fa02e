package esdb

import (
	"context"
	"fmt"
	"sync"
	"time"

	client "github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"github.com/hooklog/hooklog/eventlog"
)

// Pauses before an event is given back for which Retry was answered: retryPause for each handing-out. The server itself
// hands it out again at once.
const (
	retryPause    = 100 * time.Millisecond
	maxRetryPause = time.Second
)

// How a consumer leaves: how long it lets others wait for what it does not handle, and how often it gives back after that.
const (
	leavePatience = 500 * time.Millisecond
	giveBackEach  = 100 * time.Millisecond
)

// maxIdle is how many workers of a consumer wait for events. A goroutine that has worked has the stack for it: a new one
// would have to grow it again.
const maxIdle = 256

// Consume implements [eventlog.Groups]. An event for which Retry was answered is given back after 100 ms for each time it
// was handed out, at most a second. When ctx ends, this consumer stays in the group until its handlers have returned,
// takes nothing more on, sends the verdicts and leaves: so a service that stops in good order repeats nothing, and what
// was not finished goes to the others then. After a lost connection the consumer joins again; what a handler is still at
// is not begun a second time if it is handed to the same consumer again.
func (l *Log) Consume(ctx context.Context, group eventlog.Group, buffer int, handle func(context.Context, eventlog.Handed) eventlog.Verdict) error {
	if err := checkGroup(group, buffer); err != nil {
		return err
	}
	if err := l.connection.ended(ctx); err != nil {
		return err
	}
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(l.connection.life, cancel)()
	c := &consumer{
		log: l, group: group, buffer: buffer, handle: handle, ctx: inner, stop: cancel,
		slots: make(chan struct{}, buffer), jobs: make(chan job), idle: make(chan struct{}, maxIdle), hands: make(map[handKey]*hand), ids: make(map[eventlog.ID]int),
	}
	err := c.run()
	cancel()
	c.handlers.Wait()
	close(c.jobs)
	c.workers.Wait()
	if ended := l.connection.ended(ctx); ended != nil {
		return ended
	}
	return err
}

// consumer is one call of Consume.
type consumer struct {
	log    *Log
	group  eventlog.Group
	buffer int
	handle func(context.Context, eventlog.Handed) eventlog.Verdict
	ctx    context.Context // of the handlers
	stop   context.CancelFunc

	slots    chan struct{} // capacity buffer: one for each handler that runs
	handlers sync.WaitGroup
	workers  sync.WaitGroup
	jobs     chan job      // unbuffered: to workers that wait; closed when there will be none
	idle     chan struct{} // holds a value for each worker that waits

	mu    sync.Mutex
	hands map[handKey]*hand
	ids   map[eventlog.ID]int // how many of hands have an id
}

// handKey tells what the server hands out. Two streams may hold an event of the same id.
type handKey struct {
	id eventlog.ID
	at eventlog.Position
}

// job is an event for a worker to have handled.
type job struct {
	hand   *hand
	handed eventlog.Handed
}

// hand is an event in the hands of a handler.
type hand struct {
	key     handKey
	event   *client.ResolvedEvent
	session *session // the last one that handed it out
	since   time.Time
	// shadow says that another event of the same id was in hand before. The server knows events by their ids alone and
	// would take the verdict for that one's.
	shadow bool
}

// run joins the group again and again until the context ends or it fails for good.
func (c *consumer) run() error {
	var pause backoff
	for {
		joined := time.Now()
		err := c.join()
		if c.ctx.Err() != nil {
			return c.ctx.Err()
		}
		if !passing(err) {
			return fmt.Errorf("consume as %s: %w", c.group.Name, explain(err))
		}
		c.log.logger.Warn().Err(err).Str("group", c.group.Name).Msg("dropped out of the consumer group; joining again")
		if time.Since(joined) > steadyAfter {
			pause.reset()
		}
		if pause.wait(c.ctx) != nil {
			return c.ctx.Err()
		}
	}
}

// join is a consumer of the group until the connection is lost or the context ends.
func (c *consumer) join() error {
	g, err := c.log.connection.get(c.ctx)
	if err != nil {
		return err
	}
	s := &session{consumer: c}
	if s.begin, err = c.log.ensureGroup(c.ctx, g, c.group); err != nil {
		return err
	}
	// The head is read before joining: what was recorded in between nobody else can have handled unless the server has
	// started again, and then this connection is lost.
	err = g.call(c.ctx, func(ctx context.Context, es *client.Client) (err error) {
		s.joinedAt, err = lastOf(ctx, es)
		return err
	})
	if err != nil {
		return err
	}
	l, err := g.lease(context.WithoutCancel(c.ctx)) // It outlives the context until the handlers have returned.
	if err != nil {
		return err
	}
	defer l.end()
	defer context.AfterFunc(c.log.connection.life, l.cancel)()
	err = l.call(func(ctx context.Context, es *client.Client) (err error) {
		s.events, err = es.SubscribeToPersistentSubscriptionToAll(ctx, c.group.Name,
			client.SubscribeToPersistentSubscriptionOptions{BufferSize: uint32(c.buffer)})
		return err
	})
	if notFound(err) {
		return errGone
	}
	if err != nil {
		return err
	}
	return s.run(l, g)
}

// session is a consumer on one connection.
type session struct {
	consumer *consumer
	events   *client.PersistentSubscription
	begin    eventlog.Position // the group begins after it
	joinedAt eventlog.Position
	answers  *answers
	done     chan struct{} // closed when nothing more is received
	err      error         // why, written before

	mu       sync.Mutex
	withheld []withheld
}

func (s *session) run(l *lease, g *generation) error {
	c := s.consumer
	s.answers, s.done = newAnswers(s.events), make(chan struct{})
	var sender sync.WaitGroup
	sender.Go(s.answers.run)
	go func() {
		defer close(s.done)
		s.err = s.receive(l)
	}()
	select {
	case <-s.done:
	case <-c.ctx.Done():
		s.leave(g)
	}
	s.answers.end()
	sender.Wait()
	s.events.Close() // It never fails.
	<-s.done
	return s.err
}

// leave waits for the handlers and sends their verdicts together: each one sent before would make room for another
// event. If that takes long and the group has other consumers, verdicts are sent as they come, and what is not handled is
// given back.
func (s *session) leave(g *generation) {
	life := s.consumer.log.connection.life
	s.answers.hold()
	handled := make(chan struct{})
	go func() {
		s.consumer.handlers.Wait()
		close(handled)
	}()
	patience := time.NewTimer(leavePatience)
	defer patience.Stop()
	for waiting := true; waiting; {
		select {
		case <-handled:
			waiting = false
		case <-s.done:
			return
		case <-patience.C:
			if info, err := infoOf(life, g, s.consumer.group.Name); err == nil && len(info.Connections) > 1 {
				s.giveBack()
			}
			patience.Reset(giveBackEach)
		}
	}
	s.answers.release()
	ctx, cancel := context.WithTimeout(life, heartbeatTimeout)
	defer cancel()
	// Closing drops what has not reached the server. An answer over the same connection comes after it.
	if _, err := infoOf(ctx, g, s.consumer.group.Name); err != nil {
		s.consumer.log.logger.Debug().Err(err).Msg("left a consumer group without knowing whether all verdicts arrived")
	}
}

// withheld is an event that a leaving consumer does not handle.
type withheld struct {
	event   *client.ResolvedEvent
	retries int
}

// withhold keeps an event unanswered: it goes to the others when this consumer leaves, or is given back before.
func (s *session) withhold(e *client.ResolvedEvent, retries int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.withheld = append(s.withheld, withheld{e, retries})
}

// giveBack gives back what is withheld. The server may hand it to this consumer again; it keeps an event that has come
// so often that it would be parked.
func (s *session) giveBack() {
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.withheld[:0]
	for _, w := range s.withheld {
		if w.retries >= s.consumer.group.MaxRetries {
			kept = append(kept, w)
			continue
		}
		s.answers.put(w.event, eventlog.Retry)
	}
	s.withheld = kept
	s.answers.unhold()
}

func (s *session) receive(l *lease) error {
	for {
		var got *client.EventAppeared
		err := l.call(func(context.Context, *client.Client) error {
			e := s.events.Recv()
			if e.SubscriptionDropped != nil {
				return e.SubscriptionDropped.Error
			}
			got = e.EventAppeared
			if got == nil || got.Event == nil || got.Event.OriginalEvent() == nil {
				return errNoEvent
			}
			return nil
		})
		if err != nil {
			return err
		}
		s.take(l, got.Event, got.RetryCount)
	}
}

// take gives an event to a handler once one may run.
func (s *session) take(l *lease, e *client.ResolvedEvent, retries int) {
	c := s.consumer
	if e.Event == nil || !ours(e.Event.StreamID, e.Event.EventType) || e.Link == nil && !positionOf(e.Event.Position).After(s.begin) {
		s.answers.put(e, eventlog.Skip) // A link whose event is gone, or what the group does not begin with.
		return
	}
	if c.ctx.Err() != nil {
		s.withhold(e, retries)
		return
	}
	h, begin := c.claim(s, e)
	if !begin {
		return
	}
	select {
	case c.slots <- struct{}{}:
	case <-c.ctx.Done():
		c.settle(h)
		s.withhold(e, retries)
		return
	case <-l.ctx.Done():
		c.settle(h)
		return
	}
	handed := eventlog.Handed{
		Recorded: recordedOf(e.Event), Retries: retries, Replayed: e.Link != nil,
		Backlog: !positionOf(e.Event.Position).After(s.joinedAt),
	}
	c.log.held.known(&handed.Event)
	c.begin(job{h, handed})
}

// begin lets a worker handle an event.
func (c *consumer) begin(j job) {
	c.handlers.Add(1)
	select {
	case c.jobs <- j:
	default:
		c.workers.Go(func() { c.work(j) })
	}
}

// work handles an event, and those that come while this worker waits.
func (c *consumer) work(j job) {
	for more := true; more; {
		c.handleOne(j)
		select {
		case c.idle <- struct{}{}:
			j, more = <-c.jobs
			<-c.idle
		default:
			return
		}
	}
}

// claim notes that an event was handed out. It says false if a handler is at it and its verdict still counts: the event
// has come back after a lost connection.
func (c *consumer) claim(s *session, e *client.ResolvedEvent) (*hand, bool) {
	key := handKey{eventlog.ID(e.OriginalEvent().EventID), positionOf(e.Event.Position)}
	c.mu.Lock()
	defer c.mu.Unlock()
	if h := c.hands[key]; h != nil && h.session != s && !c.late(h) {
		h.session, h.event, h.since = s, e, time.Now()
		return h, false
	}
	h := &hand{key: key, event: e, session: s, since: time.Now()}
	if c.hands[key] == nil {
		h.shadow = c.ids[key.id] > 0
		c.ids[key.id]++
	}
	c.hands[key] = h
	return h, true
}

// late says that the server no longer waits for the verdict.
func (c *consumer) late(h *hand) bool { return time.Since(h.since) >= c.group.MessageTimeout }

func (c *consumer) handleOne(j job) {
	defer c.handlers.Done()
	h, handed := j.hand, j.handed
	verdict := c.handle(c.ctx, handed)
	<-c.slots
	if verdict == eventlog.Retry {
		pause := min(time.Duration(handed.Retries+1)*retryPause, maxRetryPause, c.group.MessageTimeout/2)
		select {
		case <-time.After(pause):
		case <-c.ctx.Done():
		}
	}
	s, event, counts := c.settle(h)
	switch {
	case !counts:
	case verdict == eventlog.Retry && c.ctx.Err() != nil:
		s.withhold(event, handed.Retries)
	default:
		s.answers.put(event, verdict)
	}
}

// settle says whether the verdict of a handler counts, and to whom to send it.
func (c *consumer) settle(h *hand) (*session, *client.ResolvedEvent, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.hands[h.key] != h {
		return nil, nil, false // It was handed out again.
	}
	delete(c.hands, h.key)
	if c.ids[h.key.id]--; c.ids[h.key.id] == 0 {
		delete(c.ids, h.key.id)
	}
	return h.session, h.event, !h.shadow && !c.late(h)
}
