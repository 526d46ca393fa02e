package main

import (
	"slices"
	"sync/atomic"
)

// maxMessages bounds the messages of one measurement.
const maxMessages = 2_000_000

// tally counts what arrives of one measurement. It is safe for concurrent use.
type tally struct {
	run, targets int
	// counts and micros have a place for each message and target: how often it came, and how long after it was handed
	// out it came first.
	counts, micros []uint32

	arrived    atomic.Int64 // first arrivals
	duplicates atomic.Int64
	strangers  atomic.Int64 // what belongs to no place
	last       atomic.Int64 // time of the latest first arrival
}

func newTally(run, messages, targets int) *tally {
	return &tally{run: run, targets: targets,
		counts: make([]uint32, messages*targets), micros: make([]uint32, messages*targets)}
}

// count takes one arrival at a target.
func (t *tally) count(m mark, target int, now int64) {
	place := m.seq*t.targets + target
	if m.run != t.run || target >= t.targets || place >= len(t.counts) {
		t.strangers.Add(1)
		return
	}
	if atomic.AddUint32(&t.counts[place], 1) > 1 {
		t.duplicates.Add(1)
		return
	}
	atomic.StoreUint32(&t.micros[place], uint32(max(0, now-m.at)/1000))
	for last := t.last.Load(); now > last && !t.last.CompareAndSwap(last, now); last = t.last.Load() {
	}
	t.arrived.Add(1)
}

// arrivals is what a receiver tells of a measurement.
type arrivals struct {
	Arrived    int64 `json:"arrived"`
	Duplicates int64 `json:"duplicates"`
	// Strangers came without a mark or with one of another measurement: late repetitions, if anything.
	Strangers int64 `json:"strangers"`
	// Lost are places below the asked number of messages to which nothing came.
	Lost int64 `json:"lost"`
	// Last is when the last first arrival came, in nanoseconds since 1970.
	Last    int64   `json:"last"`
	Latency latency `json:"latency"`
}

// latency is of the way from publisher to receiver, in microseconds.
type latency struct {
	P50, P90, P99, Max uint32
}

// report sums up a measurement of which so many messages were accepted.
func (t *tally) report(messages int) arrivals {
	a := arrivals{Arrived: t.arrived.Load(), Duplicates: t.duplicates.Load(), Strangers: t.strangers.Load(), Last: t.last.Load()}
	places := min(messages*t.targets, len(t.counts))
	waits := make([]uint32, 0, places)
	for i := range places {
		if atomic.LoadUint32(&t.counts[i]) == 0 {
			a.Lost++
			continue
		}
		waits = append(waits, atomic.LoadUint32(&t.micros[i]))
	}
	slices.Sort(waits)
	a.Latency = latency{percentile(waits, 0.50), percentile(waits, 0.90), percentile(waits, 0.99), percentile(waits, 1)}
	return a
}

// percentile picks from sorted values the least one that a share of them does not exceed; 0 if there are none.
func percentile(sorted []uint32, share float64) uint32 {
	if len(sorted) == 0 {
		return 0
	}
	i := int(share*float64(len(sorted))+0.999999) - 1
	return sorted[max(0, min(i, len(sorted)-1))]
}

// never is the wait of a place to which nothing came.
const never = ^uint32(0)

// waits returns how long each of so many messages took to its first target, in microseconds.
func (t *tally) waits(messages int) []uint32 {
	waits := make([]uint32, min(messages, len(t.counts)/t.targets))
	for i := range waits {
		waits[i] = never
		if atomic.LoadUint32(&t.counts[i*t.targets]) > 0 {
			waits[i] = atomic.LoadUint32(&t.micros[i*t.targets])
		}
	}
	return waits
}
