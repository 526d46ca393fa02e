package esdbserver_test

import (
	"slices"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
)

// shows reads a stream's revisions; nil if it is not found.
func shows(t *testing.T, c *esdb.Client, stream string) []uint64 {
	t.Helper()
	r, err := c.ReadStream(soon(t), stream, esdb.ReadStreamOptions{}, 100)
	return numbers(collect(t, r, err))
}

func readFails(t *testing.T, c *esdb.Client, stream string, code esdb.ErrorCode) {
	t.Helper()
	r, err := c.ReadStream(soon(t), stream, esdb.ReadStreamOptions{}, 100)
	must(t, err)
	defer r.Close()
	_, err = r.Recv()
	hasCode(t, err, code)
}

func TestADeletedStreamGoesOn(t *testing.T) {
	t.Parallel()
	n, c := insecure(t)
	mustAppend(t, c, "s", esdb.Any{}, events("a", 3)...)
	_, err := c.DeleteStream(soon(t), "s", esdb.DeleteStreamOptions{ExpectedRevision: esdb.Revision(1)})
	hasCode(t, err, esdb.ErrorCodeUnknown) // This client has no better code.
	d, err := c.DeleteStream(soon(t), "s", esdb.DeleteStreamOptions{ExpectedRevision: esdb.Revision(2)})
	must(t, err)
	if d.Position.Commit == 0 {
		t.Error("the deletion has no position")
	}
	n.restart()
	c = n.client()
	readFails(t, c, "s", esdb.ErrorCodeResourceNotFound)
	_, err = c.AppendToStream(soon(t), "s", esdb.AppendToStreamOptions{ExpectedRevision: esdb.StreamExists{}}, event("a"))
	hasCode(t, err, esdb.ErrorCodeStreamDeleted)
	if w := mustAppend(t, c, "s", esdb.NoStream{}, event("a")); w.NextExpectedVersion != 3 {
		t.Errorf("went on at %d", w.NextExpectedVersion)
	}
	if got := shows(t, c, "s"); !slices.Equal(got, []uint64{3}) {
		t.Errorf("got %v", got)
	}
}

func TestATombstonedStreamIsOver(t *testing.T) {
	t.Parallel()
	_, c := insecure(t)
	mustAppend(t, c, "s", esdb.Any{}, event("a"))
	_, err := c.TombstoneStream(soon(t), "s", esdb.TombstoneStreamOptions{ExpectedRevision: esdb.Revision(5)})
	hasCode(t, err, esdb.ErrorCodeUnknown)
	_, err = c.TombstoneStream(soon(t), "s", esdb.TombstoneStreamOptions{})
	must(t, err)
	_, err = c.TombstoneStream(soon(t), "never", esdb.TombstoneStreamOptions{})
	must(t, err)
	for _, stream := range []string{"s", "never", "$$s"} {
		readFails(t, c, stream, esdb.ErrorCodeStreamDeleted)
		_, err = c.AppendToStream(soon(t), stream, esdb.AppendToStreamOptions{}, event("a"))
		hasCode(t, err, esdb.ErrorCodeStreamDeleted)
		_, err = c.AppendToStream(soon(t), stream, esdb.AppendToStreamOptions{})
		hasCode(t, err, esdb.ErrorCodeStreamDeleted)
	}
	_, err = c.DeleteStream(soon(t), "s", esdb.DeleteStreamOptions{})
	hasCode(t, err, esdb.ErrorCodeStreamDeleted)
	r, err := c.ReadAll(soon(t), esdb.ReadAllOptions{}, 100)
	all := collect(t, r, err)
	last := all[len(all)-1].OriginalEvent()
	if last.EventType != "$streamDeleted" || last.EventNumber != 1<<63-1 {
		t.Errorf("the feed ends with %s, number %d", last.EventType, last.EventNumber)
	}
}

func TestMetadataHidesAndComesBack(t *testing.T) {
	t.Parallel()
	_, c := insecure(t)
	mustAppend(t, c, "s", esdb.Any{}, events("a", 5)...)
	_, err := c.GetStreamMetadata(soon(t), "s", esdb.ReadStreamOptions{})
	if err == nil {
		t.Error("there is metadata already")
	}
	for i, test := range []struct {
		set  func(*esdb.StreamMetadata)
		want []uint64
	}{
		{func(m *esdb.StreamMetadata) { m.SetMaxCount(2) }, []uint64{3, 4}},
		{func(m *esdb.StreamMetadata) { m.SetTruncateBefore(4); m.AddCustomProperty("colour", "blue") }, []uint64{4}},
		{func(m *esdb.StreamMetadata) { m.SetMaxAge(24 * time.Hour) }, []uint64{0, 1, 2, 3, 4}},
	} {
		var m esdb.StreamMetadata
		test.set(&m)
		_, err := c.SetStreamMetadata(soon(t), "s", esdb.AppendToStreamOptions{}, m)
		must(t, err)
		if got := shows(t, c, "s"); !slices.Equal(got, test.want) {
			t.Errorf("case %d: got %v, want %v", i, got, test.want)
		}
		back, err := c.GetStreamMetadata(soon(t), "s", esdb.ReadStreamOptions{})
		must(t, err)
		got, err := back.ToJson()
		must(t, err)
		want, err := m.ToJson()
		must(t, err)
		if string(got) != string(want) {
			t.Errorf("case %d: got %s, want %s", i, got, want)
		}
	}
	for _, bad := range []string{"$$", "$$$$s"} {
		_, err := c.AppendToStream(soon(t), bad, esdb.AppendToStreamOptions{}, event("a"))
		hasCode(t, err, esdb.ErrorCodeUnknown)
	}
}
