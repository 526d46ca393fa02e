package main

import (
	"fmt"
	"slices"
	"text/tabwriter"
	"time"
)

// spread is the median of some values with the least and the greatest.
type spread struct{ median, least, most float64 }

func spreadOf(values []float64) spread {
	if len(values) == 0 {
		return spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return spread{(sorted[(n-1)/2] + sorted[n/2]) / 2, sorted[0], sorted[n-1]}
}

func (s spread) format(verb string) string {
	return fmt.Sprintf(verb+" ("+verb+"–"+verb+")", s.median, s.least, s.most)
}

// of collects one figure of every round.
func (p *part) of(pick func(figures) float64) []float64 {
	var values []float64
	for _, f := range p.rounds {
		values = append(values, pick(f))
	}
	return values
}

func rateOf(f figures) float64    { return f.rate }
func serviceOf(f figures) float64 { return micros(f.service) }

func micros(d time.Duration) float64 { return float64(d.Nanoseconds()) / 1e3 }

// allOf is the CPU time of all processes that take part.
func allOf(f figures) float64 { return micros(f.service + f.log + f.publisher + f.receiver) }

// ratios divides a figure of one part by that of another in the same round.
func ratios(over, under *part, pick func(figures) float64) spread {
	return quotients(over.of(pick), under.of(pick))
}

func quotients(over, under []float64) spread {
	var values []float64
	for i := range min(len(over), len(under)) {
		if under[i] > 0 {
			values = append(values, over[i]/under[i])
		}
	}
	return spreadOf(values)
}

// maxRelayCost is how much more CPU time per delivery the relay process may take than the bare loop and its receiver
// together, which do the same two halves of its work; above it, something else ran on the machine or the relay is not bare.
const maxRelayCost = 1.8

func (b *bench) printRounds(parts []*part) {
	fmt.Fprintf(b.out, "\nSaturation: %d rounds of %.3g s each, interleaved; median (least–greatest). %d connections, %d-byte payloads,\n"+
		"one subscription of an organization with profile vantageclaw, at most %d deliveries on their way. Durable: fsync before\n"+
		"every 202 and before an outcome counts.\n\n",
		b.rounds, b.seconds, b.connections, payloadSize, window)
	w := tabwriter.NewWriter(b.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "\tdeliveries/s\tCPU of the process, µs/delivery\tof all, µs\tp50 ms\tp90 ms\tp99 ms\tlost\ttwice")
	for _, p := range parts {
		var lost, twice int64
		for _, f := range p.rounds {
			lost, twice = lost+f.Lost, twice+f.Duplicates
		}
		wait := func(pick func(latency) uint32) float64 {
			return spreadOf(p.of(func(f figures) float64 { return float64(pick(f.Latency)) / 1e3 })).median
		}
		fmt.Fprintf(w, "(%s) %s\t%s\t%s\t%.1f\t%.2f\t%.2f\t%.2f\t%d\t%d\n", p.letter, p.name,
			spreadOf(p.of(rateOf)).format("%.0f"), spreadOf(p.of(serviceOf)).format("%.1f"),
			spreadOf(p.of(allOf)).median,
			wait(func(l latency) uint32 { return l.P50 }), wait(func(l latency) uint32 { return l.P90 }),
			wait(func(l latency) uint32 { return l.P99 }), lost, twice)
	}
	w.Flush()
	b.printRatios(lettered(parts))
}

func lettered(parts []*part) map[string]*part {
	byLetter := map[string]*part{}
	for _, p := range parts {
		byLetter[p.letter] = p
	}
	return byLetter
}

func (b *bench) printRatios(parts map[string]*part) {
	loop, relay, single, batches := parts["a"], parts["b"], parts["c"], parts["d"]
	if loop == nil || relay == nil || single == nil || batches == nil {
		return
	}
	fmt.Fprintf(b.out, "\nRatios, each within its round:\n")
	w := tabwriter.NewWriter(b.out, 0, 8, 2, ' ', 0)
	fmt.Fprintf(w, "  c/b\tsingle publishes to the relay\t%s\n", ratios(single, relay, rateOf).format("%.2f"))
	fmt.Fprintf(w, "  d/a\tbatches of 100 to the bare loop\t%s\n", ratios(batches, loop, rateOf).format("%.2f"))
	fmt.Fprintf(w, "  CPU c/b\tthe Hooklog process to the relay process, per delivery\t%s\n", ratios(single, relay, serviceOf).format("%.2f"))
	yardstick := quotients(relay.of(serviceOf), loop.of(allOf))
	fmt.Fprintf(w, "  CPU b/a\tthe relay process to the bare loop with its receiver\t%s\n", yardstick.format("%.2f"))
	w.Flush()
	if cost := yardstick.median; cost > maxRelayCost {
		fmt.Fprintf(b.out, "THIS RUN IS VOID: the relay cost %.2f × the bare loop's CPU, more than %.1f ×. Something else was running, or\n"+
			"the relay is not a fair yardstick here; its ratios mean nothing.\n", cost, maxRelayCost)
	}
}
