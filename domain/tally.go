package domain

import (
	"cmp"
	"math"
	"math/bits"
	"slices"
	"time"
)

// SimulatedEnd is how a round stands at the end of a simulation, in the recorded course or the replayed one.
type SimulatedEnd uint8

// The ends.
const (
	EndOpen      SimulatedEnd = iota // it waits for an attempt
	EndSucceeded                     // delivered
	EndDead                          // given up
	EndCancelled                     // its subscription was stopped
	EndWithheld                      // never made, because failures had disabled the subscription
	EndUnknown                       // nothing tells how the receiver would have answered; of the replay alone
	ends
)

// decided reports whether the end is one.
func (e SimulatedEnd) decided() bool { return e != EndOpen && e != EndUnknown }

// SimulatedCourse counts the rounds of one course.
type SimulatedCourse struct {
	Attempts uint64
	// Ends counts the rounds by their ends.
	Ends [ends]uint64
	// Median and P95 are of the times from a round's beginning to its success, to a hundredth; 0 without a success.
	Median, P95 time.Duration
}

// SimulatedTotal compares the courses of some rounds.
type SimulatedTotal struct {
	// Deliveries are rounds that began in the window, in either course.
	Deliveries          uint64
	Recorded, Simulated SimulatedCourse
	// Saved rounds are delivered in the replay alone, Lost ones in the recorded course alone. Of Undecided ones either
	// course is open or unknown where they differ.
	Saved, Lost, Undecided uint64
	// SavedEstimated and LostEstimated are the parts of Saved and Lost that are not known.
	SavedEstimated, LostEstimated uint64
	// Founded counts the rounds by the certainty of the replay.
	Founded [Unknown + 1]uint64
}

// ExtraAttempts are the attempts that the replay made more than were recorded, or less.
func (t *SimulatedTotal) ExtraAttempts() int64 {
	return int64(t.Simulated.Attempts) - int64(t.Recorded.Attempts)
}

// SimulatedSubscription compares the courses of one subscription's rounds.
type SimulatedSubscription struct {
	Subscription SubscriptionID
	Organization OrganizationID
	SimulatedTotal
	// RecordedDisabledAt and SimulatedDisabledAt are when failures first disabled it since the window began; zero if
	// they did not. DisabledEstimated says that not every failure that led to the latter is known.
	RecordedDisabledAt, SimulatedDisabledAt time.Time
	DisabledEstimated                       bool
}

// SimulationReport compares what happened with what another policy would have made of it.
type SimulationReport struct {
	Request SimulationRequest
	// Until is how far the rounds were followed, Facts how many facts that took.
	Until time.Time
	Facts uint64
	Total SimulatedTotal
	// RecordedDisabled and SimulatedDisabled count subscriptions that failures disabled.
	RecordedDisabled, SimulatedDisabled uint64
	// Subscriptions are at most MaxSimulated of those that had rounds or were disabled, those that differ most first;
	// More counts the rest.
	Subscriptions []SimulatedSubscription
	More          int
	// Unlisted counts withheld deliveries that could not be replayed, because a fact lists only MaxWithheld.
	Unlisted uint64
	// Assumptions say in sentences what the figures rest on.
	Assumptions []string
}

// MaxSimulated is the most subscriptions that a report lists.
const MaxSimulated = 1000

// add counts a round.
func (s *SimulatedSubscription) add(r *replayed) {
	s.Deliveries++
	s.Recorded.add(r.recorded)
	s.Simulated.add(r.played)
	s.Founded[r.certainty]++
	estimated := uint64(0)
	if r.certainty != Known {
		estimated = 1
	}
	recorded, played := r.recorded.end, r.played.end
	switch {
	case recorded == played:
	case !recorded.decided() || !played.decided():
		s.Undecided++
	case played == EndSucceeded:
		s.Saved++
		s.SavedEstimated += estimated
	case recorded == EndSucceeded:
		s.Lost++
		s.LostEstimated += estimated
	}
}

func (c *SimulatedCourse) add(r course) {
	c.Attempts += uint64(r.attempts)
	c.Ends[r.end]++
}

// join adds the counts of one comparison to another.
func (t *SimulatedTotal) join(u *SimulatedTotal) {
	t.Deliveries += u.Deliveries
	t.Recorded.join(&u.Recorded)
	t.Simulated.join(&u.Simulated)
	t.Saved, t.Lost, t.Undecided = t.Saved+u.Saved, t.Lost+u.Lost, t.Undecided+u.Undecided
	t.SavedEstimated, t.LostEstimated = t.SavedEstimated+u.SavedEstimated, t.LostEstimated+u.LostEstimated
	for i, n := range u.Founded {
		t.Founded[i] += n
	}
}

func (c *SimulatedCourse) join(d *SimulatedCourse) {
	c.Attempts += d.Attempts
	for i, n := range d.Ends {
		c.Ends[i] += n
	}
}

// Report ends the simulation and compares the courses. Rounds that have not ended count as open.
func (x *Simulation) Report() SimulationReport {
	report := SimulationReport{Request: x.request, Until: x.now, Facts: x.facts, Unlisted: x.unlisted, Assumptions: x.assumptions()}
	var times [2]durations
	for _, s := range x.world.subscriptions {
		for _, r := range s.rounds {
			s.tally.add(r)
		}
		t := &s.tally
		if t.Deliveries == 0 && t.RecordedDisabledAt.IsZero() && t.SimulatedDisabledAt.IsZero() {
			continue
		}
		s.times[0].show(&t.Recorded)
		s.times[1].show(&t.Simulated)
		times[0].join(s.times[0])
		times[1].join(s.times[1])
		report.Total.join(&t.SimulatedTotal)
		report.RecordedDisabled += one(!t.RecordedDisabledAt.IsZero())
		report.SimulatedDisabled += one(!t.SimulatedDisabledAt.IsZero())
		report.Subscriptions = append(report.Subscriptions, *t)
	}
	times[0].show(&report.Total.Recorded)
	times[1].show(&report.Total.Simulated)
	slices.SortFunc(report.Subscriptions, func(a, b SimulatedSubscription) int {
		return cmp.Or(cmp.Compare(b.difference(), a.difference()), compareIDs(a.Subscription, b.Subscription))
	})
	if n := len(report.Subscriptions); n > MaxSimulated {
		report.Subscriptions, report.More = report.Subscriptions[:MaxSimulated:MaxSimulated], n-MaxSimulated
	}
	return report
}

func one(yes bool) uint64 {
	if yes {
		return 1
	}
	return 0
}

// difference is by how much the courses differ, for the order of a list.
func (s *SimulatedSubscription) difference() uint64 {
	extra := s.ExtraAttempts()
	return s.Saved + s.Lost + s.Undecided + uint64(max(extra, -extra)) + one(s.RecordedDisabledAt.IsZero() != s.SimulatedDisabledAt.IsZero())
}

// assumptions say what the replay takes for granted.
func (x *Simulation) assumptions() []string {
	all := []string{
		"While a delivery's simulated course is the recorded one, its attempts are the recorded ones: known.",
		"From there on an attempt is answered as the receiver's recorded answers tell, of all deliveries to that subscription: " +
			"known between two answers of the same kind, however far apart; estimated by the nearer one, at most an hour away, where " +
			"they differ or one is missing; else the delivery's result is unknown, and its further attempts are not counted.",
		"What a receiver answers does not depend on how often it is asked.",
		"A delivery that failed with 4xx while others succeeded, or failed again after they had, is judged by its own attempts alone, " +
			"and unknown beyond them.",
		"A simulated attempt is made when it is due, with the middle of the jitter (5 % for delays of a minute and more); Retry-After counts " +
			"where it was recorded: where it was longer than the recorded delay.",
		"What ends a delivery at once, and which answer disables at once, is as the profile says. What people did (disabling, enabling, " +
			"deleting, redelivering) happens in both courses.",
		"Deliveries that began before the window go as recorded; those in it are followed past its end for as long as the longest " +
			"schedule lasts, or to the end of the log.",
	}
	if x.request.DisableAfter != nil {
		all = append(all, "The number of consecutive failures that disables takes the place of the profiles' rules, also of those that go by time.")
	}
	return all
}

// durations is a distribution, kept to a hundredth of each value.
type durations struct {
	counts map[uint16]uint64
	total  uint64
}

// finer is how many bits of a duration, after the first, tell its bucket.
const finer = 6

func bucketOf(d time.Duration) uint16 {
	us := uint64(max(0, d.Microseconds()))
	shift := max(0, bits.Len64(us)-finer-1)
	return uint16(shift<<finer + int(us>>shift))
}

// middleOf is the middle of a bucket.
func middleOf(bucket uint16) time.Duration {
	if bucket < 2<<finer {
		return time.Duration(bucket) * time.Microsecond
	}
	shift := bucket>>finer - 1
	low := uint64(bucket-shift<<finer) << shift
	return time.Duration(low+uint64(1)<<shift/2) * time.Microsecond
}

func (d *durations) add(v time.Duration) {
	if d.counts == nil {
		d.counts = map[uint16]uint64{}
	}
	d.counts[bucketOf(v)]++
	d.total++
}

func (d *durations) join(e durations) {
	for bucket, n := range e.counts {
		if d.counts == nil {
			d.counts = map[uint16]uint64{}
		}
		d.counts[bucket] += n
	}
	d.total += e.total
}

// quantile returns the least value that a share of all does not exceed; 0 of none.
func (d *durations) quantile(share float64) time.Duration {
	var buckets []uint16
	for bucket := range d.counts {
		buckets = append(buckets, bucket)
	}
	slices.Sort(buckets)
	rank := uint64(math.Ceil(share * float64(d.total)))
	for _, bucket := range buckets {
		if n := d.counts[bucket]; n < rank {
			rank -= n
		} else {
			return middleOf(bucket)
		}
	}
	return 0
}

func (d *durations) show(c *SimulatedCourse) { c.Median, c.P95 = d.quantile(0.5), d.quantile(0.95) }
