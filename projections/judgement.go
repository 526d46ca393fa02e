package projections

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hooklog/hooklog/domain"
)

// Judgement says of a message whether a subscription would get it.
type Judgement struct {
	Message     domain.MessageID
	EventType   string
	Client      string
	PublishedAt time.Time
	// Why is empty if the subscription would get it.
	Why domain.WithheldWhy
}

// JudgeRecent asks of the last n messages of a subscription's organization, the newest first, whether the subscription,
// with the settings given and were it active, would get them. Tests are passed over.
func (x *Fold) JudgeRecent(ctx context.Context, s domain.Subscription, n int) (judged []Judgement, err error) {
	r := x.ReadFacts(FactFilter{Organizations: []domain.OrganizationID{s.Organization},
		Types: []string{(*domain.MessagePublished)(nil).FactType()}, Newest: true}, FactPlace{})
	for len(judged) < n {
		found, ok, err := r.Next(ctx)
		if err != nil {
			return nil, fmt.Errorf("read the last messages: %w", err)
		}
		if !ok {
			break
		}
		f, published := found.Fact.(*domain.MessagePublished)
		id, named := domain.MessageOfStream(found.Stream)
		if !published || !named || f.Only {
			continue
		}
		j := Judgement{Message: id, EventType: f.EventType, Client: f.Client, PublishedAt: found.Meta.At}
		if j.Why, err = x.judge(ctx, s, id, f); err != nil {
			return nil, err
		}
		judged = append(judged, j)
	}
	return judged, nil
}

func (x *Fold) judge(ctx context.Context, s domain.Subscription, id domain.MessageID, f *domain.MessagePublished) (domain.WithheldWhy, error) {
	unfiltered := s
	unfiltered.Filter = nil
	if why := unfiltered.WouldGet(f.EventType, f.Client, nil); why != "" || s.Filter == nil {
		return why, nil
	}
	data, err := x.contents.open(ctx, id, f)
	if errors.Is(err, errUnreadable) {
		return domain.WithheldUnreadable, nil
	}
	if err != nil {
		return "", err
	}
	return s.WouldGet(f.EventType, f.Client, data), nil
}
