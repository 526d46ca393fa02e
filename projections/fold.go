package projections

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/rs/zerolog"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// Config is what a Fold needs. FS, Now and Logger may be left out.
type Config struct {
	// Dir is the folder of the read models. Nothing else may be in it.
	Dir string
	// FS is the file system; nil is the operating system's.
	FS   vfs.FS
	Feed eventlog.Feed
	// Streams is for what is asked of single streams: histories, and who gets a message and why.
	Streams eventlog.Streams
	Codec   *domain.Codec
	// Now tells how far behind the fold is; no read model depends on it.
	Now    func() time.Time
	Logger zerolog.Logger
}

// Fold follows the log and answers from what it folded. Its methods may be called from any number of goroutines, but
// Run only once.
type Fold struct {
	Config
	store     *store
	directory directory
	recent    recentRows
	due       dueIndex
	progress  progress
	skips     skips
	limit     chan struct{} // capacity 1: pulses when a subscription reached its limit

	// Owned by Run:
	batch   *batch
	decoded []decodedFact
}

// Open loads the read models as they were last flushed. Nothing is folded before Run.
func Open(c Config) (*Fold, error) {
	if c.Dir == "" || c.Feed == nil || c.Streams == nil || c.Codec == nil {
		return nil, errors.New("projections: Dir, Feed, Streams and Codec are needed")
	}
	if c.FS == nil {
		c.FS = vfs.Default
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	s, err := openStore(c.Dir, c.FS, c.Logger)
	if err != nil {
		return nil, err
	}
	x := &Fold{Config: c, store: s, directory: newDirectory(), due: newDueIndex(), limit: make(chan struct{}, 1)}
	if err := x.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("load the read models in %s: %w", c.Dir, err), s.Close())
	}
	return x, nil
}

func (x *Fold) load() error {
	at, err := x.store.begin(x.Logger)
	if err != nil {
		return err
	}
	x.progress.position.Store(&at.position)
	x.batch = newBatch(x.store, at)
	x.due.open.Store(at.open)
	x.due.unsent.Store(at.unsent)
	return errors.Join(x.loadDirectory(), x.loadCorrections(), x.loadDue())
}

// Close flushes what was folded, so that the next start goes on right there, and releases the store. Run must have
// returned.
func (x *Fold) Close() error {
	err := errors.Join(x.batch.close(), x.store.Flush(), x.store.Close())
	if err != nil {
		return fmt.Errorf("close the read models: %w", err)
	}
	return nil
}

// flushEvery is how much folding, at most, a crash makes the next start repeat.
const flushEvery = 10 * time.Second

// Run folds what the log holds and goes on with what is appended, until ctx ends; then it returns nil. It fails if the
// log was closed, if a fact was written by a newer release ([domain.ErrUnknownFact]), and if the read models are ahead
// of the log ([eventlog.ErrAhead]).
func (x *Fold) Run(ctx context.Context) error {
	var flusher sync.WaitGroup
	flushing, stop := context.WithCancel(ctx)
	flusher.Go(func() { x.flushNowAndThen(flushing) })
	err := x.Feed.Subscribe(ctx, x.progress.reached(), x.receive)
	stop()
	flusher.Wait()
	x.progress.stop(x.Now())
	switch {
	case errors.Is(err, eventlog.ErrAhead):
		return fmt.Errorf("the read models in %s were folded from a log that went further than this one, as after restoring "+
			"a backup; delete that folder and start again, and they are folded anew: %w", x.Dir, err)
	case ctx.Err() != nil && errors.Is(err, ctx.Err()):
		return nil
	case err != nil:
		return fmt.Errorf("fold the log: %w", err)
	}
	return nil
}

func (x *Fold) flushNowAndThen(ctx context.Context) {
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	flushed := x.progress.reached()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if at := x.progress.reached(); at != flushed {
			if _, err := x.store.AsyncFlush(); err != nil {
				x.Logger.Error().Err(err).Msg("the read models could not be flushed; a crash would make the next start fold more")
				continue
			}
			flushed = at
		}
	}
}

// receive folds one batch of the feed and commits it.
func (x *Fold) receive(_ context.Context, b eventlog.Batch) error {
	x.progress.begin(x.Now())
	at, err := x.foldAll(b.Events)
	x.progress.end(x.Now(), at, b.Live && err == nil)
	return err
}

// foldAll folds events and commits. Where folding has to stop, what was before is committed.
func (x *Fold) foldAll(events []eventlog.Recorded) (last time.Time, err error) {
	if len(events) == 0 {
		return last, nil
	}
	x.decodeAll(events)
	folded := 0
	for i := range events {
		d := &x.decoded[i]
		if d.err == nil {
			d.err = x.fold(placed{d.fact, d.meta, &events[i]})
			last = d.meta.At
		}
		if domain.Skippable(d.err) || errors.Is(d.err, errMisplaced) {
			x.skips.note(&events[i], d.err, x.Now(), x.Logger)
		} else if d.err != nil {
			err = fmt.Errorf("fold the event at %s of %s: %w", events[i].Position, events[i].Stream, d.err)
			break
		}
		folded++
	}
	if errors.Is(err, errStore) || folded == 0 {
		return last, err
	}
	return last, errors.Join(err, x.commit(events[folded-1].Position))
}

// decodedFact is what came of decoding an event.
type decodedFact struct {
	fact domain.Fact
	meta domain.Meta
	err  error
}

// decodeTogether is from how many events on a second goroutine pays.
const decodeTogether = 64

func (x *Fold) decodeAll(events []eventlog.Recorded) {
	x.decoded = append(x.decoded[:0], make([]decodedFact, len(events))...)
	if len(events) < decodeTogether {
		x.decode(events, x.decoded)
		return
	}
	half := len(events) / 2
	var other sync.WaitGroup
	other.Go(func() { x.decode(events[half:], x.decoded[half:]) })
	x.decode(events[:half], x.decoded[:half])
	other.Wait()
}

func (x *Fold) decode(events []eventlog.Recorded, into []decodedFact) {
	for i := range events {
		e := &events[i]
		d := &into[i]
		d.fact, d.meta, d.err = x.Codec.Decode(e.Stream, e.ID, e.Type, e.Data, e.Metadata)
	}
}

// placed is a fact at its place in the log.
type placed struct {
	fact domain.Fact
	meta domain.Meta
	*eventlog.Recorded
}

// fold lets every projector that the fact concerns apply it. It fails with errMisplaced if the fact makes no sense.
func (x *Fold) fold(p placed) error {
	switch f := p.fact.(type) {
	case *domain.MessagePublished:
		return x.foldPublished(p, f)
	case *domain.AttemptSucceeded:
		return x.foldAttempt(p, &f.Attempt, nil)
	case *domain.AttemptFailed:
		return x.foldAttempt(p, &f.Attempt, f)
	case *domain.RetryDue:
		return x.foldDelivery(p, f.DeliveryOf)
	case *domain.RedeliveryRequested:
		return x.foldDelivery(p, f.DeliveryOf)
	case *domain.MessageTargets:
		return x.foldTargets(p, f)
	case *domain.TargetsCorrected:
		return x.foldCorrected(p, f)
	case *domain.OrganizationRegistered, *domain.OrganizationChanged, *domain.OrganizationClosed:
		return x.foldOrganization(p)
	case *domain.KeyIssued, *domain.KeyRotated, *domain.KeyRevoked:
		return x.foldKey(p)
	case *domain.EventTypeDefined:
		return x.foldEventType(p, f.Organization, f.Name)
	case *domain.EventTypeRetired:
		return x.foldEventType(p, f.Organization, f.Name)
	}
	if domain.IsSubscriptionFact(p.fact) {
		return x.foldSubscription(p)
	}
	return nil // reservations, admissions, data keys and the probe are read from their streams
}

// Position is the place up to which everything is folded.
func (x *Fold) Position() eventlog.Position { return x.progress.reached() }

// WaitFor returns nil once everything up to a position is folded and can be read. Otherwise it fails when ctx ends.
func (x *Fold) WaitFor(ctx context.Context, p eventlog.Position) error {
	return x.progress.wait(ctx, p)
}

// Live reports whether the fold follows the head of the log.
func (x *Fold) Live() bool { return x.progress.live.Load() }

// Lag is how old what is not yet folded may be: 0 at the head, otherwise the time since it was last there or since the
// last fact that was folded, whichever is less.
func (x *Fold) Lag() time.Duration { return x.progress.lag(x.Now()) }

// Skipped counts the events that were passed over since the start, by reason: foreign, forged, malformed, misplaced.
func (x *Fold) Skipped() map[string]uint64 { return x.skips.snapshot() }

// ProjectionState is how one projection stands.
type ProjectionState struct {
	Name string
	// State is live or catching_up.
	State string
	Lag   time.Duration
}

// State tells how every projection stands. They are fed together, so they stand alike.
func (x *Fold) State() []ProjectionState {
	state := "catching_up"
	if x.Live() {
		state = "live"
	}
	lag := x.Lag()
	var states []ProjectionState
	for _, name := range []string{"organizations", "keys", "catalogue", "subscriptions", "deliveries", "failures", "due", "corrections"} {
		states = append(states, ProjectionState{name, state, lag})
	}
	return states
}
