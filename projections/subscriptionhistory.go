package projections

import (
	"context"
	"encoding/binary"

	"github.com/hooklog/hooklog/domain"
)

// SubscriptionChange is a fact of a subscription's own stream and what it changed.
type SubscriptionChange struct {
	RecordedFact
	Changes []domain.Change
}

// SubscriptionHistory lists what was ever recorded of an organization's subscription itself, newest first, also of one
// that is deleted; limit 0 is all. next is empty on the last page. NotFound if the organization never had it.
func (x *Fold) SubscriptionHistory(ctx context.Context, org domain.OrganizationID, id domain.SubscriptionID, limit int, cursor string) (page []SubscriptionChange, next string, err error) {
	l := list{changeList, id}
	place, err := l.place(cursor)
	if err != nil {
		return nil, "", err
	}
	line, err := x.lifelineOf(ctx, id)
	if err != nil {
		return nil, "", err
	}
	if len(line.facts) == 0 || line.organization.id != org {
		return nil, "", domain.ErrNoSubscription
	}
	end := len(line.facts)
	if place != nil {
		if len(place) != 8 {
			return nil, "", domain.Refuse(domain.BadCursor, "the cursor is malformed")
		}
		for revision := binary.BigEndian.Uint64(place); end > 0 && uint64(line.facts[end-1].Revision) >= revision; {
			end--
		}
	}
	begin := 0
	if limit > 0 {
		begin = max(0, end-limit)
	}
	page = x.changesOf(line, begin, end)
	if begin > 0 {
		next = l.cursor(binary.BigEndian.AppendUint64(nil, page[len(page)-1].Revision))
	}
	return page, next, nil
}

// changesOf tells what the facts of a part of a lifeline changed, newest first.
func (x *Fold) changesOf(l lifeline, begin, end int) []SubscriptionChange {
	page := make([]SubscriptionChange, end-begin)
	s := domain.Subscription{ID: l.id}
	for i, p := range l.facts[:end] {
		before := s
		if s = s.Apply(p.fact, p.meta, uint64(p.Revision)); i >= begin {
			page[end-1-i] = SubscriptionChange{x.recordedFact(p), before.Changes(s)}
		}
	}
	return page
}
