package esdbserver

import (
	"fmt"
	"slices"
	"testing"

	"github.com/hooklog/hooklog/eventlog"
	"pgregory.net/rapid"
)

// TestProgressIsThePlaceBeforeTheFirstUnfinished compares with a model that remembers everything.
func TestProgressIsThePlaceBeforeTheFirstUnfinished(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := progress{done: nowhere}
		var open []*slot
		var places []int64 // all, in order
		unfinished := make(map[int64]bool)
		place := int64(nowhere)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch rapid.IntRange(0, 2).Draw(t, "step") {
			case 0:
				place += rapid.Int64Range(1, 3).Draw(t, "gap")
				open, places = append(open, p.begin(place)), append(places, place)
				unfinished[place] = true
			case 1:
				place += rapid.Int64Range(1, 3).Draw(t, "gap")
				p.pass(place)
				places = append(places, place)
			case 2:
				if len(open) > 0 {
					i := rapid.IntRange(0, len(open)-1).Draw(t, "which")
					delete(unfinished, open[i].place)
					p.finish(open[i])
					open = slices.Delete(open, i, i+1)
				}
			}
			want, count := int64(nowhere), 0
			for _, at := range places {
				if unfinished[at] {
					break
				}
				want, count = at, count+1
			}
			if p.done != want || p.count != count {
				t.Fatalf("done up to %d (%d events), want %d (%d)", p.done, p.count, want, count)
			}
		}
	})
}

func TestRetriesComeInOrderAndReplaysLast(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var q retryQueue
		for i := range rapid.IntRange(0, 30).Draw(t, "messages") {
			m := &message{place: rapid.Int64Range(0, 20).Draw(t, "place"), retries: i}
			if rapid.Bool().Draw(t, "replayed") {
				m.replay = &slot{}
			}
			q.add(m)
		}
		for i := 1; i < len(q); i++ {
			a, b := q[i-1], q[i]
			inOrder := a.place < b.place || a.place == b.place && a.retries < b.retries
			if a.replayed() {
				inOrder = a.retries < b.retries
			}
			if a.replayed() && !b.replayed() || a.replayed() == b.replayed() && !inOrder {
				t.Fatalf("%d (replayed: %v) comes before %d (replayed: %v)", a.place, a.replayed(), b.place, b.replayed())
			}
		}
	})
}

func TestBucketsAreSharedEvenlyAndMoveLittle(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var p pins
		var consumers []*consumer
		for range rapid.IntRange(1, 20).Draw(t, "steps") {
			before, join := p, len(consumers) == 0 || rapid.Bool().Draw(t, "join")
			if join {
				consumers = append(consumers, &consumer{slots: 1})
			} else {
				i := rapid.IntRange(0, len(consumers)-1).Draw(t, "which")
				consumers = slices.Delete(consumers, i, i+1)
			}
			p.share(consumers)
			counts := make(map[*consumer]int)
			moved := 0
			for i, c := range p.owners {
				counts[c]++
				if slices.Contains(consumers, before.owners[i]) && before.owners[i] != c {
					moved++
				}
			}
			if len(consumers) == 0 {
				continue
			}
			most := (buckets + len(consumers) - 1) / len(consumers)
			for _, c := range consumers {
				if counts[c] > most {
					t.Fatalf("a consumer has %d of %d buckets, at most %d is fair", counts[c], buckets, most)
				}
			}
			if counts[nil] != 0 || moved > most {
				t.Fatalf("%d buckets have nobody, %d have moved without need", counts[nil], moved)
			}
		}
	})
}

func TestLinksArePlaces(t *testing.T) {
	t.Parallel()
	for _, e := range []eventlog.Recorded{{Stream: "a"}, {Stream: "a@b", Revision: 7}} {
		stream, revision, ok := linkTarget(linkTo(&e))
		if !ok || stream != e.Stream || revision != e.Revision {
			t.Errorf("got %d@%s, %v", revision, stream, ok)
		}
	}
	for _, bad := range []string{"", "@a", "1@", "x@a", "-1@a", "1", fmt.Sprint(uint64(1)<<63) + "@a"} {
		if _, _, ok := linkTarget([]byte(bad)); ok {
			t.Errorf("%q leads somewhere", bad)
		}
	}
}
