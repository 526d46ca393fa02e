package esdbserver_test

import (
	"bytes"
	"slices"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
)

func TestAppendInEveryExpectation(t *testing.T) {
	t.Parallel()
	_, c := insecure(t)
	refused := func(stream string, expected esdb.ExpectedRevision) {
		t.Helper()
		_, err := c.AppendToStream(soon(t), stream, esdb.AppendToStreamOptions{ExpectedRevision: expected}, event("a"))
		hasCode(t, err, esdb.ErrorCodeWrongExpectedVersion)
	}
	refused("s", esdb.StreamExists{})
	refused("s", esdb.Revision(0))
	first := mustAppend(t, c, "s", esdb.NoStream{}, events("a", 3)...)
	if first.NextExpectedVersion != 2 || first.CommitPosition == 0 || first.CommitPosition != first.PreparePosition {
		t.Errorf("got %+v", first)
	}
	refused("s", esdb.NoStream{})
	refused("s", esdb.Revision(1))
	mustAppend(t, c, "s", esdb.StreamExists{}, event("a"))
	mustAppend(t, c, "s", esdb.Revision(3), event("a"))
	last := mustAppend(t, c, "s", esdb.Any{}, event("a"))
	if last.NextExpectedVersion != 5 || last.CommitPosition <= first.CommitPosition {
		t.Errorf("got %+v after %+v", last, first)
	}
	if empty := mustAppend(t, c, "s", esdb.Revision(5)); empty.NextExpectedVersion != 5 {
		t.Errorf("an empty append ended at %d", empty.NextExpectedVersion)
	}
}

func TestAppendAgainIsHarmless(t *testing.T) {
	t.Parallel()
	n, c := insecure(t)
	batch := events("a", 3)
	first := mustAppend(t, c, "s", esdb.NoStream{}, batch...)
	mustAppend(t, c, "s", esdb.Any{}, event("b"))
	n.restart()
	again := mustAppend(t, n.client(), "s", esdb.NoStream{}, batch...)
	if *again != *first {
		t.Errorf("got %+v, want %+v", again, first)
	}
}

func TestAnEventComesBackAsItWas(t *testing.T) {
	t.Parallel()
	_, c := insecure(t)
	sent := events("kind", 2)
	sent[1].ContentType, sent[1].Data, sent[1].Metadata = esdb.ContentTypeBinary, []byte{0, 1, 0xff}, nil
	mustAppend(t, c, "s", esdb.Any{}, sent...)
	r, err := c.ReadStream(soon(t), "s", esdb.ReadStreamOptions{}, 10)
	for i, e := range collect(t, r, err) {
		got, want := e.OriginalEvent(), sent[i]
		content := []string{"application/octet-stream", "application/json"}[want.ContentType]
		if got.EventID != want.EventID || got.EventType != want.EventType || !bytes.Equal(got.Data, want.Data) ||
			!bytes.Equal(got.UserMetadata, want.Metadata) || got.ContentType != content || got.StreamID != "s" || got.CreatedDate.IsZero() {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

func TestATooLargeAppendIsRefusedByName(t *testing.T) {
	t.Parallel()
	_, c := insecure(t)
	big := event("big")
	big.Data = bytes.Repeat([]byte{'x'}, 1<<20)
	_, err := c.AppendToStream(soon(t), "s", esdb.AppendToStreamOptions{}, big)
	hasCode(t, err, esdb.ErrorCodeUnknown)
	many := events("big", 60)
	for i := range many {
		many[i].Data = bytes.Repeat([]byte{'x'}, 20_000)
	}
	_, err = c.AppendToStream(soon(t), "s", esdb.AppendToStreamOptions{}, many...)
	hasCode(t, err, esdb.ErrorCodeUnknown)
	if err == nil || !bytes.Contains([]byte(err.Error()), []byte("maximum size")) {
		t.Errorf("the client was told %v", err)
	}
	_, err = c.ReadStream(soon(t), "s", esdb.ReadStreamOptions{}, 1)
	if err != nil {
		t.Fatal(err)
	}
}

func TestReadBothDirections(t *testing.T) {
	t.Parallel()
	_, c := insecure(t)
	mustAppend(t, c, "other", esdb.Any{}, event("x"))
	mustAppend(t, c, "s", esdb.Any{}, events("a", 5)...)
	for _, test := range []struct {
		name  string
		opts  esdb.ReadStreamOptions
		count uint64
		want  []uint64
	}{
		{"forwards", esdb.ReadStreamOptions{}, 10, []uint64{0, 1, 2, 3, 4}},
		{"forwards, some", esdb.ReadStreamOptions{}, 2, []uint64{0, 1}},
		{"forwards from a revision", esdb.ReadStreamOptions{From: esdb.Revision(3)}, 10, []uint64{3, 4}},
		{"forwards from past the end", esdb.ReadStreamOptions{From: esdb.Revision(9)}, 10, nil},
		{"forwards from the end", esdb.ReadStreamOptions{From: esdb.End{}}, 10, nil},
		{"backwards from the end", esdb.ReadStreamOptions{From: esdb.End{}, Direction: esdb.Backwards}, 3, []uint64{4, 3, 2}},
		{"backwards from a revision", esdb.ReadStreamOptions{From: esdb.Revision(1), Direction: esdb.Backwards}, 3, []uint64{1, 0}},
		{"backwards from past the end", esdb.ReadStreamOptions{From: esdb.Revision(99), Direction: esdb.Backwards}, 1, []uint64{4}},
		{"backwards from the start", esdb.ReadStreamOptions{From: esdb.Start{}, Direction: esdb.Backwards}, 3, []uint64{0}},
	} {
		r, err := c.ReadStream(soon(t), "s", test.opts, test.count)
		if got := numbers(collect(t, r, err)); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
	r, err := c.ReadStream(soon(t), "none", esdb.ReadStreamOptions{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	_, err = r.Recv()
	hasCode(t, err, esdb.ErrorCodeResourceNotFound)
}

func TestReadAllBothDirections(t *testing.T) {
	t.Parallel()
	_, c := insecure(t)
	var at []esdb.Position
	for i := range 5 {
		w := mustAppend(t, c, []string{"s", "t"}[i%2], esdb.Any{}, event("a"))
		at = append(at, esdb.Position{Commit: w.CommitPosition, Prepare: w.PreparePosition})
	}
	backwards := slices.Clone(at)
	slices.Reverse(backwards)
	for _, test := range []struct {
		name string
		opts esdb.ReadAllOptions
		want []esdb.Position
	}{
		{"forwards", esdb.ReadAllOptions{}, at},
		{"forwards from a position, which is included", esdb.ReadAllOptions{From: at[2]}, at[2:]},
		{"forwards from past the end", esdb.ReadAllOptions{From: esdb.Position{Commit: 1 << 40, Prepare: 1 << 40}}, nil},
		{"backwards", esdb.ReadAllOptions{From: esdb.End{}, Direction: esdb.Backwards}, backwards},
		{"backwards from a position, which is not", esdb.ReadAllOptions{From: at[2], Direction: esdb.Backwards}, backwards[3:]},
		{"backwards from the start", esdb.ReadAllOptions{From: esdb.Start{}, Direction: esdb.Backwards}, nil},
	} {
		r, err := c.ReadAll(soon(t), test.opts, 100)
		var got []esdb.Position
		for _, e := range collect(t, r, err) {
			got = append(got, e.OriginalEvent().Position)
		}
		if !slices.Equal(got, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}
