package esdb_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/esdb"
	"github.com/hooklog/hooklog/eventlog/esdbserver"
)

// patience is how long a test waits for what takes milliseconds when all is well.
const patience = 3 * time.Minute

var lastID atomic.Uint64

func newEvent(kind string) eventlog.Event {
	e := eventlog.Event{Type: kind, Data: []byte(`{"a":1}`), Metadata: []byte(`{"at":"2026-01-02T03:04:05Z"}`)}
	binary.BigEndian.PutUint64(e.ID[8:], lastID.Add(1))
	return e
}

func soon(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// trouble is what happens to a connection while a test works on it.
type trouble struct {
	name string
	// cause happens three times.
	cause func(n *node, p *proxy, round int)
}

var troubles = []trouble{
	{"the server restarts", func(n *node, _ *proxy, _ int) { n.restart() }},
	{"the server is away for longer than the client looks for it", func(n *node, _ *proxy, round int) {
		n.stop()
		if round == 1 {
			time.Sleep(1200 * time.Millisecond)
		}
		n.start()
	}},
	{"connections are cut", func(_ *node, p *proxy, _ int) { p.cut() }},
	{"connections are slow and cut", func(_ *node, p *proxy, _ int) {
		p.set(rand.N(20*time.Millisecond), false)
		p.cut()
	}},
}

// amid runs work while trouble happens three times, and then in peace until it is done. Work adds to done as it goes on:
// no trouble comes before it has since the one before.
func (x trouble) amid(t *testing.T, work func(ctx context.Context, l *esdb.Log, done *atomic.Int64, calm <-chan struct{})) *node {
	t.Helper()
	n := newNode(t, esdbserver.Config{Insecure: true})
	p := newProxy(t, n.address)
	l := open(t, p.url())
	calm := make(chan struct{})
	ctx := soon(t)
	var done atomic.Int64
	var working sync.WaitGroup
	working.Go(func() { work(ctx, l, &done, calm) })
	for round := range 3 {
		before := done.Load()
		eventually(t, "the work to go on", func() bool { return done.Load() > before })
		time.Sleep(50*time.Millisecond + rand.N(150*time.Millisecond))
		x.cause(n, p, round)
	}
	p.set(0, false)
	close(calm)
	working.Wait()
	return n
}

func over(calm <-chan struct{}) bool {
	select {
	case <-calm:
		return true
	default:
		return false
	}
}

// contents reads the log of the server itself.
func (n *node) contents() map[eventlog.ID]int {
	n.t.Helper()
	times := make(map[eventlog.ID]int)
	for e, err := range n.log.ReadAll(soon(n.t), eventlog.Position{}) {
		if err != nil {
			n.t.Fatal(err)
		}
		times[e.ID]++
	}
	return times
}

func TestAppendsAmidTroubleHappenOnce(t *testing.T) {
	t.Parallel()
	for _, x := range troubles {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			appended := make(map[eventlog.ID]bool)
			n := x.amid(t, func(ctx context.Context, l *esdb.Log, done *atomic.Int64, calm <-chan struct{}) {
				var writers sync.WaitGroup
				for w := range 8 {
					writers.Go(func() {
						stream := fmt.Sprintf("writer-%d", w)
						expected := eventlog.NoStream
						for !over(calm) {
							batch := []eventlog.Event{newEvent("t"), newEvent("t")}
							a, err := l.Append(ctx, stream, expected, batch...)
							if err != nil {
								t.Errorf("append: %v", err)
								return
							}
							expected = eventlog.Exactly(a.Revision)
							mu.Lock()
							appended[batch[0].ID], appended[batch[1].ID] = true, true
							mu.Unlock()
							done.Add(1)
						}
					})
				}
				writers.Wait()
			})
			times := n.contents()
			for id := range appended {
				if times[id] != 1 {
					t.Errorf("an acknowledged event stands in the log %d times", times[id])
				}
			}
			for id, n := range times {
				if !appended[id] {
					t.Errorf("an event that nobody was told of stands in the log %d times", n)
				}
			}
		})
	}
}

func TestASubscriptionAmidTroubleHasNoGapAndNoRepetition(t *testing.T) {
	t.Parallel()
	for _, x := range troubles {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			dead := 0
			x.amid(t, func(ctx context.Context, l *esdb.Log, wasLive *atomic.Int64, calm <-chan struct{}) {
				total := make(chan int, 1)
				go func() {
					i := 0
					for ; !over(calm); i++ {
						if _, err := l.Append(ctx, "s", expectedAt(i), newEvent("t")); err != nil {
							t.Errorf("append: %v", err)
						}
					}
					total <- i
				}()
				want, seen, live := -1, 0, false
				done := errors.New("seen all")
				err := l.Subscribe(ctx, eventlog.Position{}, func(_ context.Context, b eventlog.Batch) error {
					for _, e := range b.Events {
						if int(e.Revision) != seen {
							return fmt.Errorf("revision %d came in place of %d", e.Revision, seen)
						}
						seen++
					}
					if live && !b.Live {
						dead++
					}
					if live = b.Live; live {
						wasLive.Add(1)
					}
					select {
					case want = <-total:
					default:
					}
					if want < 0 && over(calm) { // The last append may be seen before it is counted.
						want = <-total
					}
					if seen == want && live {
						return done
					}
					return nil
				})
				if !errors.Is(err, done) {
					t.Errorf("the subscription ended after %d of %d events: %v", seen, want, err)
				}
			})
			if dead == 0 {
				t.Error("the subscription never told that its connection was lost")
			}
		})
	}
}

func expectedAt(i int) eventlog.Expected {
	if i == 0 {
		return eventlog.NoStream
	}
	return eventlog.Exactly(eventlog.Revision(i - 1))
}

func TestConsumersAmidTroubleHandleEverything(t *testing.T) {
	t.Parallel()
	group := eventlog.Group{Name: "g", TypePrefixes: []string{"t"}, MessageTimeout: time.Minute, MaxRetries: 20}
	for _, x := range troubles {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			x.amid(t, func(ctx context.Context, l *esdb.Log, handled *atomic.Int64, calm <-chan struct{}) {
				var mu sync.Mutex
				left := make(map[eventlog.ID]bool)
				consuming, stop := context.WithCancel(ctx)
				var consumers sync.WaitGroup
				for range 2 {
					consumers.Go(func() {
						err := l.Consume(consuming, group, 10, func(_ context.Context, h eventlog.Handed) eventlog.Verdict {
							time.Sleep(rand.N(10 * time.Millisecond))
							mu.Lock()
							defer mu.Unlock()
							delete(left, h.ID)
							handled.Add(1)
							return eventlog.Ack
						})
						if !errors.Is(err, context.Canceled) {
							t.Errorf("consume: %v", err)
						}
					})
				}
				joined(t, l, group.Name)
				for !over(calm) {
					e := newEvent("t")
					mu.Lock()
					left[e.ID] = true
					mu.Unlock()
					if _, err := l.Append(ctx, "s-"+e.ID.String(), eventlog.NoStream, e); err != nil {
						t.Errorf("append: %v", err)
					}
				}
				eventually(t, "everything to be handled and finished", func() bool {
					mu.Lock()
					n := len(left)
					mu.Unlock()
					s, err := l.Stats(ctx, group.Name)
					return n == 0 && err == nil && s.InFlight == 0
				})
				if s, err := l.Stats(ctx, group.Name); err != nil || s.Parked != 0 {
					t.Errorf("the group: %+v, %v", s, err)
				}
				stop()
				consumers.Wait()
			})
		})
	}
}

// joined waits until a group has consumers.
func joined(t testing.TB, l *esdb.Log, group string) {
	t.Helper()
	eventually(t, "a consumer to join", func() bool {
		s, err := l.Stats(soon(t), group)
		return err == nil && s.Consumers > 0
	})
}

func eventually(t testing.TB, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

// TestASilentServerIsNoticed holds the heartbeat: nothing comes, and nothing says that the connection is lost.
func TestASilentServerIsNoticed(t *testing.T) {
	t.Parallel()
	n := newNode(t, esdbserver.Config{Insecure: true})
	p := newProxy(t, n.address)
	l := open(t, p.url())
	ctx, stop := context.WithCancel(soon(t))
	batches := make(chan eventlog.Batch, 16)
	ended := make(chan error, 1)
	go func() {
		ended <- l.Subscribe(ctx, eventlog.Position{}, func(_ context.Context, b eventlog.Batch) error {
			batches <- b
			return nil
		})
	}()
	until := func(live bool) {
		t.Helper()
		for {
			select {
			case b := <-batches:
				if b.Live == live {
					return
				}
			case <-ctx.Done():
				t.Fatalf("waited in vain for live to be %v", live)
			}
		}
	}
	until(true)
	p.set(0, true)
	until(false)
	appended := make(chan error, 1)
	go func() {
		_, err := l.Append(ctx, "s", eventlog.NoStream, newEvent("t"))
		appended <- err
	}()
	p.set(0, false)
	p.cut()
	until(true)
	if err := <-appended; err != nil {
		t.Errorf("append: %v", err)
	}
	stop()
	<-ended
}

func TestAnAppendWithoutServerIsAnUnknownOutcomeOrNone(t *testing.T) {
	t.Parallel()
	n := newNode(t, esdbserver.Config{Insecure: true})
	p := newProxy(t, n.address)
	l := open(t, p.url())
	p.set(0, true)
	eventually(t, "an append that was sent and not answered to be of unknown outcome", func() bool {
		ctx, cancel := context.WithTimeout(soon(t), 2*time.Second) // on a busy machine it may not even be sent by then
		defer cancel()
		_, err := l.Append(ctx, "s", eventlog.NoStream, newEvent("t"))
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("an append that is not answered: got %v", err)
		}
		return errors.Is(err, eventlog.ErrUnknownOutcome)
	})
	n.stop()
	p.cut()
	eventually(t, "the loss to be noticed", func() bool {
		ctx, cancel := context.WithTimeout(soon(t), 50*time.Millisecond)
		defer cancel()
		_, err := l.Append(ctx, "s", eventlog.NoStream, newEvent("t"))
		return errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, eventlog.ErrUnknownOutcome)
	})
}

// TestALostConnectionLeavesNothingBehind loses it under many callers, some of whom are just about to call: none may
// make the client look for a server again, which would leave the old connection open. TestMain looks for what is left.
func TestALostConnectionLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	n := newNode(t, esdbserver.Config{Insecure: true})
	p := newProxy(t, n.address)
	l := open(t, p.url())
	ctx, stop := context.WithCancel(soon(t))
	var callers sync.WaitGroup
	var answers atomic.Int64
	for range 64 {
		callers.Go(func() {
			for ctx.Err() == nil {
				if _, err := l.Head(ctx); err == nil {
					answers.Add(1)
				} else if ctx.Err() == nil {
					t.Errorf("head: %v", err)
				}
			}
		})
	}
	for range 6 {
		before := answers.Load()
		eventually(t, "answers", func() bool { return answers.Load() > before+64 })
		p.cut()
	}
	stop()
	callers.Wait()
}
