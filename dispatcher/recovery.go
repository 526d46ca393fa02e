package dispatcher

import (
	"context"
	"time"

	"golang.org/x/time/rate"

	"github.com/hooklog/hooklog/domain"
)

// How recoveries go.
const (
	// recoveryPage is how many deliveries are seen to between two facts that tell of it.
	recoveryPage = 100
	// recoveryRest is how often open recoveries are looked for without a pulse.
	recoveryRest = time.Second
	// recoveryHeld is how long a recovery is left to the node that last brought it further.
	recoveryHeld = 15 * time.Second
)

// runRecoveries brings every open recovery to its end, a page of each in turn. What it does follows from the fold, so
// a restart goes on where the last page ended, on whatever node; should two work on the same one, the log lets each
// delivery be redelivered once and each page be counted once.
func (d *Dispatcher) runRecoveries(ctx context.Context, watch *clockWatch) error {
	pace := rate.NewLimiter(rate.Limit(d.Limits.Recovery), 1)
	for {
		if d.caughtUp() && watch.ok() {
			d.stepRecoveries(ctx, pace)
		}
		timer := time.NewTimer(recoveryRest)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-d.Fold.RecoveriesChanged(): // by what was just recorded, most often
		case <-timer.C:
		}
		timer.Stop()
	}
}

// stepRecoveries brings each open recovery a page further that no other node is at.
func (d *Dispatcher) stepRecoveries(ctx context.Context, pace *rate.Limiter) {
	for _, r := range d.Fold.OpenRecoveries() {
		if r.Holder != "" && r.Holder != d.Node && time.Since(r.HeldAt) < recoveryHeld {
			continue
		}
		if err := d.stepRecovery(ctx, r, pace); err != nil && ctx.Err() == nil {
			d.Logger.Error().Err(err).Stringer("recovery", r.ID).Msg("recovery could not go on; it is tried again")
		}
	}
}

func (d *Dispatcher) stepRecovery(ctx context.Context, r domain.Recovery, pace *rate.Limiter) error {
	page, err := d.Fold.RecoveryPage(r, recoveryPage)
	if err != nil {
		return err
	}
	if err := d.Recorder.StepRecovery(ctx, r, page, pace.Wait); err != nil {
		return err
	}
	d.Logger.Debug().Stringer("recovery", r.ID).Stringer("subscription", r.Subscription).Int("deliveries", len(page.Deliveries)).
		Bool("done", page.Done).Msg("recovery went on")
	return nil
}
