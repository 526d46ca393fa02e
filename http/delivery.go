package http

import (
	"context"
	"net/http"

	"github.com/hooklog/hooklog/domain"
)

// Deliveries finds the history of deliveries.
type Deliveries interface {
	// DeliveryByID reads the whole history of a delivery; NotFound if there is none.
	DeliveryByID(ctx context.Context, id domain.DeliveryID) (History, error)
}

// showDelivery tells the whole history of a delivery.
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
	return x.reply(http.StatusOK, h)
}

var errNoDelivery = domain.Refuse(domain.NotFound, "no such delivery")
