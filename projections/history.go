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
	// Published is the delivery's message, Meta its metadata, and Position its place in the log.
	Published *domain.MessagePublished
	Meta      domain.Meta
	Position  eventlog.Position

	line lifeline
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
//
// How it stands is folded from its facts, which are read anyway: its row would be two more readings of places of the disk
// that nobody else asks for. Only the row tells of a delivery without facts, or of a message that was matched again.
func (x *Fold) DeliveryByID(ctx context.Context, id domain.DeliveryID) (History, error) {
	facts, err := x.deliveryFacts(ctx, id)
	if err != nil {
		return History{}, err
	}
	of, err := x.namedIn(ctx, facts, id)
	if err != nil {
		return History{}, err
	}
	l, err := x.lifelineOf(ctx, of.Subscription)
	if err != nil {
		return History{}, err
	}
	b, err := x.begunAt(ctx, of, l, presentMoment)
	if err != nil {
		return History{}, err
	}
	if b.published == nil {
		return History{}, errNoDelivery
	}
	h := History{Facts: x.recordedFacts(facts), Published: b.published, Meta: b.meta, Position: b.position, line: l}
	if len(facts) == 0 || b.rematched {
		h.DeliveryRow, b.begun, err = x.presentRow(of)
	} else if b.begun {
		h.DeliveryRow = l.showPast(l.fold(b.deliveryTo(l.id), b.revision, facts, presentMoment), presentMoment)
	}
	if err == nil && !b.begun {
		err = errNoDelivery
	}
	return h, err
}

// deliveryFacts reads what was recorded of a delivery, oldest first.
func (x *Fold) deliveryFacts(ctx context.Context, id domain.DeliveryID) (facts []placed, err error) {
	err = x.readFacts(ctx, domain.DeliveryStream(id), func(p placed) bool {
		if named, ok := deliveryOf(p.fact); ok && named.ID() == id {
			facts = append(facts, p)
		}
		return true
	})
	return facts, err
}

// namedIn tells what a delivery is of, given its facts.
func (x *Fold) namedIn(ctx context.Context, facts []placed, id domain.DeliveryID) (domain.DeliveryOf, error) {
	if len(facts) == 0 {
		return x.waitingDelivery(ctx, id)
	}
	of, _ := deliveryOf(facts[0].fact)
	return of, nil
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
