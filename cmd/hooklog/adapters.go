package main

import (
	"context"
	"errors"
	"time"

	"github.com/hooklog/hooklog/commands"
	"github.com/hooklog/hooklog/dispatcher"
	"github.com/hooklog/hooklog/dispatcher/egress"
	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/projections"
)

// urlPolicy words a refusal of the egress guard as the contract does.
type urlPolicy struct{ guard *egress.Guard }

// CheckURL refuses a URL that may not be delivered to, with a *domain.Error.
func (u urlPolicy) CheckURL(ctx context.Context, raw string) error {
	err := u.guard.CheckURL(ctx, raw)
	var refusal *egress.Refusal
	if errors.As(err, &refusal) {
		return domain.Refuse(domain.Invalid, "webhook url rejected: %s", refusal.Reason)
	}
	return err
}

// positionsOf reads positions as the API spells them.
type positionsOf struct{ fold *projections.Fold }

// WaitForPosition waits until the fold has passed a position.
func (p positionsOf) WaitForPosition(ctx context.Context, position string) error {
	at, err := eventlog.ParsePosition(position)
	if err != nil {
		return domain.Refuse(domain.BadCursor, "not a position")
	}
	return p.fold.WaitFor(ctx, at)
}

// unavailable tells the faults that may pass: those of the log.
func unavailable(err error) bool {
	return errors.Is(err, eventlog.ErrNoSpace) || errors.Is(err, eventlog.ErrClosed) || errors.Is(err, eventlog.ErrUnknownOutcome) ||
		errors.Is(err, errUnanswered)
}

// recorderOf gives the dispatcher the write side in the node's name.
type recorderOf struct {
	*commands.Commands
	by commands.By
}

// RecordOutcomeLater records what came of an attempt and what follows from it; wait returns when that is durable.
func (r recorderOf) RecordOutcomeLater(ctx context.Context, known domain.Delivery, o domain.Outcome, p domain.Policy, cause eventlog.ID) (wait func() (domain.Fact, eventlog.Position, error)) {
	return r.Commands.RecordOutcomeLater(withPatience(ctx), r.by, known, o, p, cause)
}

// OfferDelivery hands a delivery out for its next attempt.
func (r recorderOf) OfferDelivery(ctx context.Context, known domain.Delivery, grace time.Duration) (bool, error) {
	return r.Commands.OfferDelivery(withPatience(ctx), r.by, known, grace)
}

// CorrectTargets records the right targets of a message.
func (r recorderOf) CorrectTargets(ctx context.Context, id domain.MessageID, right []domain.Target, seen uint64) error {
	return r.Commands.CorrectTargets(withPatience(ctx), r.by, id, right, seen)
}

// CompleteTargets records the parts that a message lacks.
func (r recorderOf) CompleteTargets(ctx context.Context, id domain.MessageID, right func(context.Context) ([]domain.Target, error)) (bool, error) {
	return r.Commands.CompleteTargets(withPatience(ctx), r.by, id, right)
}

// StepRecovery sees to a page of a recovery.
func (r recorderOf) StepRecovery(ctx context.Context, known domain.Recovery, page domain.RecoveryPage, pace func(context.Context) error) error {
	return r.Commands.StepRecovery(withPatience(ctx), r.by, known, page, pace)
}

// DisableFailing disables a subscription that reached its limit of failures.
func (r recorderOf) DisableFailing(ctx context.Context, id domain.SubscriptionID, lifecycle uint64, limit domain.LimitReached) error {
	return r.Commands.DisableFailing(withPatience(ctx), r.by, id, lifecycle, limit)
}

// foldOf gives the dispatcher the read side in the dispatcher's own words.
type foldOf struct{ *projections.Fold }

// Due returns a subscription's deliveries to offer.
func (f foldOf) Due(id domain.SubscriptionID, now time.Time, limit int, skip func(domain.DeliveryID) bool) ([]dispatcher.DueDelivery, error) {
	rows, err := f.Fold.Due(id, now, limit, skip)
	due := make([]dispatcher.DueDelivery, len(rows))
	for i, r := range rows {
		due[i] = dispatcher.DueDelivery(r)
	}
	return due, err
}

// AtLimit returns the subscriptions that failures are to disable.
func (f foldOf) AtLimit() []dispatcher.FailingSubscription {
	rows := f.Fold.AtLimit()
	failing := make([]dispatcher.FailingSubscription, len(rows))
	for i, r := range rows {
		failing[i] = dispatcher.FailingSubscription(r)
	}
	return failing
}

var (
	_ dispatcher.Fold     = foldOf{}
	_ dispatcher.Recorder = recorderOf{}
)
