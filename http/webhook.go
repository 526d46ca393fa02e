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
	SubscriptionState(ctx context.Context, org domain.OrganizationID, id domain.SubscriptionID, recent int) (projections.SubscriptionState, error)
	// SubscriptionStateAt is SubscriptionState as of a moment that this node has reached.
	SubscriptionStateAt(ctx context.Context, org domain.OrganizationID, id domain.SubscriptionID, m projections.Moment, recent int) (projections.SubscriptionState, error)
}

// recentDeliveries is how many of them are shown with a subscription.
const recentDeliveries = 20

// managedBody is a subscription as the management API shows it alone: with its latest deliveries.
type managedBody struct {
	managedWebhook
	Recent []recentBody `json:"recent_deliveries"`
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
	body := managedBody{showManagedWebhook(s.Subscription, s.Health, s.Unhealthy), make([]recentBody, len(s.Recent))}
	for i, d := range s.Recent {
		body.Recent[i] = showRecent(d)
	}
	return body
}

func showRecent(d projections.DeliveryRow) recentBody {
	body := recentBody{ID: d.ID, Event: d.Of.Message, EventType: d.Of.EventType, Status: statusOf(d), Timestamp: timestamp(d.Of.PublishedAt)}
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

// statusOf is the contract's word for how a delivery stands in a list.
func statusOf(d projections.DeliveryRow) string {
	if d.Open() && d.RoundAttempts > 0 {
		return "failed" // and waits to be tried again
	}
	return statuses[d.State]
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
		s, err = x.Fold.SubscriptionState(x.context(), o.ID, id, recentDeliveries)
	}
	if err != nil {
		return err
	}
	return x.reply(http.StatusOK, showManaged(s))
}
