package http

import (
	"context"
	"net/http"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/projections"
)

// OwnDeliveries finds the deliveries of a subscription.
type OwnDeliveries interface {
	// DeliveriesWhere lists those that a filter keeps, the latest published first. A page may end early.
	DeliveriesWhere(sub domain.SubscriptionID, f projections.DeliveryFilter, limit int, cursor string) (page []projections.DeliveryRow, next string, err error)
	// DeliveryFacts reads what was recorded of a delivery, oldest first.
	DeliveryFacts(ctx context.Context, id domain.DeliveryID) ([]projections.RecordedFact, error)
	// CountRecoverable counts those that are in a range now.
	CountRecoverable(ctx context.Context, sub domain.SubscriptionID, within domain.RecoveryRange) (int, error)
}

// redeliveryBody is a delivery of which a new round was opened.
type redeliveryBody struct {
	ID           domain.DeliveryID     `json:"id"`
	Event        domain.MessageID      `json:"event_id"`
	Subscription domain.SubscriptionID `json:"subscription_id"`
	Status       string                `json:"status"`
	Round        int                   `json:"round"`
}

// redeliver opens a new round of a delivery of the caller's organization.
func (x *exchange) redeliver() error {
	o, err := x.partner()
	if err != nil {
		return err
	}
	id, err := domain.ParseDeliveryID(x.variable("delivery"))
	if err != nil {
		return errNoDelivery
	}
	h, err := x.Fold.DeliveryByID(x.context(), id)
	if err != nil {
		return err
	}
	if h.Of.Organization != o.ID {
		return errNoDelivery
	}
	if err := x.decodeOptional(); err != nil {
		return err
	}
	round, at, err := x.Commands.Redeliver(x.context(), x.by(), h.Of, h.RoundRevision)
	if err != nil {
		return err
	}
	x.managed(at)
	return x.reply(http.StatusAccepted, redeliveryBody{ID: id, Event: h.Of.Message, Subscription: h.Of.Subscription, Status: statuses[domain.Scheduled], Round: round})
}

// requestedBody is the answer to who asks for a recovery.
type requestedBody struct {
	ID         domain.RecoveryID `json:"id,omitzero"`
	Deliveries int               `json:"deliveries"`
}

// recoveryBody tells how far a recovery has come.
type recoveryBody struct {
	ID           domain.RecoveryID     `json:"id"`
	Subscription domain.SubscriptionID `json:"subscription_id"`
	From         timestamp             `json:"from"`
	To           timestamp             `json:"to"`
	Statuses     []string              `json:"statuses"`
	Status       string                `json:"status"`
	StoppedBy    string                `json:"stopped_by,omitempty"`
	Deliveries   int                   `json:"deliveries"`
	Redelivered  int                   `json:"redelivered"`
	Passed       int                   `json:"passed_over"`
	CreatedAt    timestamp             `json:"created_at"`
	EndedAt      *timestamp            `json:"ended_at"`
}

// recoverable reads a status in which a delivery has ended.
func recoverable(to *[]domain.DeliveryState) reader {
	return func(field string, value []byte) []domain.FieldError {
		s, ok := readText(value)
		for state, word := range statuses {
			if ok && word == s && state != domain.Scheduled {
				*to = []domain.DeliveryState{state}
				return nil
			}
		}
		return wrong(field, "must be dead_letter, cancelled or success")
	}
}

// recoverDeliveries asks for the redelivery of all that ended within a range, or counts it.
func (x *exchange) recoverDeliveries() error {
	s, err := x.foundSubscription()
	if err != nil {
		return err
	}
	var within domain.RecoveryRange
	dry := false
	err = x.decode(required("from", instant(&within.From)), required("to", instant(&within.To)),
		optional("status", recoverable(&within.States)), optional("dry_run", boolean(&dry)))
	if err != nil {
		return err
	}
	if within, err = within.Check(x.Now()); err != nil {
		return err
	}
	n, err := x.Fold.CountRecoverable(x.context(), s.ID, within)
	if err != nil {
		return err
	}
	if dry {
		return x.reply(http.StatusOK, requestedBody{Deliveries: n})
	}
	r, at, err := x.Commands.RequestRecovery(x.context(), x.by(), s.Organization, s.ID, within, n)
	if err != nil {
		return err
	}
	x.managed(at)
	return x.reply(http.StatusAccepted, requestedBody{r.ID, n})
}

// showRecovery tells how far a recovery of the subscription has come, from its own stream.
func (x *exchange) showRecovery() error {
	s, err := x.foundSubscription()
	if err != nil {
		return err
	}
	missing := domain.Refuse(domain.NotFound, "no such recovery")
	id, err := domain.ParseRecoveryID(x.variable("recovery"))
	if err != nil {
		return missing
	}
	r, err := x.Commands.LoadRecovery(x.context(), id)
	if err != nil {
		return err
	}
	if r.Subscription != s.ID {
		return missing
	}
	body := recoveryBody{ID: r.ID, Subscription: r.Subscription, From: timestamp(r.From), To: timestamp(r.To), Status: "running", StoppedBy: r.Why,
		Deliveries: r.Deliveries, Redelivered: r.Redelivered, Passed: r.Passed, CreatedAt: timestamp(r.RequestedAt), EndedAt: when(r.EndedAt)}
	for _, state := range r.States {
		body.Statuses = append(body.Statuses, statuses[state])
	}
	switch {
	case r.Why != "":
		body.Status = "stopped"
	case r.Ended():
		body.Status = "done"
	}
	return x.reply(http.StatusOK, body)
}
