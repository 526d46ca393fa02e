package esdbserver_test

import (
	"slices"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
)

// next returns the subscription's next message; it must not be the end.
func next(t *testing.T, s *esdb.Subscription) *esdb.SubscriptionEvent {
	t.Helper()
	e := s.Recv()
	if e.SubscriptionDropped != nil {
		t.Fatalf("dropped: %v", e.SubscriptionDropped.Error)
	}
	return e
}

// untilCaughtUp collects the events up to the message that says so.
func untilCaughtUp(t *testing.T, s *esdb.Subscription) (events []*esdb.ResolvedEvent, checkpoints []uint64) {
	t.Helper()
	for {
		switch e := next(t, s); {
		case e.EventAppeared != nil:
			events = append(events, e.EventAppeared)
		case e.CheckPointReached != nil:
			checkpoints = append(checkpoints, e.CheckPointReached.Commit)
		case e.CaughtUp != nil:
			return events, checkpoints
		}
	}
}

func TestFollowAStream(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		from esdb.StreamPosition
		want []uint64
	}{
		{"from the start", esdb.Start{}, []uint64{0, 1, 2}},
		{"after a revision", esdb.Revision(0), []uint64{1, 2}},
		{"from the end", esdb.End{}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, c := insecure(t)
			mustAppend(t, c, "s", esdb.Any{}, events("a", 3)...)
			s, err := c.SubscribeToStream(soon(t), "s", esdb.SubscribeToStreamOptions{From: test.from})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			past, _ := untilCaughtUp(t, s)
			if got := numbers(past); !slices.Equal(got, test.want) {
				t.Errorf("got %v, want %v", got, test.want)
			}
			mustAppend(t, c, "other", esdb.Any{}, event("x"))
			mustAppend(t, c, "s", esdb.Any{}, event("a"))
			if e := next(t, s).EventAppeared; e == nil || e.OriginalEvent().EventNumber != 3 || e.OriginalEvent().StreamID != "s" {
				t.Errorf("then got %+v", e)
			}
		})
	}
}

func TestFollowAStreamThatComesLater(t *testing.T) {
	t.Parallel()
	_, c := insecure(t)
	s, err := c.SubscribeToStream(soon(t), "later", esdb.SubscribeToStreamOptions{From: esdb.End{}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if past, _ := untilCaughtUp(t, s); len(past) != 0 {
		t.Errorf("got %v", numbers(past))
	}
	mustAppend(t, c, "later", esdb.NoStream{}, event("a"))
	if e := next(t, s).EventAppeared; e == nil || e.OriginalEvent().EventNumber != 0 {
		t.Errorf("got %+v", e)
	}
}

func TestFollowAll(t *testing.T) {
	t.Parallel()
	_, c := insecure(t)
	first := mustAppend(t, c, "s", esdb.Any{}, event("a"))
	mustAppend(t, c, "t", esdb.Any{}, event("a"))
	s, err := c.SubscribeToAll(soon(t), esdb.SubscribeToAllOptions{From: esdb.Position{Commit: first.CommitPosition, Prepare: first.PreparePosition}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	past, _ := untilCaughtUp(t, s)
	if len(past) != 1 || past[0].OriginalEvent().StreamID != "t" {
		t.Fatalf("got %d events", len(past))
	}
	w := mustAppend(t, c, "u", esdb.Any{}, event("a"))
	e := next(t, s).EventAppeared
	if e == nil || e.OriginalEvent().Position.Commit != w.CommitPosition || *e.Commit != w.CommitPosition {
		t.Errorf("got %+v", e)
	}
}

func TestFiltersAndCheckpoints(t *testing.T) {
	t.Parallel()
	_, c := insecure(t)
	var last *esdb.WriteResult
	for i := range 100 {
		last = mustAppend(t, c, []string{"one-1", "two-2"}[i%2], esdb.Any{}, event([]string{"a.x", "b.y", "c.z"}[i%3]))
	}
	for _, test := range []struct {
		name   string
		filter esdb.SubscriptionFilter
		want   int
	}{
		{"type prefixes", esdb.SubscriptionFilter{Type: esdb.EventFilterType, Prefixes: []string{"a.", "b."}}, 67},
		{"type regex", esdb.SubscriptionFilter{Type: esdb.EventFilterType, Regex: `^c\.`}, 33},
		{"stream prefix", esdb.SubscriptionFilter{Type: esdb.StreamFilterType, Prefixes: []string{"two-"}}, 50},
		{"stream regex", esdb.SubscriptionFilter{Type: esdb.StreamFilterType, Regex: "^one"}, 50},
		{"no system events", *esdb.ExcludeSystemEventsFilter(), 100},
		{"nothing", esdb.SubscriptionFilter{Type: esdb.EventFilterType, Prefixes: []string{"zz"}}, 0},
	} {
		s, err := c.SubscribeToAll(soon(t), esdb.SubscribeToAllOptions{From: esdb.Start{}, MaxSearchWindow: 10, CheckpointInterval: 3, Filter: &test.filter})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		events, checkpoints := untilCaughtUp(t, s)
		if len(events) != test.want {
			t.Errorf("%s: got %d events, want %d", test.name, len(events), test.want)
		}
		want := []uint64{30, 60, 90, last.CommitPosition}
		if !slices.Equal(checkpoints, want) {
			t.Errorf("%s: checkpoints at %v, want %v", test.name, checkpoints, want)
		}
	}
	_, err := c.SubscribeToAll(soon(t), esdb.SubscribeToAllOptions{Filter: &esdb.SubscriptionFilter{Type: esdb.EventFilterType, Regex: "("}})
	hasCode(t, err, esdb.ErrorCodeUnknown)
}
