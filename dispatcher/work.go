package dispatcher

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/webhook"
)

// work is a handed fact that asks for attempts. It is acknowledged when none of its tasks is in hand.
type work struct {
	handed  eventlog.Handed
	message domain.MessageID
	// published is the message itself if the fact is that.
	published *domain.MessagePublished
	// opened is the message as it is delivered, but for its subscription, from when the first task needs it.
	opened   webhook.Message
	opening  sync.Once
	unopened error // why it could not be
	pending  sync.WaitGroup
	// failed says that an outcome could not be recorded, or a delivery not be looked at: hand the fact out again.
	failed bool
	mu     sync.Mutex
}

func (w *work) fail() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failed = true
}

// target is what a handed fact asks to be attempted.
type target struct {
	of domain.DeliveryOf
	// asks reports whether the delivery, as it stands, is the one that the fact asks to attempt.
	asks func(domain.Delivery) bool
	// offered says that the clock asked.
	offered bool
}

// handle does the work of one handed fact and gives the verdict on it.
func (d *Dispatcher) handle(ctx context.Context, h eventlog.Handed) eventlog.Verdict {
	f, m, err := d.Codec.Decode(domain.Place{Stream: h.Stream, ID: h.ID, Revision: uint64(h.Revision)}, h.Type, h.Data, h.Metadata)
	if domain.Skippable(err) {
		d.refused.Add(1)
		d.Logger.Warn().Err(err).Str("stream", h.Stream).Stringer("position", h.Position).Msg("fact passed over")
		return eventlog.Skip
	}
	if err != nil {
		d.Logger.Error().Err(err).Str("stream", h.Stream).Msg("fact cannot be read")
		return eventlog.Park
	}
	if err := d.Fold.WaitFor(ctx, h.Position); err != nil {
		return eventlog.Retry
	}
	w := &work{handed: h}
	targets, err := d.targets(ctx, w, f, m)
	if err != nil {
		d.logFault(ctx, err, h)
		return eventlog.Retry
	}
	for _, t := range targets {
		if err := d.take(ctx, w, t, len(targets) == 1); err != nil {
			w.fail()
			d.logFault(ctx, err, h)
		}
	}
	if err := d.awaitParts(ctx, w, f); err != nil {
		w.fail()
		d.logFault(ctx, err, h)
	}
	w.pending.Wait()
	if w.failed {
		return eventlog.Retry
	}
	return eventlog.Ack
}

func (d *Dispatcher) logFault(ctx context.Context, err error, h eventlog.Handed) {
	if ctx.Err() == nil {
		d.Logger.Error().Err(err).Str("stream", h.Stream).Stringer("position", h.Position).Msg("fact handed back")
	}
}

// targets lists what a fact asks to be attempted, putting right first what the publisher's matching had wrong.
func (d *Dispatcher) targets(ctx context.Context, w *work, f domain.Fact, m domain.Meta) ([]target, error) {
	switch f := f.(type) {
	case *domain.MessagePublished:
		id, err := d.messageOf(w)
		if err != nil {
			return nil, err
		}
		w.published = f
		if err := d.correct(ctx, id); err != nil {
			return nil, err
		}
		return firstAttempts(id, f.Of(m), f.Targets), nil
	case *domain.MessageTargets:
		return d.partTargets(w, f.MessageOf, f.Targets)
	case *domain.TargetsCorrected:
		return d.partTargets(w, f.MessageOf, f.Added)
	case *domain.RetryDue:
		w.message = f.Message
		asks := func(k domain.Delivery) bool { return k.Round == f.Round && k.Attempts+1 == f.Number }
		return []target{{f.DeliveryOf, asks, true}}, nil
	case *domain.RedeliveryRequested:
		w.message = f.Message
		asks := func(k domain.Delivery) bool { return k.Round == f.Round && k.RoundAttempts == 0 && !handedOut(k) }
		return []target{{f.DeliveryOf, asks, false}}, nil
	}
	return nil, nil
}

func (d *Dispatcher) messageOf(w *work) (domain.MessageID, error) {
	id, ok := domain.MessageOfStream(w.handed.Stream)
	if !ok {
		return id, fmt.Errorf("the stream %q is not a message's", w.handed.Stream)
	}
	w.message = id
	return id, nil
}

func (d *Dispatcher) partTargets(w *work, of domain.MessageOf, targets []domain.Target) ([]target, error) {
	id, err := d.messageOf(w)
	if err != nil {
		return nil, err
	}
	return firstAttempts(id, of, targets), nil
}

func firstAttempts(id domain.MessageID, of domain.MessageOf, targets []domain.Target) []target {
	asks := func(k domain.Delivery) bool { return k.Round == 1 && k.Attempts == 0 && !handedOut(k) }
	list := make([]target, len(targets))
	for i, t := range targets {
		list[i] = target{of: domain.DeliveryOf{Message: id, Subscription: t.Subscription, Organization: of.Organization,
			EventType: of.EventType, PublishedAt: of.PublishedAt}, asks: asks}
	}
	return list
}

// handedOut reports whether RetryDue hands the next attempt out, so that nothing else may.
func handedOut(k domain.Delivery) bool { return k.Offered == k.Attempts+1 }

// correct records the right targets of a message whose publisher's matching was overtaken.
func (d *Dispatcher) correct(ctx context.Context, id domain.MessageID) error {
	right, seen, pending := d.Fold.Correction(id)
	if !pending {
		return nil
	}
	if err := d.Recorder.CorrectTargets(ctx, id, right, seen); err != nil {
		return fmt.Errorf("correct the targets of %s: %w", id, err)
	}
	return nil
}

// partsEvery is how often a message with many targets is looked at until all of them are recorded.
const partsEvery = time.Second

// awaitParts holds a message's fact until all of its targets are recorded, so that a publisher that died between them
// is not the last to know.
func (d *Dispatcher) awaitParts(ctx context.Context, w *work, f domain.Fact) error {
	p, ok := f.(*domain.MessagePublished)
	if !ok || p.Total <= len(p.Targets) {
		return nil
	}
	right := func(ctx context.Context) ([]domain.Target, error) { return d.Fold.MatchAgain(ctx, w.message) }
	for {
		complete, err := d.Recorder.CompleteTargets(ctx, w.message, right)
		if complete || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(partsEvery):
		}
	}
}

// take looks at a delivery and, if it is the one that is asked for, submits the attempt to its lane.
// The attempt of a fact's only target runs right here.
func (d *Dispatcher) take(ctx context.Context, w *work, t target, alone bool) error {
	known, s, wanted, err := d.wanted(ctx, w, t)
	if !wanted {
		if t.offered {
			d.lanes.pass(t.of.Subscription, t.of.ID())
		}
		return err
	}
	lane := d.laneOf(s)
	task := &task{id: t.of.ID(), of: t.of, known: known, work: w, lane: lane, offered: t.offered}
	w.pending.Add(1)
	switch d.lanes.submit(task) {
	case started:
		if !alone {
			go d.run(task)
		} else if next := d.runOne(task); next != nil {
			go d.run(next)
		}
	case leftAlone, duplicate:
		w.pending.Done()
	}
	return nil
}

// wanted finds a delivery and its subscription, and reports whether the attempt that is asked for is to be made.
func (d *Dispatcher) wanted(ctx context.Context, w *work, t target) (known domain.Delivery, s domain.Subscription, ok bool, err error) {
	known, found, err := d.look(ctx, w, t)
	if err != nil || !found || !known.Open() || !t.asks(known) {
		return known, s, false, err
	}
	if known.Ordered && !t.offered {
		return known, s, false, nil // its turn is the clock's to tell
	}
	s, ok = d.Fold.Subscription(t.of.Subscription)
	return known, s, ok && s.Active(), nil
}

// look finds out how a delivery stands: in this node's fold, or in its stream where somebody else may have handled the
// fact before, or, beside other nodes, the fact that first asked for what the clock offers now.
func (d *Dispatcher) look(ctx context.Context, w *work, t target) (domain.Delivery, bool, error) {
	known, found, err := d.Fold.Delivery(t.of)
	if err != nil || !found || known.State == domain.Cancelled {
		return known, found, err
	}
	late := t.offered && known.RoundAttempts == 0 && !d.Alone
	if late || w.handed.Retries > 0 || w.handed.Replayed || w.handed.Backlog {
		ordered := known.Ordered
		known, err = d.Recorder.LoadDelivery(ctx, t.of, known.RoundRevision)
		known.Ordered = ordered
	}
	return known, true, err
}
