package http

import (
	"context"
	"net/http"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/projections"
)

// Deliveries finds the history of deliveries.
type Deliveries interface {
	// DeliveryByID reads the whole history of a delivery; NotFound if there is none.
	DeliveryByID(ctx context.Context, id domain.DeliveryID) (projections.History, error)
	// ExplainDelivery tells why a delivery took the course that its history shows.
	ExplainDelivery(h projections.History) projections.DeliveryExplanation
}

// deliveryBody is how a delivery stands.
type deliveryBody struct {
	ID            domain.DeliveryID     `json:"id"`
	Subscription  domain.SubscriptionID `json:"subscription_id"`
	Status        string                `json:"status"`
	Attempts      int                   `json:"attempts"`
	NextAttemptAt *timestamp            `json:"next_attempt_at"`
	CancelledBy   string                `json:"cancelled_by,omitempty"`
	CancelledAt   *timestamp            `json:"cancelled_at,omitempty"`
}

// statuses are the contract's words for the states of a delivery.
var statuses = map[domain.DeliveryState]string{
	domain.Scheduled: "pending", domain.Succeeded: "success", domain.Dead: "dead_letter", domain.Cancelled: "cancelled",
}

func showDelivery(to domain.SubscriptionID, d projections.DeliveryRow) deliveryBody {
	body := deliveryBody{ID: d.ID, Subscription: to, Status: statuses[d.State], Attempts: d.Attempts,
		CancelledBy: d.CancelledBy, CancelledAt: when(d.CancelledAt)}
	if d.Open() {
		body.NextAttemptAt = when(d.Due)
	}
	return body
}

var errNoDelivery = domain.Refuse(domain.NotFound, "no such delivery")

// showDelivery tells the whole history of a delivery, from the message on.
func (x *exchange) showDelivery() error {
	id, err := domain.ParseDeliveryID(x.variable("delivery"))
	if err != nil {
		return errNoDelivery
	}
	h, err := x.Fold.DeliveryByID(x.context(), id)
	if err != nil {
		return err
	}
	if !x.key.Reaches(h.Of.Organization) {
		return errNoDelivery
	}
	if form := x.exportForm(); form != nil {
		return x.export(projections.FactFilter{Organizations: []domain.OrganizationID{h.Of.Organization}, Delivery: id, WithMessage: h.Of.Message}, form)
	}
	body := showHistory(h, x.Fold.ExplainDelivery(h))
	if x.key.Has(domain.ScopePayloads) {
		if err := x.open(&body, h); err != nil {
			return err
		}
	}
	return x.reply(http.StatusOK, body)
}
