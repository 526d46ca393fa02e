package dispatcher

import (
	"context"
	"time"
)

// healthEvery is how often subscriptions at their limit are asked for without a pulse, and corrections looked for that
// no handed fact brought about.
const healthEvery = 15 * time.Second

// runHealth disables what failures are to disable, once the fold has caught up.
func (d *Dispatcher) runHealth(ctx context.Context) error {
	tick := time.NewTicker(healthEvery)
	defer tick.Stop()
	for {
		if d.caughtUp() {
			d.disableFailing(ctx)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-d.Fold.LimitReached():
		case <-tick.C:
			d.correctForgotten(ctx)
		}
	}
}

func (d *Dispatcher) disableFailing(ctx context.Context) {
	for _, s := range d.Fold.AtLimit() {
		err := d.Recorder.DisableFailing(ctx, s.ID, s.Lifecycle, s.Limit)
		if err != nil && ctx.Err() == nil {
			d.Logger.Error().Err(err).Stringer("subscription", s.ID).Msg("failing subscription could not be disabled")
		} else if err == nil {
			d.Logger.Warn().Stringer("subscription", s.ID).Str("why", s.Limit.Why).Msg("subscription disabled")
		}
	}
}

// correctForgotten records corrections whose message the group did not hand out.
func (d *Dispatcher) correctForgotten(ctx context.Context) {
	const atOnce = 100
	for _, id := range d.Fold.PendingCorrections(atOnce) {
		if err := d.correct(ctx, id); err != nil && ctx.Err() == nil {
			d.Logger.Error().Err(err).Stringer("event_id", id).Msg("targets could not be corrected")
		}
	}
}
