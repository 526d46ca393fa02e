package domain

import (
	"strings"
	"time"

	"github.com/hooklog/hooklog/webhook"
)

// Causes of notices that no profile lists: they are about mail itself.
const (
	// CauseAddress: a subscription was given an address that has to be confirmed before notices are mailed to it.
	CauseAddress webhook.Cause = "address"
	// CauseSummary: notices of an hour went beyond the bound of mails and are told together.
	CauseSummary webhook.Cause = "summary"
)

// Turn is a turn in the life of a subscription that somebody is to be told of, as it was at its place in the log.
type Turn struct {
	Cause        webhook.Cause  `json:"cause"`
	Organization OrganizationID `json:"organization"`
	Subscription SubscriptionID `json:"subscription,omitzero"`
	// Fact is the id of the fact that was the turn, recorded at At. A summary has its hour instead, as HourOf writes it.
	Fact string    `json:"fact"`
	At   time.Time `json:"turned_at"`
	// To is the address to which it is mailed; empty if it is not.
	To string `json:"to,omitempty"`
	// Type is the operational type as which it is published; empty if it is not.
	Type string `json:"type,omitempty"`
	// Percent is the share of the way to disabling that a warning warns of.
	Percent int `json:"percent,omitempty"`
	// Failures counts the consecutive failures there were, FailingSince is the time of the first of them.
	Failures     int       `json:"failures,omitempty"`
	FailingSince time.Time `json:"failing_since,omitzero"`
	// Dead is the delivery that died.
	Dead *DeadDelivery `json:"dead,omitempty"`
}

// DeadDelivery is what a notice says of a delivery that died.
type DeadDelivery struct {
	Delivery  DeliveryID `json:"delivery"`
	Message   MessageID  `json:"message"`
	EventType string     `json:"event_type"`
	Attempts  int        `json:"attempts"`
	Reason    string     `json:"reason"`
}

// Notice is the id of the notice that tells of the turn: the same for whoever computes it.
func (t Turn) Notice() NoticeID { return DeriveNoticeID(t.Cause, t.Organization, t.Fact) }

// Mailed reports whether a mail tells of the turn.
func (t Turn) Mailed() bool { return t.To != "" || t.Cause == CauseSummary }

// Operational reports whether a type is one of those that the service itself publishes. A delivery of one never
// causes a notice.
func Operational(eventType string) bool { return strings.HasPrefix(eventType, OperationalPrefix) }

// Told is what was noticed of a subscription since its last success, or since it was enabled, so that nothing is
// noticed twice. Its zero value is nothing. It is folded in log order from the facts that Health is folded from;
// attempts that do not count for Health do not count here.
type Told struct {
	// Failing says that a delivery of another type than the operational ones failed.
	Failing bool `json:"failing,omitempty"`
	// First, Percent and Unhealthy say which of the profile's causes there were: Percent is the highest warning.
	First     bool `json:"first,omitempty"`
	Percent   int  `json:"percent,omitempty"`
	Unhealthy bool `json:"unhealthy,omitempty"`
}

// Sign is a cause of the profile's notices that a fact has brought about.
type Sign struct {
	webhook.Notice
	Percent int
}

// Failed folds a failed attempt after which the subscription's health is h.
func (t Told) Failed(eventType string, h Health, p Policy, at time.Time) (Told, []Sign) {
	if Operational(eventType) {
		return t, nil
	}
	t.Failing = true
	var signs []Sign
	for _, n := range p.Profile.Notices() {
		switch n.Cause {
		case webhook.CauseFirstFailure:
			if !t.First {
				t.First, signs = true, append(signs, Sign{Notice: n})
			}
		case webhook.CauseWarning:
			if percent := p.warning(h, at); percent > t.Percent {
				t.Percent, signs = percent, append(signs, Sign{n, percent})
			}
		case webhook.CauseUnhealthy:
			if !t.Unhealthy && h.Unhealthy(p) {
				t.Unhealthy, signs = true, append(signs, Sign{Notice: n})
			}
		}
	}
	return t, signs
}

// Succeeded folds a success. A success of an operational type says nothing: the next other one does.
func (t Told) Succeeded(eventType string, p Policy) (Told, []Sign) {
	if Operational(eventType) {
		return t, nil
	}
	if !t.First && t.Percent == 0 && !t.Unhealthy {
		return Told{}, nil
	}
	return Told{}, p.signsOf(webhook.CauseRecovered)
}

// Lifecycle folds a fact of the subscription's own stream. That failures disabled it is a sign unless all of them were
// of operational types.
func (t Told) Lifecycle(f Fact, p Policy) (Told, []Sign) {
	switch f := f.(type) {
	case *SubscriptionCreated, *SubscriptionEnabled:
		return Told{}, nil
	case *SubscriptionDisabled:
		if f.By == ByFailures && t.Failing {
			return Told{}, p.signsOf(webhook.CauseDisabled)
		}
		return Told{}, nil
	}
	return t, nil
}

// Died returns the signs of a delivery's death.
func Died(eventType string, p Policy) []Sign {
	if Operational(eventType) {
		return nil
	}
	return p.signsOf(webhook.CauseDead)
}

func (p Policy) signsOf(c webhook.Cause) []Sign {
	for _, n := range p.Profile.Notices() {
		if n.Cause == c {
			return []Sign{{Notice: n}}
		}
	}
	return nil
}

// warning is the highest of the profile's warnings that failures have reached; 0 for none, and where the limit itself
// is reached: then disabling follows.
func (p Policy) warning(h Health, at time.Time) (reached int) {
	if h.Limit != nil {
		return 0
	}
	rule := p.disableRule()
	for _, percent := range p.Profile.Warnings() {
		byCount := rule.ConsecutiveFailures > 0 && h.Consecutive*100 >= percent*rule.ConsecutiveFailures
		byTime := rule.FailingFor > 0 && at.Sub(h.FailingSince) >= rule.FailingFor/100*time.Duration(percent)
		if byCount || byTime {
			reached = percent
		}
	}
	return reached
}
