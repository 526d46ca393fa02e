package dispatcher_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hooklog/hooklog/commands"
	"github.com/hooklog/hooklog/dispatcher"
	"github.com/hooklog/hooklog/dispatcher/egress"
	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// held is a group that hands facts of one type out when it is told to.
type held struct {
	eventlog.Groups
	holds string
	until <-chan struct{}
}

func (h held) Consume(ctx context.Context, g eventlog.Group, buffer int, handle func(context.Context, eventlog.Handed) eventlog.Verdict) error {
	return h.Groups.Consume(ctx, g, buffer, func(ctx context.Context, e eventlog.Handed) eventlog.Verdict {
		if e.Type == h.holds {
			<-h.until
		}
		return handle(ctx, e)
	})
}

// publishAt publishes through a node whose clock is off.
func (r *rig) publishAt(org domain.OrganizationID, off time.Duration) domain.MessageID {
	r.t.Helper()
	elsewhere, err := commands.New(commands.Config{Log: r.log, Keys: r.keys, Codec: r.codec, Directory: r.fold, URLs: anyURL{},
		Now: func() time.Time { return time.Now().Add(off) }})
	must(r.t, err)
	p, err := elsewhere.Publish(r.t.Context(), by, domain.Publication{Organization: org, EventType: "things.happened", Data: []byte(`{}`)})
	must(r.t, err)
	return p.Message
}

// offer hands the only open delivery of a subscription out, as the clock of another node may, and returns how it stands then.
func (r *rig) offer(sub domain.SubscriptionID) domain.Delivery {
	r.t.Helper()
	due, err := r.fold.Due(sub, time.Now().Add(domain.OfferGrace), 2, nil)
	if err != nil || len(due) != 1 {
		r.t.Fatalf("due %+v, error %v", due, err)
	}
	if offered, err := r.commands.OfferDelivery(r.t.Context(), by, due[0].Delivery, 0); err != nil || !offered {
		r.t.Fatalf("offered %t, error %v", offered, err)
	}
	known, err := r.commands.LoadDelivery(r.t.Context(), due[0].Of, due[0].RoundRevision)
	must(r.t, err)
	return known
}

// Whatever time the publisher's clock told, the group has its grace before the clock offers a first attempt, and no more.
func TestTheClockOfThePublisherMakesNoFirstAttemptOverdue(t *testing.T) {
	for name, off := range map[string]time.Duration{"behind": -24 * time.Hour, "ahead": 24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t)
				hand := make(chan struct{})
				r.groups = func(g eventlog.Groups) eventlog.Groups { return held{g, "hooklog.MessagePublished.v1", hand} }
				r.start()
				defer func() { r.stop() }()
				org := r.organization("acme", "vantageclaw")
				r.subscribe(org, "https://example.com/hook")
				published := time.Now()
				r.publishAt(org, off)
				time.Sleep(domain.OfferGrace - time.Second)
				if offers := only[*domain.RetryDue](r.facts()); len(offers) != 0 {
					t.Errorf("the clock offers what the group was to hand out: %+v", offers[0])
				}
				time.Sleep(3 * time.Second)
				if got := r.got(); len(got) != 1 || got[0].at.Sub(published) < domain.OfferGrace {
					t.Errorf("%d requests after the grace, want 1", len(got))
				}
				close(hand)
				time.Sleep(time.Hour)
				if got := len(r.got()); got != 1 {
					t.Errorf("%d requests, want 1", got)
				}
			})
		})
	}
}

// slowRecorder begins to record a success when it is told to.
type slowRecorder struct {
	dispatcher.Recorder
	until <-chan struct{}
}

func (s slowRecorder) RecordOutcomeLater(ctx context.Context, known domain.Delivery, o domain.Outcome, p domain.Policy, cause eventlog.ID) (wait func() (domain.Fact, eventlog.Position, error)) {
	<-s.until
	return s.Recorder.RecordOutcomeLater(ctx, known, o, p, cause)
}

// A success whose slot was given back is not in the log yet: whoever offers the delivery meanwhile, it is in hand.
func TestADeliveryIsInHandUntilItsSuccessIsRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		record := make(chan struct{})
		r.recorder = func(c dispatcher.Recorder) dispatcher.Recorder { return slowRecorder{c, record} }
		r.start()
		defer func() { r.stop() }()
		org := r.organization("acme", "vantageclaw")
		sub := r.subscribe(org, "https://example.com/hook")
		r.publish(org, 1)
		synctest.Wait()
		r.offer(sub)
		time.Sleep(10 * time.Minute) // The clock of this node offers it twice meanwhile, if it does.
		close(record)
		time.Sleep(time.Hour)
		if got := len(r.got()); got != 1 {
			t.Errorf("%d requests, want 1", got)
		}
		facts := r.facts()
		if n := len(only[*domain.AttemptSucceeded](facts)); n != 1 {
			t.Errorf("%d successes recorded, want 1", n)
		}
		if n := len(only[*domain.RetryDue](facts)); n != 1 {
			t.Errorf("offered %d times, want once, by the other node", n)
		}
	})
}

// What another node attempted while a task waited for its slot is not attempted again.
func TestATaskThatWaitedIsLookedAtAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.limits = dispatcher.Limits{Lane: 1, LaneStart: 1, LaneFast: 1}
		answers := make(chan struct{})
		r.receiver = func(egress.Request) egress.Result { <-answers; return answer(200) }
		r.start()
		defer func() { r.stop() }()
		org := r.organization("acme", "vantageclaw")
		sub := r.subscribe(org, "https://example.com/hook")
		r.publish(org, 1)
		synctest.Wait()
		waits := r.publish(org, 2)
		synctest.Wait()
		if got := len(r.got()); got != 1 {
			t.Fatalf("%d requests, want that of the first message alone", got)
		}
		due, err := r.fold.Due(sub, time.Now().Add(domain.OfferGrace), 2, nil)
		must(t, err)
		for _, o := range due {
			if o.Of.Message == waits {
				_, _, err := r.commands.RecordOutcomeLater(t.Context(), commands.By{Actor: "another node"}, o.Delivery,
					domain.Outcome{StartedAt: time.Now(), Status: 200, BodySHA256: []byte("sum")}, domain.Policy{}, eventlog.ID{1})()
				must(t, err)
			}
		}
		synctest.Wait()
		close(answers)
		time.Sleep(time.Hour)
		if got := len(r.got()); got != 1 {
			t.Errorf("%d requests, want 1: the second message was delivered by another node", got)
		}
		if n := len(only[*domain.AttemptSucceeded](r.facts())); n != 2 {
			t.Errorf("%d successes recorded, want 2", n)
		}
	})
}

// slowFeed shows facts of one type, and all that follow, when it is told to.
type slowFeed struct {
	eventlog.Feed
	holds string
	until <-chan struct{}
}

func (s slowFeed) Subscribe(ctx context.Context, after eventlog.Position, receive func(context.Context, eventlog.Batch) error) error {
	return s.Feed.Subscribe(ctx, after, func(ctx context.Context, b eventlog.Batch) error {
		for i, e := range b.Events {
			if e.Type != s.holds {
				continue
			}
			if err := receive(ctx, eventlog.Batch{Events: b.Events[:i], Live: b.Live}); err != nil {
				return err
			}
			<-s.until
			return receive(ctx, eventlog.Batch{Events: b.Events[i:], Live: b.Live})
		}
		return receive(ctx, b)
	})
}

// A success may be recorded and not be folded yet: it is in hand still, and nothing else tells.
func TestADeliveryIsInHandUntilItsSuccessIsFolded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.alone = true // so its stream is not looked at
		hand, show := make(chan struct{}), make(chan struct{})
		r.groups = func(g eventlog.Groups) eventlog.Groups { return held{g, "hooklog.RetryDue.v1", hand} }
		r.feed = func(f eventlog.Feed) eventlog.Feed { return slowFeed{f, "hooklog.AttemptSucceeded.v1", show} }
		r.receiver = func(egress.Request) egress.Result {
			time.Sleep(time.Second)
			return answer(200)
		}
		r.start()
		defer func() { r.stop() }()
		org := r.organization("acme", "vantageclaw")
		sub := r.subscribe(org, "https://example.com/hook")
		r.publish(org, 1)
		synctest.Wait()
		r.offer(sub)
		time.Sleep(time.Minute)
		if n := len(only[*domain.AttemptSucceeded](r.facts())); n != 1 {
			t.Fatalf("%d successes recorded, want 1", n)
		}
		close(hand)
		time.Sleep(time.Minute)
		close(show)
		time.Sleep(time.Hour)
		if got := len(r.got()); got != 1 {
			t.Errorf("%d requests, want 1", got)
		}
	})
}

// What the clock offers may have been attempted by the node that was handed it first, a moment ago: the stream knows.
func TestWhatAnotherNodeRecordedMeanwhileIsNotAttempted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		hand, show := make(chan struct{}), make(chan struct{})
		r.groups = func(g eventlog.Groups) eventlog.Groups {
			return forgetful{held{g, "hooklog.RetryDue.v1", hand}, "hooklog.MessagePublished.v1"}
		}
		r.feed = func(f eventlog.Feed) eventlog.Feed { return slowFeed{f, "hooklog.AttemptSucceeded.v1", show} }
		r.start()
		defer func() { r.stop() }()
		org := r.organization("acme", "vantageclaw")
		sub := r.subscribe(org, "https://example.com/hook")
		r.publish(org, 1)
		synctest.Wait()
		known := r.offer(sub)
		policy, _ := r.fold.Policy(sub)
		_, _, err := r.commands.RecordOutcome(t.Context(), by, known, domain.Outcome{StartedAt: time.Now(), Status: 200}, policy, eventlog.ID{})
		must(t, err)
		close(hand)
		time.Sleep(time.Minute)
		close(show)
		time.Sleep(time.Hour)
		if got := len(r.got()); got != 0 {
			t.Errorf("%d requests, want none", got)
		}
	})
}

// failingRecorder cannot record the first success.
type failingRecorder struct {
	dispatcher.Recorder
	failed *atomic.Bool
}

func (f failingRecorder) RecordOutcomeLater(ctx context.Context, known domain.Delivery, o domain.Outcome, p domain.Policy, cause eventlog.ID) (wait func() (domain.Fact, eventlog.Position, error)) {
	if f.failed.CompareAndSwap(false, true) {
		return func() (domain.Fact, eventlog.Position, error) {
			return nil, eventlog.Position{}, errors.New("the log is away")
		}
	}
	return f.Recorder.RecordOutcomeLater(ctx, known, o, p, cause)
}

// What could not be recorded is not in hand any more: the group hands it out again, and it is attempted at once.
func TestASuccessThatCannotBeRecordedIsMadeAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.recorder = func(c dispatcher.Recorder) dispatcher.Recorder { return failingRecorder{c, new(atomic.Bool)} }
		r.start()
		defer func() { r.stop() }()
		org := r.organization("acme", "vantageclaw")
		r.subscribe(org, "https://example.com/hook")
		r.publish(org, 1)
		time.Sleep(domain.OfferGrace / 2)
		if got := len(r.got()); got != 2 {
			t.Errorf("%d requests, want 2", got)
		}
		if n := len(only[*domain.AttemptSucceeded](r.facts())); n != 1 {
			t.Errorf("%d successes recorded, want 1", n)
		}
	})
}
