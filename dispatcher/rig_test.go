package dispatcher_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/rs/zerolog"

	"github.com/hooklog/hooklog/commands"
	"github.com/hooklog/hooklog/dispatcher"
	"github.com/hooklog/hooklog/dispatcher/egress"
	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded"
	"github.com/hooklog/hooklog/projections"
	"github.com/hooklog/hooklog/sealing"
)

// rig is a whole node but for HTTP: a real log in memory, the write side, the read side and the dispatcher. Only the
// receiver is a function.
type rig struct {
	t        testing.TB
	fs       vfs.FS
	keys     *sealing.Keyset
	codec    *domain.Codec
	log      *embedded.Log
	fold     *projections.Fold
	commands *commands.Commands
	receiver func(egress.Request) egress.Result
	groups   func(eventlog.Groups) eventlog.Groups
	feed     func(eventlog.Feed) eventlog.Feed
	recorder func(dispatcher.Recorder) dispatcher.Recorder
	alone    bool
	limits   dispatcher.Limits
	// forgetful says that requests are not kept.
	forgetful bool

	mu       sync.Mutex
	requests []request
	stop     func()
}

// request is what the receiver got.
type request struct {
	at     time.Time
	url    string
	id     string
	body   string
	header map[string]string
}

var by = commands.By{Actor: "test"}

func newRig(t testing.TB) *rig {
	t.Helper()
	keys, err := sealing.NewKeyset()
	must(t, err)
	r := &rig{t: t, fs: vfs.NewMem(), keys: keys, codec: domain.NewCodec(keys),
		receiver: func(egress.Request) egress.Result { return egress.Result{Status: 200, Duration: time.Millisecond} },
		groups:   func(g eventlog.Groups) eventlog.Groups { return g },
		feed:     func(f eventlog.Feed) eventlog.Feed { return f },
		recorder: func(c dispatcher.Recorder) dispatcher.Recorder { return c }}
	return r
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// start opens everything and runs it until stopped.
func (r *rig) start() {
	r.t.Helper()
	var err error
	r.log, err = embedded.Open("log", embedded.Options{FS: r.fs, MinFree: 1})
	must(r.t, err)
	r.fold, err = projections.Open(projections.Config{Dir: "projections", FS: r.fs, Feed: r.feed(r.log), Streams: r.log, Codec: r.codec, Keys: r.keys, Logger: zerolog.Nop()})
	must(r.t, err)
	r.commands, err = commands.New(commands.Config{Log: r.log, Keys: r.keys, Codec: r.codec, Directory: r.fold, URLs: anyURL{}})
	must(r.t, err)
	d, err := dispatcher.New(dispatcher.Config{Groups: r.groups(r.log), Fold: foldOf{r.fold}, Recorder: r.recorder(recorderOf{r.commands}),
		Sender: r, Codec: r.codec, Node: by.Actor, Alone: r.alone, Limits: r.limits, Logger: zerolog.Nop()})
	must(r.t, err)

	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	run := func(what string, f func(context.Context) error) {
		running.Go(func() {
			if err := f(ctx); err != nil && !errors.Is(err, context.Canceled) {
				r.t.Errorf("%s: %v", what, err)
			}
		})
	}
	foldCtx, stopFold := context.WithCancel(context.Background())
	var folding sync.WaitGroup
	folding.Go(func() {
		if err := r.fold.Run(foldCtx); err != nil && !errors.Is(err, context.Canceled) {
			r.t.Errorf("fold: %v", err)
		}
	})
	run("dispatcher", d.Run)
	select {
	case <-d.Joined():
	case <-time.After(time.Minute):
		r.t.Fatal("the dispatcher does not join its group")
	}
	r.stop = func() {
		cancel()
		running.Wait()
		stopFold()
		folding.Wait()
		must(r.t, r.fold.Close())
		must(r.t, r.log.Close())
	}
}

// restart stops softly and starts again on the same disk.
func (r *rig) restart() {
	r.t.Helper()
	r.stop()
	r.start()
}

// Post is the receiver.
func (r *rig) Post(ctx context.Context, q egress.Request) egress.Result {
	if r.forgetful {
		return r.receiver(q)
	}
	header := map[string]string{}
	for _, f := range q.Header {
		header[f.Name] = f.Value
	}
	id, _, _ := strings.Cut(q.URL[strings.LastIndex(q.URL, "/")+1:], "?")
	r.mu.Lock()
	r.requests = append(r.requests, request{time.Now(), q.URL, id, string(q.Body), header})
	r.mu.Unlock()
	return r.receiver(q)
}

func (r *rig) got() []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]request(nil), r.requests...)
}

// organization registers an organization with the event type things.happened.
func (r *rig) organization(slug, profile string, schedule ...domain.Duration) domain.OrganizationID {
	r.t.Helper()
	o, _, err := r.commands.RegisterOrganization(r.t.Context(), by, slug, profile, domain.OrganizationSettings{Name: slug, RetrySchedule: schedule})
	must(r.t, err)
	_, at, err := r.commands.DefineEventType(r.t.Context(), by, o.ID, "things.happened", domain.EventTypeSettings{})
	must(r.t, err)
	must(r.t, r.fold.WaitFor(r.t.Context(), at))
	return o.ID
}

func (r *rig) subscribe(org domain.OrganizationID, url string) domain.SubscriptionID {
	r.t.Helper()
	s, _, at, err := r.commands.CreateSubscription(r.t.Context(), by, org, commands.NewSubscription{URL: url, Events: []string{"things.happened"}})
	must(r.t, err)
	must(r.t, r.fold.WaitFor(r.t.Context(), at))
	return s.ID
}

func (r *rig) publish(org domain.OrganizationID, n int) domain.MessageID {
	r.t.Helper()
	p, err := r.commands.Publish(r.t.Context(), by, domain.Publication{Organization: org, EventType: "things.happened", Data: fmt.Appendf(nil, `{"n":%d}`, n)})
	must(r.t, err)
	return p.Message
}

// facts returns what the log says, in order.
func (r *rig) facts() []domain.Fact {
	r.t.Helper()
	var facts []domain.Fact
	for e, err := range r.log.ReadAll(r.t.Context(), eventlog.Position{}) {
		must(r.t, err)
		f, _, err := r.codec.Decode(domain.Place{Stream: e.Stream, ID: e.ID, Revision: uint64(e.Revision)}, e.Type, e.Data, e.Metadata)
		must(r.t, err)
		facts = append(facts, f)
	}
	return facts
}

// only returns the facts of one type.
func only[F domain.Fact](facts []domain.Fact) []F {
	var found []F
	for _, f := range facts {
		if f, ok := f.(F); ok {
			found = append(found, f)
		}
	}
	return found
}

// anyURL admits every URL.
type anyURL struct{}

func (anyURL) CheckURL(context.Context, string) error { return nil }

// answer makes a receiver's answer.
func answer(status int) egress.Result {
	r := egress.Result{Status: status, Duration: time.Millisecond, Address: "192.0.2.1:443"}
	if status/100 != 2 {
		r.Reason = domain.StatusReason(status)
	}
	return r
}

// recorderOf and foldOf join the write and the read side to the dispatcher as the program does.
type recorderOf struct{ *commands.Commands }

func (c recorderOf) RecordOutcomeLater(ctx context.Context, known domain.Delivery, o domain.Outcome, p domain.Policy, cause eventlog.ID) (wait func() (domain.Fact, eventlog.Position, error)) {
	return c.Commands.RecordOutcomeLater(ctx, by, known, o, p, cause)
}

func (c recorderOf) OfferDelivery(ctx context.Context, known domain.Delivery, grace time.Duration) (bool, error) {
	return c.Commands.OfferDelivery(ctx, by, known, grace)
}

func (c recorderOf) CorrectTargets(ctx context.Context, id domain.MessageID, right []domain.Target, seen uint64) error {
	return c.Commands.CorrectTargets(ctx, by, id, right, seen)
}

func (c recorderOf) CompleteTargets(ctx context.Context, id domain.MessageID, right func(context.Context) ([]domain.Target, error)) (bool, error) {
	return c.Commands.CompleteTargets(ctx, by, id, right)
}

func (c recorderOf) DisableFailing(ctx context.Context, id domain.SubscriptionID, lifecycle uint64, limit domain.LimitReached) error {
	return c.Commands.DisableFailing(ctx, by, id, lifecycle, limit)
}

func (c recorderOf) StepRecovery(ctx context.Context, known domain.Recovery, page domain.RecoveryPage, pace func(context.Context) error) error {
	return c.Commands.StepRecovery(ctx, by, known, page, pace)
}

type foldOf struct{ *projections.Fold }

func (f foldOf) Due(id domain.SubscriptionID, now time.Time, limit int, skip func(domain.DeliveryID) bool) ([]dispatcher.DueDelivery, error) {
	found, err := f.Fold.Due(id, now, limit, skip)
	due := make([]dispatcher.DueDelivery, len(found))
	for i, d := range found {
		due[i] = dispatcher.DueDelivery(d)
	}
	return due, err
}

func (f foldOf) AtLimit() []dispatcher.FailingSubscription {
	var failing []dispatcher.FailingSubscription
	for _, s := range f.Fold.AtLimit() {
		failing = append(failing, dispatcher.FailingSubscription{ID: s.ID, Lifecycle: s.Lifecycle, Limit: s.Limit})
	}
	return failing
}
