package esdbserver_test

import (
	"sync"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
)

func TestARepetitionAtAnyAddsNothing(t *testing.T) {
	t.Parallel()
	_, c := insecure(t)
	batch := events("a", 3)
	first := mustAppend(t, c, "s", esdb.Any{}, batch...)
	mustAppend(t, c, "s", esdb.Any{}, event("b"))
	for _, expected := range []esdb.ExpectedRevision{esdb.Any{}, esdb.StreamExists{}} {
		if again := mustAppend(t, c, "s", expected, batch...); *again != *first {
			t.Errorf("got %+v, want %+v", again, first)
		}
	}
	if part := mustAppend(t, c, "s", esdb.Any{}, batch[:2]...); part.NextExpectedVersion != 1 {
		t.Errorf("a part of it ended at %d", part.NextExpectedVersion)
	}
	_, err := c.AppendToStream(soon(t), "s", esdb.AppendToStreamOptions{}, batch[0], event("new"))
	hasCode(t, err, esdb.ErrorCodeWrongExpectedVersion)
	mustAppend(t, c, "other", esdb.Any{}, batch...)
	if got := shows(t, c, "s"); len(got) != 4 {
		t.Errorf("the stream has %v", got)
	}
	_, err = c.TombstoneStream(soon(t), "s", esdb.TombstoneStreamOptions{})
	must(t, err)
	_, err = c.AppendToStream(soon(t), "s", esdb.AppendToStreamOptions{}, batch...)
	hasCode(t, err, esdb.ErrorCodeStreamDeleted)
}

func TestARefusedAppendIsNotRemembered(t *testing.T) {
	t.Parallel()
	_, c := insecure(t)
	e := event("a")
	_, err := c.AppendToStream(soon(t), "s", esdb.AppendToStreamOptions{ExpectedRevision: esdb.StreamExists{}}, e)
	hasCode(t, err, esdb.ErrorCodeWrongExpectedVersion)
	mustAppend(t, c, "s", esdb.Any{}, e)
	mustAppend(t, c, "s", esdb.Any{}, e)
	if got := shows(t, c, "s"); len(got) != 1 {
		t.Errorf("the stream has %v", got)
	}
}

func TestTheSameAppendAtTheSameTimeHappensOnce(t *testing.T) {
	t.Parallel()
	_, c := insecure(t)
	batch := events("a", 2)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if w, err := c.AppendToStream(soon(t), "s", esdb.AppendToStreamOptions{}, batch...); err != nil || w.NextExpectedVersion != 1 {
				t.Errorf("got %+v, %v", w, err)
			}
		})
	}
	all.Wait()
	if got := shows(t, c, "s"); len(got) != 2 {
		t.Errorf("the stream has %v", got)
	}
}
