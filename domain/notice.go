package domain

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/hooklog/hooklog/webhook"
)

// NoticeDecided decides that somebody is told of a turn. It is the first fact of a stream that is named by the cause,
// so that it is decided once.
type NoticeDecided struct {
	Turn
	// DueAt is the time from which it may be told; zero is at once.
	DueAt time.Time `json:"due_at,omitzero"`
}

// NoticeSent records that a turn was told on one way.
type NoticeSent struct {
	NoticeOf
	Way Way `json:"way"`
	// Message is the operational message that tells of it.
	Message MessageID `json:"message,omitzero"`
	// Summary is the notice that tells of it together with others, because the bound of mails was reached. Told is
	// what it says there.
	Summary NoticeID `json:"summary,omitzero"`
	Told    *Turn    `json:"told,omitempty"`
}

// NoticeFailed records that a turn could not be told on one way.
type NoticeFailed struct {
	NoticeOf
	Way Way `json:"way"`
	// Attempt is counted from 1.
	Attempt int `json:"attempt"`
	// Reason is one of the Reason constants of notices, or smtp_<code>.
	Reason string `json:"reason"`
	// NextAttemptAt is zero if it was given up.
	NextAttemptAt time.Time `json:"next_attempt_at,omitzero"`
}

// NoticeDue hands a notice out to be told.
type NoticeDue struct {
	NoticeOf
	// Attempt is the one that is asked for.
	Attempt int `json:"attempt"`
}

// FactType names the fact in the log.
func (*NoticeDecided) FactType() string { return "hooklog.NoticeDecided.v1" }

// FactType names the fact in the log.
func (*NoticeSent) FactType() string { return "hooklog.NoticeSent.v1" }

// FactType names the fact in the log.
func (*NoticeFailed) FactType() string { return "hooklog.NoticeFailed.v1" }

// FactType names the fact in the log.
func (*NoticeDue) FactType() string { return "hooklog.NoticeDue.v1" }

// NoticeOf repeats, in facts that follow the first, what a reader needs of it.
type NoticeOf struct {
	Organization OrganizationID `json:"organization"`
	Subscription SubscriptionID `json:"subscription,omitzero"`
}

// Way is how a notice is told.
type Way string

// The ways.
const (
	ByMail    Way = "mail"
	ByWebhook Way = "webhook"
)

// Reasons for which a notice was not told.
const (
	// ReasonUnconfirmed: nobody has confirmed the address yet.
	ReasonUnconfirmed = "address_unconfirmed"
	// ReasonNoMail: no mail server is configured.
	ReasonNoMail = "no_mail_server"
	// ReasonUnreachable: the mail server cannot be reached, or the connection to it was lost.
	ReasonUnreachable = "mail_server_unreachable"
	// ReasonNeedless: the address is confirmed, or was asked not long ago.
	ReasonNeedless = "needless"
	// ReasonBound: the organization was mailed as much as it may be within an hour.
	ReasonBound = "too_many_mails"
	// ReasonRefused: what was to be sent was refused for good, before any server was asked.
	ReasonRefused = "refused"
)

// noticeSchedule are the waits between the attempts to tell: two days of a mail server's outage are survived.
var noticeSchedule = []time.Duration{30 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 2 * time.Hour,
	4 * time.Hour, 8 * time.Hour, 12 * time.Hour, 24 * time.Hour}

// Notice is somebody's being told of a turn.
type Notice struct {
	ID NoticeID `json:"id"`
	Turn
	DecidedAt time.Time `json:"decided_at"`
	// Due is the time from which the next attempt may start.
	Due time.Time `json:"due"`
	// MailOpen and WebhookOpen say which ways are still to be gone.
	MailOpen    bool `json:"mail_open,omitempty"`
	WebhookOpen bool `json:"webhook_open,omitempty"`
	// Attempts counts those that failed.
	Attempts int `json:"attempts,omitempty"`
	// Offered is the number of the attempt for which NoticeDue was last recorded, at OfferedAt.
	Offered   int       `json:"offered,omitempty"`
	OfferedAt time.Time `json:"offered_at,omitzero"`
	// Revision is that of the last fact folded.
	Revision uint64 `json:"revision"`
}

// Exists reports whether the notice was decided.
func (n Notice) Exists() bool { return n.Cause != "" }

// Open reports whether something is still to be told.
func (n Notice) Open() bool { return n.MailOpen || n.WebhookOpen }

// Of returns what the facts that follow repeat.
func (n Notice) Of() NoticeOf { return NoticeOf{n.Organization, n.Subscription} }

// Apply folds one fact of the notice's stream, at its revision there.
func (n Notice) Apply(f Fact, m Meta, revision uint64) Notice {
	switch f := f.(type) {
	case *NoticeDecided:
		n.Turn, n.DecidedAt, n.Due = f.Turn, m.At, m.At
		if !f.DueAt.IsZero() {
			n.Due = f.DueAt
		}
		n.MailOpen, n.WebhookOpen = f.Mailed(), f.Type != ""
	case *NoticeSent:
		n = n.end(f.Way)
	case *NoticeFailed:
		n.Attempts = f.Attempt
		if f.NextAttemptAt.IsZero() {
			n = n.end(f.Way)
		} else {
			n.Due = f.NextAttemptAt
		}
	case *NoticeDue:
		n.Offered, n.OfferedAt = f.Attempt, m.At
	}
	n.Revision = revision
	return n
}

func (n Notice) end(w Way) Notice {
	switch w {
	case ByMail:
		n.MailOpen = false
	case ByWebhook:
		n.WebhookOpen = false
	}
	return n
}

// open reports whether the notice is still to be told on a way.
func (n Notice) open(w Way) bool {
	return w == ByMail && n.MailOpen || w == ByWebhook && n.WebhookOpen
}

// Eligible is the time from which the clock may hand the notice out: when it is due, or, where a fact handed it to
// somebody already, when that one was given time enough.
func (n Notice) Eligible() time.Time {
	switch {
	case n.Offered == n.Attempts+1:
		return n.OfferedAt.Add(OfferGrace)
	case n.Attempts == 0 && n.Due.Equal(n.DecidedAt):
		return n.Due.Add(OfferGrace)
	}
	return n.Due
}

// DecideSent records that the notice was told on a way; nil if that is recorded or given up already.
func (n Notice) DecideSent(w Way, message MessageID, summary NoticeID) Fact {
	if !n.open(w) {
		return nil
	}
	f := &NoticeSent{NoticeOf: n.Of(), Way: w, Message: message, Summary: summary}
	if !summary.IsZero() {
		told := n.Turn
		f.Told = &told
	}
	return f
}

// DecideFailed records that the notice could not be told on a way, and when it is tried again; nil if it was told or
// given up already. Where permanent says so, or when the schedule is used up, it is given up.
func (n Notice) DecideFailed(w Way, reason string, permanent bool, now time.Time) Fact {
	if !n.open(w) {
		return nil
	}
	f := &NoticeFailed{NoticeOf: n.Of(), Way: w, Attempt: n.Attempts + 1, Reason: reason}
	if !permanent && n.Attempts < len(noticeSchedule) {
		f.NextAttemptAt = Time(now.Add(noticeSchedule[n.Attempts]))
	}
	return f
}

// DecideOffer hands the notice out; nil if it is not its time.
func (n Notice) DecideOffer(now time.Time) Fact {
	if !n.Open() || n.Eligible().After(now) {
		return nil
	}
	return &NoticeDue{NoticeOf: n.Of(), Attempt: n.Attempts + 1}
}

// Data is what an operational message says of the turn, as its type's example shows.
func (t Turn) Data() ([]byte, error) {
	type member struct {
		name  string
		value any
	}
	members := []member{{"subscription_id", t.Subscription}}
	switch t.Type {
	case webhook.TypeSubscriptionFailing:
		members = append(members, member{"percent", t.Percent}, member{"consecutive_failures", t.Failures}, member{"failing_since", t.FailingSince})
	case webhook.TypeSubscriptionUnhealthy:
		members = append(members, member{"consecutive_failures", t.Failures}, member{"failing_since", t.FailingSince})
	case webhook.TypeSubscriptionRecovered:
		members = append(members, member{"recovered_at", t.At})
	case webhook.TypeSubscriptionDisabled:
		members = append(members, member{"consecutive_failures", t.Failures}, member{"disabled_at", t.At})
	case webhook.TypeDeliveryDead:
		if d := t.Dead; d != nil {
			members = append(members, member{"delivery_id", d.Delivery}, member{"event_id", d.Message}, member{"event_type", d.EventType},
				member{"attempts", d.Attempts}, member{"reason", d.Reason}, member{"ended_at", t.At})
		}
	}
	b := []byte{'{'}
	for i, m := range members {
		if at, ok := m.value.(time.Time); ok {
			m.value = at.UTC().Format("2006-01-02T15:04:05.000000Z")
		}
		text, err := json.Marshal(m.value)
		if err != nil {
			return nil, fmt.Errorf("spell %s: %w", m.name, err)
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(append(append(b, '"'), m.name...), `":`...), text...)
	}
	return append(b, '}'), nil
}

// Bounds of a summary.
const (
	MaxSummaryLines      = 50
	MaxSummaryRecipients = 50
)

// Summary is what was not mailed one by one in an hour.
type Summary struct {
	// Count counts all of it; Turns are the first MaxSummaryLines.
	Count int    `json:"count"`
	Turns []Turn `json:"turns"`
	// To are the first MaxSummaryRecipients addresses, in order of appearance.
	To []string `json:"to"`
}

// Add folds one more turn.
func (s Summary) Add(t Turn) Summary {
	s.Count++
	if len(s.Turns) < MaxSummaryLines {
		s.Turns = append(slices.Clip(s.Turns), t)
	}
	if len(s.To) < MaxSummaryRecipients && t.To != "" && !slices.Contains(s.To, t.To) {
		s.To = append(slices.Clip(s.To), t.To)
	}
	return s
}
