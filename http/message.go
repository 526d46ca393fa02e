package http

import (
	"context"
	"net/http"

	"github.com/hooklog/hooklog/domain"
)

// Messages explains who gets a message.
type Messages interface {
	// WhoGets tells who gets a message of an organization, who does not, and why; NotFound if there is none.
	WhoGets(ctx context.Context, org domain.OrganizationID, id domain.MessageID) (Explanation, error)
}

// explainMessage tells who gets a message, who does not, and why.
func (x *exchange) explainMessage() error {
	o, err := x.organization()
	if err != nil {
		return err
	}
	id, err := domain.ParseMessageID(x.variable("event"))
	if err != nil {
		return domain.Refuse(domain.NotFound, "no such event")
	}
	e, err := x.Fold.WhoGets(x.context(), o.ID, id)
	if err != nil {
		return err
	}
	return x.reply(http.StatusOK, e)
}
