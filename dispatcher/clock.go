package dispatcher

import (
	"context"
	"time"

	"github.com/hooklog/hooklog/domain"
)

// How the clock goes.
const (
	// clockRest is the shortest time between two rounds, so that a flood of pulses costs nothing; clockLongest the
	// longest, so that nothing depends on a pulse.
	clockRest    = 2 * time.Millisecond
	clockLongest = time.Second
	// othersWait is how long a delivery must be overdue before a node offers it that did not record its last failure.
	othersWait = 3 * time.Second
	// leftAtOnce bounds the left deliveries offered in one round.
	leftAtOnce = 256
	// overflowPage is how far past its room a lane's overflow is looked for.
	overflowPage = 64
)

// runClock offers what is due until ctx ends. Not while the fold catches up, and not while the clock is doubtful.
func (d *Dispatcher) runClock(ctx context.Context, watch *clockWatch) error {
	for {
		now := d.WallClock()
		if d.caughtUp() && watch.ok() {
			d.offerLeft(ctx, now)
			d.offerOverflow(ctx, now)
			d.offerDue(ctx, now)
		}
		if err := d.rest(ctx, now); err != nil {
			return err
		}
	}
}

// rest waits for the first due time after the round's, or for news.
func (d *Dispatcher) rest(ctx context.Context, round time.Time) error {
	wait := clockLongest
	if next, ok := d.Fold.NextDue(round); ok {
		wait = min(wait, next.Sub(d.WallClock()))
	}
	timer := time.NewTimer(max(wait, clockRest))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	case <-d.Fold.DueChanged():
	case <-d.lanes.roomMade:
	}
	pause := time.NewTimer(clockRest)
	defer pause.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-pause.C:
		return nil
	}
}

// offerLeft offers what this node itself left to the clock, as room appears: nobody else has it in hand.
func (d *Dispatcher) offerLeft(ctx context.Context, now time.Time) {
	for _, l := range d.lanes.leftIn(leftAtOnce) {
		known, found, err := d.Fold.Delivery(l.of)
		if err != nil {
			d.Logger.Error().Err(err).Stringer("delivery", l.id).Msg("delivery cannot be looked at")
			continue
		}
		if !found || !known.Open() || known.Waits(now) {
			d.lanes.release(l.lane, l.id, true)
			continue
		}
		d.offer(ctx, l.lane, known, 0)
	}
}

// offerOverflow offers what lanes left beyond what they could remember. The group has let go of it, so the due index's
// grace is not waited for; beside other nodes, which may have some of it in hand, the longest that an attempt of theirs
// can take is. How old a delivery is the log's time tells, since its publisher's clock may be anywhere.
func (d *Dispatcher) offerOverflow(ctx context.Context, now time.Time) {
	for _, o := range d.lanes.overflowing() {
		var grace time.Duration
		if p, ok := d.Fold.Policy(o.lane.id); ok && !d.Alone {
			grace = d.Limits.Wait + p.Timeout + clockLongest
		}
		rows, err := d.Fold.Due(o.lane.id, now.Add(domain.OfferGrace+distanceLimit), o.room+overflowPage, nil)
		if err != nil {
			d.Logger.Error().Err(err).Stringer("subscription", o.lane.id).Msg("due deliveries cannot be read")
			continue
		}
		more := len(rows) == o.room+overflowPage
		for _, w := range rows {
			first := w.Round == 1 && w.Attempts == 0 && w.Offered == 0
			if !first || w.Of.PublishedAt.After(o.upTo) {
				continue
			}
			more = true
			if now.Sub(w.Opened) >= grace {
				d.offer(ctx, o.lane, w.Delivery, 0)
			}
		}
		if !more {
			d.lanes.drained(o)
		}
	}
}

// offerDue goes through the due index and offers each subscription's deliveries as its lane has room, oldest first, until
// as much is on its way as may be.
func (d *Dispatcher) offerDue(ctx context.Context, now time.Time) {
	d.Fold.DueSubscriptions(now, func(id domain.SubscriptionID, _ time.Time) bool {
		s, ok := d.Fold.Subscription(id)
		if !ok || !s.Active() {
			return ctx.Err() == nil
		}
		lane := d.laneOf(s)
		room := d.lanes.roomOf(lane)
		if room == 0 {
			d.lanes.setBacklog(lane, true)
			return ctx.Err() == nil
		}
		due, err := d.Fold.Due(id, now, room+1, func(id domain.DeliveryID) bool { return d.lanes.holds(lane, id) })
		if err != nil {
			d.Logger.Error().Err(err).Stringer("subscription", id).Msg("due deliveries cannot be read")
			return ctx.Err() == nil
		}
		d.lanes.setBacklog(lane, len(due) > room)
		for _, w := range due {
			if w.Node != "" && w.Node != d.Node && now.Sub(w.Due) < othersWait {
				continue
			}
			d.offer(ctx, lane, w.Delivery, domain.OfferGrace)
		}
		return ctx.Err() == nil && d.lanes.mayOffer()
	})
}

// offer records that a delivery is due, if its lane has room for it, without waiting for the log.
func (d *Dispatcher) offer(ctx context.Context, l *lane, known domain.Delivery, grace time.Duration) {
	id := known.Of.ID()
	if !d.lanes.reserve(l, id, known.Attempts) {
		return
	}
	select {
	case d.offers <- struct{}{}:
	case <-ctx.Done():
		d.lanes.release(l, id, false)
		return
	}
	d.offering.Go(func() {
		defer func() { <-d.offers }()
		offered, err := d.Recorder.OfferDelivery(d.hard, known, grace)
		if err != nil {
			d.Logger.Error().Err(err).Stringer("delivery", id).Msg("due delivery could not be offered")
		}
		if !offered {
			d.lanes.release(l, id, err == nil)
		} else if !d.Alone {
			d.elsewhere.add(l, known)
		}
	})
}

// sweepEvery is how often the lanes are looked through for what waited too long.
const sweepEvery = 250 * time.Millisecond

// runSweep leaves to the clock what waited too long for a slot, and drops what nobody needs. From the end of ctx on it
// lets nothing wait, until the last handed fact has its verdict.
func (d *Dispatcher) runSweep(ctx context.Context, consumed <-chan struct{}) {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-consumed:
			return
		case <-tick.C:
		}
		stopping := ctx.Err() != nil
		for _, t := range d.lanes.takeExpired(stopping) {
			if stopping {
				t.work.fail() // the next start is handed the fact again
			}
			t.work.pending.Done()
		}
		d.settleElsewhere()
		d.lanes.sweep(d.Fold.Position())
	}
}
