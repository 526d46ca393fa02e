package eventlogtest

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"math"
	"slices"

	"github.com/hooklog/hooklog/eventlog"
)

func storeRules() []Rule {
	return []Rule{
		{Name: "data that is not JSON comes back as such", check: opaqueData, restarts: true},
		{Name: "a stream is read backwards", check: readBack},
		{Name: "all is read backwards", check: readAllBack},
		{Name: "metadata hides events from readers of the stream only", check: metadataHides, restarts: true},
		{Name: "of metadata the last event is shown", check: lastMetadata},
		{Name: "a deleted stream is gone until it is appended to", check: deleteStream, restarts: true},
		{Name: "what is deleted must be as expected", check: deleteExpected},
		{Name: "a tombstone ends a stream", check: tombstone, restarts: true},
		{Name: "notes are kept by name", check: notes, restarts: true},
		{Name: "notes have bounds", check: noteBounds},
	}
}

func (x *run) store() eventlog.Store {
	x.Helper()
	s, ok := x.log.(eventlog.Store)
	if !ok {
		x.Fatalf("%T is declared to be a store and is none", x.log)
	}
	return s
}

// collect reads to the end.
func (x *run) collect(events iter.Seq2[eventlog.Recorded, error]) []eventlog.Recorded {
	x.Helper()
	var all []eventlog.Recorded
	for e, err := range events {
		if err != nil {
			x.Fatalf("read: %v", err)
		}
		all = append(all, e)
	}
	return all
}

func (x *run) state(stream string) eventlog.StreamState {
	x.Helper()
	s, err := x.store().Stream(x.ctx, stream)
	if err != nil {
		x.Fatalf("look %q up: %v", stream, err)
	}
	return s
}

// shows checks which revisions a stream shows in both directions.
func (x *run) shows(stream string, want ...eventlog.Revision) {
	x.Helper()
	backwards := slices.Clone(want)
	slices.Reverse(backwards)
	if got := revisions(x.read(stream, 0)); !slices.Equal(got, want) {
		x.Errorf("%q shows %v, want %v", stream, got, want)
	}
	if got := revisions(x.collect(x.store().ReadBack(x.ctx, stream, math.MaxUint64))); !slices.Equal(got, backwards) {
		x.Errorf("%q shows %v backwards, want %v", stream, got, backwards)
	}
}

func revisions(events []eventlog.Recorded) []eventlog.Revision {
	var r []eventlog.Revision
	for _, e := range events {
		r = append(r, e.Revision)
	}
	return r
}

func opaqueData(x *run) {
	stream := unique("opaque")
	both := newEvents("t", 2)
	both[0].Opaque, both[0].Data, both[0].Metadata = true, []byte{0, 0xff, 1}, nil
	x.append(stream, eventlog.NoStream, both...)
	for range 2 {
		x.holds(stream, both...)
		if got := x.read(stream, 0); !got[0].Opaque || got[1].Opaque {
			x.Errorf("what is JSON: got %v, %v", !got[0].Opaque, !got[1].Opaque)
		}
		x.reopen()
	}
}

func readBack(x *run) {
	stream := unique("back")
	const n = 1100 // more than a batch
	for range n / 100 {
		x.append(stream, eventlog.Any, newEvents("t", 100)...)
	}
	for _, from := range []eventlog.Revision{0, 1, 700, n - 1, n, math.MaxUint64} {
		got := x.collect(x.store().ReadBack(x.ctx, stream, from))
		if want := int(min(from, n-1)) + 1; len(got) != want || got[len(got)-1].Revision != 0 {
			x.Errorf("from %d: got %d events, want %d", from, len(got), want)
		}
		for i, e := range got {
			if want := min(from, n-1) - eventlog.Revision(i); e.Revision != want || e.Stream != stream {
				x.Fatalf("from %d: event %d is revision %d of %q, want %d", from, i, e.Revision, e.Stream, want)
			}
		}
	}
	if got := x.collect(x.store().ReadBack(x.ctx, unique("none"), 5)); len(got) != 0 {
		x.Errorf("a stream that does not exist has %d events", len(got))
	}
	if s := x.state(stream); s.Last != n-1 || s.First != 0 || s.HasMetadata || s.Deleted() {
		x.Errorf("got %+v", s)
	}
	if s := x.state(unique("none")); s.Last != eventlog.NoStream || s.Deleted() {
		x.Errorf("got %+v", s)
	}
}

func readAllBack(x *run) {
	for range 6 {
		x.append(unique("all"), eventlog.NoStream, newEvents("t", 200)...)
	}
	want := x.readAll()
	slices.Reverse(want)
	same := func(name string, got, want []eventlog.Recorded) {
		x.Helper()
		if len(got) < len(want) || len(got) != len(want) && !x.backend.Features.SharedFeed {
			x.Fatalf("%s: got %d events, want %d", name, len(got), len(want))
		}
		for i := range want {
			if got[i].Position != want[i].Position || got[i].ID != want[i].ID {
				x.Fatalf("%s: event %d is at %s, want %s", name, i, got[i].Position, want[i].Position)
			}
		}
	}
	same("from the end", x.collect(x.store().ReadAllBack(x.ctx, eventlog.PositionOf(math.MaxUint64, math.MaxUint64))), want)
	same("from a position", x.collect(x.store().ReadAllBack(x.ctx, want[2].Position)), want[3:])
	if got := x.collect(x.store().ReadAllBack(x.ctx, eventlog.Position{})); len(got) != 0 {
		x.Errorf("there are %d events before the first", len(got))
	}
}

func metadata(format string, args ...any) eventlog.Event {
	return eventlog.Event{ID: newID(), Type: eventlog.MetadataType, Data: fmt.Appendf(nil, format, args...)}
}

func metadataHides(x *run) {
	stream := unique("hidden")
	events := newEvents("t", 5)
	x.append(stream, eventlog.NoStream, events...)
	about := eventlog.MetadataPrefix + stream
	x.append(about, eventlog.Any, metadata(`{"$maxCount":2}`))
	x.shows(stream, 3, 4)
	x.append(stream, eventlog.Exactly(4), newEvent("t"))
	x.shows(stream, 4, 5)
	x.append(about, eventlog.Any, metadata(`{"$tb":3,"other":"x"}`))
	x.shows(stream, 3, 4, 5)
	x.reopen()
	x.shows(stream, 3, 4, 5)
	if s := x.state(stream); s.TruncateBefore != 3 || s.First != 3 || !s.HasMetadata || s.MaxCount != 0 || s.Last != 5 {
		x.Errorf("got %+v", s)
	}
	x.append(about, eventlog.Any, metadata(`{"$tb":"x","$maxCount":-1,"$maxAge":100000}`))
	x.shows(stream, 0, 1, 2, 3, 4, 5)
	x.append(about, eventlog.Any, metadata(`no JSON`))
	x.shows(stream, 0, 1, 2, 3, 4, 5)
	if got := len(x.readAll()); got < 10 {
		x.Errorf("the feed shows %d events, want all", got)
	}
}

func lastMetadata(x *run) {
	about := eventlog.MetadataPrefix + unique("described")
	x.append(about, eventlog.NoStream, metadata(`{"a":1}`))
	x.append(about, eventlog.Exactly(0), metadata(`{"a":2}`))
	x.shows(about, 1)
	x.conflict(1, about, eventlog.NoStream, metadata(`{"a":3}`))
}

func deleteStream(x *run) {
	stream := unique("deleted")
	x.append(stream, eventlog.NoStream, newEvents("t", 3)...)
	a, err := x.store().Delete(x.ctx, stream, eventlog.Exactly(2))
	if err != nil || a.Position != x.head() {
		x.Fatalf("delete: %+v, %v", a, err)
	}
	for range 2 {
		x.shows(stream)
		if s := x.state(stream); !s.Deleted() || s.Tombstoned || s.Last != 2 {
			x.Errorf("got %+v", s)
		}
		x.reopen()
	}
	x.refused(eventlog.ErrStreamDeleted, stream, eventlog.StreamExists, newEvent("t"))
	x.conflict(2, stream, eventlog.Exactly(1), newEvent("t"))
	again := newEvents("t", 2)
	if a := x.append(stream, eventlog.NoStream, again...); a.Revision != 4 {
		x.Errorf("went on at revision %d", a.Revision)
	}
	for range 2 {
		x.shows(stream, 3, 4)
		if s := x.state(stream); s.Deleted() || s.TruncateBefore != 3 {
			x.Errorf("got %+v", s)
		}
		x.reopen()
	}
	x.conflict(4, stream, eventlog.NoStream, newEvent("t"))
	x.append(stream, eventlog.StreamExists, newEvent("t"))
	x.shows(stream, 3, 4, 5)
}

func deleteExpected(x *run) {
	stream := unique("deleted")
	refused := func(expected, actual eventlog.Expected) {
		x.Helper()
		_, err := x.store().Delete(x.ctx, stream, expected)
		var conflict *eventlog.ConflictError
		if !errors.As(err, &conflict) || conflict.Stream != stream || conflict.Expected != expected || conflict.Actual != actual {
			x.Errorf("delete at %s: got %v", expected, err)
		}
	}
	refused(eventlog.Any, eventlog.NoStream)
	refused(eventlog.StreamExists, eventlog.NoStream)
	x.append(stream, eventlog.NoStream, newEvents("t", 2)...)
	refused(eventlog.NoStream, 1)
	refused(eventlog.Exactly(0), 1)
	if _, err := x.store().Delete(x.ctx, stream, eventlog.StreamExists); err != nil {
		x.Errorf("delete: %v", err)
	}
	if _, err := x.store().Delete(x.ctx, eventlog.MetadataPrefix+stream, eventlog.Any); !errors.Is(err, eventlog.ErrInvalid) {
		x.Errorf("delete metadata: got %v", err)
	}
}

func tombstone(x *run) {
	stream := unique("ended")
	end := newEvent(eventlog.TombstoneType)
	x.append(stream, eventlog.NoStream, newEvent("t"))
	x.append(stream, eventlog.Exactly(0), end)
	for range 2 {
		for _, name := range []string{stream, eventlog.MetadataPrefix + stream} {
			for _, expected := range []eventlog.Expected{eventlog.Any, eventlog.NoStream, eventlog.StreamExists, eventlog.Exactly(1)} {
				x.refused(eventlog.ErrStreamDeleted, name, expected, newEvent("t"))
			}
			for _, events := range []iter.Seq2[eventlog.Recorded, error]{x.log.Read(x.ctx, name, 0), x.store().ReadBack(x.ctx, name, 9)} {
				for _, err := range events {
					if !errors.Is(err, eventlog.ErrStreamDeleted) {
						x.Errorf("read %q: got %v", name, err)
					}
				}
			}
		}
		if s := x.state(stream); !s.Tombstoned || !s.Deleted() {
			x.Errorf("got %+v", s)
		}
		if _, err := x.store().Delete(x.ctx, stream, eventlog.Any); !errors.Is(err, eventlog.ErrStreamDeleted) {
			x.Errorf("delete: got %v", err)
		}
		x.reopen()
	}
	if all := x.readAll(); !x.backend.Features.SharedFeed && (len(all) != 2 || all[1].ID != end.ID) {
		x.Errorf("the feed shows %d events", len(all))
	}
}

func notes(x *run) {
	prefix := unique("note")
	want := map[string]string{prefix + "/a": "1", prefix + "/b\x00": "", prefix + "/ü": "33"}
	for name, content := range want {
		for _, c := range []string{"before", content} {
			if err := x.store().Note(x.ctx, name, []byte(c)); err != nil {
				x.Fatalf("note: %v", err)
			}
		}
	}
	if err := x.store().Note(x.ctx, prefix, []byte("shorter")); err != nil {
		x.Fatalf("note: %v", err)
	}
	x.reopen()
	if err := x.store().Note(x.ctx, prefix+"/a", nil); err != nil {
		x.Fatalf("remove a note: %v", err)
	}
	delete(want, prefix+"/a")
	x.reopen()
	before := ""
	for n, err := range x.store().Notes(x.ctx, prefix+"/") {
		if err != nil {
			x.Fatalf("notes: %v", err)
		}
		if content, there := want[n.Name]; !there || !bytes.Equal(n.Content, []byte(content)) || n.Name <= before {
			x.Errorf("after %q got %q: %q", before, n.Name, n.Content)
		}
		before = n.Name
		delete(want, n.Name)
	}
	if len(want) != 0 {
		x.Errorf("missing: %v", want)
	}
	if head := x.head(); head != x.start && !x.backend.Features.SharedFeed {
		x.Errorf("notes moved the head to %s", head)
	}
}

func noteBounds(x *run) {
	for name, content := range map[string][]byte{"": nil, string(make([]byte, eventlog.MaxName+1)): {1}, "n\xff": {1}} {
		if err := x.store().Note(x.ctx, name, content); !errors.Is(err, eventlog.ErrInvalid) {
			x.Errorf("note %.20q: got %v", name, err)
		}
	}
	if err := x.store().Note(x.ctx, unique("n"), make([]byte, eventlog.MaxAppend+1)); !errors.Is(err, eventlog.ErrTooLarge) {
		x.Errorf("a large note: got %v", err)
	}
}
