package eventlogtest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hooklog/hooklog/eventlog"
)

func groupRules() []Rule {
	return []Rule{
		{Name: "a group begins at the head and hands out what comes", check: beginsAtHead},
		{Name: "a group admits types by their prefixes", check: admitsPrefixes},
		{Name: "acknowledged and skipped events are not handed out again", check: finishes},
		{Name: "a retried event comes again until it is parked", check: retriesThenParks},
		{Name: "an event not answered in time comes again, and the late answer is ignored", check: timesOut},
		{Name: "a parked event comes again when replayed", check: parksAndReplays},
		{Name: "consumers of a group compete", check: competes},
		{Name: "a consumer has at most its buffer at once", check: keepsBuffer},
		{Name: "what a leaving consumer held goes to the others at once", check: handsOver},
		{Name: "what the last consumer held goes to the next who joins", check: handsToNext},
		{Name: "groups do not disturb each other", check: groupsApart},
		{Name: "the checkpoint moves up to the first unfinished event", check: checkpointMoves},
		{Name: "a group survives a restart and forgets nothing unfinished", check: groupSurvives, restarts: true},
		{Name: "parked events survive a restart", check: parkedSurvive, restarts: true},
		{Name: "an event from before joining is marked as backlog", check: marksBacklog},
		{Name: "other settings are refused", check: refusesOtherSettings},
		{Name: "impossible groups are refused", check: refusesBadGroups},
		{Name: "an unknown group has no stats and nothing to replay", check: unknownGroup},
		{Name: "consuming ends after its context and its handlers", check: consumeEnds},
	}
}

// group makes settings with a type prefix of their own.
func (x *run) group() eventlog.Group {
	return eventlog.Group{
		Name: unique("group"), TypePrefixes: []string{unique("type")},
		MessageTimeout: time.Minute, MaxRetries: 3,
	}
}

// manyRetries is for groups with short timeouts: a slow machine must not park what it is late with.
const manyRetries = 100

// handing is an event in the hands of a handler, which returns what is sent to answer.
type handing struct {
	eventlog.Handed
	answer chan eventlog.Verdict
}

// member is a consumer whose handlers ask the rule what to answer.
type member struct {
	x      *run
	handed chan handing
	done   chan error
	stop   context.CancelFunc
}

// join makes a consumer and waits until the group counts it.
func (x *run) join(g eventlog.Group, buffer int) *member {
	x.Helper()
	before := 0
	if s, err := x.log.Stats(x.ctx, g.Name); err == nil {
		before = s.Consumers
	}
	ctx, cancel := context.WithCancel(x.ctx)
	x.Cleanup(cancel)
	m := &member{x: x, handed: make(chan handing, 4096), done: make(chan error, 1), stop: cancel}
	log := x.log
	go func() {
		m.done <- log.Consume(ctx, g, buffer, func(ctx context.Context, h eventlog.Handed) eventlog.Verdict {
			asked := handing{Handed: h, answer: make(chan eventlog.Verdict, 1)}
			m.handed <- asked
			select {
			case v := <-asked.answer:
				return v
			case <-ctx.Done():
				return eventlog.Retry
			}
		})
	}()
	x.eventually("a consumer to join", func() bool {
		s, err := x.log.Stats(x.ctx, g.Name)
		return err == nil && s.Consumers > before
	})
	return m
}

func (m *member) next() handing {
	m.x.Helper()
	return receive(m.x, "an event to be handed out", m.handed)
}

// finish acknowledges whatever is handed out until nothing is in flight.
func (m *member) finish(g eventlog.Group) {
	m.x.Helper()
	m.x.eventually("everything to be finished", func() bool {
		for len(m.handed) > 0 {
			(<-m.handed).answer <- eventlog.Ack
		}
		return m.x.stats(g).InFlight == 0
	})
}

// leave ends the consumer and waits for it.
func (m *member) leave() {
	m.x.Helper()
	m.stop()
	if err := receive(m.x, "a consumer to leave", m.done); !errors.Is(err, context.Canceled) {
		m.x.Errorf("a cancelled consumer: got %v", err)
	}
}

func (x *run) publish(g eventlog.Group, n int) []eventlog.Event {
	x.Helper()
	events := newEvents(g.TypePrefixes[0]+".v1", n)
	for i := 0; i < n; i += 100 {
		x.append(unique("work"), eventlog.NoStream, events[i:min(i+100, n)]...)
	}
	return events
}

func (x *run) stats(g eventlog.Group) eventlog.GroupStats {
	x.Helper()
	s, err := x.log.Stats(x.ctx, g.Name)
	if err != nil {
		x.Fatalf("stats of %s: %v", g.Name, err)
	}
	return s
}

func beginsAtHead(x *run) {
	g := x.group()
	x.publish(g, 3)
	m := x.join(g, 10)
	nothing(x, "an event from before the group", m.handed)
	want := x.publish(g, 1)[0]
	h := m.next()
	if h.ID != want.ID || h.Type != want.Type || string(h.Data) != string(want.Data) || h.Position.IsZero() || h.Stream == "" {
		x.Errorf("handed out %v, want the event appended after the group was made", h.Recorded)
	}
	if h.Retries != 0 || h.Replayed || h.Backlog {
		x.Errorf("a new event: got retries %d, replayed %v, backlog %v", h.Retries, h.Replayed, h.Backlog)
	}
	h.answer <- eventlog.Ack
	s := x.stats(g)
	if s.Name != g.Name || s.Consumers != 1 || s.Parked != 0 {
		x.Errorf("stats: got %+v", s)
	}
}

func admitsPrefixes(x *run) {
	g := x.group()
	g.TypePrefixes = append(g.TypePrefixes, unique("second"))
	m := x.join(g, 10)
	first, second := g.TypePrefixes[0], g.TypePrefixes[1]
	kinds := []string{"x" + first, first[:len(first)-1], second + ".b", first, unique("third"), first + "a"}
	for _, k := range kinds {
		x.append(unique("work"), eventlog.NoStream, newEvent(k))
	}
	got := make(map[string]bool)
	for range 3 {
		h := m.next()
		got[h.Type] = true
		h.answer <- eventlog.Ack
	}
	if !got[second+".b"] || !got[first] || !got[first+"a"] {
		x.Errorf("got types %v", got)
	}
	nothing(x, "an event that the group does not admit", m.handed)
}

func finishes(x *run) {
	for timeout := x.timeout; ; timeout *= 2 {
		g := x.group()
		g.MessageTimeout, g.MaxRetries = timeout, manyRetries
		m := x.join(g, 10)
		published := time.Now()
		x.publish(g, 2)
		m.next().answer <- eventlog.Ack
		m.next().answer <- eventlog.Skip
		m.finish(g)
		if time.Since(published) >= timeout && timeout < x.patience {
			m.leave() // The machine is slow: a verdict may have come too late, which says nothing about the log.
			continue
		}
		time.Sleep(2 * timeout)
		nothing(x, "a finished event", m.handed)
		if s := x.stats(g); s.InFlight != 0 || s.Parked != 0 {
			x.Errorf("after all is finished: got %+v", s)
		}
		return
	}
}

func retriesThenParks(x *run) {
	g := x.group()
	g.MaxRetries = 2
	m := x.join(g, 10)
	want := x.publish(g, 1)[0]
	for retries := range 3 {
		h := m.next()
		if h.ID != want.ID || h.Retries != retries {
			x.Errorf("handed out %s with retries %d, want %s with %d", h.ID, h.Retries, want.ID, retries)
		}
		h.answer <- eventlog.Retry
	}
	x.eventually("the event to be parked", func() bool { return x.stats(g).Parked == 1 })
	nothing(x, "a parked event", m.handed)
}

func timesOut(x *run) {
	g := x.group()
	g.MessageTimeout, g.MaxRetries = x.timeout, manyRetries
	m := x.join(g, 10)
	published := time.Now()
	want := x.publish(g, 1)[0]
	late := m.next()
	again := m.next()
	if again.ID != want.ID || again.Retries != 1 {
		x.Errorf("after the timeout: got %s with retries %d, want %s with 1", again.ID, again.Retries, want.ID)
	}
	late.answer <- eventlog.Park
	select {
	case h := <-m.handed: // The second hand-out times out too, if the machine is slow.
		if time.Since(published) < 2*x.timeout {
			x.Errorf("an event came before the second timeout: got %v", h)
		}
		h.answer <- eventlog.Ack
	case <-time.After(x.timeout / 2):
	}
	if s := x.stats(g); s.Parked != 0 {
		x.Errorf("a late verdict was taken: %+v", s)
	}
	again.answer <- eventlog.Ack
	m.finish(g)
	if s := x.stats(g); s.Parked != 0 {
		x.Errorf("after the event is finished: got %+v", s)
	}
}

func parksAndReplays(x *run) {
	g := x.group()
	m := x.join(g, 10)
	events := x.publish(g, 3)
	for range events {
		m.next().answer <- eventlog.Park
	}
	x.eventually("3 events to be parked", func() bool { return x.stats(g).Parked == 3 })
	nothing(x, "a parked event", m.handed)
	n, err := x.log.ReplayParked(x.ctx, g.Name)
	if err != nil || n != 3 {
		x.Fatalf("replay: got %d, %v, want 3", n, err)
	}
	seen := make(map[eventlog.ID]bool)
	for range events {
		h := m.next()
		seen[h.ID] = true
		if !h.Replayed || h.Stream == "" || len(h.Data) == 0 {
			x.Errorf("a replayed event: got %+v", h.Handed)
		}
		if len(seen) == 3 {
			h.answer <- eventlog.Park
		} else {
			h.answer <- eventlog.Ack
		}
	}
	if len(seen) != 3 {
		x.Errorf("%d of 3 parked events were replayed", len(seen))
	}
	x.eventually("the last to be parked again", func() bool { return x.stats(g).Parked == 1 })
	if n, err := x.log.ReplayParked(x.ctx, g.Name); err != nil || n != 1 {
		x.Errorf("second replay: got %d, %v, want 1", n, err)
	}
	m.next().answer <- eventlog.Ack
	nothing(x, "an event after the replay", m.handed)
}

func competes(x *run) {
	const total = 300
	g := x.group()
	var mu sync.Mutex
	times := make(map[eventlog.ID]int)
	shares := make([]int, 3)
	all := make(chan struct{})
	ctx, cancel := context.WithCancel(x.ctx)
	var consumers sync.WaitGroup
	for i := range shares {
		consumers.Go(func() {
			err := x.log.Consume(ctx, g, 5, func(_ context.Context, h eventlog.Handed) eventlog.Verdict {
				mu.Lock()
				defer mu.Unlock()
				times[h.ID]++
				shares[i]++
				if len(times) == total && times[h.ID] == 1 {
					close(all)
				}
				return eventlog.Ack
			})
			if !errors.Is(err, context.Canceled) {
				x.Errorf("consume: %v", err)
			}
		})
	}
	x.eventually("3 consumers", func() bool {
		s, err := x.log.Stats(x.ctx, g.Name)
		return err == nil && s.Consumers == 3
	})
	events := x.publish(g, total)
	receive(x, "all events to be handed out", all)
	x.eventually("all verdicts to be taken", func() bool { return x.stats(g).InFlight == 0 })
	cancel()
	consumers.Wait()
	for _, e := range events {
		if times[e.ID] != 1 {
			x.Errorf("an event was handed out %d times", times[e.ID])
		}
	}
	for i, n := range shares {
		if n == 0 {
			x.Errorf("consumer %d got nothing: %v", i, shares)
		}
	}
}

func keepsBuffer(x *run) {
	const buffer, total = 4, 60
	g := x.group()
	var running, most, done atomic.Int32
	ctx, cancel := context.WithCancel(x.ctx)
	together := make(chan struct{}) // closed once two handlers run at the same time
	var met sync.Once
	ended := make(chan error, 1)
	go func() {
		ended <- x.log.Consume(ctx, g, buffer, func(context.Context, eventlog.Handed) eventlog.Verdict {
			n := running.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			if n >= 2 {
				met.Do(func() { close(together) })
			}
			select {
			case <-together:
				time.Sleep(time.Millisecond)
			case <-ctx.Done():
			}
			running.Add(-1)
			done.Add(1)
			return eventlog.Ack
		})
	}()
	x.eventually("the consumer", func() bool { _, err := x.log.Stats(x.ctx, g.Name); return err == nil })
	x.publish(g, total)
	receive(x, "two handlers to run at the same time", together)
	x.eventually("all events to be handled", func() bool { return done.Load() >= total })
	cancel()
	receive(x, "the consumer to end", ended)
	if most.Load() > buffer {
		x.Errorf("%d events at once with a buffer of %d", most.Load(), buffer)
	}
}

func handsOver(x *run) {
	g := x.group()
	leaving := x.join(g, 10)
	x.publish(g, 3)
	held := make(map[eventlog.ID]bool)
	for range 3 {
		held[leaving.next().ID] = true
	}
	staying := x.join(g, 10)
	leaving.leave()
	for range 3 {
		h := staying.next()
		if !held[h.ID] || h.Retries != 1 {
			x.Errorf("handed over %s with retries %d", h.ID, h.Retries)
		}
		delete(held, h.ID)
		h.answer <- eventlog.Ack
	}
	nothing(x, "an event after all were acknowledged", staying.handed)
}

func handsToNext(x *run) {
	g := x.group()
	m := x.join(g, 10)
	want := x.publish(g, 1)[0]
	m.next()
	m.leave()
	x.eventually("no consumer to be left", func() bool { return x.stats(g).Consumers == 0 })
	late := x.publish(g, 1)[0]
	m = x.join(g, 10)
	got := map[eventlog.ID]handing{}
	for range 2 {
		h := m.next()
		got[h.ID] = h
		h.answer <- eventlog.Ack
	}
	if h := got[want.ID]; h.Retries != 1 || !h.Backlog {
		x.Errorf("what was held: got retries %d, backlog %v, want 1, true", h.Retries, h.Backlog)
	}
	if h := got[late.ID]; h.Retries != 0 || !h.Backlog {
		x.Errorf("what came while nobody was there: got retries %d, backlog %v, want 0, true", h.Retries, h.Backlog)
	}
}

func groupsApart(x *run) {
	g := x.group()
	other := g
	other.Name += "\x00other"
	one, two := x.join(g, 10), x.join(other, 10)
	x.publish(g, 1)
	one.next().answer <- eventlog.Park
	two.next().answer <- eventlog.Ack
	x.eventually("the event to be parked", func() bool { return x.stats(g).Parked == 1 })
	if s := x.stats(other); s.Parked != 0 || s.Consumers != 1 {
		x.Errorf("the other group: got %+v", s)
	}
	if n, err := x.log.ReplayParked(x.ctx, other.Name); n != 0 || err != nil {
		x.Errorf("replay of the other group: got %d, %v", n, err)
	}
}

func checkpointMoves(x *run) {
	g := x.group()
	m := x.join(g, 10)
	x.publish(g, 3)
	hands := map[eventlog.Revision]handing{}
	for range 3 {
		h := m.next()
		hands[h.Revision] = h
	}
	hands[0].answer <- eventlog.Ack
	hands[2].answer <- eventlog.Ack
	x.eventually("one event in flight", func() bool { return x.stats(g).InFlight == 1 })
	first, held := hands[0].Position, hands[1].Position
	if s := x.stats(g); !held.After(s.Checkpoint) {
		x.Errorf("the checkpoint %s has passed the unfinished %s", s.Checkpoint, held)
	}
	x.eventually("the checkpoint to pass the first event", func() bool { return !first.After(x.stats(g).Checkpoint) })
	hands[1].answer <- eventlog.Ack
	last := hands[2].Position
	x.eventually("the checkpoint to pass the last event", func() bool { return !last.After(x.stats(g).Checkpoint) })
	if s := x.stats(g); s.Checkpoint.After(s.LastKnown) {
		x.Errorf("the checkpoint is past what the group knows: %+v", s)
	}
}

func groupSurvives(x *run) {
	g := x.group()
	m := x.join(g, 10)
	x.publish(g, 20)
	var unfinished eventlog.ID
	for i := range 20 {
		h := m.next()
		if i == 10 {
			unfinished = h.ID
			continue
		}
		h.answer <- eventlog.Ack
	}
	x.eventually("one event in flight", func() bool { return x.stats(g).InFlight == 1 })
	m.leave()
	x.reopen()
	missed := x.publish(g, 1)[0]
	m = x.join(g, 100)
	want := map[eventlog.ID]bool{unfinished: true, missed.ID: true}
	for len(want) > 0 {
		h := m.next()
		if !h.Backlog {
			x.Errorf("an event from before the restart is not marked as backlog")
		}
		delete(want, h.ID)
		h.answer <- eventlog.Ack
	}
	end := x.head()
	x.eventually("everything to be finished", func() bool { // What was finished may come again, at least once.
		for {
			select {
			case h := <-m.handed:
				h.answer <- eventlog.Ack
				continue
			default:
			}
			return !end.After(x.stats(g).Checkpoint)
		}
	})
	other := g
	other.MaxRetries++
	if err := x.log.Consume(x.ctx, other, 1, nil); !errors.Is(err, eventlog.ErrGroupDiffers) {
		x.Errorf("other settings after a restart: got %v", err)
	}
	first := x.stats(g).LastKnown
	m.leave()
	x.reopen()
	m = x.join(g, 100)
	nothing(x, "a finished event after a second restart", m.handed)
	if s := x.stats(g); first.After(s.LastKnown) {
		x.Errorf("the group fell back from %s to %s although all was finished", first, s.LastKnown)
	}
}

func parkedSurvive(x *run) {
	g := x.group()
	m := x.join(g, 10)
	want := x.publish(g, 1)[0]
	m.next().answer <- eventlog.Park
	x.eventually("the event to be parked", func() bool { return x.stats(g).Parked == 1 })
	m.leave()
	x.reopen()
	if s := x.stats(g); s.Parked != 1 || s.Consumers != 0 {
		x.Errorf("after a restart: got %+v, want 1 parked", s)
	}
	if n, err := x.log.ReplayParked(x.ctx, g.Name); n != 1 || err != nil {
		x.Fatalf("replay: got %d, %v", n, err)
	}
	x.reopen()
	if x.backend.Features.ReplayForgotten {
		if n, err := x.log.ReplayParked(x.ctx, g.Name); n != 1 || err != nil {
			x.Fatalf("replay after a restart: got %d, %v", n, err)
		}
	}
	m = x.join(g, 10)
	h := m.next()
	if h.ID != want.ID || !h.Replayed {
		x.Errorf("replayed, restarted: got %s, replayed %v", h.ID, h.Replayed)
	}
	h.answer <- eventlog.Ack
	nothing(x, "another event", m.handed)
}

func marksBacklog(x *run) {
	g := x.group()
	first := x.join(g, 1)
	before := x.publish(g, 2)
	held := first.next() // The other waits in the log.
	second := x.join(g, 10)
	old := second.next()
	if old.ID != before[0].ID && old.ID != before[1].ID || !old.Backlog {
		x.Errorf("an event from before joining: got backlog %v", old.Backlog)
	}
	after := x.publish(g, 1)[0]
	young := second.next()
	if young.ID != after.ID || young.Backlog {
		x.Errorf("an event from after joining: got backlog %v", young.Backlog)
	}
	for _, h := range []handing{held, old, young} {
		h.answer <- eventlog.Ack
	}
}

func refusesOtherSettings(x *run) {
	g := x.group()
	g.TypePrefixes = append(g.TypePrefixes, "other")
	x.join(g, 1)
	same := g
	same.TypePrefixes = []string{g.TypePrefixes[1], g.TypePrefixes[0]}
	x.join(same, 2).leave()
	for what, differ := range map[string]func(*eventlog.Group){
		"a prefix less":   func(g *eventlog.Group) { g.TypePrefixes = g.TypePrefixes[:1] },
		"another timeout": func(g *eventlog.Group) { g.MessageTimeout *= 2 },
		"more retries":    func(g *eventlog.Group) { g.MaxRetries++ },
	} {
		other := g
		differ(&other)
		if err := x.log.Consume(x.ctx, other, 1, nil); !errors.Is(err, eventlog.ErrGroupDiffers) {
			x.Errorf("%s: got %v, want ErrGroupDiffers", what, err)
		}
	}
}

func refusesBadGroups(x *run) {
	for what, spoil := range map[string]func(*eventlog.Group){
		"no name":               func(g *eventlog.Group) { g.Name = "" },
		"no prefix":             func(g *eventlog.Group) { g.TypePrefixes = nil },
		"no timeout":            func(g *eventlog.Group) { g.MessageTimeout = 0 },
		"retries below 0":       func(g *eventlog.Group) { g.MaxRetries = -1 },
		"a name that is not ..": func(g *eventlog.Group) { g.Name = "\xff" },
	} {
		g := x.group()
		spoil(&g)
		if err := x.log.Consume(x.ctx, g, 1, nil); !errors.Is(err, eventlog.ErrInvalid) {
			x.Errorf("%s: got %v, want ErrInvalid", what, err)
		}
	}
	if err := x.log.Consume(x.ctx, x.group(), 0, nil); !errors.Is(err, eventlog.ErrInvalid) {
		x.Errorf("a buffer of 0: got %v, want ErrInvalid", err)
	}
}

func unknownGroup(x *run) {
	name := unique("unknown")
	if _, err := x.log.Stats(x.ctx, name); !errors.Is(err, eventlog.ErrNoGroup) {
		x.Errorf("stats: got %v, want ErrNoGroup", err)
	}
	if _, err := x.log.ReplayParked(x.ctx, name); !errors.Is(err, eventlog.ErrNoGroup) {
		x.Errorf("replay: got %v, want ErrNoGroup", err)
	}
}

func consumeEnds(x *run) {
	g := x.group()
	ctx, cancel := context.WithCancel(x.ctx)
	entered, leave, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		done <- x.log.Consume(ctx, g, 1, func(handling context.Context, _ eventlog.Handed) eventlog.Verdict {
			close(entered)
			<-handling.Done()
			<-leave
			return eventlog.Ack
		})
	}()
	x.eventually("the consumer", func() bool { _, err := x.log.Stats(x.ctx, g.Name); return err == nil })
	x.publish(g, 1)
	receive(x, "the event", entered)
	cancel()
	nothing(x, "the end of Consume while a handler runs", done)
	close(leave)
	if err := receive(x, "the end of Consume", done); !errors.Is(err, context.Canceled) {
		x.Errorf("consume: got %v", err)
	}
}
