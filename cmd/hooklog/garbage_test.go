package main

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestTheHeapIsNeitherCollectedEarlyNorLate reckons as the runtime does, from https://go.dev/doc/gc-guide#GOGC.
func TestTheHeapIsNeitherCollectedEarlyNorLate(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		inUse, roots := rapid.Uint64Range(0, 1<<30).Draw(t, "in use"), rapid.Uint64Range(0, 16<<20).Draw(t, "roots")
		percent := uint64(heapPercent(inUse, roots))
		goal := max(inUse+(inUse+roots)*percent/100, 4<<20*percent/100)
		asGoDoes := inUse + inUse + roots
		if least := max(leastHeap*98/100, asGoDoes); goal < least {
			t.Errorf("%d bytes in use, %d roots: collected at %d, before %d", inUse, roots, goal, least)
		}
		if most := max(leastHeap, asGoDoes); goal > most {
			t.Errorf("%d bytes in use, %d roots: collected at %d, after %d", inUse, roots, goal, most)
		}
	})
}

func TestASmallHeapIsLetGrow(t *testing.T) {
	t.Parallel()
	for variable, want := range map[string]func(percent int) bool{
		"GOGC=":   func(percent int) bool { return percent > 2*leastPercent && percent <= mostPercent },
		"GOGC=50": func(percent int) bool { return percent == 50 },
	} {
		s, c := serveApart(t, []string{variable})
		eventually(t, fmt.Sprintf("the percentage with %s", variable), func() bool { return want(gcPercent(t, s)) })
		terminate(t, c)
	}
}

// gcPercent is what a server's GOGC is at present.
func gcPercent(t *testing.T, s *server) int {
	t.Helper()
	_, after, ok := strings.Cut(fetch(t, s.operator+"/metrics"), "\ngo_gc_gogc_percent ")
	number, _, _ := strings.Cut(after, "\n")
	percent, err := strconv.Atoi(number)
	if !ok || err != nil {
		t.Fatalf("no percentage in the metrics: %v", err)
	}
	return percent
}
