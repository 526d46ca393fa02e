package http

import (
	"context"
	"net/http"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/projections"
)

// Webhooks finds how subscriptions stand and stood.
type Webhooks interface {
	// SubscriptionState finds a subscription of an organization that is not deleted, with its latest deliveries.
	SubscriptionState(org domain.OrganizationID, id domain.SubscriptionID, recent int) (projections.SubscriptionState, error)
	// SubscriptionStateAt is SubscriptionState as of a moment that this node has reached.
	SubscriptionStateAt(ctx context.Context, org domain.OrganizationID, id domain.SubscriptionID, m projections.Moment, recent int) (projections.SubscriptionState, error)
}

// recentDeliveries is how many of them are shown with a subscription.
const recentDeliveries = 20

// managedBody is a subscription as the management API shows it. Secrets and headers are never there.
type managedBody struct {
	ID                  domain.SubscriptionID `json:"id"`
	Organization        domain.OrganizationID `json:"organization_id"`
	Revision            uint64                `json:"revision"`
	URL                 string                `json:"url"`
	Events              []string              `json:"events"`
	Clients             []string              `json:"clients,omitempty"`
	Name                string                `json:"name,omitempty"`
	Description         string                `json:"description,omitempty"`
	Email               string                `json:"email,omitempty"`
	RetrySchedule       []domain.Duration     `json:"retry_schedule,omitempty"`
	Timeout             domain.Duration       `json:"timeout,omitzero"`
	Status              string                `json:"status"`
	DisabledBy          domain.DisabledBy     `json:"disabled_by,omitempty"`
	DisabledAt          *timestamp            `json:"disabled_at,omitempty"`
	ConsecutiveFailures int                   `json:"consecutive_failures"`
	FailingSince        *timestamp            `json:"failing_since,omitempty"`
	CreatedAt           timestamp             `json:"created_at"`
	Recent              []recentBody          `json:"recent_deliveries"`
}

// recentBody is a delivery beside its subscription: what came of its last attempt, or when it was published.
type recentBody struct {
	ID             domain.DeliveryID `json:"id"`
	Event          domain.MessageID  `json:"event_id"`
	EventType      string            `json:"event_type"`
	Status         string            `json:"status"`
	ResponseCode   *int              `json:"response_code"`
	ResponseTimeMS *int64            `json:"response_time_ms"`
	Timestamp      timestamp         `json:"timestamp"`
}

func showManaged(s projections.SubscriptionState) managedBody {
	body := managedBody{ID: s.ID, Organization: s.Organization, Revision: s.Revision, URL: s.URL, Events: s.Events, Clients: s.Clients,
		Name: s.Name, Description: s.Description, Email: s.Email, RetrySchedule: s.RetrySchedule, Timeout: s.Timeout,
		Status: webhookStatus(s), ConsecutiveFailures: s.Consecutive, FailingSince: when(s.FailingSince), CreatedAt: timestamp(s.CreatedAt),
		Recent: make([]recentBody, len(s.Recent))}
	if body.Events == nil {
		body.Events = []string{}
	}
	if s.Disabled != nil {
		body.DisabledBy, body.DisabledAt = s.Disabled.By, when(s.Disabled.At)
	}
	for i, d := range s.Recent {
		body.Recent[i] = showRecent(d)
	}
	return body
}

// webhookStatus is the contract's word for the state of a subscription.
func webhookStatus(s projections.SubscriptionState) string {
	switch {
	case s.Disabled != nil:
		return "disabled"
	case s.Unhealthy:
		return "unhealthy"
	}
	return "active"
}

func showRecent(d projections.DeliveryRow) recentBody {
	body := recentBody{ID: d.ID, Event: d.Of.Message, EventType: d.Of.EventType, Status: statuses[d.State], Timestamp: timestamp(d.Of.PublishedAt)}
	if d.Open() && d.RoundAttempts > 0 {
		body.Status = "failed" // and waits to be tried again
	}
	if d.Last == (projections.Attempt{}) {
		return body
	}
	body.Timestamp = timestamp(d.Last.At)
	took := d.Last.Took.Round(time.Millisecond).Milliseconds()
	body.ResponseTimeMS = &took
	if d.Last.Status != 0 {
		body.ResponseCode = &d.Last.Status
	}
	return body
}

// showSubscription tells how a subscription stands, or stood at the moment that the query names.
func (x *exchange) showSubscription() error {
	o, id, err := x.ownSubscription()
	if err != nil {
		return err
	}
	m, past, err := x.moment()
	if err != nil {
		return err
	}
	var s projections.SubscriptionState
	if past {
		s, err = x.Fold.SubscriptionStateAt(x.context(), o.ID, id, m, recentDeliveries)
	} else {
		s, err = x.Fold.SubscriptionState(o.ID, id, recentDeliveries)
	}
	if err != nil {
		return err
	}
	return x.reply(http.StatusOK, showManaged(s))
}
