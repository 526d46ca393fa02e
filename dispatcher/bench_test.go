package dispatcher

import (
	"fmt"
	"testing"
)

// BenchmarkLanes measures taking a task into its lane and finishing it, with so many lanes in turn and each beside a
// queue that is always full.
func BenchmarkLanes(b *testing.B) {
	for _, count := range []int{1, 100, 10_000} {
		b.Run(fmt.Sprintf("lanes=%d", count), func(b *testing.B) {
			x := newBench(b, Limits{})
			lanes := make([]*lane, count)
			for i := range lanes {
				lanes[i] = x.lane(i%10, i, fmt.Sprintf("host-%d:443", i%100))
			}
			var running []*task
			take := func(i int) {
				t := x.task(lanes[i%count])
				if x.submit(t) == started {
					running = append(running, t)
				}
			}
			for i := range 256 {
				take(i)
			}
			b.ReportAllocs()
			i := 256
			for b.Loop() {
				take(i)
				i++
				if len(running) == 0 {
					b.Fatal("nothing runs")
				}
				next, _ := x.finish(running[0], fast)
				running = append(running[1:], next...)
			}
		})
	}
}

// BenchmarkClock measures what a round of the clock asks of many lanes of which none left anything.
func BenchmarkClock(b *testing.B) {
	for _, count := range []int{100, 10_000} {
		b.Run(fmt.Sprintf("lanes=%d", count), func(b *testing.B) {
			x := newBench(b, Limits{})
			for i := range count {
				x.lane(i%10, i, fmt.Sprintf("host-%d:443", i%100))
			}
			for b.Loop() {
				if len(x.leftIn(leftAtOnce)) != 0 || len(x.overflowing()) != 0 {
					b.Fatal("something was left")
				}
			}
		})
	}
}
