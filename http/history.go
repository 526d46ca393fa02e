package http

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/projections"
)

// historyBody is everything that was recorded of a delivery.
type historyBody struct {
	deliveryBody
	Organization domain.OrganizationID `json:"organization_id"`
	Event        domain.MessageID      `json:"event_id"`
	EventType    string                `json:"event_type"`
	Client       string                `json:"client,omitempty"`
	OccurredAt   timestamp             `json:"occurred_at"`
	PublishedAt  timestamp             `json:"published_at"`
	Test         bool                  `json:"test"`
	Round        int                   `json:"round"`
	DataSHA256   string                `json:"data_sha256"`
	// Data is there only for who may read payloads.
	Data json.RawMessage `json:"data,omitempty"`
	// Ends are why the rounds that have ended did.
	Ends    []endBody  `json:"ends"`
	History []factBody `json:"history"`
}

// factBody is one fact with its place in the log. What an attempt does not have is left out.
type factBody struct {
	Position string       `json:"position"`
	ID       string       `json:"fact_id,omitempty"`
	Type     string       `json:"type"`
	At       timestamp    `json:"at"`
	Actor    string       `json:"actor,omitempty"`
	Cause    string       `json:"caused_by,omitempty"`
	Round    int          `json:"round,omitempty"`
	Attempt  int          `json:"attempt,omitempty"`
	DueAt    *timestamp   `json:"due_at,omitempty"`
	Request  *attemptBody `json:"request,omitempty"`
	// NextAttemptAt and Delay, or Dead, say what follows from a failed attempt.
	NextAttemptAt *timestamp    `json:"next_attempt_at,omitempty"`
	Delay         *domain.Delay `json:"delay,omitempty"`
	Dead          bool          `json:"dead,omitempty"`
	// Why is there for attempts.
	Why *whyBody `json:"why,omitempty"`
}

// attemptBody is one HTTP request and its answer.
type attemptBody struct {
	StartedAt  timestamp `json:"started_at"`
	TookMicros int64     `json:"took_us"`
	HTTPStatus *int      `json:"http_status"`
	Address    string    `json:"remote_address,omitempty"`
	BodySHA256 string    `json:"body_sha256,omitempty"`
	Reason     string    `json:"reason,omitempty"`
	// Extra says that the delivery had ended when the attempt was recorded.
	Extra bool `json:"extra,omitempty"`
	// Answer is there only for who may read payloads.
	Answer *string `json:"answer,omitempty"`
}

func showHistory(h projections.History, why projections.DeliveryExplanation) historyBody {
	p := h.Published
	body := historyBody{deliveryBody: showDelivery(h.Of.Subscription, h.DeliveryRow), Organization: h.Of.Organization, Event: h.Of.Message,
		EventType: h.Of.EventType, Client: p.Client, OccurredAt: timestamp(p.OccurredAt), PublishedAt: timestamp(h.Meta.At), Test: p.Only,
		Round: h.Round, DataSHA256: hex.EncodeToString(p.PayloadSHA256), History: make([]factBody, 0, 1+len(h.Facts))}
	body.History = append(body.History, factBody{Position: h.Position.String(), Type: p.FactType(), At: timestamp(h.Meta.At), Actor: h.Meta.Actor})
	for _, f := range h.Facts {
		fact := showFact(f)
		if e, explained := why.Attempts[f.ID]; explained {
			fact.Why = showWhy(e)
		}
		body.History = append(body.History, fact)
	}
	body.Ends = pageOf(why.Ends, "", showEnd).Items
	return body
}

func showFact(r projections.RecordedFact) factBody {
	body := factBody{Position: r.Position.String(), ID: r.ID.String(), Type: r.FactType(), At: timestamp(r.Meta.At), Actor: r.Meta.Actor,
		Cause: r.Meta.Causation}
	switch f := r.Fact.(type) {
	case *domain.AttemptSucceeded:
		body.Round, body.Attempt, body.Request = f.Round, f.Number, showAttempt(f.Attempt)
	case *domain.AttemptFailed:
		body.Round, body.Attempt, body.Request = f.Round, f.Number, showAttempt(f.Attempt)
		body.Request.Reason = f.Reason
		body.NextAttemptAt, body.Delay, body.Dead = when(f.NextAttemptAt), f.Delay, f.Dead
	case *domain.RetryDue:
		body.Round, body.Attempt, body.DueAt = f.Round, f.Number, when(f.DueAt)
	case *domain.RedeliveryRequested:
		body.Round = f.Round
	}
	return body
}

func showAttempt(a domain.Attempt) *attemptBody {
	body := &attemptBody{StartedAt: timestamp(a.StartedAt), TookMicros: a.TookMicros, Address: a.Address,
		BodySHA256: hex.EncodeToString(a.BodySHA256), Extra: a.Extra}
	if a.Status != 0 {
		body.HTTPStatus = &a.Status
	}
	return body
}

// open adds what is sealed: the data that was published and what receivers answered.
func (x *exchange) open(body *historyBody, h projections.History) error {
	key, err := x.Commands.DataKey(x.context(), h.Of.Organization)
	if err != nil {
		return err
	}
	if body.Data, err = key.Open(h.Published.Payload, []byte(h.Of.Message.String())); err != nil {
		return fmt.Errorf("open the data of %s: %w", h.Of.Message, err)
	}
	for i, f := range h.Facts {
		failed, ok := f.Fact.(*domain.AttemptFailed)
		if !ok || len(failed.Answer) == 0 {
			continue
		}
		answer, err := key.Open(failed.Answer, []byte(h.ID.String()))
		if err != nil {
			return fmt.Errorf("open an answer to %s: %w", h.ID, err)
		}
		shown := strings.ToValidUTF8(string(answer), "\uFFFD")
		body.History[i+1].Request.Answer = &shown
	}
	return nil
}
