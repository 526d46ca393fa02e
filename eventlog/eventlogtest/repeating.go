package eventlogtest

import (
	"sync"

	"github.com/hooklog/hooklog/eventlog"
)

func repetitionRules() []Rule {
	return []Rule{
		{Name: "a repeated append at NoStream changes nothing", check: repeatNoStream},
		{Name: "a repeated append at an exact revision changes nothing", check: repeatExact},
		{Name: "an append is repeatable after others have followed", check: repeatLater},
		{Name: "a repetition with other, fewer, more or reordered ids conflicts", check: repeatOther},
		{Name: "concurrent repetitions append once", check: repeatTogether},
		{Name: "an append is repeatable after a restart", check: repeatRestarted, restarts: true},
		{Name: "what was appended survives a restart", check: survives, restarts: true},
	}
}

// repeats checks that an append gives the same answer again and adds nothing.
func (x *run) repeats(first eventlog.Appended, stream string, expected eventlog.Expected, events ...eventlog.Event) {
	x.Helper()
	before := len(x.read(stream, 0))
	if again := x.append(stream, expected, events...); again != first {
		x.Errorf("a repetition at %s: got %v, want %v as at first", expected, again, first)
	}
	if after := len(x.read(stream, 0)); after != before {
		x.Errorf("a repetition at %s: the stream grew from %d to %d events", expected, before, after)
	}
}

func repeatNoStream(x *run) {
	stream, events := unique("repeat"), newEvents("t", 3)
	first := x.append(stream, eventlog.NoStream, events...)
	x.repeats(first, stream, eventlog.NoStream, events...)
	x.repeats(first, stream, eventlog.NoStream, events...)
	x.holds(stream, events...)
}

func repeatExact(x *run) {
	stream, events := unique("repeat"), newEvents("t", 2)
	x.append(stream, eventlog.NoStream, newEvents("t", 4)...)
	first := x.append(stream, eventlog.Exactly(3), events...)
	x.repeats(first, stream, eventlog.Exactly(3), events...)
	x.conflict(eventlog.Exactly(5), stream, eventlog.Exactly(2), events...)
	x.conflict(eventlog.Exactly(5), stream, eventlog.Exactly(4), events...)
}

func repeatLater(x *run) {
	stream, events := unique("repeat"), newEvents("t", 2)
	first := x.append(stream, eventlog.NoStream, events...)
	x.append(stream, eventlog.Exactly(1), newEvents("t", 2)...)
	x.append(unique("other"), eventlog.NoStream, newEvent("t"))
	x.repeats(first, stream, eventlog.NoStream, events...)
}

func repeatOther(x *run) {
	stream, events := unique("repeat"), newEvents("t", 3)
	x.append(stream, eventlog.NoStream, events...)
	at := eventlog.Exactly(2)
	x.conflict(at, stream, eventlog.NoStream, newEvents("t", 3)...)
	x.conflict(at, stream, eventlog.NoStream, events[0], events[1], newEvent("t"))
	x.conflict(at, stream, eventlog.NoStream, newEvent("t"), events[1], events[2])
	x.conflict(at, stream, eventlog.NoStream, events[1], events[0], events[2])
	x.conflict(at, stream, eventlog.NoStream, events[1:]...)
	x.conflict(at, stream, eventlog.NoStream, append(events[:3:3], newEvent("t"))...)
	x.holds(stream, events...)
}

func repeatTogether(x *run) {
	for range 10 {
		stream, events := unique("repeat"), newEvents("t", 2)
		var wait sync.WaitGroup
		answers := make(chan eventlog.Appended, 8)
		for range cap(answers) {
			wait.Go(func() {
				a, err := x.log.Append(x.ctx, stream, eventlog.NoStream, events...)
				if err != nil {
					x.Errorf("a concurrent repetition: %v", err)
				}
				answers <- a
			})
		}
		wait.Wait()
		first := <-answers
		for range cap(answers) - 1 {
			if a := <-answers; a != first {
				x.Errorf("concurrent repetitions were told %v and %v", first, a)
			}
		}
		x.holds(stream, events...)
	}
}

func repeatRestarted(x *run) {
	stream, events := unique("repeat"), newEvents("t", 3)
	first := x.append(stream, eventlog.NoStream, events...)
	second := x.append(stream, eventlog.Exactly(2), events[0])
	x.reopen()
	x.repeats(first, stream, eventlog.NoStream, events...)
	x.repeats(second, stream, eventlog.Exactly(2), events[0])
	x.conflict(eventlog.Exactly(3), stream, eventlog.NoStream, newEvents("t", 3)...)
}

func survives(x *run) {
	streams := make(map[string][]eventlog.Event)
	for range 20 {
		name, events := unique("kept"), newEvents("t", 3)
		streams[name] = events
		x.append(name, eventlog.NoStream, events...)
	}
	before, head := x.readAll(), x.head()
	x.reopen()
	if got := x.head(); got != head {
		x.Errorf("head after a restart: got %s, want %s", got, head)
	}
	for name, events := range streams {
		x.holds(name, events...)
	}
	after := x.readAll()
	if len(after) != len(before) {
		x.Fatalf("the feed had %d events, after a restart %d", len(before), len(after))
	}
	for i := range after {
		if after[i].ID != before[i].ID || after[i].Position != before[i].Position || !after[i].RecordedAt.Equal(before[i].RecordedAt) {
			x.Errorf("event %d of the feed differs after a restart", i)
		}
	}
	next := x.append(unique("kept"), eventlog.NoStream, newEvent("t"))
	if !next.Position.After(head) {
		x.Errorf("after a restart an append is at %s, not after %s", next.Position, head)
	}
}
