package projections

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
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
	// Keys open the data of messages where a filter asks for it. Nil opens none: then what was recorded of such a message
	// stands, where it would have been matched again.
	Keys DataKeys
	// Now is the clock that what is shown of the work is timed by; no read model depends on it.
	Now    func() time.Time
	Logger zerolog.Logger
	// RebuildRate bounds a rebuild and a verification, in facts per second; 0 is 3,000.
	RebuildRate int
	// ReconcileRate is how many facts per second are checked against the read models, all the time; 0 is 50, and
	// less than 0 turns the check off.
	ReconcileRate int
}

// Fold follows the log and answers from what it folded. Its methods may be called from any number of goroutines, but
// Run only once.
type Fold struct {
	Config
	store    *store
	current  atomic.Pointer[models]
	progress *progress
	skips    *skips
	// dueChanged pulses when NextDue may have become earlier, limit when a subscription reached its limit, noticed when there
	// is a turn or a notice to see to.
	dueChanged, limit, noticed pulse
	// recoveriesChanged pulses when the open recoveries have changed.
	recoveriesChanged pulse
	// folding is held by whoever folds into the models that are served, or needs them to stand still.
	folding   sync.Mutex
	projector *projector // under folding
	// gather is gatherFacts but in tests.
	gather   int
	rebuilds rebuilds
	// mismatches are what Verify and the reconcile found.
	mismatches *mismatches
	contents   *contents
}

// pulse is a channel of capacity 1 that wakes somebody up. The nil pulse wakes nobody.
type pulse chan struct{}

func newPulse() pulse { return make(pulse, 1) }

func (p pulse) send() {
	select {
	case p <- struct{}{}:
	default:
	}
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
	x := &Fold{Config: c, store: s, progress: &progress{}, skips: &skips{}, dueChanged: newPulse(), limit: newPulse(), noticed: newPulse(), recoveriesChanged: newPulse(),
		gather: gatherFacts, rebuilds: newRebuilds(), mismatches: newMismatches(), contents: &contents{keys: c.Keys, streams: c.Streams, codec: c.Codec}}
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
	found, err := x.store.meta()
	if err != nil {
		return err
	}
	m := newModels(x.store, found.colours)
	x.current.Store(m)
	x.projector = x.newProjector(m, at)
	return errors.Join(m.load(everyPart()), x.resume(found))
}

// newProjector returns the projector that feeds the models that are served.
func (x *Fold) newProjector(m *models, at checkpoint) *projector {
	x.progress.start(at)
	m.due.count(at)
	return &projector{models: m, folds: everyPart(), codec: x.Codec, contents: x.contents, now: x.Now, logger: x.Logger, batch: newBatch(x.store, checkpointKey, at),
		progress: x.progress, skips: x.skips, dueChanged: x.dueChanged, limit: x.limit, recoveriesChanged: x.recoveriesChanged, noticed: x.noticed}
}

// Close flushes what was folded, so that the next start goes on right there, and releases the store. Run must have
// returned.
func (x *Fold) Close() error {
	err := errors.Join(x.projector.batch.close(), x.store.leave())
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
	var beside sync.WaitGroup
	running, stop := context.WithCancel(ctx)
	beside.Go(func() { x.flushNowAndThen(running) })
	beside.Go(func() { x.rebuildWhenAsked(running) })
	beside.Go(func() { x.reconcile(running) })
	beside.Go(func() { x.proveCurrent(running) })
	err := x.catchUp(ctx)
	if err == nil {
		err = x.Feed.Subscribe(ctx, x.progress.reached(), x.receive)
	}
	stop()
	beside.Wait()
	x.progress.stop()
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
	x.folding.Lock()
	defer x.folding.Unlock()
	at, err := x.projector.foldAll(b.Events)
	x.progress.end(at, b.Live && err == nil)
	return err
}

// Position is the place up to which everything is folded.
func (x *Fold) Position() eventlog.Position { return x.progress.reached() }

// WaitFor returns nil once everything up to a position is folded and can be read. Otherwise it fails when ctx ends.
func (x *Fold) WaitFor(ctx context.Context, p eventlog.Position) error {
	return x.progress.wait(ctx, p)
}

// Live reports whether the fold follows the head of the log.
func (x *Fold) Live() bool { return x.progress.live.Load() }

// Skipped counts the events that were passed over since the start, by reason: foreign, forged, malformed, misplaced.
func (x *Fold) Skipped() map[string]uint64 { return x.skips.snapshot() }
