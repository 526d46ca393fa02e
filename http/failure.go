package http

import (
	"net/http"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/projections"
)

// Failures lists failed attempts.
type Failures interface {
	// Failures lists the failed attempts of a subscription, newest first. A cursor of another subscription or
	// organization is refused with BadCursor.
	Failures(org domain.OrganizationID, sub domain.SubscriptionID, limit int, cursor string) (page []projections.Failure, next string, err error)
}

// failureBody is one failed attempt.
type failureBody struct {
	ID           string                `json:"id"`
	Subscription domain.SubscriptionID `json:"subscription_id"`
	EventType    string                `json:"event_type"`
	Event        domain.MessageID      `json:"event_id"`
	Status       string                `json:"status"`
	Attempts     int                   `json:"attempts"`
	HTTPStatus   *int                  `json:"http_status"`
	Reason       string                `json:"reason"`
	CreatedAt    timestamp             `json:"created_at"`
}

func showFailure(f projections.Failure) failureBody {
	body := failureBody{ID: f.ID, Subscription: f.Subscription, EventType: f.EventType, Event: f.Message, Status: f.Status,
		Attempts: f.Attempt, Reason: f.Reason, CreatedAt: timestamp(f.At)}
	if f.HTTPStatus != 0 {
		body.HTTPStatus = &f.HTTPStatus
	}
	return body
}

// listFailures refuses in the order of the contract: an unknown subscription, a bad cursor, a bad limit.
func (x *exchange) listFailures() error {
	s, err := x.foundSubscription()
	if err != nil {
		return err
	}
	cursor, err := x.cursor()
	if err != nil {
		return err
	}
	limit, badLimit := x.limit()
	rows, next, err := x.Fold.Failures(s.Organization, s.ID, max(limit, 1), cursor)
	if err != nil {
		return err
	}
	if badLimit != nil {
		return badLimit
	}
	return x.reply(http.StatusOK, pageOf(rows, next, showFailure))
}
