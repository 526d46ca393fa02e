package http

// Fold is this node's read side, one part for each resource. *projections.Fold is one.
type Fold interface {
	Keys
	Organizations
	EventTypes
	Clients
	Subscriptions
	Failures
	Messages
	Deliveries
	OwnDeliveries
	Facts
	Simulations
	Projections
	Past
	Webhooks
	Changes
	Explanations
	Judgements
}
