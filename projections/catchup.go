package projections

import (
	"context"
	"errors"
	"time"
)

// errCaughtUp ends catching up.
var errCaughtUp = errors.New("the fold has caught up")

// catchUp folds up to the head of the log, as it is when it gets there. On the way it folds the past as a hasty rebuild
// does: it reads ahead and in outline, and commits many batches together. It ends as [eventlog.Feed.Subscribe] does, or with
// nil at the head.
func (x *Fold) catchUp(ctx context.Context) error {
	c := catching{fold: x}
	x.projector.outlines = true
	err := x.projector.readAhead(ctx, x.Feed, x.progress.reached(), c.receive)
	x.projector.outlines = false
	x.store.compactions.letGo()
	if errors.Is(err, errCaughtUp) {
		return nil
	}
	return err
}

// catching is a fold that catches up.
type catching struct {
	fold *Fold
	// gathering says that fold.folding is held since there may be facts in the batch: whoever needs the models to stand
	// still finds them committed. It ends with the last stretch of those that were read.
	gathering bool
	// last is the time of the last fact in the batch.
	last time.Time
}

// receive folds one batch of the feed. It commits once there is much, or if the next batch may be long in coming.
func (c *catching) receive(_ context.Context, next *stretch) error {
	x := c.fold
	if !c.gathering {
		x.folding.Lock()
		c.gathering = true
	}
	at, err := x.projector.gather(next.Events, next.decoded)
	if !at.IsZero() {
		c.last = at
	}
	if err == nil && x.projector.batch.facts < x.gather && !next.Live && !next.last {
		return nil
	}
	if err = c.commit(next.Live, err); err == nil && next.Live {
		return errCaughtUp
	}
	return err
}

// commit commits what is gathered, also where folding had to stop because of err, and lets others have the models.
func (c *catching) commit(live bool, err error) error {
	x := c.fold
	defer x.folding.Unlock()
	c.gathering = false
	if live {
		x.store.compactions.letGo()
	} else {
		x.store.holdMerges(x.projector.batch.facts)
	}
	if !errors.Is(err, errStore) {
		err = errors.Join(err, x.projector.commit())
	}
	x.progress.end(c.last, live && err == nil)
	c.last = time.Time{}
	return err
}
