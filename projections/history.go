package projections

import (
	"context"
	"slices"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// History is everything that was recorded of a delivery.
type History struct {
	DeliveryRow
	Facts []RecordedFact
	// Published is where the delivery's message stands in the log, for who knows it.
	Published eventlog.Position
}

// RecordedFact is a fact with its place in its stream and in the log.
type RecordedFact struct {
	domain.Fact
	Meta     domain.Meta
	ID       eventlog.ID
	Stream   string
	Revision uint64
	Position eventlog.Position
	// RecordedAt is the log's own time.
	RecordedAt time.Time
	// Of is what the fact is about; nothing, if it stands where it makes no sense.
	Of domain.Subject
}

var errNoDelivery = domain.Refuse(domain.NotFound, "no such delivery")

// DeliveryByID returns the whole history of a delivery, one that still waits for its first attempt included; NotFound
// if there is none.
//
// Its stream names message and subscription from the first attempt on. Before that there is only the id. It has the
// first 48 bits of its message's, so the messages that have them (those of one millisecond, or of one hash) are asked
// which of their targets gives that id. This costs one short key a message; a key a delivery would find the same.
func (x *Fold) DeliveryByID(ctx context.Context, id domain.DeliveryID) (History, error) {
	var h History
	var of domain.DeliveryOf
	err := x.readFacts(ctx, domain.DeliveryStream(id), func(p placed) bool {
		if named, ok := deliveryOf(p.fact); ok && named.ID() == id {
			of = named
			h.Facts = append(h.Facts, x.recordedFact(p))
		}
		return true
	})
	if err == nil && len(h.Facts) == 0 {
		of, err = x.waitingDelivery(ctx, id)
	}
	if err != nil {
		return h, err
	}
	m := x.reading()
	defer m.done()
	r, err := m.find(of.Subscription, of.PublishedAt.UnixMilli(), id)
	if err != nil {
		return h, err
	}
	if r == nil {
		return h, errNoDelivery
	}
	h.DeliveryRow, err = m.showRow(r)
	return h, err
}

func deliveryOf(f domain.Fact) (domain.DeliveryOf, bool) {
	switch f := f.(type) {
	case *domain.AttemptSucceeded:
		return f.DeliveryOf, true
	case *domain.AttemptFailed:
		return f.DeliveryOf, true
	case *domain.RetryDue:
		return f.DeliveryOf, true
	case *domain.RedeliveryRequested:
		return f.DeliveryOf, true
	}
	return domain.DeliveryOf{}, false
}

// waitingDelivery finds out what a delivery without facts is of.
func (x *Fold) waitingDelivery(ctx context.Context, id domain.DeliveryID) (domain.DeliveryOf, error) {
	candidates, err := x.messagesLike(id)
	if err != nil {
		return domain.DeliveryOf{}, err
	}
	for _, candidate := range candidates {
		m, err := x.loadMessage(ctx, candidate)
		if domain.CodeOf(err) == domain.NotFound {
			continue
		}
		if err != nil {
			return domain.DeliveryOf{}, err
		}
		right, _, _ := x.Correction(candidate)
		for _, t := range slices.Concat(m.targets, right) {
			if domain.DeriveDeliveryID(candidate, t.Subscription) == id {
				return m.deliveryTo(t.Subscription), nil
			}
		}
	}
	return domain.DeliveryOf{}, errNoDelivery
}

// messagesLike returns the messages that have the time of a delivery's id.
func (x *Fold) messagesLike(id domain.DeliveryID) (candidates []domain.MessageID, err error) {
	const timeBytes = 6
	m := x.reading()
	defer m.done()
	prefix := messageKey(m.in(messageSpace), domain.MessageID(id))[:1+timeBytes]
	err = m.store.scan(prefix, after(prefix), func(key, _ []byte) (bool, error) {
		if len(key) != 1+idSize {
			return false, errRow
		}
		candidates = append(candidates, domain.MessageID(key[1:]))
		return true, nil
	})
	return candidates, err
}
