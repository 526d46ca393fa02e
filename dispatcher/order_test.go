package dispatcher_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/rs/zerolog"

	"github.com/hooklog/hooklog/commands"
	"github.com/hooklog/hooklog/dispatcher"
	"github.com/hooklog/hooklog/dispatcher/egress"
	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/projections"
)

// secondNode runs beside a rig's own node: its own fold, write side and dispatcher on the same log.
type secondNode struct {
	commands *commands.Commands
	stop     func()
}

// beside starts a second node. Its requests go out through sender.
func (r *rig) beside(sender dispatcher.Sender) *secondNode {
	r.t.Helper()
	fold, err := projections.Open(projections.Config{Dir: "projections", FS: vfs.NewMem(), Feed: r.log, Streams: r.log, Codec: r.codec, Keys: r.keys, Logger: zerolog.Nop()})
	must(r.t, err)
	c, err := commands.New(commands.Config{Log: r.log, Keys: r.keys, Directory: fold, URLs: anyURL{}})
	must(r.t, err)
	d, err := dispatcher.New(dispatcher.Config{Groups: r.log, Fold: foldOf{fold}, Recorder: recorderOf{c}, Sender: sender,
		Codec: r.codec, Node: "second", StopGrace: time.Millisecond, Logger: zerolog.Nop()})
	must(r.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	foldCtx, stopFold := context.WithCancel(context.Background())
	var running, folding sync.WaitGroup
	folding.Go(func() { must(r.t, fold.Run(foldCtx)) })
	running.Go(func() { must(r.t, d.Run(ctx)) })
	return &secondNode{c, sync.OnceFunc(func() {
		cancel()
		running.Wait()
		stopFold()
		folding.Wait()
		must(r.t, fold.Close())
	})}
}

// inOrder is a receiver that notes what came when, and how many requests were with it at once.
type inOrder struct {
	mu           sync.Mutex
	now, most    int
	came         []arrival
	answer       func(n, attempt int) int
	attemptsOf   map[int]int
	lastAnswered time.Time
}

// arrival is one request: its message's number, and how long after the answer before it came.
type arrival struct {
	n     int
	pause time.Duration
}

func (x *inOrder) receive(q egress.Request) egress.Result {
	var body struct {
		Data struct{ N int } `json:"data"`
	}
	if err := json.Unmarshal(q.Body, &body); err != nil {
		panic(err)
	}
	n := body.Data.N
	x.mu.Lock()
	x.now++
	x.most = max(x.most, x.now)
	x.attemptsOf[n]++
	attempt := x.attemptsOf[n]
	x.came = append(x.came, arrival{n, time.Since(x.lastAnswered)})
	x.mu.Unlock()
	time.Sleep(10 * time.Millisecond)
	x.mu.Lock()
	defer x.mu.Unlock()
	x.now--
	x.lastAnswered = time.Now()
	return answer(x.answer(n, attempt))
}

// attempts tells how many each message had so far.
func (x *inOrder) attempts() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return fmt.Sprint(x.attemptsOf)
}

// dying is the second node's way out: the first request for a message kills the node while it is on the wire.
type dying struct {
	*inOrder
	at   int
	died chan struct{}
	once sync.Once
}

func (x *dying) Post(ctx context.Context, q egress.Request) egress.Result {
	var body struct {
		Data struct{ N int } `json:"data"`
	}
	if err := json.Unmarshal(q.Body, &body); err != nil {
		panic(err)
	}
	if body.Data.N < x.at {
		return x.receive(q)
	}
	x.once.Do(func() { close(x.died) })
	<-ctx.Done()
	return egress.Result{Reason: "http_error:" + string(egress.KindCanceled)}
}

func (r *rig) subscribeInOrder(org domain.OrganizationID) domain.SubscriptionID {
	r.t.Helper()
	s, _, at, err := r.commands.CreateSubscription(r.t.Context(), by, org, commands.NewSubscription{URL: "https://a.example", Events: []string{"things.happened"}, Ordered: true})
	must(r.t, err)
	must(r.t, r.fold.WaitFor(r.t.Context(), at))
	return s.ID
}

// Two nodes share one log. A message fails once, another dies, one node is killed with a request on the wire: each
// message waits for the one before it to end, and for nothing else. It holds the row webhooks.ordered.
func TestStrictOrderOverTwoNodes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const messages, fails, dies, kills = 40, 3, 5, 12
		x := &inOrder{attemptsOf: map[int]int{}, lastAnswered: time.Now(), answer: func(n, attempt int) int {
			if n == dies || n == fails && attempt == 1 {
				return 500
			}
			return 200
		}}
		r := newRig(t)
		r.receiver = x.receive
		r.start()
		out := &dying{inOrder: x, at: kills, died: make(chan struct{})}
		second := r.beside(out)
		org := r.organization("acme", "vantageclaw", domain.Duration(time.Second), domain.Duration(2*time.Second))
		r.subscribeInOrder(org)
		for n := range messages {
			r.publish(org, n)
			time.Sleep(time.Millisecond)
		}
		r.awaitEnded(messages, out.died, second.stop)
		second.stop()
		r.stop()
		select {
		case <-out.died:
		default:
			t.Error("the second node was not killed with a request on the wire")
		}

		var order []int
		for i, a := range x.came {
			order = append(order, a.n)
			if again := i > 0 && x.came[i-1].n == a.n; !again && a.n != kills && a.pause > time.Second {
				t.Errorf("message %d waited %v for its turn", a.n, a.pause)
			}
		}
		if !slices.IsSorted(order) || x.most != 1 {
			t.Errorf("at most %d at once, in the order %v", x.most, order)
		}
		for n := range messages {
			want := map[int]int{fails: 2, dies: 3}[n]
			if got := x.attemptsOf[n]; got != max(1, want) {
				t.Errorf("message %d had %d attempts", n, got)
			}
		}
	})
}

// awaitEnded waits until so many deliveries have ended, and calls kill once died is closed.
func (r *rig) awaitEnded(deliveries int, died <-chan struct{}, kill func()) {
	r.t.Helper()
	for range 600 {
		select {
		case <-died:
			kill()
			died = nil
		case <-time.After(time.Second):
		}
		ended := len(only[*domain.AttemptSucceeded](r.facts()))
		for _, f := range only[*domain.AttemptFailed](r.facts()) {
			if f.Dead {
				ended++
			}
		}
		if ended >= deliveries {
			return
		}
	}
	r.t.Error("not all deliveries ended")
}

// deliveryOf names the delivery of a message to a subscription.
func (r *rig) deliveryOf(id domain.MessageID, sub domain.SubscriptionID) domain.DeliveryOf {
	r.t.Helper()
	m, err := r.commands.LoadMessage(r.t.Context(), id)
	must(r.t, err)
	of := m.Published.Of(m.Meta)
	return domain.DeliveryOf{Message: id, Subscription: sub, Organization: of.Organization, EventType: of.EventType, PublishedAt: domain.Time(of.PublishedAt)}
}

// A disabling cancels the queue, and what is published after it begins another. A redelivery stands at its end.
func TestStrictOrderAfterADisablingAndARedelivery(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var down atomic.Bool
		down.Store(true)
		x := &inOrder{attemptsOf: map[int]int{}, lastAnswered: time.Now()}
		x.answer = func(int, int) int {
			if down.Load() {
				return 500
			}
			return 200
		}
		r := newRig(t)
		r.receiver = x.receive
		r.start()
		defer func() { r.stop() }()
		org := r.organization("acme", "vantageclaw", domain.Duration(time.Hour))
		sub := r.subscribeInOrder(org)
		first := r.publish(org, 1)
		r.publish(org, 2)
		time.Sleep(3 * time.Second)
		if x.attempts() != "map[1:1]" {
			t.Errorf("before the first has ended: %v", x.attempts())
		}
		_, err := r.commands.DisableSubscription(t.Context(), by, org, sub, domain.ByOwner, "")
		must(t, err)
		at, err := r.commands.EnableSubscription(t.Context(), by, org, sub)
		must(t, err)
		must(t, r.fold.WaitFor(t.Context(), at))
		down.Store(false)
		r.publish(org, 3)
		time.Sleep(3 * time.Second)
		if x.attempts() != "map[1:1 3:1]" {
			t.Errorf("after the disabling: %v", x.attempts())
		}
		r.restart()
		down.Store(true)
		r.publish(org, 4)
		r.publish(org, 5)
		time.Sleep(3 * time.Second)
		_, _, err = r.commands.Redeliver(t.Context(), by, r.deliveryOf(first, sub), 0)
		must(t, err)
		time.Sleep(3 * time.Second)
		if x.attempts() != "map[1:1 3:1 4:1]" {
			t.Errorf("behind a failure: %v", x.attempts())
		}
		down.Store(false)
		time.Sleep(3 * time.Hour)
		x.mu.Lock()
		defer x.mu.Unlock()
		var order []int
		for _, a := range x.came {
			order = append(order, a.n)
		}
		if !slices.Equal(order, []int{1, 3, 4, 4, 5, 1}) || x.most != 1 {
			t.Errorf("the order is %v, at most %d at once", order, x.most)
		}
	})
}
