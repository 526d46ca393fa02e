package eventlogtest

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/hooklog/hooklog/eventlog"
)

// run is one rule being checked.
type run struct {
	testing.TB
	backend  Backend
	log      eventlog.Log
	ctx      context.Context
	start    eventlog.Position // the head at the beginning
	timeout  time.Duration     // short message timeout
	patience time.Duration
}

// newID makes an id that no other event has.
func newID() eventlog.ID {
	var id eventlog.ID
	rand.Read(id[:]) // It never fails.
	return id
}

// unique makes a name that no other rule uses.
func unique(prefix string) string { return prefix + "-" + newID().String() }

func newEvent(kind string) eventlog.Event {
	id := newID()
	return eventlog.Event{ID: id, Type: kind, Data: []byte(`{"id":"` + id.String() + `"}`), Metadata: []byte(`{"at":"2026-01-02T03:04:05Z"}`)}
}

func newEvents(kind string, n int) []eventlog.Event {
	events := make([]eventlog.Event, n)
	for i := range events {
		events[i] = newEvent(kind)
	}
	return events
}

// append must succeed.
func (x *run) append(stream string, expected eventlog.Expected, events ...eventlog.Event) eventlog.Appended {
	x.Helper()
	a, err := x.log.Append(x.ctx, stream, expected, events...)
	if err != nil {
		x.Fatalf("append %d events to %q at %s: %v", len(events), stream, expected, err)
	}
	return a
}

// refused must fail with an error that is want, and leave the stream as it was.
func (x *run) refused(want error, stream string, expected eventlog.Expected, events ...eventlog.Event) error {
	x.Helper()
	before := len(x.readAll())
	_, err := x.log.Append(x.ctx, stream, expected, events...)
	if !errors.Is(err, want) {
		x.Errorf("append %d events to %.60q at %s: got error %v, want %v", len(events), stream, expected, err, want)
	}
	if after := len(x.readAll()); after != before && !x.backend.Features.SharedFeed {
		x.Errorf("a refused append changed the log from %d to %d events", before, after)
	}
	return err
}

// conflict must be refused because the stream stands at actual.
func (x *run) conflict(actual eventlog.Expected, stream string, expected eventlog.Expected, events ...eventlog.Event) {
	x.Helper()
	err := x.refused(eventlog.ErrRevisionConflict, stream, expected, events...)
	var conflict *eventlog.ConflictError
	if !errors.As(err, &conflict) {
		x.Errorf("append to %q at %s: %v is not a *ConflictError", stream, expected, err)
		return
	}
	if conflict.Stream != stream || conflict.Expected != expected || conflict.Actual != actual {
		x.Errorf("conflict: got %q expected %s actual %s, want %q expected %s actual %s",
			conflict.Stream, conflict.Expected, conflict.Actual, stream, expected, actual)
	}
}

// read reads a stream to its end.
func (x *run) read(stream string, from eventlog.Revision) []eventlog.Recorded {
	x.Helper()
	var events []eventlog.Recorded
	for e, err := range x.log.Read(x.ctx, stream, from) {
		if err != nil {
			x.Fatalf("read %q from %d: %v", stream, from, err)
		}
		events = append(events, e)
	}
	return events
}

// readAll reads what was appended since the rule began.
func (x *run) readAll() []eventlog.Recorded {
	x.Helper()
	var events []eventlog.Recorded
	for e, err := range x.log.ReadAll(x.ctx, x.start) {
		if err != nil {
			x.Fatalf("read all after %s: %v", x.start, err)
		}
		events = append(events, e)
	}
	return events
}

func (x *run) head() eventlog.Position {
	x.Helper()
	head, err := x.log.Head(x.ctx)
	if err != nil {
		x.Fatalf("head: %v", err)
	}
	return head
}

// holds checks that a stream holds exactly these events, byte for byte.
func (x *run) holds(stream string, want ...eventlog.Event) {
	x.Helper()
	x.sameEvents(stream, 0, x.read(stream, 0), want)
}

func (x *run) sameEvents(stream string, from eventlog.Revision, got []eventlog.Recorded, want []eventlog.Event) {
	x.Helper()
	if len(got) != len(want) {
		x.Errorf("stream %q from %d: got %d events, want %d", stream, from, len(got), len(want))
		return
	}
	for i, e := range got {
		w := want[i]
		if e.ID != w.ID || e.Type != w.Type || !bytes.Equal(e.Data, w.Data) || !bytes.Equal(e.Metadata, w.Metadata) {
			x.Errorf("stream %q: event %d came back as another", stream, i)
		}
		if e.Stream != stream || e.Revision != from+eventlog.Revision(i) {
			x.Errorf("stream %q: event %d says %q revision %d", stream, i, e.Stream, e.Revision)
		}
		if e.RecordedAt.IsZero() {
			x.Errorf("stream %q: event %d has no time", stream, i)
		}
	}
}

// ordered checks what must hold of every feed: positions rise, and revisions of each stream follow each other.
func (x *run) ordered(events []eventlog.Recorded) {
	x.Helper()
	next := make(map[string]eventlog.Revision)
	before := x.start
	for _, e := range events {
		if !e.Position.After(before) {
			x.Fatalf("the feed shows position %s after %s", e.Position, before)
		}
		before = e.Position
		if n, seen := next[e.Stream]; seen && e.Revision != n || !seen && e.Revision != 0 && !x.backend.Features.SharedFeed {
			x.Fatalf("the feed shows revision %d of %q, want %d", e.Revision, e.Stream, n)
		}
		next[e.Stream] = e.Revision + 1
	}
}

// reopen restarts the log.
func (x *run) reopen() {
	x.Helper()
	x.log = x.backend.Reopen(x, x.log)
}

// receive waits for a value.
func receive[T any](x *run, what string, values <-chan T) T {
	x.Helper()
	select {
	case v := <-values:
		return v
	case <-time.After(x.patience):
		x.Fatalf("waited %v for %s", x.patience, what)
	}
	panic("unreachable")
}

// nothing checks that no value comes for a while in which one could have come.
func nothing[T any](x *run, what string, values <-chan T) {
	x.Helper()
	select {
	case v := <-values:
		x.Errorf("%s: got %v", what, v)
	case <-time.After(x.timeout / 2):
	}
}

// eventually waits until a condition holds, for what a log tells without a signal.
func (x *run) eventually(what string, holds func() bool) {
	x.Helper()
	for end := time.Now().Add(x.patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			x.Fatalf("waited %v for %s", x.patience, what)
		}
	}
}

func label(format string, args ...any) string { return fmt.Sprintf(format, args...) }
