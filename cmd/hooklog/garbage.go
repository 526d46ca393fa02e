package main

import (
	"math"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// leastHeap is how large the heap becomes before garbage is collected, in bytes; one that is full of what is in use, twice as
// large as that, as Go does of itself. Collecting takes both of two processors for ten milliseconds, whatever is published or
// delivered meanwhile stands behind it, and a small heap is collected several times a second.
const leastHeap = 96 << 20

// collectLater lets the heap grow to leastHeap, unless GOGC says how far it shall. The runtime knows no such bound, only a
// percentage, which is therefore fitted after each collection.
func collectLater() {
	if os.Getenv("GOGC") != "" {
		return
	}
	present := leastPercent
	afterEachCollection(func() {
		if wanted := heapPercent(heapInUse()); math.Abs(float64(wanted-present)) > percentSlack*float64(present) {
			present = wanted
			debug.SetGCPercent(wanted)
		}
	})
}

const (
	// leastPercent is Go's own; mostPercent makes leastHeap of what the runtime takes a heap for at least, 4 MiB.
	leastPercent = 100
	mostPercent  = leastHeap / (4 << 20) * 100
	// percentSlack is how far the percentage may be off: to set it stops everything for a moment.
	percentSlack = 0.1
)

// heapPercent is what GOGC must be for leastHeap, with so many bytes in use and so many of stacks and globals, which the
// runtime counts in.
func heapPercent(inUse, roots uint64) int {
	missing := leastHeap - min(leastHeap, inUse)
	return int(min(mostPercent, max(leastPercent, missing*100/max(1, inUse+roots))))
}

// heapInUse is what the last collection found in use.
func heapInUse() (inUse, roots uint64) {
	samples := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}}
	metrics.Read(samples)
	return samples[0].Value.Uint64(), samples[1].Value.Uint64() + samples[2].Value.Uint64()
}

// afterEachCollection calls do after every collection of garbage, soon, never twice at once.
func afterEachCollection(do func()) {
	seen := new(*byte) // with a pointer, so that it lies alone
	runtime.AddCleanup(seen, func(do func()) {
		do()
		afterEachCollection(do)
	}, do)
}
