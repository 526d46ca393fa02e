package projections

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/rs/zerolog"
	"golang.org/x/time/rate"

	"github.com/hooklog/hooklog/eventlog"
)

// shadow folds some parts again beside the models that are served: into the other colours, from its own place in the
// log, with its own memory. It never overtakes the live fold, so that both can come to stand at the same place.
type shadow struct {
	fold *Fold
	*projector
	limiter *rate.Limiter
	// step is how many facts it folds at once.
	step int
	// meet is called once, when the shadow stands exactly where the live fold does and both stand still.
	meet func() error
}

// Sizes of the shadow's steps. Small ones keep it out of the way of the live fold and of deliveries: fewer than are decoded
// on two goroutines, so that one processor is always theirs.
const (
	shadowBatch = decodeTogether / 2
	// hastyBatch is the step of a rebuild that was given a rate from hastyRate on, at which deliveries suffer all the same:
	// the store is cheaper with large batches, and both processors decode.
	hastyBatch = 512
	hastyRate  = 20_000
	// meetWithin is how many facts the shadow may be behind to be let catch up while the live fold waits: some
	// milliseconds of folding.
	meetWithin = 512
	// meetTime bounds the wait if the log is slow to answer.
	meetTime = 2 * time.Second
)

// defaultRebuildRate is in facts/s: what deliveries beside it do not notice on two cores (hooklog-bench -measure rebuild). At 8,000 they
// begin to.
const defaultRebuildRate = 3_000

var errMet = errors.New("the shadow has met the live fold")

// newShadow returns a shadow of some parts. It goes on from a checkpoint; if that is nil, it begins with nothing.
func (x *Fold) newShadow(parts partSet, from *checkpoint) (*shadow, error) {
	m := newModels(x.store, x.now().colours.other())
	if from == nil {
		from = &checkpoint{}
		err := x.store.write("begin to fold again", func(b *pebble.Batch) error {
			return errors.Join(clearSpaces(b, parts.spaces(), m.colours), b.Set(shadowKey, from.append(nil), nil))
		})
		if err != nil {
			return nil, err
		}
	}
	if err := m.load(parts); err != nil {
		return nil, fmt.Errorf("load what was folded again: %w", err)
	}
	m.due.count(*from)
	at := &progress{}
	at.start(*from)
	perSecond := x.RebuildRate
	if perSecond <= 0 {
		perSecond = defaultRebuildRate
	}
	step := shadowBatch
	if perSecond >= hastyRate {
		step = hastyBatch
	}
	return &shadow{fold: x, limiter: rate.NewLimiter(rate.Limit(perSecond), step), step: step,
		projector: &projector{models: m, folds: parts, alone: step < decodeTogether, codec: x.Codec, contents: x.contents, now: x.Now, logger: zerolog.Nop(),
			batch: newBatch(x.store, shadowKey, *from), progress: at, skips: &skips{}}}, nil
}

// run folds until the shadow has met the live fold, and then returns what meet returned. Otherwise it fails with what
// stopped it.
func (s *shadow) run(ctx context.Context) error {
	met, err := s.tryToMeet(ctx, false)
	if met || err != nil {
		return err
	}
	var result error
	err = s.fold.Feed.Subscribe(ctx, s.progress.reached(), func(ctx context.Context, b eventlog.Batch) error {
		met, err := s.receive(ctx, b)
		if met {
			result = err
			return errMet
		}
		return err
	})
	if errors.Is(err, errMet) {
		return result
	}
	return err
}

// receive folds one batch of the feed, in steps, as far as the live fold is. It reports whether they met.
func (s *shadow) receive(ctx context.Context, b eventlog.Batch) (met bool, err error) {
	events := b.Events
	for {
		events = s.notFolded(events)
		if met, err := s.tryToMeet(ctx, b.Live && len(events) == 0); met || err != nil {
			return met, err
		}
		if events = s.notFolded(events); len(events) == 0 {
			return false, nil
		}
		step := upTo(events[:min(len(events), s.step)], s.fold.progress.reached())
		if len(step) == 0 {
			if err := s.fold.progress.wait(ctx, events[0].Position); err != nil {
				return false, err
			}
			continue
		}
		if err := s.limiter.WaitN(ctx, len(step)); err != nil {
			return false, err
		}
		if _, err := s.foldAll(step); err != nil {
			return false, err
		}
	}
}

// notFolded leaves away what was folded already.
func (s *shadow) notFolded(events []eventlog.Recorded) []eventlog.Recorded {
	at := s.progress.reached()
	for len(events) > 0 && !events[0].Position.After(at) {
		events = events[1:]
	}
	return events
}

// upTo returns the events that are not after a position.
func upTo(events []eventlog.Recorded, at eventlog.Position) []eventlog.Recorded {
	for i := range events {
		if events[i].Position.After(at) {
			return events[:i]
		}
	}
	return events
}

// tryToMeet lets the live fold wait while the shadow folds the last facts, if they are few, and then calls meet. atHead
// says that they must be few, whatever the counts say.
func (s *shadow) tryToMeet(ctx context.Context, atHead bool) (met bool, err error) {
	live := s.fold.progress
	if !atHead && live.facts.Load() > s.progress.facts.Load()+s.fold.rebuilds.near {
		return false, nil
	}
	s.fold.folding.Lock()
	defer s.fold.folding.Unlock()
	at := live.reached()
	if err := s.foldRest(ctx, at); err != nil {
		return false, err
	}
	if s.progress.reached() != at {
		return false, nil
	}
	return true, s.meet()
}

// foldRest folds what is missing up to a place, unless that is much.
func (s *shadow) foldRest(ctx context.Context, at eventlog.Position) error {
	if !at.After(s.progress.reached()) {
		return nil
	}
	limited, cancel := context.WithTimeout(ctx, meetTime)
	defer cancel()
	var rest []eventlog.Recorded
	for r, err := range s.fold.Feed.ReadAll(limited, s.progress.reached()) {
		if err != nil && ctx.Err() == nil && limited.Err() != nil {
			s.fold.Logger.Warn().Err(err).Msg("the log is too slow to let a rebuild catch up; it goes on")
			return nil
		}
		if err != nil {
			return fmt.Errorf("read what is missing to the live read models: %w", err)
		}
		if r.Position.After(at) || len(rest) == 2*meetWithin {
			break
		}
		rest = append(rest, r)
	}
	_, err := s.foldAll(rest)
	return err
}

// drop ends the shadow and drops what it folded into some parts' keyspaces.
func (s *shadow) drop(parts partSet) error {
	return s.store.write("drop what was folded again", func(b *pebble.Batch) error {
		return errors.Join(clearSpaces(b, parts.spaces(), s.colours), b.Delete(shadowKey, nil))
	})
}
