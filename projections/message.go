package projections

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/hooklog/hooklog/domain"
)

// foldPublished begins the deliveries of a message.
func (x *projector) foldPublished(p placed, f *domain.MessagePublished) error {
	id, ok := domain.MessageOfStream(p.Stream)
	if !ok || p.Revision != 0 {
		return fmt.Errorf("%w: not the beginning of a message's stream", errMisplaced)
	}
	o, ok := x.directory.organizations[f.Organization]
	if !ok {
		return fmt.Errorf("%w: a message of no organization", errMisplaced)
	}
	targets, err := x.targetsOf(p, id, f, o.subscribers)
	if err != nil {
		return err
	}
	x.expectParts(id, f)
	of := f.Of(p.meta)
	for _, t := range targets {
		if s, ok := x.directory.subscriptions[t.Subscription]; ok && !s.state.Deleted && s.state.Organization == f.Organization {
			if err := x.beginFresh(newRow(id, of, t, s.state.Revision, p.RecordedAt), s.state); err != nil {
				return err
			}
		}
	}
	if err := x.noteClient(f.Organization, f.Client); err != nil {
		return err
	}
	return x.batch.set(messageKey(x.in(messageSpace), id), nil)
}

// targetsOf says who gets a message. Its place in the log decides: if the publisher had not seen just the subscription facts
// before it, the message is matched here again, and a correction begins where that gives others.
func (x *projector) targetsOf(p placed, id domain.MessageID, f *domain.MessagePublished, all *domain.Subscribers) ([]domain.Target, error) {
	switch {
	case f.Only:
		return activeAlone(all, f.Targets), nil
	case f.Seen == all.Seen:
		return f.Targets, nil
	}
	again := all.Match(f.EventType, f.Client)
	if again.ReadsData() && x.outlines {
		whole, err := x.whole(p)
		if err != nil {
			return nil, err
		}
		f = whole
	}
	right, known, err := x.contents.filtered(again, id, f)
	if err != nil || !known {
		return f.Targets, err
	}
	if f.Total > len(f.Targets) || !sameSubscriptions(f.Targets, right.Targets) {
		err = x.beginCorrection(id, right.Targets, all.Seen)
	}
	return right.Targets, err
}

// whole reads a message again of which the outline was read.
func (x *projector) whole(p placed) (*domain.MessagePublished, error) {
	// A copy, because the codec keeps hold of what it is given and the log may read on into this memory.
	f, _, err := x.codec.Decode(placeOf(p.Recorded), p.Type, bytes.Clone(p.Data), bytes.Clone(p.Metadata))
	if err != nil {
		return nil, err
	}
	message, ok := f.(*domain.MessagePublished)
	if !ok {
		return nil, fmt.Errorf("%w: not a message", errMisplaced)
	}
	return message, nil
}

// activeAlone is whom a test goes to: its one target, if that is active.
func activeAlone(subscribers *domain.Subscribers, targets []domain.Target) []domain.Target {
	if len(targets) == 0 {
		return nil
	}
	s, ok := subscribers.Get(targets[0].Subscription)
	if !ok || !s.Active() {
		return nil
	}
	return []domain.Target{{Subscription: s.ID, Revision: s.Revision}}
}

func sameSubscriptions(a, b []domain.Target) bool {
	return slices.EqualFunc(a, b, func(a, b domain.Target) bool { return a.Subscription == b.Subscription })
}

// foldTargets begins the deliveries of a further part of a message, unless the message is matched otherwise.
func (x *projector) foldTargets(p placed, f *domain.MessageTargets) error {
	id, ok := domain.MessageOfStream(p.Stream)
	if !ok {
		return fmt.Errorf("%w: not a message's stream", errMisplaced)
	}
	corrected, err := x.corrected(id)
	if err != nil || corrected {
		return err
	}
	return x.beginDeliveries(p, id, f.MessageOf, f.Targets, x.isNextPart(id, f.Targets))
}

// foldCorrected follows a correction. Usually it is the one that this fold asked for, and its deliveries stand.
func (x *projector) foldCorrected(p placed, f *domain.TargetsCorrected) error {
	id, ok := domain.MessageOfStream(p.Stream)
	if !ok {
		return fmt.Errorf("%w: not a message's stream", errMisplaced)
	}
	corrected, err := x.corrected(id)
	if err != nil {
		return err
	}
	if corrected {
		return x.settleCorrection(id)
	}
	delete(x.unfinished, id)
	for _, sub := range f.Removed {
		of := domain.DeliveryOf{Message: id, Subscription: sub, PublishedAt: domain.Time(f.PublishedAt)}
		t, err := x.touch(&of, of.ID())
		if err != nil {
			return err
		}
		if t != nil && t.row.Next == 0 { // what was attempted stays in the history
			t.removed = true
			if err := x.leave(t.row); err != nil {
				return err
			}
		}
	}
	return x.beginDeliveries(p, id, f.MessageOf, f.Added, false)
}

// beginDeliveries begins those deliveries of a fact that are not there yet; fresh says that none of them is.
func (x *projector) beginDeliveries(p placed, id domain.MessageID, of domain.MessageOf, targets []domain.Target, fresh bool) error {
	for _, t := range targets {
		if err := x.begin(p, id, of, t, fresh); err != nil {
			return err
		}
	}
	return nil
}

// beginFresh begins a delivery that cannot be there yet.
func (x *projector) beginFresh(r *row, s *domain.Subscription) error {
	if _, twice := x.batch.rows[r.id]; twice {
		return nil
	}
	x.batch.take(&touchedRow{row: r})
	return x.enqueue(r, s)
}

// begin begins a delivery unless it is there, which is not looked up if it is fresh. Its subscription may have been closed
// since it was matched.
func (x *projector) begin(p placed, id domain.MessageID, of domain.MessageOf, target domain.Target, fresh bool) error {
	s, err := x.anySubscription(target.Subscription)
	if err != nil {
		return fmt.Errorf("%w: %w", errStore, err)
	}
	if !s.Exists() || s.Organization != of.Organization {
		return nil
	}
	r := newRow(id, of, target, s.Revision, p.RecordedAt)
	if was, known := x.batch.rows[r.id]; known {
		if was.removed {
			was.row, was.removed = r, false
			return x.enqueue(r, &s)
		}
		return nil
	}
	if !fresh {
		if known, err := x.touch(&r.Of, r.id); err != nil || known != nil {
			return err
		}
	}
	return x.beginFresh(r, &s)
}

// newRow makes the row of a delivery to a subscription at its present revision, recorded at a time of the log. No round is
// opened at a later revision.
func newRow(id domain.MessageID, of domain.MessageOf, target domain.Target, present uint64, recordedAt time.Time) *row {
	d := domain.NewDelivery(domain.DeliveryOf{Message: id, Subscription: target.Subscription, Organization: of.Organization,
		EventType: of.EventType, PublishedAt: domain.Time(of.PublishedAt)}, min(target.Revision, present))
	return &row{Delivery: d, id: d.Of.ID(), opened: domain.Time(recordedAt)}
}
