package webhook

// Cause is a turn in the life of a subscription that its owner can be told of. Its text never changes.
type Cause string

const (
	// CauseFirstFailure: the first failed attempt since a success, or since the beginning.
	CauseFirstFailure Cause = "first_failure"
	// CauseWarning: failures have come one of Warnings' shares of the way to disabling.
	CauseWarning Cause = "warning"
	// CauseUnhealthy: as many failures in a row as UnhealthyAt says.
	CauseUnhealthy Cause = "unhealthy"
	// CauseRecovered: a success after a cause above that was told.
	CauseRecovered Cause = "recovered"
	// CauseDisabled: failures, or an answer that Disables, disabled the subscription; not its owner, nor an operator.
	CauseDisabled Cause = "disabled"
	// CauseDead: a delivery ended unsuccessfully.
	CauseDead Cause = "dead"
)

// Notice says who is told of a cause.
type Notice struct {
	Cause Cause
	// Mail: an e-mail goes to the subscription's own address (email; VNTANA's userEmail), if it has one.
	Mail bool
	// Type is one of OperationalTypes, sent to those subscriptions of the organization that name it; "" for none.
	Type string
}

// Names of OperationalTypes.
const (
	TypeSubscriptionFailing   = ownPrefix + "subscription.failing"
	TypeSubscriptionUnhealthy = ownPrefix + "subscription.unhealthy"
	TypeSubscriptionRecovered = ownPrefix + "subscription.recovered"
	TypeSubscriptionDisabled  = ownPrefix + "subscription.disabled"
	TypeDeliveryDead          = ownPrefix + "delivery.dead"
)

const operationalCategory = "Operations"

var operationalTypes = []EventType{
	{TypeSubscriptionFailing, operationalCategory, "Failures have come a share of the way to disabling a subscription.",
		`{` + exampleSubscription + `,"percent":75,"consecutive_failures":15,"failing_since":"2026-01-30T12:30:00.000000Z"}`},
	{TypeSubscriptionUnhealthy, operationalCategory, "A subscription fails again and again; it is still delivered to.",
		`{` + exampleSubscription + `,"consecutive_failures":5,"failing_since":"2026-01-30T12:30:00.000000Z"}`},
	{TypeSubscriptionRecovered, operationalCategory, "A subscription that failed takes deliveries again.",
		`{` + exampleSubscription + `,"recovered_at":"2026-01-30T14:30:00.000000Z"}`},
	{TypeSubscriptionDisabled, operationalCategory, "Failures disabled a subscription.",
		`{` + exampleSubscription + `,"consecutive_failures":20,"disabled_at":"2026-01-30T14:30:00.000000Z"}`},
	{TypeDeliveryDead, operationalCategory, "A delivery ended unsuccessfully.",
		`{` + exampleSubscription + `,"delivery_id":"del_018f3e2a-0000-7000-8000-000000000003",` +
			`"event_id":"evt_018f3e2a-0000-7000-8000-000000000002","event_type":"message.sent","attempts":6,` +
			`"reason":"http_500","ended_at":"2026-01-30T14:30:00.000000Z"}`},
}

const exampleSubscription = `"subscription_id":"wh_018f3e2a-0000-7000-8000-000000000001"`

// OperationalTypes returns the event types that the service itself publishes in every profile, about subscriptions and
// deliveries. "*" does not match them; only who names one gets it.
func OperationalTypes() []EventType { return append([]EventType(nil), operationalTypes...) }

// Rows of the profiles' notices. What the published contracts mail is set there by Mail; operational webhooks are alike
// in all.
var (
	firstFailureMailed = Notice{CauseFirstFailure, true, ""}
	warningTold        = Notice{CauseWarning, false, TypeSubscriptionFailing}
	unhealthyTold      = Notice{CauseUnhealthy, false, TypeSubscriptionUnhealthy}
	recoveredTold      = Notice{CauseRecovered, false, TypeSubscriptionRecovered}
	disabledTold       = Notice{CauseDisabled, false, TypeSubscriptionDisabled}
	disabledMailed     = Notice{CauseDisabled, true, TypeSubscriptionDisabled}
	deadTold           = Notice{CauseDead, false, TypeDeliveryDead}
	deadMailed         = Notice{CauseDead, true, TypeDeliveryDead}
)

// warnings are the shares, in per cent, of the way to disabling.
var warnings = []int{50, 75, 90}
