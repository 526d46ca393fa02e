package esdb_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	client "github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/esdb"
	"github.com/hooklog/hooklog/eventlog/esdbserver"
)

// TestALeavingConsumerKeepsNothingFromTheOthers holds both halves of leaving in good order: what its handlers still finish
// is not handed out again, and what it does not take on any more goes to the others meanwhile.
func TestALeavingConsumerKeepsNothingFromTheOthers(t *testing.T) {
	t.Parallel()
	n := newNode(t, esdbserver.Config{Insecure: true})
	leaving, staying := open(t, n.url()), open(t, n.url())
	group := eventlog.Group{Name: "g", TypePrefixes: []string{"t"}, MessageTimeout: time.Minute, MaxRetries: 10}
	begun, finish := make(chan eventlog.ID, 1), make(chan struct{})
	ctx, leave := context.WithCancel(soon(t))
	left := consume(ctx, leaving, group, func(_ context.Context, h eventlog.Handed) eventlog.Verdict {
		begun <- h.ID
		<-finish
		return eventlog.Ack
	})
	joined(t, leaving, group.Name)
	publish(t, staying, 1)
	held := <-begun
	leave()
	var handled, repeated atomic.Int32
	others, stop := context.WithCancel(soon(t))
	stopped := consume(others, staying, group, func(_ context.Context, h eventlog.Handed) eventlog.Verdict {
		if h.ID == held {
			repeated.Add(1)
		}
		handled.Add(1)
		return eventlog.Ack
	})
	publish(t, staying, 20)
	eventually(t, "the one that stays to get everything while the other still leaves", func() bool { return handled.Load() == 20 })
	close(finish)
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Errorf("the one that left: %v", err)
	}
	eventually(t, "everything to be finished", func() bool {
		s, err := staying.Stats(soon(t), group.Name)
		return err == nil && s.InFlight == 0 && s.Consumers == 1 && s.Parked == 0
	})
	stop()
	<-stopped
	if repeated.Load() != 0 {
		t.Errorf("what the leaving consumer finished was handed out %d times more", repeated.Load())
	}
}

// TestWhatALeavingConsumerFinishedDoesNotComeAgain is the same for one that is alone, whose verdicts are its last words.
func TestWhatALeavingConsumerFinishedDoesNotComeAgain(t *testing.T) {
	t.Parallel()
	n := newNode(t, esdbserver.Config{Insecure: true})
	l := open(t, n.url())
	group := eventlog.Group{Name: "g", TypePrefixes: []string{"t"}, MessageTimeout: time.Minute, MaxRetries: 10}
	const events = 50
	for range 5 {
		var begun atomic.Int32
		ctx, leave := context.WithCancel(soon(t))
		left := consume(ctx, l, group, func(ctx context.Context, h eventlog.Handed) eventlog.Verdict {
			if h.Retries > 0 {
				t.Errorf("an event came for the %d. time", h.Retries+1)
			}
			if begun.Add(1) == events {
				leave()
			}
			<-ctx.Done()
			time.Sleep(time.Millisecond)
			return eventlog.Ack
		})
		joined(t, l, group.Name)
		publish(t, l, events)
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("consume: %v", err)
		}
		eventually(t, "the server to notice", func() bool {
			s, err := l.Stats(soon(t), group.Name)
			return err == nil && s.Consumers == 0 && s.InFlight == 0
		})
	}
}

func consume(ctx context.Context, l *esdb.Log, g eventlog.Group, handle func(context.Context, eventlog.Handed) eventlog.Verdict) <-chan error {
	ended := make(chan error, 1)
	go func() { ended <- l.Consume(ctx, g, 100, handle) }()
	return ended
}

func publish(t *testing.T, l *esdb.Log, n int) {
	t.Helper()
	for range n {
		e := newEvent("t")
		if _, err := l.Append(soon(t), fmt.Sprintf("s-%s", e.ID), eventlog.NoStream, e); err != nil {
			t.Fatal(err)
		}
	}
}

// TestAGroupThatIsDeletedIsMadeAgain holds that its consumers do not end with it, and that it begins at the head then.
func TestAGroupThatIsDeletedIsMadeAgain(t *testing.T) {
	t.Parallel()
	n := newNode(t, esdbserver.Config{Insecure: true})
	l := open(t, n.url())
	group := eventlog.Group{Name: "g", TypePrefixes: []string{"t"}, MessageTimeout: time.Minute, MaxRetries: 10}
	var handled atomic.Int32
	ctx, stop := context.WithCancel(soon(t))
	stopped := consume(ctx, l, group, func(context.Context, eventlog.Handed) eventlog.Verdict {
		handled.Add(1)
		return eventlog.Ack
	})
	joined(t, l, group.Name)
	publish(t, l, 3)
	eventually(t, "the first to be handled", func() bool { return handled.Load() == 3 })
	deleteGroup(t, n.url(), group.Name)
	joined(t, l, group.Name)
	publish(t, l, 3)
	eventually(t, "what comes after to be handled", func() bool { return handled.Load() == 6 })
	stop()
	if err := <-stopped; !errors.Is(err, context.Canceled) {
		t.Errorf("consume: %v", err)
	}
}

// deleteGroup deletes a group as an operator would.
func deleteGroup(t *testing.T, url, name string) {
	t.Helper()
	settings, err := client.ParseConnectionString(url)
	if err != nil {
		t.Fatal(err)
	}
	settings.Logger = client.NoopLogging()
	c, err := client.NewClient(settings)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.DeletePersistentSubscriptionToAll(soon(t), name, client.DeletePersistentSubscriptionOptions{}); err != nil {
		t.Fatal(err)
	}
}
