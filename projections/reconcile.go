package projections

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"golang.org/x/time/rate"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// The pace of the reconcile.
const (
	defaultReconcileRate = 50 // facts/s
	// reconcileStep is how many facts are fetched at a time, so that no reading of the log stays open for long.
	reconcileStep = 64
	// reconcileRest is the pause at the end of the log, and while this node is busy catching up.
	reconcileRest = time.Minute
	// longestSubject is how many facts a stream may have to be looked at.
	longestSubject = 10_000
	// mismatchTold is how long the log keeps quiet after telling of a mismatch of a projection.
	mismatchTold = 10 * time.Second
)

// walkKey is where the place is kept up to which the log was reconciled last.
var walkKey = []byte{metaSpace, 'w'}

// reconciler walks the log slowly, again and again, and compares what follows from each fact's stream with the read
// models. It finds rows that are wrong or missing; those that should not be there are for Verify.
type reconciler struct {
	fold    *Fold
	limiter *rate.Limiter
	at      eventlog.Position
	last    string // the stream that was looked at last
	told    map[string]time.Time
}

// reconcile runs until ctx ends.
func (x *Fold) reconcile(ctx context.Context) {
	perSecond := x.ReconcileRate
	if perSecond == 0 {
		perSecond = defaultReconcileRate
	}
	if perSecond < 0 {
		return
	}
	r := x.newReconciler(perSecond)
	if value, ok, err := x.store.value(walkKey); err == nil && ok && r.at.UnmarshalBinary(value) != nil {
		r.at = eventlog.Position{}
	}
	for ctx.Err() == nil {
		more, err := r.step(ctx)
		if err != nil && ctx.Err() == nil {
			x.Logger.Warn().Err(err).Msg("the read models could not be reconciled with the log; it is tried again")
		}
		if !more || err != nil {
			rest(ctx)
		}
	}
}

func (x *Fold) newReconciler(perSecond int) *reconciler {
	return &reconciler{fold: x, limiter: rate.NewLimiter(rate.Limit(perSecond), 1), told: map[string]time.Time{}}
}

func rest(ctx context.Context) {
	timer := time.NewTimer(reconcileRest)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// step looks at some facts. It reports whether there is more to do at once.
func (r *reconciler) step(ctx context.Context) (more bool, err error) {
	if !r.fold.Live() {
		return false, nil
	}
	events, err := r.fetch(ctx)
	if errors.Is(err, eventlog.ErrAhead) {
		r.at = eventlog.Position{} // a place in a log that was since restored
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for i := range events {
		if err := r.limiter.Wait(ctx); err != nil {
			return false, nil
		}
		if !r.fold.Live() {
			return false, nil
		}
		if err := r.look(ctx, &events[i]); err != nil {
			return false, err
		}
		r.at = events[i].Position
	}
	if len(events) < reconcileStep {
		r.at, r.last = eventlog.Position{}, "" // from the start again
	}
	return len(events) == reconcileStep, r.save()
}

// fetch reads the next facts that are folded.
func (r *reconciler) fetch(ctx context.Context) (events []eventlog.Recorded, err error) {
	end := r.fold.progress.reached()
	for e, err := range r.fold.Feed.ReadAll(ctx, r.at) {
		if err != nil {
			return nil, fmt.Errorf("read the log: %w", err)
		}
		if e.Position.After(end) || len(events) == reconcileStep {
			break
		}
		events = append(events, e)
	}
	return events, nil
}

func (r *reconciler) save() error {
	return r.fold.store.write("keep the place of the reconcile", func(b *pebble.Batch) error {
		place, err := r.at.AppendBinary(nil)
		return errors.Join(err, b.Set(walkKey, place, nil))
	})
}

// look compares what one event is about.
func (r *reconciler) look(ctx context.Context, e *eventlog.Recorded) error {
	if e.Stream == r.last {
		return nil
	}
	fact, meta, err := r.fold.Codec.Decode(placeOf(e), e.Type, e.Data, e.Metadata)
	if domain.Skippable(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("decode the event at %s: %w", e.Position, err)
	}
	s, ok := subjectOf(placed{fact, meta, e})
	if !ok {
		return nil
	}
	r.last = e.Stream
	found, err := r.fold.mismatchesOf(ctx, s)
	for _, d := range found {
		r.tell(d)
	}
	return err
}

// tell counts a mismatch and now and then logs one.
func (r *reconciler) tell(d Difference) {
	x := r.fold
	x.mismatches.add(d.Projection, 1)
	now := x.Now()
	if last, ever := r.told[d.Projection]; ever && now.Sub(last) < mismatchTold {
		return
	}
	r.told[d.Projection] = now
	x.Logger.Error().Str("projection", d.Projection).Str("row", d.Key).RawJSON("live", orNull(d.Live)).RawJSON("again", orNull(d.Again)).
		Uint64("since_start", x.Mismatches()[d.Projection]).
		Msg("a read model says something else than the log; rebuild the projection")
}

func orNull(text []byte) []byte {
	if text == nil {
		return []byte("null")
	}
	return text
}

// mismatchesOf compares a subject with the models. What differs at a first look may only have been folded meanwhile, so
// it is looked at again while the fold stands still, with exactly the facts that are folded.
func (x *Fold) mismatchesOf(ctx context.Context, s subject) ([]Difference, error) {
	at := x.progress.reached()
	facts, err := x.factsOf(ctx, s.stream(), 0)
	if err != nil || len(facts) > longestSubject {
		return nil, err
	}
	var first findings
	m := x.reading()
	err = s.examine(m, upToPlace(facts, at), &first)
	m.done()
	if err != nil || len(first.found) == 0 {
		return nil, err
	}
	if err := s.confirm(ctx, x); err != nil {
		return nil, fmt.Errorf("look at %s: %w", s.stream(), err)
	}
	return x.lookAgain(ctx, s, facts)
}

// lookAgain compares while the fold stands still.
func (x *Fold) lookAgain(ctx context.Context, s subject, facts []placed) ([]Difference, error) {
	limited, cancel := context.WithTimeout(ctx, meetTime)
	defer cancel()
	x.folding.Lock()
	defer x.folding.Unlock()
	next := uint64(0)
	if len(facts) > 0 {
		next = uint64(facts[len(facts)-1].Revision) + 1
	}
	newer, err := x.factsOf(limited, s.stream(), next)
	if err != nil {
		return nil, err
	}
	var found findings
	err = s.examine(x.projector.models, upToPlace(append(facts, newer...), x.progress.reached()), &found)
	return found.found, err
}

// factsOf reads the facts of a stream from a revision on.
func (x *Fold) factsOf(ctx context.Context, stream string, from uint64) (facts []placed, err error) {
	err = x.readFactsFrom(ctx, stream, eventlog.Revision(from), func(p placed) bool {
		facts = append(facts, p)
		return len(facts) <= longestSubject
	})
	return facts, err
}

// upToPlace returns the facts that are not after a position.
func upToPlace(facts []placed, at eventlog.Position) []placed {
	for i := range facts {
		if facts[i].Position.After(at) {
			return facts[:i]
		}
	}
	return facts
}
