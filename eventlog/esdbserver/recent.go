package esdbserver

import (
	"context"
	"fmt"
	"sync"

	"github.com/hooklog/hooklog/eventlog"
)

// maxRecent is how many events are remembered.
const maxRecent = 64 << 10

// recent remembers where the latest appends put their events, so that an append at Any or StreamExists that is repeated,
// say by a client that lost the answer, adds nothing. It does its best: what is old, or from before a restart, is
// forgotten. Repetitions at an exact revision or NoStream are the log's business.
type recent struct {
	mu    sync.Mutex
	byID  map[eventlog.ID]*trace
	order []eventlog.ID // a ring once it is full
	next  int
	// settled is closed.
	settled chan struct{}
}

// trace is an event that is being appended, or was.
type trace struct {
	stream string
	done   chan struct{} // closed when what is below is known
	failed bool
	at     eventlog.Appended // its own revision; the position is zero but for the last event of an append
}

func newRecent() *recent {
	r := &recent{byID: make(map[eventlog.ID]*trace), settled: make(chan struct{})}
	close(r.settled)
	return r
}

// appender hands an append over, as AppendLater of a log does.
type appender func() (wait func() (eventlog.Appended, error), err error)

// append hands over through do, unless the first event is remembered: then all must be, or it is a conflict. wait tells
// what came of it and is called once.
func (r *recent) append(ctx context.Context, stream string, expected eventlog.Expected, events []eventlog.Event, do appender) (wait func() (at eventlog.Appended, repeated bool, err error)) {
	if expected != eventlog.Any && expected != eventlog.StreamExists {
		outcome, err := do()
		return func() (at eventlog.Appended, _ bool, _ error) {
			if err == nil {
				at, err = outcome()
			}
			if err == nil {
				r.remember(stream, events, at)
			}
			return at, false, err
		}
	}
	known, traces := r.begin(stream, events)
	if known == nil {
		outcome, err := do()
		return func() (at eventlog.Appended, _ bool, _ error) {
			if err == nil {
				at, err = outcome()
			}
			r.settle(events, traces, at, err)
			return at, false, err
		}
	}
	return func() (at eventlog.Appended, repeated bool, err error) {
		select {
		case <-known.done:
		case <-ctx.Done():
			return at, false, ctx.Err()
		}
		if known.failed {
			return r.append(ctx, stream, expected, events, do)()
		}
		at, err = r.repeated(stream, expected, known, events)
		return at, true, err
	}
}

// begin returns the trace of the first event if there is one, else new traces of all.
func (r *recent) begin(stream string, events []eventlog.Event) (known *trace, traces []*trace) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t := r.byID[events[0].ID]; t != nil && t.stream == stream && !t.failed {
		return t, nil
	}
	done := make(chan struct{})
	traces = make([]*trace, len(events))
	for i := range events {
		traces[i] = &trace{stream: stream, done: done}
		r.put(events[i].ID, traces[i])
	}
	return nil, traces
}

// remember keeps where an append ended.
func (r *recent) remember(stream string, events []eventlog.Event, at eventlog.Appended) {
	traces := make([]trace, len(events))
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range events {
		traces[i] = trace{stream: stream, done: r.settled}
		traces[i].at.Revision = at.Revision - eventlog.Revision(len(events)-1-i)
		r.put(events[i].ID, &traces[i])
	}
	traces[len(traces)-1].at.Position = at.Position
}

func (r *recent) put(id eventlog.ID, t *trace) {
	if _, there := r.byID[id]; !there {
		if len(r.order) < maxRecent {
			r.order = append(r.order, id)
		} else {
			delete(r.byID, r.order[r.next])
			r.order[r.next] = id
			r.next = (r.next + 1) % maxRecent
		}
	}
	r.byID[id] = t
}

// settle tells how an append ended, and forgets one that failed.
func (r *recent) settle(events []eventlog.Event, traces []*trace, at eventlog.Appended, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, t := range traces {
		t.failed = err != nil
		t.at.Revision = at.Revision - eventlog.Revision(len(traces)-1-i)
		if t.failed && r.byID[events[i].ID] == t {
			r.byID[events[i].ID] = &trace{failed: true, done: t.done}
		}
	}
	last := traces[len(traces)-1]
	last.at.Position = at.Position
	close(last.done)
}

// repeated answers an append whose first event is known.
func (r *recent) repeated(stream string, expected eventlog.Expected, first *trace, events []eventlog.Event) (eventlog.Appended, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := first.at
	for i := range events {
		t := r.byID[events[i].ID]
		if t == nil || t.stream != stream {
			return at, &eventlog.ConflictError{Stream: stream, Expected: expected, Actual: eventlog.Exactly(at.Revision)}
		}
		select {
		case <-t.done:
			at = t.at
		default:
			return at, fmt.Errorf("%w: a repeated append overlaps another", eventlog.ErrUnknownOutcome)
		}
	}
	return at, nil
}
