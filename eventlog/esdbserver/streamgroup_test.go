package esdbserver_test

import (
	"slices"
	"strconv"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
)

func create(t *testing.T, c *esdb.Client, stream string, opts esdb.PersistentStreamSubscriptionOptions) {
	t.Helper()
	must(t, c.CreatePersistentSubscription(soon(t), stream, "g", opts))
}

func join(t *testing.T, c *esdb.Client, stream string, buffer uint32) *esdb.PersistentSubscription {
	t.Helper()
	s, err := c.SubscribeToPersistentSubscription(t.Context(), stream, "g", esdb.SubscribeToPersistentSubscriptionOptions{BufferSize: buffer})
	must(t, err)
	t.Cleanup(func() { s.Close() })
	return s
}

func info(t *testing.T, c *esdb.Client, stream string) *esdb.PersistentSubscriptionInfo {
	t.Helper()
	i, err := c.GetPersistentSubscriptionInfo(soon(t), stream, "g", esdb.GetPersistentSubscriptionOptions{})
	must(t, err)
	return i
}

func number(e *esdb.EventAppeared) uint64 { return e.Event.Event.EventNumber }

func TestAGroupOnAStreamBeginsWhereItShould(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		from  esdb.StreamPosition
		first uint64
	}{{"start", esdb.Start{}, 0}, {"revision, which is included", esdb.Revision(2), 2}, {"end", esdb.End{}, 3}} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			n, c := insecure(t)
			mustAppend(t, c, "s", esdb.Any{}, events("a", 3)...)
			create(t, c, "s", esdb.PersistentStreamSubscriptionOptions{StartFrom: test.from})
			mustAppend(t, c, "other", esdb.Any{}, event("x"))
			mustAppend(t, c, "s", esdb.Any{}, event("a"))
			n.restart() // without a checkpoint
			s := join(t, n.client(), "s", 10)
			for want := test.first; want < 4; want++ {
				if got := number(handed(t, s)); got != want {
					t.Fatalf("got %d, want %d", got, want)
				}
			}
		})
	}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	_, c := insecure(t)
	mustAppend(t, c, "s", esdb.Any{}, events("a", 5)...)
	create(t, c, "s", esdb.PersistentStreamSubscriptionOptions{StartFrom: esdb.Start{}, Settings: settings(func(s *esdb.PersistentSubscriptionSettings) { s.MaxRetryCount = 2 })})
	s := join(t, c, "s", 1)
	must(t, s.Ack(handed(t, s).Event))
	for _, action := range []esdb.NackAction{esdb.NackActionSkip, esdb.NackActionStop, esdb.NackActionPark} {
		must(t, s.Nack("no", action, handed(t, s).Event))
	}
	for want := range 3 {
		e := handed(t, s)
		if number(e) != 4 || e.RetryCount != want {
			t.Fatalf("got %d, retry %d, want 4, %d", number(e), e.RetryCount, want)
		}
		must(t, s.Nack("no", []esdb.NackAction{esdb.NackActionRetry, esdb.NackActionUnknown}[want%2], e.Event))
	}
	eventually(t, "two parked events", func() bool { return info(t, c, "s").Stats.ParkedMessagesCount == 2 })
	r, err := c.ReadStream(soon(t), "$persistentsubscription-s::g-parked", esdb.ReadStreamOptions{ResolveLinkTos: true}, 10)
	var targets []uint64
	for _, e := range collect(t, r, err) {
		targets = append(targets, e.Event.EventNumber)
		if e.Link == nil || e.Link.EventType != "$>" || string(e.Link.Data) != strconv.FormatUint(e.Event.EventNumber, 10)+"@s" {
			t.Errorf("got link %+v", e.Link)
		}
	}
	if !slices.Equal(targets, []uint64{3, 4}) {
		t.Errorf("parked are %v", targets)
	}
}

func TestOverdueEventsAreHandedOutAgain(t *testing.T) {
	t.Parallel()
	_, c := insecure(t)
	mustAppend(t, c, "s", esdb.Any{}, event("a"))
	create(t, c, "s", esdb.PersistentStreamSubscriptionOptions{StartFrom: esdb.Start{}, Settings: settings(func(s *esdb.PersistentSubscriptionSettings) {
		s.MessageTimeout, s.MaxRetryCount = 100, 1
	})})
	s := join(t, c, "s", 1)
	first, again := handed(t, s), handed(t, s)
	if first.RetryCount != 0 || again.RetryCount != 1 || number(again) != 0 {
		t.Errorf("got retries %d, %d", first.RetryCount, again.RetryCount)
	}
	eventually(t, "the event to be parked", func() bool { return info(t, c, "s").Stats.ParkedMessagesCount == 1 })
}

func TestAGroupAdmitsNoMoreThanItsMaximum(t *testing.T) {
	t.Parallel()
	_, c := insecure(t)
	create(t, c, "s", esdb.PersistentStreamSubscriptionOptions{Settings: settings(func(s *esdb.PersistentSubscriptionSettings) { s.MaxSubscriberCount = 1 })})
	first := join(t, c, "s", 1)
	_, err := c.SubscribeToPersistentSubscription(soon(t), "s", "g", esdb.SubscribeToPersistentSubscriptionOptions{})
	hasCode(t, err, esdb.ErrorCodeUnknown)
	first.Close()
	eventually(t, "the place to be free", func() bool { return len(info(t, c, "s").Connections) == 0 })
	join(t, c, "s", 1)
}

func TestDispatchToSingleStaysWithOne(t *testing.T) {
	t.Parallel()
	_, c := insecure(t)
	create(t, c, "s", esdb.PersistentStreamSubscriptionOptions{StartFrom: esdb.Start{}, Settings: settings(func(s *esdb.PersistentSubscriptionSettings) {
		s.ConsumerStrategyName = esdb.ConsumerStrategyDispatchToSingle
	})})
	a, b := join(t, c, "s", 2), join(t, c, "s", 2)
	mustAppend(t, c, "s", esdb.Any{}, events("a", 3)...)
	for _, want := range []uint64{0, 1} {
		if got := number(handed(t, a)); got != want {
			t.Errorf("got %d, want %d", got, want)
		}
	}
	if got := number(handed(t, b)); got != 2 {
		t.Errorf("got %d", got)
	}
}

func TestPinnedKeepsStreamsTogether(t *testing.T) {
	t.Parallel()
	_, c := insecure(t)
	createAll(t, c, "g", esdb.PersistentAllSubscriptionOptions{StartFrom: esdb.Start{}, Filter: ours, Settings: settings(func(s *esdb.PersistentSubscriptionSettings) {
		s.ConsumerStrategyName = esdb.ConsumerStrategyPinned
	})})
	consumers := []*esdb.PersistentSubscription{joinAll(t, c, "g", 100), joinAll(t, c, "g", 100)}
	const streams, each = 20, 3
	for range each {
		for i := range streams {
			mustAppend(t, c, "s-"+strconv.Itoa(i), esdb.Any{}, event("ours.x"))
		}
	}
	type got struct {
		consumer int
		stream   string
	}
	all := make(chan got, streams*each)
	for i, s := range consumers {
		go func() {
			for {
				e := s.Recv()
				if e.EventAppeared == nil {
					return
				}
				all <- got{i, e.EventAppeared.Event.Event.StreamID}
			}
		}()
	}
	owner := make(map[string]int)
	both := make(map[int]bool)
	for range streams * each {
		g := <-all
		if o, seen := owner[g.stream]; seen && o != g.consumer {
			t.Errorf("%s came to both", g.stream)
		}
		owner[g.stream], both[g.consumer] = g.consumer, true
	}
	if len(both) != 2 || len(owner) != streams {
		t.Errorf("%d consumers got %d streams", len(both), len(owner))
	}
}

func TestAnUpdateDropsConsumersAndKeepsTheRest(t *testing.T) {
	t.Parallel()
	n, c := insecure(t)
	mustAppend(t, c, "s", esdb.Any{}, events("a", 3)...)
	create(t, c, "s", esdb.PersistentStreamSubscriptionOptions{StartFrom: esdb.Start{}})
	s := join(t, c, "s", 1)
	must(t, s.Ack(handed(t, s).Event))
	handed(t, s)
	must(t, c.UpdatePersistentSubscription(soon(t), "s", "g", esdb.PersistentStreamSubscriptionOptions{
		StartFrom: esdb.Start{}, Settings: settings(func(s *esdb.PersistentSubscriptionSettings) { s.MaxRetryCount = 77 }),
	}))
	if e := s.Recv(); e.SubscriptionDropped == nil {
		t.Errorf("got %+v", e)
	}
	if got := info(t, c, "s"); got.Settings.MaxRetryCount != 77 || len(got.Connections) != 0 {
		t.Errorf("got %+v", got)
	}
	if got := number(handed(t, join(t, c, "s", 1))); got != 1 {
		t.Errorf("went on at %d", got)
	}
	err := c.UpdatePersistentSubscription(soon(t), "none", "g", esdb.PersistentStreamSubscriptionOptions{Settings: settings(nil)})
	hasCode(t, err, esdb.ErrorCodeResourceNotFound)
	n.restart()
	if got := info(t, n.client(), "s"); got.Settings.MaxRetryCount != 77 {
		t.Errorf("after a restart: got %+v", got)
	}
}

func TestSettingsThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	_, c := insecure(t)
	for name, change := range map[string]func(*esdb.PersistentSubscriptionSettings){
		"batch as large as the buffer": func(s *esdb.PersistentSubscriptionSettings) { s.ReadBatchSize = s.HistoryBufferSize },
		"negative retries":             func(s *esdb.PersistentSubscriptionSettings) { s.MaxRetryCount = -1 },
		"bounds crossed":               func(s *esdb.PersistentSubscriptionSettings) { s.CheckpointLowerBound = s.CheckpointUpperBound + 1 },
	} {
		err := c.CreatePersistentSubscription(soon(t), "s", "g", esdb.PersistentStreamSubscriptionOptions{Settings: settings(change)})
		if err == nil {
			t.Errorf("%s: created", name)
		}
	}
	err := c.CreatePersistentSubscriptionToAll(soon(t), "g", esdb.PersistentAllSubscriptionOptions{StartFrom: esdb.Position{Commit: 99, Prepare: 99}})
	if err == nil {
		t.Error("a group was created past the head")
	}
	_, err = c.GetPersistentSubscriptionInfo(soon(t), "s", "g", esdb.GetPersistentSubscriptionOptions{})
	hasCode(t, err, esdb.ErrorCodeResourceNotFound)
}

func TestAGroupFollowsLinksIfAskedTo(t *testing.T) {
	t.Parallel()
	_, c := insecure(t)
	mustAppend(t, c, "s", esdb.Any{}, events("a", 2)...)
	link := event("$>")
	link.Data = []byte("1@s")
	gone := event("$>")
	gone.Data = []byte("9@s")
	mustAppend(t, c, "links", esdb.Any{}, gone, link)
	create(t, c, "links", esdb.PersistentStreamSubscriptionOptions{StartFrom: esdb.Start{}, Settings: settings(func(s *esdb.PersistentSubscriptionSettings) { s.ResolveLinkTos = true })})
	e := handed(t, join(t, c, "links", 1))
	if e.Event.Link == nil || e.Event.Link.EventID != link.EventID || e.Event.Event == nil || e.Event.Event.StreamID != "s" || number(e) != 1 {
		t.Errorf("got %+v", e.Event)
	}
}

func TestRestartingTheSubsystemDropsAll(t *testing.T) {
	t.Parallel()
	_, c := insecure(t)
	create(t, c, "s", esdb.PersistentStreamSubscriptionOptions{})
	s := join(t, c, "s", 1)
	must(t, c.RestartPersistentSubscriptionSubsystem(soon(t), esdb.RestartPersistentSubscriptionSubsystemOptions{}))
	if e := s.Recv(); e.SubscriptionDropped == nil {
		t.Errorf("got %+v", e)
	}
	join(t, c, "s", 1)
}
