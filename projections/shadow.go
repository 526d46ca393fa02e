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
	// step is how many facts it folds at once. A hasty one reads ahead, and commits many steps together.
	step  int
	hasty bool
	// meet is called once, when the shadow stands exactly where the live fold does and both stand still.
	meet func() error
}

// Sizes of the shadow's steps. Small ones keep it out of the way of the live fold and of deliveries: fewer than are decoded
// on two goroutines, so that one processor is always theirs.
const (
	shadowBatch = decodeTogether / 2
	// hastyBatch is the step of a rebuild that was given a rate from hastyRate on, at which deliveries suffer all the same.
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
	step, hasty := shadowBatch, perSecond >= x.rebuilds.hasty
	if hasty {
		step = hastyBatch
	}
	return &shadow{fold: x, limiter: rate.NewLimiter(rate.Limit(perSecond), step), step: step, hasty: hasty,
		projector: &projector{models: m, folds: parts, alone: !hasty, outlines: true, codec: x.Codec, contents: x.contents, now: x.Now, logger: zerolog.Nop(),
			batch: newBatch(x.store, shadowKey, *from), progress: at, skips: &skips{}}}, nil
}

// run folds until the shadow has met the live fold, and then returns what meet returned. Otherwise it fails with what
// stopped it.
func (s *shadow) run(ctx context.Context) error {
	defer s.store.compactions.letGo()
	met, err := s.tryToMeet(ctx, false)
	if met || err != nil {
		return err
	}
	var result error
	err = s.subscribe(ctx, func(ctx context.Context, next *stretch) error {
		met, err := s.receive(ctx, next)
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

// subscribe hands what is not folded to receive, decoded if the shadow is hasty.
func (s *shadow) subscribe(ctx context.Context, receive func(context.Context, *stretch) error) error {
	if s.hasty {
		return s.readAhead(ctx, s.fold.Feed, s.progress.reached(), receive)
	}
	return s.fold.Feed.Subscribe(ctx, s.progress.reached(), func(ctx context.Context, b eventlog.Batch) error {
		next := &stretch{Batch: b}
		defer next.done()
		return receive(ctx, next)
	})
}

// receive folds one batch of the feed, in steps, as far as the live fold is. It reports whether they met.
func (s *shadow) receive(ctx context.Context, next *stretch) (met bool, err error) {
	for {
		s.passFolded(next)
		if met, err := s.tryToMeet(ctx, next.Live && len(next.left()) == 0); met || err != nil {
			return met, err
		}
		s.passFolded(next)
		left := next.left()
		if len(left) == 0 {
			return false, nil
		}
		n := countUpTo(left[:min(len(left), s.step)], s.fold.progress.reached())
		if n == 0 {
			if err := s.fold.progress.wait(ctx, left[0].Position); err != nil {
				return false, err
			}
			continue
		}
		if err := s.limiter.WaitN(ctx, n); err != nil {
			return false, err
		}
		if err := s.foldStep(next, n); err != nil {
			return false, err
		}
	}
}

// foldStep folds the next n events. A hasty shadow commits after many steps.
func (s *shadow) foldStep(next *stretch, n int) error {
	events := next.left()[:n]
	if !s.hasty {
		_, err := s.foldAll(events)
		return err
	}
	if _, err := s.gather(events, next.decoded[next.passed:][:n]); err != nil {
		return err
	}
	if s.batch.facts < s.fold.gather {
		return nil
	}
	s.store.holdMerges(s.batch.facts)
	return s.commit()
}

// passFolded passes over what was folded already.
func (s *shadow) passFolded(next *stretch) {
	at := s.folded()
	for next.passed < len(next.Events) && !next.Events[next.passed].Position.After(at) {
		next.passed++
	}
}

// folded is the place up to which the shadow has folded, committed or not.
func (s *shadow) folded() eventlog.Position {
	if s.batch.facts > 0 {
		return s.batch.at
	}
	return s.progress.reached()
}

// countUpTo counts the events that are not after a position.
func countUpTo(events []eventlog.Recorded, at eventlog.Position) int {
	for i := range events {
		if events[i].Position.After(at) {
			return i
		}
	}
	return len(events)
}

// tryToMeet lets the live fold wait while the shadow folds the last facts, if they are few, and then calls meet. atHead
// says that they must be few, whatever the counts say.
func (s *shadow) tryToMeet(ctx context.Context, atHead bool) (met bool, err error) {
	live := s.fold.progress
	if !atHead && live.facts.Load() > s.batch.checkpoint.facts+uint64(s.batch.facts)+s.fold.rebuilds.near {
		return false, nil
	}
	if err := s.commit(); err != nil {
		return false, err
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
