package projections

import "github.com/hooklog/hooklog/domain"

// maxUnfinished bounds the messages of which parts are awaited. When there are more, it starts anew: then deliveries are looked
// for before they are begun, which costs time alone.
const maxUnfinished = 1024

// unfinished is a message of which parts follow: the greatest of the subscriptions that it goes to so far, and how many it
// will have more. The parts of a message come in the order of their subscriptions, so one that begins after the last of them
// begins none of its deliveries twice, and 2,000 rows need not be looked for.
type unfinished struct {
	last    domain.SubscriptionID
	missing int
}

// expectParts notes a message whose targets are not all in its first fact.
func (x *projector) expectParts(id domain.MessageID, f *domain.MessagePublished) {
	missing := f.Total - len(f.Targets)
	if missing <= 0 || f.Only {
		return
	}
	if x.unfinished == nil || len(x.unfinished) >= maxUnfinished {
		x.unfinished = map[domain.MessageID]unfinished{}
	}
	if last, ok := ascend(domain.SubscriptionID{}, f.Targets); ok {
		x.unfinished[id] = unfinished{last, missing}
	}
}

// isNextPart reports whether targets are the part of a message that follows what was folded of it, so that none of these
// deliveries is there.
func (x *projector) isNextPart(id domain.MessageID, targets []domain.Target) bool {
	u, ok := x.unfinished[id]
	delete(x.unfinished, id)
	if !ok {
		return false
	}
	if u.last, ok = ascend(u.last, targets); !ok {
		return false
	}
	if u.missing -= len(targets); u.missing > 0 {
		x.unfinished[id] = u
	}
	return true
}

// ascend returns the last of the targets' subscriptions, if each of them is greater than the one before it and the first
// greater than last.
func ascend(last domain.SubscriptionID, targets []domain.Target) (domain.SubscriptionID, bool) {
	for _, t := range targets {
		if compareIDs(t.Subscription, last) <= 0 {
			return last, false
		}
		last = t.Subscription
	}
	return last, true
}
