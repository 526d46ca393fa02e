package http

import (
	"context"
	"encoding/hex"
	"errors"
	"net/http"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/projections"
)

// Messages explains who gets a message.
type Messages interface {
	// WhoGets tells who gets a message of an organization, who does not, and why; NotFound if there is none. It waits
	// until this node has folded the message.
	WhoGets(ctx context.Context, org domain.OrganizationID, id domain.MessageID) (projections.Explanation, error)
}

// explanationBody tells who gets a message. A test goes to its one webhook alone.
type explanationBody struct {
	ID          domain.MessageID `json:"event_id"`
	Type        string           `json:"type"`
	Client      string           `json:"client,omitempty"`
	OccurredAt  timestamp        `json:"occurred_at"`
	PublishedAt timestamp        `json:"published_at"`
	Position    string           `json:"position"`
	Test        bool             `json:"test"`
	DataSHA256  string           `json:"data_sha256"`
	Deliveries  []deliveryBody   `json:"deliveries"`
	Withheld    []withheldBody   `json:"withheld"`
	NotAsking   int              `json:"not_asking"`
}

// withheldBody is a webhook that asks for the type and still gets nothing.
type withheldBody struct {
	Subscription domain.SubscriptionID `json:"subscription_id"`
	Why          domain.WithheldWhy    `json:"why"`
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
	ctx, cancel := context.WithTimeout(x.context(), maxWait)
	defer cancel()
	e, err := x.Fold.WhoGets(ctx, o.ID, id)
	if errors.Is(err, context.DeadlineExceeded) {
		return refuseUntil(domain.Unavailable, time.Second, "this node does not show that event yet")
	}
	if err != nil {
		return err
	}
	return x.reply(http.StatusOK, showExplanation(e))
}

func showExplanation(e projections.Explanation) explanationBody {
	p := e.Published
	body := explanationBody{ID: e.Message, Type: p.EventType, Client: p.Client, OccurredAt: timestamp(p.OccurredAt),
		PublishedAt: timestamp(e.Meta.At), Position: e.Position.String(), Test: p.Only, DataSHA256: hex.EncodeToString(p.PayloadSHA256),
		Deliveries: make([]deliveryBody, len(e.Targets)), Withheld: make([]withheldBody, len(e.Withheld)), NotAsking: e.NotAsking}
	for i, t := range e.Targets {
		d := t.Delivery
		if !t.Begun {
			d.ID, d.State = domain.DeriveDeliveryID(e.Message, t.Subscription), domain.Scheduled
		}
		body.Deliveries[i] = showDelivery(t.Subscription, d)
	}
	for i, w := range e.Withheld {
		body.Withheld[i] = withheldBody{w.Subscription, w.Why}
	}
	return body
}
