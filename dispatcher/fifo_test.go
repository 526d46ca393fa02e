package dispatcher

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestAFifoIsAQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var q fifo[*int]
		var want []*int
		for range rapid.IntRange(0, 400).Draw(t, "steps") {
			if len(want) > 0 && rapid.IntRange(0, 9).Draw(t, "pop") < 5 {
				if got := q.pop(); got != want[0] {
					t.Fatalf("got %d, want %d", *got, *want[0])
				}
				want = want[1:]
			} else {
				x, at := len(want), rapid.IntRange(0, len(want)).Draw(t, "place")
				q.insert(at, &x)
				want = slices.Insert(slices.Clone(want), at, &x)
			}
			if q.len() != len(want) {
				t.Fatalf("%d are in the queue, want %d", q.len(), len(want))
			}
			for i := range want {
				if q.at(i) != want[i] {
					t.Fatalf("in place %d is %d, want %d", i, *q.at(i), *want[i])
				}
			}
			if held := slices.IndexFunc(q.items[:cap(q.items)], func(x *int) bool { return x != nil && !slices.Contains(want, x) }); held >= 0 {
				t.Fatalf("the queue still holds what was taken out, in place %d", held)
			}
		}
	})
}

// A queue that never runs empty needs no longer array than a few times what is in it, and one that does gives a long one back.
func TestAFifoUsesItsArrayAgain(t *testing.T) {
	var q fifo[int]
	for i := range 100 {
		q.push(i)
	}
	if grown := testing.AllocsPerRun(1000, func() { q.push(q.pop()) }); grown != 0 || cap(q.items) > 400 {
		t.Errorf("%v arrays a turn, the last for %d, want none and at most 400", grown, cap(q.items))
	}
	for q.len() > 0 {
		q.pop()
	}
	if cap(q.items) != 0 {
		t.Errorf("an empty queue keeps an array for %d", cap(q.items))
	}
}
