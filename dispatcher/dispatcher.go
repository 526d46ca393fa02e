// Package dispatcher is the process manager: it sees to it that every delivery is attempted when it is due, until it
// ends, and that what came of each attempt is recorded before it counts.
//
// Work reaches it on two ways. The consumer group hands out facts that ask for attempts (a message, a redelivery, a
// retry that came due): the fast path. The clock goes through the due index of this node's fold, which holds every
// delivery without an end, and offers what is due by recording RetryDue, which the group then hands out: the safety
// net, so that nothing depends on what a group remembers. Before a request is sent the delivery is looked at: one that
// ended, or whose attempt was recorded, is acknowledged without a request.
//
// Deliveries in strict order are handed out by the clock alone: of each subscription only the first that has not ended.
//
// Attempts run in lanes, one a subscription, so that a slow receiver holds up only itself. What finds its lane full is
// left to the clock: nothing is written for it.
//
// Three rules decide what a crash can cost. A request is sent only after the fact that asks for it is durable. An
// outcome is recorded at the revision it was decided on. A fact is acknowledged only when none of its targets is being
// attempted. So for each delivery a crash can cost one repeated request, and none for a delivery that had ended.
package dispatcher

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/hooklog/hooklog/dispatcher/egress"
	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/sealing"
)

// Fold is what the dispatcher asks of this node's fold of the log.
type Fold interface {
	// WaitFor returns nil once everything up to a position is folded.
	WaitFor(ctx context.Context, p eventlog.Position) error
	// Position is the place up to which everything is folded.
	Position() eventlog.Position
	// Lag is how old what is not yet folded may be; 0 at the head of the log.
	Lag() time.Duration
	Subscription(id domain.SubscriptionID) (domain.Subscription, bool)
	Policy(id domain.SubscriptionID) (domain.Policy, bool)
	Health(id domain.SubscriptionID) domain.Health
	// Delivery returns a delivery's state; Cancelled if a closure of its subscription ended the round.
	Delivery(of domain.DeliveryOf) (domain.Delivery, bool, error)
	// Correction returns the right targets of a message whose recorded ones are wrong and not yet corrected.
	Correction(id domain.MessageID) (right []domain.Target, seen uint64, pending bool)
	PendingCorrections(limit int) []domain.MessageID
	// MatchAgain finds the targets that a message's place in the log demands.
	MatchAgain(ctx context.Context, id domain.MessageID) ([]domain.Target, error)
	// DueSubscriptions yields the subscriptions with deliveries to offer at the given time, the earliest first.
	DueSubscriptions(now time.Time, yield func(id domain.SubscriptionID, earliest time.Time) bool)
	// Due returns a subscription's deliveries to offer at the given time, oldest first, but for those that skip, unless it
	// is nil, reports.
	Due(id domain.SubscriptionID, now time.Time, limit int, skip func(domain.DeliveryID) bool) ([]DueDelivery, error)
	// NextDue returns the earliest time after now at which there is something more to offer.
	NextDue(now time.Time) (time.Time, bool)
	// DueChanged pulses when NextDue may have become earlier.
	DueChanged() <-chan struct{}
	// AtLimit returns the active subscriptions that failures are to disable.
	AtLimit() []FailingSubscription
	// OpenRecoveries returns the recoveries that have not ended, RecoveryPage what is next for one.
	OpenRecoveries() []domain.Recovery
	RecoveryPage(r domain.Recovery, limit int) (domain.RecoveryPage, error)
	// RecoveriesChanged pulses when OpenRecoveries has changed.
	RecoveriesChanged() <-chan struct{}
	// LimitReached pulses when AtLimit may have grown.
	LimitReached() <-chan struct{}
}

// DueDelivery is a delivery to be offered, and the actor that recorded what it waits for. Opened is when the log recorded
// what opened the round, by its own time, while that has no attempt.
type DueDelivery struct {
	domain.Delivery
	Node   string
	Opened time.Time
}

// FailingSubscription is a subscription that reached its profile's limit while its lifecycle stood at that revision.
type FailingSubscription struct {
	ID        domain.SubscriptionID
	Lifecycle uint64
	Limit     domain.LimitReached
}

// Recorder is what the dispatcher asks of the write side, on behalf of its node.
type Recorder interface {
	RecordOutcomeLater(ctx context.Context, known domain.Delivery, o domain.Outcome, p domain.Policy, cause eventlog.ID) (wait func() (domain.Fact, eventlog.Position, error))
	OfferDelivery(ctx context.Context, known domain.Delivery, grace time.Duration) (offered bool, err error)
	LoadDelivery(ctx context.Context, of domain.DeliveryOf, roundRevision uint64) (domain.Delivery, error)
	LoadPublished(ctx context.Context, id domain.MessageID) (*domain.MessagePublished, error)
	CorrectTargets(ctx context.Context, id domain.MessageID, right []domain.Target, seen uint64) error
	CompleteTargets(ctx context.Context, id domain.MessageID, right func(context.Context) ([]domain.Target, error)) (complete bool, err error)
	DisableFailing(ctx context.Context, id domain.SubscriptionID, lifecycle uint64, limit domain.LimitReached) error
	// StepRecovery sees to a page of a recovery; pace is asked before each delivery.
	StepRecovery(ctx context.Context, known domain.Recovery, page domain.RecoveryPage, pace func(context.Context) error) error
	DataKey(ctx context.Context, org domain.OrganizationID) (*sealing.DataKey, error)
}

// Sender makes HTTP requests; *egress.Client is one.
type Sender interface {
	Post(ctx context.Context, r egress.Request) egress.Result
}

// Config is what a Dispatcher needs. Limits, StopGrace, WallClock, Observe and Logger may be left out.
type Config struct {
	Groups   eventlog.Groups
	Fold     Fold
	Recorder Recorder
	Sender   Sender
	Codec    *domain.Codec
	// Node is this node's actor, as it stands in the metadata of what the Recorder records.
	Node string
	// Alone says that no other node dispatches from this log.
	Alone  bool
	Limits Limits
	// StopGrace is how long running attempts may take to end when Run's context does. It defaults to 15 s.
	StopGrace time.Duration
	// WallClock tells the time without a monotonic reading; it defaults to the system's clock.
	WallClock func() time.Time
	// ClockDistance tells this node's clock minus the log's time, once that is known. While it is over 5 s, or unknown,
	// nothing is taken from the group and nothing offered. Nil is for a log that has this machine's clock.
	ClockDistance func() (distance time.Duration, known bool)
	// Observe is told of every recorded attempt.
	Observe func(Observation)
	Logger  zerolog.Logger
}

// Observation is one recorded attempt, for metrics.
type Observation struct {
	Fact domain.Fact
	// Accepted is when the message was published; First says that it was the delivery's first attempt.
	Accepted time.Time
	First    bool
	Took     time.Duration
}

// Dispatcher attempts deliveries. Run it once.
type Dispatcher struct {
	Config
	lanes      *lanes
	recipients recipients
	elsewhere  elsewhere
	recording  chan *task      // those whose outcome nobody waits for but runRecordings
	offering   sync.WaitGroup  // the goroutines that record RetryDue
	offers     chan struct{}   // a token for each RetryDue being recorded
	joined     chan struct{}   // closed when the group exists
	hard       context.Context // ends StopGrace after Run's context; attempts run under it
	refused    atomic.Uint64
}

// Group is the consumer group of all dispatchers. Other settings are another group: then its name changes.
var Group = eventlog.Group{
	Name: "hooklog-dispatcher-v1",
	TypePrefixes: []string{"hooklog.MessagePublished.", "hooklog.MessageTargets.", "hooklog.TargetsCorrected.",
		"hooklog.RetryDue.", "hooklog.RedeliveryRequested."},
	// Longer than the longest timeout plus the longest wait for a slot.
	MessageTimeout: 90 * time.Second,
	MaxRetries:     10,
}

const (
	// defaultStopGrace is how long running attempts may take to end.
	defaultStopGrace = 15 * time.Second
	// offersAtOnce bounds the RetryDue facts being recorded at the same time.
	offersAtOnce = 128
	// recordingsAtOnce bounds the outcomes handed over to runRecordings; who finds no room waits.
	recordingsAtOnce = 1024
)

// New joins a dispatcher. It fails if something it needs is missing.
func New(c Config) (*Dispatcher, error) {
	if c.Groups == nil || c.Fold == nil || c.Recorder == nil || c.Sender == nil || c.Codec == nil || c.Node == "" {
		return nil, errors.New("dispatcher: Groups, Fold, Recorder, Sender, Codec and Node are needed")
	}
	if c.StopGrace == 0 {
		c.StopGrace = defaultStopGrace
	}
	if c.WallClock == nil {
		c.WallClock = func() time.Time { return time.Now().Round(0) }
	}
	if c.Observe == nil {
		c.Observe = func(Observation) {}
	}
	limits, err := c.Limits.withDefaults(c.Alone)
	if err != nil {
		return nil, err
	}
	c.Limits = limits
	d := &Dispatcher{Config: c, recording: make(chan *task, recordingsAtOnce), offers: make(chan struct{}, offersAtOnce), joined: make(chan struct{})}
	d.lanes = newLanes(limits)
	return d, nil
}

// Run dispatches until ctx ends; then it takes on nothing new, gives running attempts StopGrace to end, and leaves the
// rest to the next start. It fails if the group exists with other settings or the log is closed.
func (d *Dispatcher) Run(ctx context.Context) error {
	hard, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(d.StopGrace, cancel)
		context.AfterFunc(hard, func() { timer.Stop() })
	})
	defer stop()
	d.hard = hard

	g, ctx := errgroup.WithContext(ctx)
	watch := newClockWatch(d.WallClock, d.ClockDistance)
	g.Go(func() error { return watch.run(ctx, d.Logger) })
	consumed := make(chan struct{})
	g.Go(func() error {
		defer close(consumed)
		return d.consume(ctx, watch)
	})
	g.Go(func() error {
		d.awaitGroup(ctx)
		return nil
	})
	g.Go(func() error {
		d.runRecordings(consumed)
		return nil
	})
	g.Go(func() error { return d.runClock(ctx, watch) })
	g.Go(func() error { return d.runHealth(ctx) })
	g.Go(func() error { return d.runRecoveries(ctx, watch) })
	g.Go(func() error {
		d.runPace(ctx)
		return nil
	})
	g.Go(func() error {
		d.runSweep(ctx, consumed)
		return nil
	})
	err := g.Wait()
	d.offering.Wait()
	if err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("dispatch: %w", err)
	}
	return nil
}

// maxLag is how far the fold may be behind while the clock and the disabling go on: under load it is never quite at the
// head, and while it reads the past it says nothing of today.
const maxLag = 2 * time.Second

func (d *Dispatcher) caughtUp() bool { return d.Fold.Lag() < maxLag }

// consume takes facts from the group whenever the clock can be trusted.
func (d *Dispatcher) consume(ctx context.Context, watch *clockWatch) error {
	for {
		trusted, err := watch.trusted(ctx)
		if err != nil {
			return err
		}
		err = d.Groups.Consume(trusted, Group, d.Limits.Handed, d.handle)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if trusted.Err() == nil {
			return fmt.Errorf("consume %s: %w", Group.Name, err)
		}
	}
}

// Stats is a snapshot for metrics.
type Stats struct {
	// Lanes are the subscriptions with attempts running or waiting; Running and Waiting count those.
	Lanes, Running, Waiting int
	// Left counts deliveries that this node left to the clock and still remembers.
	Left int
	// Refused counts the facts handed out that could not be folded.
	Refused uint64
}

// Stats returns a snapshot.
func (d *Dispatcher) Stats() Stats {
	s := d.lanes.stats()
	s.Refused = d.refused.Load()
	return s
}
