package http

import (
	"context"
	"net/http"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/projections"
)

// Explanations tells why subscriptions stand as they do.
type Explanations interface {
	// Here is the moment that this node has reached.
	Here() projections.Moment
	// ExplainSubscription tells why a subscription stood as it did at a moment that this node has reached.
	ExplainSubscription(ctx context.Context, org domain.OrganizationID, id domain.SubscriptionID, m projections.Moment, limit int, cursor string) (projections.SubscriptionExplanation, error)
}

// reasonsBody is why a subscription stands as it does.
type reasonsBody struct {
	ID                  domain.SubscriptionID `json:"id"`
	Status              string                `json:"status"`
	Profile             string                `json:"profile"`
	Rule                ruleBody              `json:"disables"`
	ConsecutiveFailures int                   `json:"consecutive_failures"`
	FailingSince        *timestamp            `json:"failing_since"`
	// Since is the fact from which on failures count.
	Since causeBody `json:"counting_since"`
	// Limit is the failed attempt that reached the limit, until the subscription is disabled.
	Limit    *limitBody     `json:"limit_reached,omitempty"`
	Disabled *disablingBody `json:"disabled"`
	// Failures are those that were counted, oldest first.
	Failures []countedBody `json:"failures"`
	Total    int           `json:"failures_total"`
	Next     *string       `json:"next_cursor"`
}

// ruleBody is what disables a subscription under its profile, beside answers that do at once.
type ruleBody struct {
	ConsecutiveFailures int             `json:"consecutive_failures,omitempty"`
	FailingFor          domain.Duration `json:"failing_for,omitzero"`
}

// causeBody names a fact that led to something.
type causeBody struct {
	Position string    `json:"position"`
	ID       string    `json:"fact_id"`
	Type     string    `json:"type"`
	At       timestamp `json:"at"`
	Actor    string    `json:"actor,omitempty"`
}

type limitBody struct {
	ID  string    `json:"fact_id"`
	At  timestamp `json:"at"`
	Why string    `json:"why"`
}

// disablingBody is the fact that disabled a subscription.
type disablingBody struct {
	causeBody
	By     domain.DisabledBy `json:"by"`
	Reason string            `json:"reason,omitempty"`
	Cause  string            `json:"caused_by,omitempty"`
}

// countedBody is a failed attempt that was counted.
type countedBody struct {
	Position   string            `json:"position"`
	ID         string            `json:"fact_id"`
	At         timestamp         `json:"at"`
	Delivery   domain.DeliveryID `json:"delivery_id"`
	Event      domain.MessageID  `json:"event_id"`
	EventType  string            `json:"event_type"`
	Attempt    int               `json:"attempt"`
	HTTPStatus *int              `json:"http_status"`
	Reason     string            `json:"reason"`
}

func showCause(r projections.RecordedFact) causeBody {
	return causeBody{Position: r.Position.String(), ID: r.ID.String(), Type: r.FactType(), At: timestamp(r.Meta.At), Actor: r.Meta.Actor}
}

func showCounted(r projections.RecordedFact) countedBody {
	body := countedBody{Position: r.Position.String(), ID: r.ID.String(), At: timestamp(r.Meta.At)}
	if f, ok := r.Fact.(*domain.AttemptFailed); ok {
		body.Delivery, body.Event, body.EventType, body.Attempt, body.Reason = f.DeliveryOf.ID(), f.Message, f.EventType, f.Number, f.Reason
		if f.Status != 0 {
			body.HTTPStatus = &f.Status
		}
	}
	return body
}

func showReasons(e projections.SubscriptionExplanation) reasonsBody {
	body := reasonsBody{ID: e.ID, Status: showManagedWebhook(e.Subscription, e.Health, e.Unhealthy).Status,
		Profile: e.Profile, Rule: ruleBody{e.DisableAfter, domain.Duration(e.FailingFor)},
		ConsecutiveFailures: e.Consecutive, FailingSince: when(e.FailingSince), Total: e.Total}
	if e.Since.Fact != nil {
		body.Since = showCause(e.Since)
	}
	if e.Limit != nil {
		body.Limit = &limitBody{e.Limit.Fact, timestamp(e.Limit.At), e.Limit.Why}
	}
	if e.Disabled != nil {
		body.Disabled = &disablingBody{causeBody: showCause(*e.Disabled)}
		if f, ok := e.Disabled.Fact.(*domain.SubscriptionDisabled); ok {
			body.Disabled.By, body.Disabled.Reason, body.Disabled.Cause = f.By, f.Why, f.Cause
		}
	}
	failures := pageOf(e.Counted, e.Next, showCounted)
	body.Failures, body.Next = failures.Items, failures.Next
	return body
}

// explainSubscription tells the facts that led to where a subscription stands, or stood at the moment that the query
// names.
func (x *exchange) explainSubscription() error {
	o, id, err := x.ownSubscription()
	if err != nil {
		return err
	}
	limit, cursor, err := x.page()
	if err != nil {
		return err
	}
	m, past, err := x.moment()
	if err != nil {
		return err
	}
	if !past {
		m = x.Fold.Here()
	}
	e, err := x.Fold.ExplainSubscription(x.context(), o.ID, id, m, limit, cursor)
	if err != nil {
		return err
	}
	return x.reply(http.StatusOK, showReasons(e))
}
