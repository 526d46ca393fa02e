package domain

import (
	"slices"
	"time"

	"github.com/hooklog/hooklog/webhook"
)

// Bounds of what is kept of one subscription's answers.
const (
	// MaxStretches is the most stretches of like answers. Past it the shortest neighbours are melted into stretches of
	// both kinds, which tell less.
	MaxStretches = 1024
	// MaxPeculiar is the most deliveries that are remembered because they failed while others succeeded. Past it
	// nothing is certain any more for the subscription: what would be known is estimated.
	MaxPeculiar = 256
	// evidenceReach is how far an answer tells of times before and after it, where nothing confirms it on the other side.
	evidenceReach = time.Hour
	// majority is the share of like answers from which a stretch of both kinds is taken for that kind.
	majority = 0.9
)

// Certainty says how well a simulated result is founded.
type Certainty uint8

// The certainties, the best first.
const (
	Known     Certainty = iota // recorded, or between two recorded answers of the same kind
	Estimated                  // by the nearer of two answers that differ, or by one alone
	Unknown                    // nothing near enough tells, or what tells contradicts itself
)

// reply is how a receiver answers at some time.
type reply struct {
	ok bool
	// permanent and disables are what the profile makes of the status.
	permanent, disables bool
	status              int
	took                time.Duration
	// retryAfter is what the receiver asked for, where that was recorded.
	retryAfter time.Duration
}

// like reports whether two answers have the same consequences.
func (a reply) like(b reply) bool {
	return a.ok == b.ok && a.permanent == b.permanent && a.disables == b.disables
}

// replyOf reads an answer out of a recorded attempt.
func replyOf(f Fact, p *webhook.Profile) (reply, bool) {
	switch f := f.(type) {
	case *AttemptSucceeded:
		return reply{ok: true, status: f.Status, took: took(&f.Attempt)}, p != nil
	case *AttemptFailed:
		if p == nil {
			return reply{}, false
		}
		a := reply{permanent: f.Refused() || p.Permanent(f.Status), disables: f.Status != 0 && p.Disables(f.Status),
			status: f.Status, took: took(&f.Attempt)}
		if f.Delay != nil {
			a.retryAfter = time.Duration(f.Delay.RetryAfter)
		}
		return a, true
	}
	return reply{}, false
}

// ofMessage reports whether a failed answer is likely about the message and not about the receiver's state: 4xx but
// those that speak of load or time.
func (a reply) ofMessage() bool {
	switch a.status {
	case 408, 425, 429:
		return false
	}
	return !a.ok && a.status/100 == 4
}

// stretch is a run of recorded answers that follow each other, of one kind unless it was melted.
type stretch struct {
	first, last time.Time
	ok, failed  uint32
	took        time.Duration // of all together
	// failure is the last failed answer.
	failure reply
	// by is the only delivery that the answers were to, unless many says that there were others.
	by   DeliveryID
	many bool
}

func (s *stretch) pure() bool { return s.ok == 0 || s.failed == 0 }

// answer is how the receiver answered for the most part.
func (s *stretch) answer() reply {
	a := reply{ok: true, status: 200}
	if s.failed > s.ok {
		a = s.failure
	}
	a.took = s.took / time.Duration(s.ok+s.failed)
	return a
}

// peculiar is a delivery that failed while others succeeded.
type peculiar struct {
	first, last time.Time // of its failures
	failure     reply
	// runs counts how often others succeeded right before and right after its failures.
	runs int
	// recovered is when it was answered with success after all.
	recovered time.Time
}

// proven reports whether the failures are the message's own: the receiver found fault with the message, or failed it
// again after it had succeeded for others.
func (p *peculiar) proven() bool { return p.failure.ofMessage() || p.runs > 1 }

// evidence is what recorded attempts tell of a receiver's state over time, in bounded space.
type evidence struct {
	stretches []stretch
	peculiar  map[DeliveryID]*peculiar
	// crowded says that there were more peculiar deliveries than are remembered.
	crowded bool
}

// add takes in the answer to an attempt of a delivery that began at a time. Attempts come in the order in which they ended:
// one that took longer than others counts when the last of those began.
func (e *evidence) add(at time.Time, by DeliveryID, a reply) {
	if n := len(e.stretches); n > 0 && at.Before(e.stretches[n-1].last) {
		at = e.stretches[n-1].last
	}
	e.note(at, by, a)
	if n := len(e.stretches); n > 0 && e.stretches[n-1].takes(a) {
		e.stretches[n-1].extend(at, by, a)
		return
	}
	e.isolate(by, a)
	next := stretch{first: at, by: by}
	next.extend(at, by, a)
	if e.stretches = append(e.stretches, next); len(e.stretches) > MaxStretches {
		e.melt()
	}
}

// takes reports whether an answer continues the stretch.
func (s *stretch) takes(a reply) bool {
	return s.pure() && (s.ok > 0) == a.ok && (a.ok || s.failure.like(a))
}

func (s *stretch) extend(at time.Time, by DeliveryID, a reply) {
	s.last = at
	s.took += a.took
	s.many = s.many || by != s.by
	if a.ok {
		s.ok++
		return
	}
	s.failed++
	if a.retryAfter == 0 {
		a.retryAfter = s.failure.retryAfter
	}
	s.failure = a
}

// note keeps what is known of a peculiar delivery up to date.
func (e *evidence) note(at time.Time, by DeliveryID, a reply) {
	p := e.peculiar[by]
	switch {
	case p == nil:
	case a.ok && p.recovered.IsZero():
		p.recovered = at
	case !a.ok && !p.recovered.IsZero(): // a later round failed again
		*p = peculiar{first: at, last: at, failure: a, runs: p.runs}
	case !a.ok:
		p.last, p.failure = at, a
	}
}

// isolate finds failures of one delivery that stand between successes of others, the last of which now begins.
func (e *evidence) isolate(by DeliveryID, a reply) {
	n := len(e.stretches)
	if !a.ok || n < 2 {
		return
	}
	failing, before := &e.stretches[n-1], &e.stretches[n-2]
	if failing.ok > 0 || failing.many || failing.by == by || !before.pure() || before.failed > 0 {
		return
	}
	p := e.peculiar[failing.by]
	if p == nil {
		if len(e.peculiar) == MaxPeculiar {
			e.crowded = true
			return
		}
		if e.peculiar == nil {
			e.peculiar = map[DeliveryID]*peculiar{}
		}
		p = &peculiar{first: failing.first, last: failing.last, failure: failing.failure}
		e.peculiar[failing.by] = p
	}
	p.runs++
}

// melt joins neighbours, those that span the shortest time first, until there are fewer stretches. It takes time in
// proportion to what it removes.
func (e *evidence) melt() {
	pairs := len(e.stretches) / 2
	spans := make([]time.Duration, pairs)
	for i := range spans {
		spans[i] = e.stretches[2*i+1].last.Sub(e.stretches[2*i].first)
	}
	sorted := slices.Clone(spans)
	slices.Sort(sorted)
	limit := sorted[pairs/2]
	kept := e.stretches[:0]
	for i := 0; i < len(e.stretches); i++ {
		s := e.stretches[i]
		if i%2 == 0 && i/2 < pairs && spans[i/2] <= limit {
			i++
			s.join(e.stretches[i])
		}
		kept = append(kept, s)
	}
	clear(e.stretches[len(kept):])
	e.stretches = kept
}

func (s *stretch) join(t stretch) {
	s.last = t.last
	s.ok, s.failed, s.took = s.ok+t.ok, s.failed+t.failed, s.took+t.took
	if t.failed > 0 {
		s.failure = t.failure
	}
	s.many = s.many || t.many || s.by != t.by
}

// at tells how the receiver would have answered an attempt of a delivery at a time.
func (e *evidence) at(at time.Time, by DeliveryID) (reply, Certainty) {
	if p := e.peculiar[by]; p != nil && p.proven() {
		return p.at(at)
	}
	i, _ := slices.BinarySearchFunc(e.stretches, at, func(s stretch, at time.Time) int {
		if s.first.After(at) {
			return 1
		}
		return -1
	})
	before, after := e.telling(i-1, -1, by), e.telling(i, 1, by)
	a, c := between(at, before, after)
	if c == Known && e.crowded {
		c = Estimated
	}
	return a, c
}

// telling returns the first stretch from i on that tells something of other deliveries, or nil.
func (e *evidence) telling(i, step int, by DeliveryID) *stretch {
	for ; i >= 0 && i < len(e.stretches); i += step {
		s := &e.stretches[i]
		if s.ok == 0 && !s.many && s.by != by {
			if p := e.peculiar[s.by]; p != nil && p.proven() {
				continue
			}
		}
		return s
	}
	return nil
}

// between judges by the last stretch that began before a time, and the first one after; nil where there is none.
func between(at time.Time, before, after *stretch) (reply, Certainty) {
	switch {
	case before != nil && !at.After(before.last):
		return before.within()
	case before != nil && after != nil && before.pure() && after.pure() && before.answer().like(after.answer()):
		return before.answer(), Known
	}
	nearest, distance := before, time.Duration(0)
	if before != nil {
		distance = at.Sub(before.last)
	}
	if after != nil && (before == nil || after.first.Sub(at) < distance) {
		nearest, distance = after, after.first.Sub(at)
	}
	if nearest == nil || distance > evidenceReach {
		return reply{}, Unknown
	}
	a, c := nearest.within()
	return a, max(c, Estimated)
}

// within tells how the receiver answered during the stretch.
func (s *stretch) within() (reply, Certainty) {
	if s.pure() {
		return s.answer(), Known
	}
	if share := float64(max(s.ok, s.failed)) / float64(s.ok+s.failed); share < majority {
		return reply{}, Unknown
	}
	return s.answer(), Estimated
}

// at tells how the receiver would have answered the peculiar delivery itself, of which only its own attempts tell.
func (p *peculiar) at(at time.Time) (reply, Certainty) {
	switch {
	case at.Before(p.first):
		return reply{}, Unknown
	case !at.After(p.last):
		return p.failure, Known
	case p.recovered.IsZero():
		return reply{}, Unknown
	case !at.Before(p.recovered):
		return reply{ok: true, status: 200, took: p.failure.took}, Known
	case at.Sub(p.last) < p.recovered.Sub(at):
		return p.failure, Estimated
	}
	return reply{ok: true, status: 200, took: p.failure.took}, Estimated
}
