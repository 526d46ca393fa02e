package projections

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/hooklog/hooklog/domain"
)

// DeliveryFilter says which deliveries are listed. What is zero is left open.
type DeliveryFilter struct {
	// From and To bound the time of publishing: from the one on, and before the other.
	From, To  time.Time
	EventType string
	// Keep judges everything else; nil keeps all.
	Keep func(DeliveryRow) bool
}

func (f *DeliveryFilter) keeps(r DeliveryRow) bool {
	return (f.EventType == "" || f.EventType == r.Of.EventType) && !r.Of.PublishedAt.Before(f.From) &&
		(f.To.IsZero() || r.Of.PublishedAt.Before(f.To)) && (f.Keep == nil || f.Keep(r))
}

// listScan is the most deliveries that are looked at for one page.
const listScan = 5_000

// DeliveriesWhere lists those of a subscription's deliveries that a filter keeps, the latest published first. A page ends
// early, even without any row, once it has looked at enough; next is empty only on the last page. A cursor goes on after
// the last delivery that was looked at, whatever the filter.
func (x *Fold) DeliveriesWhere(sub domain.SubscriptionID, f DeliveryFilter, limit int, cursor string) (page []DeliveryRow, next string, err error) {
	l := list{deliveryList, sub}
	place, err := l.place(cursor)
	if err != nil {
		return nil, "", err
	}
	m := x.reading()
	defer m.done()
	it, err := m.iterateBack(sub, f, place)
	if err != nil {
		return nil, "", fmt.Errorf("list deliveries: %w", err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	var last []byte
	scanned := 0
	for ok := it.Last(); ok; ok = it.Prev() {
		if len(page) == limit || scanned == listScan {
			return page, l.cursor(last), nil
		}
		scanned++
		row, err := m.listedRow(sub, it)
		if err != nil {
			return nil, "", err
		}
		last = append(last[:0], it.Key()[1+idSize:]...)
		if f.keeps(row) {
			page = append(page, row)
		}
	}
	return page, "", it.Error()
}

// iterateBack returns an iterator over the rows of a subscription that a filter's times allow, before a place.
func (x *models) iterateBack(sub domain.SubscriptionID, f DeliveryFilter, place []byte) (*pebble.Iterator, error) {
	space := x.in(deliverySpace)
	prefix := subscriptionKey(space, sub)
	from, end := prefix, after(prefix)
	if !f.From.IsZero() {
		from = appendDeliveryKey(nil, space, sub, f.From.UnixMilli(), domain.DeliveryID{})
	}
	if !f.To.IsZero() {
		end = appendDeliveryKey(nil, space, sub, f.To.UnixMilli()+1, domain.DeliveryID{})
	}
	if before := append(prefix[:len(prefix):len(prefix)], place...); place != nil && string(before) < string(end) {
		end = before
	}
	if string(from) > string(end) {
		from = end
	}
	return x.store.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: end})
}

// DeliveryFacts reads what was recorded of a delivery, oldest first; nothing before its first attempt.
func (x *Fold) DeliveryFacts(ctx context.Context, id domain.DeliveryID) ([]RecordedFact, error) {
	facts, err := x.deliveryFacts(ctx, id)
	return x.recordedFacts(facts), err
}
