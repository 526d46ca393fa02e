package esdbserver_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"
)

// finished are the events that were acknowledged or parked.
type finished struct {
	mu     sync.Mutex
	seen   map[uuid.UUID]int
	acked  map[uuid.UUID]bool
	parked map[uuid.UUID]bool
}

func (f *finished) all() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := len(f.acked)
	for id := range f.parked {
		if !f.acked[id] {
			n++
		}
	}
	return n
}

// moodyConsumer consumes until the server stops: it acknowledges most, asks for some again, parks few, and leaves often
// with events in hand. Its client is its own and makes no call once one has failed: the client does not survive that.
func moodyConsumer(c *esdb.Client, f *finished, seed uint64) {
	random := rand.New(rand.NewPCG(seed, 1))
	for {
		s, err := c.SubscribeToPersistentSubscriptionToAll(context.Background(), "g", esdb.SubscribeToPersistentSubscriptionOptions{BufferSize: uint32(1 + random.IntN(20))})
		if err != nil {
			return
		}
		for range 5 + random.IntN(80) {
			e := s.Recv().EventAppeared
			if e == nil {
				s.Close()
				return
			}
			f.judge(s, e, random.IntN(100))
		}
		s.Close()
	}
}

func (f *finished) judge(s *esdb.PersistentSubscription, e *esdb.EventAppeared, mood int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	id := e.Event.Event.EventID
	f.seen[id]++
	switch {
	case mood < 10:
		_ = s.Nack("again", esdb.NackActionRetry, e.Event)
	case mood < 13:
		if s.Nack("no", esdb.NackActionPark, e.Event) == nil {
			f.parked[id] = true
		}
	case mood < 20: // It forgets to answer.
	default:
		if s.Ack(e.Event) == nil {
			f.acked[id] = true
		}
	}
}

func TestNothingIsLostWhateverConsumersAndTheServerDo(t *testing.T) {
	t.Parallel()
	const total, consumers, restarts = 600, 4, 3
	n, c := insecure(t)
	createAll(t, c, "g", esdb.PersistentAllSubscriptionOptions{StartFrom: esdb.Start{}, Filter: ours, Settings: settings(func(s *esdb.PersistentSubscriptionSettings) {
		s.MessageTimeout, s.MaxRetryCount, s.CheckpointLowerBound, s.CheckpointUpperBound = 1000, 5, 1, 10
	})})
	f := &finished{seen: make(map[uuid.UUID]int), acked: make(map[uuid.UUID]bool), parked: make(map[uuid.UUID]bool)}
	for range restarts {
		before := f.all()
		var running sync.WaitGroup
		for i := range consumers {
			own := n.client()
			running.Go(func() { moodyConsumer(own, f, uint64(i)) })
		}
		for range 20 {
			mustAppend(t, c, "s", esdb.Any{}, append(events("ours.x", total/restarts/20), event("theirs"))...)
		}
		eventually(t, "some to be finished", func() bool { return f.all() > before+20 })
		n.restart()
		running.Wait()
		c = n.client()
	}
	finish(t, c, f, total)
}

// finish takes what is left, parked events included, and checks that every event has come.
func finish(t *testing.T, c *esdb.Client, f *finished, total int) {
	t.Helper()
	s := joinAll(t, c, "g", 100)
	go func() {
		for {
			e := s.Recv().EventAppeared
			if e == nil {
				return
			}
			f.judge(s, e, 100)
		}
	}()
	eventually(t, "the end", func() bool {
		must(t, c.ReplayParkedMessagesToAll(soon(t), "g", esdb.ReplayParkedMessagesOptions{}))
		info, err := c.GetPersistentSubscriptionInfoToAll(soon(t), "g", esdb.GetPersistentSubscriptionOptions{})
		must(t, err)
		f.mu.Lock()
		defer f.mu.Unlock()
		return len(f.seen) == total && info.Stats.ParkedMessagesCount == 0 && info.Stats.OutstandingMessagesCount == 0 &&
			info.Stats.RetryBufferCount == 0 && info.Stats.ReadBufferCount == 0
	})
	f.mu.Lock()
	defer f.mu.Unlock()
	r, err := c.ReadStream(soon(t), "s", esdb.ReadStreamOptions{}, 10000)
	for _, e := range collect(t, r, err) {
		if id := e.Event.EventID; e.Event.EventType == "ours.x" && !f.acked[id] {
			t.Errorf("event %d was handed out %d times and never acknowledged", e.Event.EventNumber, f.seen[id])
		}
	}
}
