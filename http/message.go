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
	// until this node has folded the message. With a moment, it tells who would get it then instead, and how its
	// deliveries stood.
	WhoGets(ctx context.Context, org domain.OrganizationID, id domain.MessageID, past *projections.Moment, limit int, cursor string) (projections.Explanation, error)
	// WhoWouldGet tells who would get a message of a type, now or as of a moment.
	WhoWouldGet(ctx context.Context, org domain.OrganizationID, eventType, client string, past *projections.Moment, limit int, cursor string) (projections.Getters, error)
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
	// Deliveries and Withheld are a page of both.
	Deliveries    []outcomeBody  `json:"deliveries"`
	Withheld      []withheldBody `json:"withheld"`
	Total         int            `json:"deliveries_total"`
	WithheldTotal int            `json:"withheld_total"`
	NotAsking     int            `json:"not_asking"`
	Next          *string        `json:"next_cursor"`
}

// outcomeBody is what became of the delivery of an event to a webhook.
type outcomeBody struct {
	deliveryBody
	// Last is the last attempt, null before the first.
	Last *lastBody `json:"last_attempt"`
	// EndedAt and EndedBy say when and why the present round ended.
	EndedAt *timestamp    `json:"ended_at,omitempty"`
	EndedBy domain.Ending `json:"ended_by,omitempty"`
}

// lastBody is the last attempt of a delivery.
type lastBody struct {
	At         timestamp `json:"at"`
	TookMicros int64     `json:"took_us"`
	HTTPStatus *int      `json:"http_status"`
	Reason     string    `json:"reason,omitempty"`
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
	limit, cursor, err := x.page()
	if err != nil {
		return err
	}
	m, past, err := x.moment()
	if err != nil {
		return err
	}
	ctx := x.context()
	if !past { // then it has to be waited for
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, maxWait)
		defer cancel()
	}
	e, err := x.Fold.WhoGets(ctx, o.ID, id, asked(m, past), limit, cursor)
	if errors.Is(err, context.DeadlineExceeded) {
		return refuseUntil(domain.Unavailable, time.Second, "this node does not show that event yet")
	}
	if err != nil {
		return err
	}
	return x.reply(http.StatusOK, showExplanation(e, past))
}

func showExplanation(e projections.Explanation, past bool) explanationBody {
	p := e.Published
	deliveries := pageOf(e.Targets, e.Next, func(t projections.ExplainedTarget) outcomeBody { return showOutcome(e.Message, t, past) })
	return explanationBody{ID: e.Message, Type: p.EventType, Client: p.Client, OccurredAt: timestamp(p.OccurredAt),
		PublishedAt: timestamp(e.Meta.At), Position: e.Position.String(), Test: p.Only, DataSHA256: hex.EncodeToString(p.PayloadSHA256),
		Deliveries: deliveries.Items, Next: deliveries.Next, Total: e.TargetTotal, WithheldTotal: e.WithheldTotal, NotAsking: e.NotAsking,
		Withheld: pageOf(e.Withheld, "", func(w domain.Withheld) withheldBody { return withheldBody{w.Subscription, w.Why} }).Items}
}

// notBegun is the status of a delivery that a webhook would get as of a moment, and had not got then.
const notBegun = "none"

func showOutcome(message domain.MessageID, t projections.ExplainedTarget, past bool) outcomeBody {
	if !t.Begun && past {
		return outcomeBody{deliveryBody: deliveryBody{ID: domain.DeriveDeliveryID(message, t.Subscription), Subscription: t.Subscription, Status: notBegun}}
	}
	if !t.Begun {
		t.Delivery.ID, t.Delivery.State = domain.DeriveDeliveryID(message, t.Subscription), domain.Scheduled
	}
	body := outcomeBody{deliveryBody: showDelivery(t.Subscription, t.Delivery), EndedAt: when(t.EndedAt), EndedBy: t.Why}
	if last := t.Delivery.Last; last != (projections.Attempt{}) {
		body.Last = &lastBody{At: timestamp(last.At), TookMicros: last.Took.Microseconds(), Reason: t.Reason}
		if last.Status != 0 {
			body.Last.HTTPStatus = &last.Status
		}
	}
	return body
}
