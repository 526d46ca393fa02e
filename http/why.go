package http

import (
	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/projections"
)

// whyBody is why an attempt was made as it was, and why what followed from it did.
type whyBody struct {
	Profile string `json:"profile"`
	// Schedule is the one that held, and where it was from.
	Schedule     []domain.Duration `json:"schedule"`
	ScheduleFrom domain.Source     `json:"schedule_from"`
	Timeout      domain.Duration   `json:"timeout"`
	TimeoutFrom  domain.Source     `json:"timeout_from"`
	// SubscriptionRevision is that of the settings used, OrganizationRevision that of its organization's.
	SubscriptionRevision uint64 `json:"subscription_revision"`
	OrganizationRevision uint64 `json:"organization_revision"`
	// Place counts the failed attempts of the round: the delay of that place in the schedule is the one that follows.
	Place int `json:"place,omitempty"`
	// Wait is what the delay came to; RetryAfterGranted is there if it was the receiver's wish.
	Wait              domain.Duration `json:"wait,omitzero"`
	RetryAfterGranted domain.Duration `json:"retry_after_granted,omitzero"`
}

// endBody is why a round of a delivery ended, and the fact that ended it.
type endBody struct {
	Round int           `json:"round"`
	Why   domain.Ending `json:"why"`
	By    causeBody     `json:"by"`
	// DisabledBy and Reason are those of the fact, if it disabled the webhook.
	DisabledBy domain.DisabledBy `json:"disabled_by,omitempty"`
	Reason     string            `json:"reason,omitempty"`
}

func showWhy(e projections.AttemptExplanation) *whyBody {
	body := &whyBody{Profile: e.Profile, Schedule: make([]domain.Duration, len(e.Schedule)), ScheduleFrom: e.From.Schedule,
		Timeout: domain.Duration(e.Timeout), TimeoutFrom: e.From.Timeout, SubscriptionRevision: e.SubscriptionRevision,
		OrganizationRevision: e.OrganizationRevision, Place: e.Failed, Wait: domain.Duration(e.Wait), RetryAfterGranted: domain.Duration(e.Granted)}
	for i, d := range e.Schedule {
		body.Schedule[i] = domain.Duration(d)
	}
	return body
}

func showEnd(e projections.RoundEnd) endBody {
	body := endBody{Round: e.Round, Why: e.Why, By: showCause(e.By)}
	switch f := e.By.Fact.(type) {
	case *domain.SubscriptionDisabled:
		body.DisabledBy, body.Reason = f.By, f.Why
	case *domain.AttemptFailed:
		body.Reason = f.Reason
	}
	return body
}
