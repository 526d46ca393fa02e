package esdb

import (
	"sync"

	client "github.com/EventStore/EventStore-Client-Go/v4/esdb"

	"github.com/hooklog/hooklog/eventlog"
)

// answersAtOnce is how many ids one message to the server holds at most.
const answersAtOnce = 500

// answers sends verdicts, all from one goroutine: the client allows no two at a time.
type answers struct {
	events *client.PersistentSubscription

	mu      sync.Mutex
	changed sync.Cond // on mu
	pending [4][]*client.ResolvedEvent
	held    bool
	sending bool
	ended   bool
}

func newAnswers(events *client.PersistentSubscription) *answers {
	a := &answers{events: events}
	a.changed.L = &a.mu
	return a
}

// put adds a verdict to those to be sent.
func (a *answers) put(e *client.ResolvedEvent, v eventlog.Verdict) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if int(v) >= len(a.pending) {
		v = eventlog.Retry
	}
	a.pending[v] = append(a.pending[v], e)
	a.changed.Broadcast()
}

// hold keeps verdicts from being sent until release.
func (a *answers) hold() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held = true
}

// unhold ends hold.
func (a *answers) unhold() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.held = false
	a.changed.Broadcast()
}

// release ends hold and returns once what was held is on its way.
func (a *answers) release() {
	a.unhold()
	a.mu.Lock()
	defer a.mu.Unlock()
	for (a.some() || a.sending) && !a.ended {
		a.changed.Wait()
	}
}

// end makes run return. What was not sent is forgotten: the server hands it out again.
func (a *answers) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ended = true
	a.changed.Broadcast()
}

func (a *answers) some() bool {
	for _, p := range a.pending {
		if len(p) > 0 {
			return true
		}
	}
	return false
}

// run sends until end is called.
func (a *answers) run() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for {
		for (a.held || !a.some()) && !a.ended {
			a.changed.Wait()
		}
		if a.ended {
			return
		}
		batch := a.pending
		a.pending, a.sending = [4][]*client.ResolvedEvent{}, true
		a.mu.Unlock()
		a.send(batch)
		a.mu.Lock()
		a.sending = false
		a.changed.Broadcast()
	}
}

// send writes verdicts to the connection. If that fails the connection is lost, which its receiver will notice.
func (a *answers) send(batch [4][]*client.ResolvedEvent) {
	for v, events := range batch {
		for len(events) > 0 {
			n := min(len(events), answersAtOnce)
			if a.sendOne(eventlog.Verdict(v), events[:n]) != nil {
				return
			}
			events = events[n:]
		}
	}
}

func (a *answers) sendOne(v eventlog.Verdict, events []*client.ResolvedEvent) error {
	switch v {
	case eventlog.Ack:
		return a.events.Ack(events...)
	case eventlog.Park:
		return a.events.Nack("parked by its consumer", client.NackActionPark, events...)
	case eventlog.Skip:
		return a.events.Nack("passed over by its consumer", client.NackActionSkip, events...)
	}
	return a.events.Nack("to be handed out again", client.NackActionRetry, events...)
}
