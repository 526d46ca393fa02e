package http

import (
	"context"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/projections"
)

// Changes tells what was ever changed of subscriptions.
type Changes interface {
	// SubscriptionHistory lists the facts of a subscription's own stream, newest first; of a deleted one, too.
	SubscriptionHistory(ctx context.Context, org domain.OrganizationID, id domain.SubscriptionID, limit int, cursor string) (page []projections.SubscriptionChange, next string, err error)
}

// changeBody is one fact of a subscription and what it changed.
type changeBody struct {
	Position string            `json:"position"`
	ID       string            `json:"fact_id"`
	Type     string            `json:"type"`
	At       timestamp         `json:"at"`
	Revision uint64            `json:"revision"`
	Actor    string            `json:"actor,omitempty"`
	Request  string            `json:"request_id,omitempty"`
	By       domain.DisabledBy `json:"disabled_by,omitempty"`
	Reason   string            `json:"reason,omitempty"`
	Cause    string            `json:"caused_by,omitempty"`
	Changes  []domain.Change   `json:"changes"`
}

func showChange(c projections.SubscriptionChange) changeBody {
	body := changeBody{Position: c.Position.String(), ID: c.ID.String(), Type: c.FactType(), At: timestamp(c.Meta.At), Revision: c.Revision,
		Actor: c.Meta.Actor, Request: c.Meta.Correlation, Cause: c.Meta.Causation, Changes: c.Changes}
	if body.Changes == nil {
		body.Changes = []domain.Change{}
	}
	if disabled, ok := c.Fact.(*domain.SubscriptionDisabled); ok {
		body.By, body.Reason = disabled.By, disabled.Why
		if disabled.Cause != "" {
			body.Cause = disabled.Cause
		}
	}
	return body
}

// listChanges tells everything that was ever changed of a subscription.
func (x *exchange) listChanges() error {
	o, id, err := x.ownSubscription()
	if err != nil {
		return err
	}
	return replyPage(x, func(limit int, cursor string) ([]projections.SubscriptionChange, string, error) {
		return x.Fold.SubscriptionHistory(x.context(), o.ID, id, limit, cursor)
	}, showChange)
}
