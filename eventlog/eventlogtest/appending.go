package eventlogtest

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/hooklog/hooklog/eventlog"
)

func appendRules() []Rule {
	return []Rule{
		{Name: "an append tells its last revision and position", check: tellsPlace},
		{Name: "an append is all or nothing", check: allOrNothing},
		{Name: "expectations are met or conflict", check: expectations},
		{Name: "what was appended comes back byte for byte", check: bytesBack},
		{Name: "one of many appenders at NoStream wins", check: oneWinner},
		{Name: "16 appenders leave a complete and ordered feed", check: manyAppenders},
		{Name: "an append of 1 MiB is taken, one byte more is refused", check: megabyte},
		{Name: "events without id, type or stream are refused", check: empties},
		{Name: "an append with an ended context appends nothing", check: endedContext},
		{Name: "an append cancelled on its way happened or did not, whole", check: cancelledAppend},
		{Name: "the same event may stand in two streams", check: twoStreams},
	}
}

func tellsPlace(x *run) {
	stream := unique("place")
	first := x.append(stream, eventlog.NoStream, newEvents("t", 3)...)
	if first.Revision != 2 {
		x.Errorf("after 3 events: got revision %d, want 2", first.Revision)
	}
	second := x.append(stream, eventlog.Exactly(2), newEvent("t"))
	if second.Revision != 3 || !second.Position.After(first.Position) {
		x.Errorf("after a fourth event: got revision %d at %s, want 3 after %s", second.Revision, second.Position, first.Position)
	}
	got := x.read(stream, 0)
	if len(got) != 4 || got[2].Position != first.Position || got[3].Position != second.Position {
		x.Errorf("the events are not at the positions that were told: %v", got)
	}
	if head := x.head(); head != second.Position && !x.backend.Features.SharedFeed {
		x.Errorf("head: got %s, want %s", head, second.Position)
	}
}

func allOrNothing(x *run) {
	stream := unique("whole")
	events := newEvents("t", 3)
	x.conflict(eventlog.NoStream, stream, eventlog.Exactly(0), events...)
	bad := newEvents("t", 3)
	bad[2].Type = ""
	x.refused(eventlog.ErrInvalid, stream, eventlog.NoStream, bad...)
	x.holds(stream)
	x.append(stream, eventlog.NoStream, events...)
	x.holds(stream, events...)
	all := x.readAll()
	x.ordered(all)
	var ours []eventlog.Recorded
	for _, e := range all {
		if e.Stream == stream {
			ours = append(ours, e)
		}
	}
	x.sameEvents(stream, 0, ours, events)
}

func expectations(x *run) {
	missing, present := unique("missing"), unique("present")
	x.append(present, eventlog.NoStream, newEvents("t", 2)...)
	for _, wrong := range []eventlog.Expected{eventlog.StreamExists, eventlog.Exactly(0), eventlog.Exactly(7)} {
		x.conflict(eventlog.NoStream, missing, wrong, newEvent("t"))
	}
	for _, wrong := range []eventlog.Expected{eventlog.NoStream, eventlog.Exactly(0), eventlog.Exactly(2), eventlog.Exactly(7)} {
		x.conflict(eventlog.Exactly(1), present, wrong, newEvent("t"))
	}
	x.append(present, eventlog.Exactly(1), newEvent("t"))
	x.append(present, eventlog.StreamExists, newEvent("t"))
	x.append(present, eventlog.Any, newEvent("t"))
	x.append(missing, eventlog.Any, newEvent("t"))
	x.conflict(eventlog.Exactly(4), present, eventlog.Exactly(3), newEvent("t"))
	x.conflict(eventlog.Exactly(0), missing, eventlog.NoStream, newEvent("t"))
}

func bytesBack(x *run) {
	stream := unique("bytes")
	events := newEvents("t", 4)
	events[1].Data, events[1].Metadata = []byte(`{}`), []byte(`{}`)
	events[2].Data = []byte("{\"text\":\"Grüße <&> \u2028 \U0001F4E8 \\u0000\"}")
	events[3].Data = []byte(`{"spaces" : [1,  2] , "n":1e400}`)
	x.append(stream, eventlog.NoStream, events...)
	x.holds(stream, events...)
}

func oneWinner(x *run) {
	stream := unique("race")
	var appenders sync.WaitGroup
	won := make(chan eventlog.Event, 16)
	for range cap(won) {
		appenders.Go(func() {
			e := newEvent("t")
			_, err := x.log.Append(x.ctx, stream, eventlog.NoStream, e)
			switch {
			case err == nil:
				won <- e
			case !errors.Is(err, eventlog.ErrRevisionConflict):
				x.Errorf("a loser got %v", err)
			}
		})
	}
	appenders.Wait()
	if len(won) != 1 {
		x.Fatalf("%d appends at NoStream won", len(won))
	}
	x.holds(stream, <-won)
}

func manyAppenders(x *run) {
	const appenders, each = 16, 25
	streams := []string{unique("many"), unique("many"), unique("many")}
	var mu sync.Mutex
	places := make(map[eventlog.ID]eventlog.Position) // of the last event of each append
	followers := make(map[eventlog.ID]eventlog.ID)
	var wait sync.WaitGroup
	for n := range appenders {
		wait.Go(func() {
			for i := range each {
				events := newEvents("t", 1+i%3)
				a, err := x.log.Append(x.ctx, streams[(n+i)%len(streams)], eventlog.Any, events...)
				if err != nil {
					x.Errorf("append: %v", err)
					return
				}
				mu.Lock()
				for j, e := range events {
					places[e.ID] = eventlog.Position{}
					if j > 0 {
						followers[events[j-1].ID] = e.ID
					}
				}
				places[events[len(events)-1].ID] = a.Position
				mu.Unlock()
			}
		})
	}
	wait.Wait()
	all := x.readAll()
	x.ordered(all)
	last := make(map[string]eventlog.ID)
	for _, e := range all {
		if want, ours := places[e.ID]; ours && !want.IsZero() && e.Position != want {
			x.Errorf("an event told to be at %s is at %s", want, e.Position)
		}
		if before, ok := last[e.Stream]; ok && followers[before] != (eventlog.ID{}) && followers[before] != e.ID {
			x.Errorf("the events of one append do not follow each other")
		}
		last[e.Stream] = e.ID
		delete(places, e.ID)
	}
	if len(places) != 0 {
		x.Errorf("%d appended events are missing in the feed", len(places))
	}
	total := 0
	for _, s := range streams {
		total += len(x.read(s, 0))
	}
	if want := appenders * (9*1 + 8*2 + 8*3); total != want {
		x.Errorf("the streams hold %d events, want %d", total, want)
	}
}

func megabyte(x *run) {
	stream := unique("large")
	full := newEvent("t")
	full.Metadata = []byte(`{}`)
	kind := len(full.Type)
	if x.backend.Features.TypesCountTwice {
		kind *= 2
	}
	full.Data = []byte(`"` + strings.Repeat("x", eventlog.MaxAppend-kind-len(full.Metadata)-2) + `"`)
	over := newEvent("tt")
	over.Metadata, over.Data = full.Metadata, full.Data
	x.refused(eventlog.ErrTooLarge, stream, eventlog.NoStream, over)
	x.refused(eventlog.ErrTooLarge, stream, eventlog.NoStream, full, newEvent("t"))
	x.append(stream, eventlog.NoStream, full)
	x.holds(stream, full)
}

func empties(x *run) {
	stream := unique("empty")
	noID, noType := newEvent("t"), newEvent("")
	noID.ID = eventlog.ID{}
	x.refused(eventlog.ErrInvalid, stream, eventlog.NoStream, noID)
	x.refused(eventlog.ErrInvalid, stream, eventlog.NoStream, newEvent("t"), noType)
	x.refused(eventlog.ErrInvalid, stream, eventlog.NoStream)
	x.refused(eventlog.ErrInvalid, "", eventlog.NoStream, newEvent("t"))
	x.refused(eventlog.ErrInvalid, stream, eventlog.Expected(-3), newEvent("t"))
	x.holds(stream)
}

func endedContext(x *run) {
	stream := unique("ended")
	ctx, cancel := context.WithCancel(x.ctx)
	cancel()
	if _, err := x.log.Append(ctx, stream, eventlog.NoStream, newEvent("t")); !errors.Is(err, context.Canceled) {
		x.Errorf("append with an ended context: got %v", err)
	}
	x.holds(stream)
}

func cancelledAppend(x *run) {
	for range 20 {
		stream, events := unique("cancelled"), newEvents("t", 3)
		ctx, cancel := context.WithCancel(x.ctx)
		go cancel()
		_, err := x.log.Append(ctx, stream, eventlog.NoStream, events...)
		if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, eventlog.ErrUnknownOutcome) {
			x.Errorf("a cancelled append: got %v", err)
		}
		x.append(stream, eventlog.NoStream, events...)
		x.holds(stream, events...)
	}
}

func twoStreams(x *run) {
	e := newEvent("t")
	one, two := unique("copy"), unique("copy")
	x.append(one, eventlog.NoStream, e)
	x.append(two, eventlog.NoStream, e)
	x.holds(one, e)
	x.holds(two, e)
}
