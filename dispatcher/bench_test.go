package dispatcher

import (
	"fmt"
	"testing"

	"github.com/hooklog/hooklog/eventlog"
)

// BenchmarkLanes measures taking a task into its lane, finishing it and recording its success, with so many lanes in turn and
// each beside a queue that is always full. The sweep comes by as often as it would at ten thousand deliveries a second.
func BenchmarkLanes(b *testing.B) {
	const turnEvery = 2500
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
				next := x.finish(running[0], result{succeeded: true, underway: true, took: fast.took, brake: -1})
				running[0].made.recorded(eventlog.PositionOf(0, uint64(i)))
				if i%turnEvery == 0 {
					x.made.turn(eventlog.PositionOf(0, uint64(i)))
				}
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
