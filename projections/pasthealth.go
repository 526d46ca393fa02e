package projections

import (
	"context"
	"slices"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// pastHealth is a subscription's health at a moment, with the failed attempts that were counted for it, oldest first.
type pastHealth struct {
	domain.Health
	counted []RecordedFact
}

// life is the part of a subscription's lifeline from the fact that created or enabled it to the one that closed it.
type life struct {
	begin, end placed
	ended      bool // otherwise end is nothing
}

// lifeAt is the life that a subscription had, or had last, at a moment. Its end may be later than that moment.
func (l lifeline) lifeAt(m Moment) (found life, ok bool) {
	for _, p := range l.facts {
		switch p.fact.(type) {
		case *domain.SubscriptionCreated, *domain.SubscriptionEnabled:
			if m.holds(p.Position, p.meta.At) {
				found, ok = life{begin: p}, true
			}
		case *domain.SubscriptionDisabled, *domain.SubscriptionDeleted:
			if ok && !found.ended {
				found.end, found.ended = p, true
			}
		}
	}
	return found, ok
}

// healthAt folds the attempts of a subscription up to a moment. Health is what happened since the last success that
// counted, so it walks back to that one alone. Whether a success counted depends on whether failures had reached the
// limit before it: that is known from the fact that disabled the subscription or from its present health; where both are
// silent, because an owner was quicker, the whole life is walked.
func (x *Fold) healthAt(ctx context.Context, l lifeline, p domain.Policy, m Moment) (pastHealth, error) {
	now, ok := l.lifeAt(m)
	if !ok {
		return pastHealth{}, nil
	}
	limit, err := x.limitOf(ctx, l.id, now)
	if err != nil {
		return pastHealth{}, err
	}
	attempts, err := x.attemptsBack(ctx, l.id, now, limit, m)
	if err != nil {
		return pastHealth{}, err
	}
	h := pastHealth{Health: domain.Health{Since: uint64(now.begin.Revision)}}
	slices.Reverse(attempts)
	for _, a := range attempts {
		h.fold(a, p)
	}
	if now.ended && m.holds(now.end.Position, now.end.meta.At) {
		h.Health = h.Lifecycle(now.end.fact, uint64(now.end.Revision))
	}
	return h, nil
}

func (h *pastHealth) fold(r RecordedFact, p domain.Policy) {
	before := h.Health
	switch f := r.Fact.(type) {
	case *domain.AttemptSucceeded:
		if h.Health = before.Succeeded(f); h.Consecutive == 0 {
			h.counted = nil
		}
	case *domain.AttemptFailed:
		if h.Health = before.Failed(f, p, r.ID.String(), r.Meta.At); h.Consecutive > before.Consecutive {
			h.counted = append(h.counted, r)
		}
	}
}

// limitFound says what is known of the failure that reached the limit in a life.
type limitFound struct {
	// known is false if there may have been one, nobody knows where.
	known bool
	// at is its place, or zero if there was none.
	at eventlog.Position
}

// limitOf finds the failure that reached the limit in a life.
func (x *Fold) limitOf(ctx context.Context, id domain.SubscriptionID, of life) (limitFound, error) {
	cause, before := "", eventlog.Position{}
	if of.ended {
		disabled, ok := of.end.fact.(*domain.SubscriptionDisabled)
		if !ok || disabled.By != domain.ByFailures || disabled.Cause == "" {
			return limitFound{}, nil
		}
		cause, before = disabled.Cause, of.end.Position
	} else {
		h := x.Health(id)
		if h.Off || h.Since != uint64(of.begin.Revision) {
			return limitFound{}, nil // changed since its stream was read
		}
		if h.Limit == nil {
			return limitFound{known: true}, nil
		}
		cause = h.Limit.Fact
	}
	var found limitFound
	err := x.SubscriptionFacts(ctx, id, before, func(r RecordedFact) bool {
		if r.ID.String() == cause {
			found = limitFound{true, r.Position}
		}
		return !found.known && r.Position.After(of.begin.Position)
	})
	return found, err
}

// attemptsBack collects the attempts of a life that had happened at a moment, newest first, back to the last success
// that counted.
func (x *Fold) attemptsBack(ctx context.Context, id domain.SubscriptionID, of life, limit limitFound, m Moment) (attempts []RecordedFact, err error) {
	before := m.after()
	if of.ended && m.holds(of.end.Position, of.end.meta.At) && (before.IsZero() || before.After(of.end.Position)) {
		before = of.end.Position // what came later counts no more
	}
	err = x.factsBack(ctx, id, before, m, func(r RecordedFact) bool {
		if !r.Position.After(of.begin.Position) {
			return false
		}
		if !m.holds(r.Position, r.Meta.At) {
			return true
		}
		switch f := r.Fact.(type) {
		case *domain.AttemptFailed:
			attempts = append(attempts, r)
		case *domain.AttemptSucceeded:
			attempts = append(attempts, r)
			counted := limit.known && (limit.at.IsZero() || limit.at.After(r.Position))
			return !counted || f.Revision < uint64(of.begin.Revision)
		}
		return true
	})
	return attempts, err
}

// factsBack hands the facts of a subscription and its deliveries to each as SubscriptionFacts does. Where only a moment
// says where to begin, and that is a time, what is later is passed over as fast as the index can.
func (x *Fold) factsBack(ctx context.Context, id domain.SubscriptionID, before eventlog.Position, m Moment, each func(RecordedFact) bool) error {
	if !before.IsZero() || m.Time.IsZero() {
		return x.SubscriptionFacts(ctx, id, before, each)
	}
	to := domain.Time(m.Time).Add(time.Microsecond)
	r := x.ReadFacts(FactFilter{Subscription: id, To: to, Newest: true}, FactPlace{})
	for {
		f, ok, err := r.Next(ctx)
		if err != nil || !ok || !each(f) {
			return err
		}
	}
}
