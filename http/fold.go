package http

import (
	"context"
	"encoding/json"
	"time"

	"github.com/hooklog/hooklog/domain"
)

// Fold is this node's read side, one part for each resource.
type Fold interface {
	Keys
	Organizations
	EventTypes
	Subscriptions
	Failures
	Messages
	Deliveries
}

type SubscriptionRow struct {
	domain.Subscription
	domain.Health
}

type Failure struct {
	ID           string
	Subscription domain.SubscriptionID
	EventType    string
	Message      domain.MessageID
	Status       string
	Attempt      int
	HTTPStatus   int
	Reason       string
	At           time.Time
}

type Explanation struct{ json.RawMessage }
type History struct {
	Of domain.DeliveryOf
}

var _ context.Context
