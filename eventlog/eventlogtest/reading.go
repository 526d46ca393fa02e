package eventlogtest

import (
	"bytes"
	"context"
	"errors"

	"github.com/hooklog/hooklog/eventlog"
)

func readRules() []Rule {
	return []Rule{
		{Name: "reading a stream that does not exist yields nothing", check: readMissing},
		{Name: "a stream is read from any revision, in batches unseen", check: readFrom},
		{Name: "all is read after any position", check: readAfter},
		{Name: "reading after the head fails with ErrAhead", check: readAhead},
		{Name: "an event is read at the position that was told of it", check: readAt},
		{Name: "reading where nothing stands fails with ErrNoEvent", check: readNowhere},
		{Name: "an acknowledged event is seen by every read at once", check: readOwn},
		{Name: "a read ends with its context", check: readEnded},
		{Name: "a read may be left at any event", check: readLeft},
	}
}

func readMissing(x *run) {
	x.holds(unique("missing"))
	stream := unique("short")
	x.append(stream, eventlog.NoStream, newEvent("t"))
	if got := x.read(stream, 1); len(got) != 0 {
		x.Errorf("reading past the end of a stream: got %d events", len(got))
	}
	if got := x.read(stream, 1<<40); len(got) != 0 {
		x.Errorf("reading far past the end of a stream: got %d events", len(got))
	}
}

func readFrom(x *run) {
	stream, other := unique("long"), unique("between")
	var events []eventlog.Event
	for i := range 12 {
		more := newEvents("t", 100)
		x.append(stream, eventlog.Any, more...)
		x.append(other, eventlog.Any, newEvents("t", 1+i)...)
		events = append(events, more...)
	}
	for _, from := range []eventlog.Revision{0, 1, 511, 512, 513, 1199} {
		x.sameEvents(stream, from, x.read(stream, from), events[from:])
	}
}

func readAfter(x *run) {
	stream := unique("all")
	var places []eventlog.Position
	for range 5 {
		places = append(places, x.append(stream, eventlog.Any, newEvents("t", 200)...).Position)
	}
	all := x.readAll()
	x.ordered(all)
	if len(all) != 1000 && !x.backend.Features.SharedFeed {
		x.Fatalf("the feed has %d events, want 1000", len(all))
	}
	for i, after := range places {
		n := 0
		for e, err := range x.log.ReadAll(x.ctx, after) {
			if err != nil {
				x.Fatalf("read all: %v", err)
			}
			if !e.Position.After(after) {
				x.Fatalf("reading after %s shows %s", after, e.Position)
			}
			if e.Stream == stream {
				n++
			}
		}
		if want := 1000 - 200*(i+1); n != want {
			x.Errorf("after %s: got %d events, want %d", after, n, want)
		}
	}
}

func readAhead(x *run) {
	check := func(after eventlog.Position) {
		x.Helper()
		var got error
		for _, err := range x.log.ReadAll(x.ctx, after) {
			got = err
		}
		if !errors.Is(got, eventlog.ErrAhead) {
			x.Errorf("read all after %s: got %v, want ErrAhead", after, got)
		}
	}
	far := func() eventlog.Position {
		high, low := x.head().Halves()
		return eventlog.PositionOf(high+1<<30, low+1<<30)
	}
	check(far())
	head := x.append(unique("head"), eventlog.NoStream, newEvent("t")).Position
	check(far())
	for e, err := range x.log.ReadAll(x.ctx, head) {
		if !x.backend.Features.SharedFeed {
			x.Errorf("read all after the head: got %v, %v", e, err)
		}
	}
}

func readAt(x *run) {
	stream := unique("at")
	for _, n := range []int{1, 7, 300} {
		e := newEvents("t", n)
		a := x.append(stream, eventlog.Any, e...)
		x.sameRecorded(a.Position, eventlog.Recorded{Event: e[n-1], Stream: stream, Revision: a.Revision, Position: a.Position})
	}
	for _, want := range x.readAll() {
		x.sameRecorded(want.Position, want)
	}
	if x.backend.Reopen == nil {
		return
	}
	all := x.readAll()
	x.reopen()
	for _, want := range all {
		x.sameRecorded(want.Position, want)
	}
}

// sameRecorded reads the event at a position. The log's own time is compared where it is known.
func (x *run) sameRecorded(at eventlog.Position, want eventlog.Recorded) {
	x.Helper()
	got, err := x.log.ReadAt(x.ctx, at)
	if err != nil {
		x.Fatalf("read at %s: %v", at, err)
	}
	same := got.ID == want.ID && got.Type == want.Type && bytes.Equal(got.Data, want.Data) && bytes.Equal(got.Metadata, want.Metadata)
	placed := got.Stream == want.Stream && got.Revision == want.Revision && got.Position == at && !got.RecordedAt.IsZero()
	timed := want.RecordedAt.IsZero() || got.RecordedAt.Equal(want.RecordedAt)
	if !same || !placed || !timed {
		x.Errorf("at %s: got %+v, want %+v", at, got, want)
	}
}

func readNowhere(x *run) {
	check := func(at eventlog.Position) {
		x.Helper()
		_, err := x.log.ReadAt(x.ctx, at)
		var none *eventlog.NoEventError
		if !errors.Is(err, eventlog.ErrNoEvent) || !errors.As(err, &none) || none.At != at {
			x.Errorf("read at %s: got %v, want a *NoEventError that is ErrNoEvent", at, err)
		}
	}
	check(eventlog.Position{})
	head := x.append(unique("nowhere"), eventlog.NoStream, newEvent("t")).Position
	high, low := head.Halves()
	check(eventlog.Position{})
	check(eventlog.PositionOf(high+1<<30, low+1<<30))
	check(eventlog.PositionOf(high+1, low))
}

func readOwn(x *run) {
	for range 50 {
		stream, e := unique("own"), newEvent("t")
		before := x.head()
		a := x.append(stream, eventlog.NoStream, e)
		x.holds(stream, e)
		if a.Position.After(x.head()) {
			x.Errorf("the head %s is before what was acknowledged at %s", x.head(), a.Position)
		}
		seen := false
		for got, err := range x.log.ReadAll(x.ctx, before) {
			if err != nil {
				x.Fatalf("read all: %v", err)
			}
			seen = seen || got.ID == e.ID && got.Position == a.Position
		}
		if !seen {
			x.Errorf("the feed does not show an acknowledged event")
		}
	}
}

func readEnded(x *run) {
	stream := unique("ended")
	x.append(stream, eventlog.NoStream, newEvents("t", 3)...)
	ctx, cancel := context.WithCancel(x.ctx)
	cancel()
	for _, err := range x.log.Read(ctx, stream, 0) {
		if !errors.Is(err, context.Canceled) {
			x.Errorf("read with an ended context: got %v", err)
		}
	}
	for _, err := range x.log.ReadAll(ctx, x.start) {
		if !errors.Is(err, context.Canceled) {
			x.Errorf("read all with an ended context: got %v", err)
		}
	}
	if _, err := x.log.ReadAt(ctx, x.head()); !errors.Is(err, context.Canceled) {
		x.Errorf("read at a position with an ended context: got %v", err)
	}
	if _, err := x.log.Head(ctx); !errors.Is(err, context.Canceled) {
		x.Errorf("head with an ended context: got %v", err)
	}
}

func readLeft(x *run) {
	stream := unique("left")
	x.append(stream, eventlog.NoStream, newEvents("t", 3)...)
	for range x.log.Read(x.ctx, stream, 0) {
		break
	}
	for range x.log.ReadAll(x.ctx, x.start) {
		break
	}
	if got := len(x.read(stream, 0)); got != 3 {
		x.Errorf("after a read that was left: got %d events, want 3", got)
	}
}
