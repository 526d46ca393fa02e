package http

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/projections"
	"github.com/hooklog/hooklog/webhook"
)

// listedDelivery is a delivery in the list of a subscription, with its attempts from the first on.
type listedDelivery struct {
	recentBody
	PublishedAt   timestamp       `json:"published_at"`
	Round         int             `json:"round"`
	NextAttemptAt *timestamp      `json:"next_attempt_at"`
	CancelledBy   string          `json:"cancelled_by,omitempty"`
	CancelledAt   *timestamp      `json:"cancelled_at,omitempty"`
	Attempts      []listedAttempt `json:"attempts"`
}

// listedAttempt is one HTTP request. Answer is the beginning of the receiver's answer to a failed one.
type listedAttempt struct {
	Attempt        int       `json:"attempt"`
	Round          int       `json:"round"`
	Timestamp      timestamp `json:"timestamp"`
	ResponseCode   *int      `json:"response_code"`
	ResponseTimeMS int64     `json:"response_time_ms"`
	Status         string    `json:"status"`
	Reason         string    `json:"reason,omitempty"`
	Answer         *string   `json:"answer,omitempty"`
	RemoteAddress  string    `json:"remote_address,omitempty"`
}

// listDeliveries lists a subscription's deliveries with what was recorded of each.
func (x *exchange) listDeliveries() error {
	s, err := x.foundSubscription()
	if err != nil {
		return err
	}
	cursor, err := x.cursor()
	if err != nil {
		return err
	}
	limit, badLimit := x.limit()
	filter, badFilter := x.deliveryFilter()
	if err := joined(badLimit, badFilter); err != nil {
		return err
	}
	rows, next, err := x.Fold.DeliveriesWhere(s.ID, filter, limit, cursor)
	if err != nil {
		return err
	}
	items := make([]listedDelivery, len(rows))
	for i, row := range rows {
		if items[i], err = x.showListedDelivery(row); err != nil {
			return err
		}
	}
	return x.reply(http.StatusOK, pageOf(items, next, func(d listedDelivery) listedDelivery { return d }))
}

// joined is one refusal that names the members of all; nil if there is none.
func joined(refusals ...error) error {
	var fields []domain.FieldError
	for _, err := range refusals {
		if e, ok := err.(*domain.Error); ok && e != nil {
			fields = append(fields, e.Fields...)
		} else if err != nil {
			return err
		}
	}
	return domain.RefuseFields(fields...)
}

// deliveryStatuses are those that a list can be limited to.
var deliveryStatuses = []string{"pending", "failed", "success", "dead_letter", "cancelled"}

// deliveryFilter reads what the query limits a list of deliveries to.
func (x *exchange) deliveryFilter() (f projections.DeliveryFilter, err error) {
	var bad []domain.FieldError
	if status, given := x.query("status", &bad); given {
		if !slices.Contains(deliveryStatuses, status) {
			bad = append(bad, domain.FieldError{Field: "status", Message: "must be one of " + strings.Join(deliveryStatuses, ", ")})
		}
		f.Keep = func(r projections.DeliveryRow) bool { return statusOf(r) == status }
	}
	if name, given := x.query("event_type", &bad); given {
		if err := webhook.CheckTypeName(name); err != nil {
			bad = append(bad, domain.FieldError{Field: "event_type", Message: err.Error()})
		}
		f.EventType = name
	}
	f.From, f.To = x.queryTime("from", &bad), x.queryTime("to", &bad)
	return f, domain.RefuseFields(bad...)
}

// query returns a parameter that may be given once.
func (x *exchange) query(name string, bad *[]domain.FieldError) (value string, given bool) {
	values, given := x.r.URL.Query()[name]
	if len(values) > 1 {
		*bad = append(*bad, domain.FieldError{Field: name, Message: "was given more than once"})
	}
	return strings.Join(values, ""), given
}

func (x *exchange) queryTime(name string, bad *[]domain.FieldError) time.Time {
	text, given := x.query(name, bad)
	if !given {
		return time.Time{}
	}
	t, ok := checkedTime(text)
	if !ok {
		*bad = append(*bad, domain.FieldError{Field: name, Message: "must be a time such as 2026-01-30T14:30:00Z"})
	}
	return t
}

func (x *exchange) showListedDelivery(row projections.DeliveryRow) (listedDelivery, error) {
	body := listedDelivery{recentBody: showRecent(row), PublishedAt: timestamp(row.Of.PublishedAt), Round: row.Round,
		CancelledBy: row.CancelledBy, CancelledAt: when(row.CancelledAt), Attempts: []listedAttempt{}}
	if row.Open() {
		body.NextAttemptAt = when(row.Due)
	}
	if row.Attempts == 0 {
		return body, nil
	}
	facts, err := x.Fold.DeliveryFacts(x.context(), row.ID)
	if err != nil {
		return body, err
	}
	for _, f := range facts {
		switch f := f.Fact.(type) {
		case *domain.AttemptSucceeded:
			body.Attempts = append(body.Attempts, x.showAttempt(&f.Attempt, "success"))
		case *domain.AttemptFailed:
			a := x.showAttempt(&f.Attempt, "failed")
			a.Reason = f.Reason
			if a.Answer, err = x.openAnswer(row, f); err != nil {
				return body, err
			}
			body.Attempts = append(body.Attempts, a)
		}
	}
	return body, nil
}

// showAttempt shows what both outcomes record. Where a request went is for those who look after the installation.
func (x *exchange) showAttempt(a *domain.Attempt, status string) listedAttempt {
	shown := listedAttempt{Attempt: a.Number, Round: a.Round, Timestamp: timestamp(a.StartedAt), Status: status,
		ResponseTimeMS: (time.Duration(a.TookMicros) * time.Microsecond).Round(time.Millisecond).Milliseconds()}
	if a.Status != 0 {
		shown.ResponseCode = &a.Status
	}
	if x.key.Has(domain.ScopeOperator) || x.key.Has(domain.ScopeAudit) {
		shown.RemoteAddress = a.Address
	}
	return shown
}

// openAnswer opens what a receiver answered to a failed attempt, for its owner and for who may read payloads.
func (x *exchange) openAnswer(row projections.DeliveryRow, f *domain.AttemptFailed) (*string, error) {
	if len(f.Answer) == 0 || !x.key.Has(domain.ScopeWebhooks) && !x.key.Has(domain.ScopePayloads) {
		return nil, nil
	}
	key, err := x.Commands.DataKey(x.context(), row.Of.Organization)
	if err != nil {
		return nil, err
	}
	answer, err := key.Open(f.Answer, []byte(row.ID.String()))
	if err != nil {
		return nil, fmt.Errorf("open an answer to %s: %w", row.ID, err)
	}
	shown := strings.ToValidUTF8(string(answer), "\uFFFD")
	return &shown, nil
}
