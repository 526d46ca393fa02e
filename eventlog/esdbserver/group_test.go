package esdbserver_test

import (
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
)

// settings are the client's, with whatever a test changes.
func settings(change func(*esdb.PersistentSubscriptionSettings)) *esdb.PersistentSubscriptionSettings {
	s := esdb.SubscriptionSettingsDefault()
	if change != nil {
		change(&s)
	}
	return &s
}

func createAll(t *testing.T, c *esdb.Client, group string, opts esdb.PersistentAllSubscriptionOptions) {
	t.Helper()
	if err := c.CreatePersistentSubscriptionToAll(soon(t), group, opts); err != nil {
		t.Fatal(err)
	}
}

func joinAll(t *testing.T, c *esdb.Client, group string, buffer uint32) *esdb.PersistentSubscription {
	t.Helper()
	s, err := c.SubscribeToPersistentSubscriptionToAll(t.Context(), group, esdb.SubscribeToPersistentSubscriptionOptions{BufferSize: buffer})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// handed returns the next event; the consumer must not be dropped.
func handed(t *testing.T, s *esdb.PersistentSubscription) *esdb.EventAppeared {
	t.Helper()
	type answer struct {
		e *esdb.PersistentSubscriptionEvent
	}
	answers := make(chan answer, 1)
	go func() { answers <- answer{s.Recv()} }()
	select {
	case a := <-answers:
		if a.e.SubscriptionDropped != nil {
			t.Fatalf("dropped: %v", a.e.SubscriptionDropped.Error)
		}
		return a.e.EventAppeared
	case <-time.After(patience):
		t.Fatal("nothing was handed out")
	}
	panic("unreachable")
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits for what is told without a signal.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

var ours = &esdb.SubscriptionFilter{Type: esdb.EventFilterType, Prefixes: []string{"ours."}}

func TestAGroupOnAllHandsOutWhatItAdmits(t *testing.T) {
	t.Parallel()
	_, c := insecure(t)
	createAll(t, c, "g", esdb.PersistentAllSubscriptionOptions{StartFrom: esdb.Start{}, Filter: ours, Settings: settings(nil)})
	hasCode(t, c.CreatePersistentSubscriptionToAll(soon(t), "g", esdb.PersistentAllSubscriptionOptions{}), esdb.ErrorCodeResourceAlreadyExists)
	mustAppend(t, c, "s", esdb.Any{}, event("theirs"), event("ours.1"))
	a, b := joinAll(t, c, "g", 1), joinAll(t, c, "g", 1)
	first := handed(t, a)
	if first.Event.OriginalEvent().EventType != "ours.1" || first.RetryCount != 0 {
		t.Errorf("got %+v", first)
	}
	mustAppend(t, c, "s", esdb.Any{}, event("ours.2"))
	second := handed(t, b)
	must(t, b.Ack(second.Event))
	must(t, a.Nack("once more", esdb.NackActionRetry, first.Event))
	again := handed(t, a) // in turns
	if again.RetryCount != 1 || again.Event.OriginalEvent().EventID != first.Event.OriginalEvent().EventID {
		t.Errorf("got %+v", again)
	}
}

func TestWhoLeavesGivesBack(t *testing.T) {
	t.Parallel()
	_, c := insecure(t)
	createAll(t, c, "g", esdb.PersistentAllSubscriptionOptions{StartFrom: esdb.Start{}, Filter: ours})
	mustAppend(t, c, "s", esdb.Any{}, event("ours.1"))
	a := joinAll(t, c, "g", 10)
	first := handed(t, a)
	a.Close()
	b := joinAll(t, c, "g", 10)
	again := handed(t, b)
	if again.Event.OriginalEvent().EventID != first.Event.OriginalEvent().EventID || again.RetryCount != 1 {
		t.Errorf("got %+v", again)
	}
}

func TestParkedEventsAreReplayedAsLinks(t *testing.T) {
	t.Parallel()
	n, c := insecure(t)
	createAll(t, c, "g", esdb.PersistentAllSubscriptionOptions{StartFrom: esdb.Start{}, Filter: ours})
	mustAppend(t, c, "s", esdb.Any{}, events("ours.1", 2)...)
	s := joinAll(t, c, "g", 10)
	first, second := handed(t, s), handed(t, s)
	must(t, s.Nack("no good", esdb.NackActionPark, first.Event, second.Event))
	parked := func(want int64) func() bool {
		return func() bool {
			info, err := c.GetPersistentSubscriptionInfoToAll(soon(t), "g", esdb.GetPersistentSubscriptionOptions{})
			must(t, err)
			return info.Stats.ParkedMessagesCount == want
		}
	}
	eventually(t, "two parked events", parked(2))
	s.Close()
	n.restart()
	c = n.client()
	eventually(t, "two parked events after a restart", parked(2))
	must(t, c.ReplayParkedMessagesToAll(soon(t), "g", esdb.ReplayParkedMessagesOptions{StopAt: 1}))
	s = joinAll(t, c, "g", 10)
	again := handed(t, s)
	if again.Event.Event.EventID != first.Event.Event.EventID || again.Event.Link == nil || again.RetryCount != 0 {
		t.Errorf("got %+v", again)
	}
	must(t, s.Ack(again.Event))
	eventually(t, "one parked event", parked(1))
	must(t, c.ReplayParkedMessagesToAll(soon(t), "g", esdb.ReplayParkedMessagesOptions{}))
	last := handed(t, s)
	if last.Event.Event.EventID != second.Event.Event.EventID {
		t.Errorf("got %+v", last)
	}
	must(t, s.Ack(last.Event))
	eventually(t, "no parked event", parked(0))
}

func TestAGroupGoesOnAfterARestart(t *testing.T) {
	t.Parallel()
	n, c := insecure(t)
	mustAppend(t, c, "s", esdb.Any{}, event("ours.0"))
	createAll(t, c, "g", esdb.PersistentAllSubscriptionOptions{StartFrom: esdb.End{}, Filter: ours})
	mustAppend(t, c, "s", esdb.Any{}, events("ours.1", 3)...)
	s := joinAll(t, c, "g", 10)
	for range 2 {
		must(t, s.Ack(handed(t, s).Event))
	}
	third := handed(t, s)
	eventually(t, "two acknowledged events", func() bool {
		info, err := c.GetPersistentSubscriptionInfoToAll(soon(t), "g", esdb.GetPersistentSubscriptionOptions{})
		must(t, err)
		return info.Stats.OutstandingMessagesCount == 1
	})
	n.restart()
	again := handed(t, joinAll(t, n.client(), "g", 10))
	if again.Event.OriginalEvent().EventID != third.Event.OriginalEvent().EventID {
		t.Errorf("got %+v, want %+v", again.Event.OriginalEvent(), third.Event.OriginalEvent())
	}
}

func TestGroupsAreListedAndDeleted(t *testing.T) {
	t.Parallel()
	_, c := insecure(t)
	_, err := c.ListPersistentSubscriptionsToAll(soon(t), esdb.ListPersistentSubscriptionsOptions{})
	hasCode(t, err, esdb.ErrorCodeResourceNotFound)
	createAll(t, c, "g", esdb.PersistentAllSubscriptionOptions{})
	all, err := c.ListPersistentSubscriptionsToAll(soon(t), esdb.ListPersistentSubscriptionsOptions{})
	must(t, err)
	if len(all) != 1 || all[0].GroupName != "g" || all[0].EventSource != "$all" {
		t.Errorf("got %+v", all)
	}
	s := joinAll(t, c, "g", 1)
	must(t, c.DeletePersistentSubscriptionToAll(soon(t), "g", esdb.DeletePersistentSubscriptionOptions{}))
	if e := s.Recv(); e.SubscriptionDropped == nil {
		t.Errorf("got %+v", e)
	}
	_, err = c.SubscribeToPersistentSubscriptionToAll(soon(t), "g", esdb.SubscribeToPersistentSubscriptionOptions{})
	hasCode(t, err, esdb.ErrorCodeResourceNotFound)
	hasCode(t, c.DeletePersistentSubscriptionToAll(soon(t), "g", esdb.DeletePersistentSubscriptionOptions{}), esdb.ErrorCodeResourceNotFound)
	all, err = c.ListAllPersistentSubscriptions(soon(t), esdb.ListPersistentSubscriptionsOptions{})
	if err != nil || len(all) != 0 {
		t.Errorf("got %v, %v", all, err)
	}
}
