package http

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/projections"
)

// Judgements tells which of the last messages a subscription would get.
type Judgements interface {
	// JudgeRecent asks of the last n messages of the subscription's organization, the newest first.
	JudgeRecent(ctx context.Context, s domain.Subscription, n int) ([]projections.Judgement, error)
}

// maxJudged is the most messages that a filter is tried on at once.
const maxJudged = 1000

// judgedBody is what a filter says of the last messages.
type judgedBody struct {
	Matching int             `json:"matching"`
	Total    int             `json:"total"`
	Events   []judgementBody `json:"events"`
}

// judgementBody is what it says of one. Why is there if the webhook would not get it.
type judgementBody struct {
	Event       domain.MessageID   `json:"event_id"`
	Type        string             `json:"type"`
	Client      string             `json:"client,omitempty"`
	PublishedAt timestamp          `json:"published_at"`
	Matches     bool               `json:"matches"`
	Why         domain.WithheldWhy `json:"why,omitempty"`
}

// admittedBody is what a filter says of data that was given.
type admittedBody struct {
	Matches bool `json:"matches"`
}

// filter reads a content filter.
func filter(to **domain.Filter) reader {
	return func(field string, value []byte) (bad []domain.FieldError) {
		*to, bad = domain.ParseFilter(field, value)
		return bad
	}
}

// testFilter tells whether a webhook's filter, or one that is given, admits given data or the last messages.
func (x *exchange) testFilter() error {
	s, err := x.foundSubscription()
	if err != nil {
		return err
	}
	var given noted[*domain.Filter]
	var data json.RawMessage
	var last int
	err = x.decode(optional("filter", note(&given, nullable(filter))), optional("data", document(&data)), optional("last", integer(&last, 1)))
	if err != nil {
		return err
	}
	s.Filter = given.or(s.Filter)
	switch {
	case (data == nil) == (last == 0):
		return domain.RefuseFields(domain.FieldError{Field: "data", Message: "must be given, or last in its place"})
	case last > maxJudged:
		return domain.RefuseFields(domain.FieldError{Field: "last", Message: fmt.Sprintf("must be at most %d", maxJudged)})
	case data != nil:
		return x.reply(http.StatusOK, admittedBody{s.Filter.Admits(domain.ReadDocument(data))})
	}
	judged, err := x.Fold.JudgeRecent(x.context(), s, last)
	if err != nil {
		return err
	}
	body := judgedBody{Total: len(judged), Events: make([]judgementBody, len(judged))}
	for i, j := range judged {
		body.Events[i] = judgementBody{j.Message, j.EventType, j.Client, timestamp(j.PublishedAt), j.Why == "", j.Why}
		if j.Why == "" {
			body.Matching++
		}
	}
	return x.reply(http.StatusOK, body)
}
