package hooklog_test

import (
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"
)

// The figures that docs/scaling.md reckons with, as it names them.
const (
	servingMicros = 170 // CPU of the processes of one node for a delivery: everything but folding
	foldingMicros = 24  // CPU for folding its two facts, on every node
	deliveryBytes = 2041
	refoldedFacts = 263_000 // a second
	modelBytes    = 152
)

// TestTheTablesOfScalingAreReckoned holds the tables of docs/scaling.md against the reckoning that the text describes.
func TestTheTablesOfScalingAreReckoned(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("docs/scaling.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range []struct{ name, want string }{
		{"nodes", nodesTable()}, {"growth", growthTable()}, {"clusters", clustersTable()},
	} {
		if !strings.Contains(string(raw), table.want) {
			t.Errorf("the table of %s should be\n%s", table.name, table.want)
		}
	}
}

// nodesTable is what nodes of two cores deliver together, if nothing but their CPU bounds them: a node spends its share of
// the serving and all of the folding.
func nodesTable() string {
	var b strings.Builder
	const one = 2e6 / (servingMicros + foldingMicros)
	for _, n := range []float64{1, 2, 4, 6, 8, 16} {
		rate := 2e6 / (servingMicros/n + foldingMicros)
		share := foldingMicros / (servingMicros/n + foldingMicros)
		fmt.Fprintf(&b, "| %.0f | %s | %.1f | %.0f %% | %s |\n", n, thousands(rate), rate/one, 100*share, thousands(2*rate))
	}
	return b.String()
}

// growthTable is what a rate makes of the disk and of the time in which a node that lost its data directory folds all again.
func growthTable() string {
	var b strings.Builder
	for _, rate := range []float64{10, 100, 1000, 5000} {
		month := rate * 86400 * 30
		fmt.Fprintf(&b, "| %.0f | %s million | %s GB | %s GB | %s |\n", rate, thousands(month/1e6), thousands(month*deliveryBytes/1e9),
			thousands(month*modelBytes/1e9), hours(2*month/refoldedFacts/3600))
	}
	return b.String()
}

// clustersTable simulates which share of the load the busiest of several clusters has, if organizations are as unequal as
// words are (the n-th largest has 1/n of the largest): spread by hash, and by their size.
func clustersTable() string {
	var b strings.Builder
	for _, organizations := range []int{100, 10_000} {
		for _, clusters := range []int{2, 4, 8} {
			fmt.Fprintf(&b, "| %s | %d | %.0f %% | %.0f %% | %.0f %% |\n", thousands(float64(organizations)), clusters, 100/float64(clusters),
				100*byHash(organizations, clusters), 100*bySize(organizations, clusters))
		}
	}
	return b.String()
}

// sizes are the shares of organizations of the whole load, the largest first.
func sizes(n int) []float64 {
	shares, sum := make([]float64, n), 0.0
	for i := range shares {
		shares[i] = 1 / float64(i+1)
		sum += shares[i]
	}
	for i := range shares {
		shares[i] /= sum
	}
	return shares
}

// byHash is the busiest cluster's share if a hash of the organization decides, the median of many hashes.
func byHash(organizations, clusters int) float64 {
	shares := sizes(organizations)
	busiest := make([]float64, 101)
	for salt := range busiest {
		load := make([]float64, clusters)
		for i, size := range shares {
			load[mix(uint64(salt)<<32+uint64(i))%uint64(clusters)] += size
		}
		busiest[salt] = slices.Max(load)
	}
	slices.Sort(busiest)
	return busiest[len(busiest)/2]
}

// mix is the finalizer of SplitMix64: it spreads numbers evenly.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// bySize is the busiest cluster's share if each organization, the largest first, goes where least is.
func bySize(organizations, clusters int) float64 {
	load := make([]float64, clusters)
	for _, size := range sizes(organizations) {
		load[slices.Index(load, slices.Min(load))] += size
	}
	return slices.Max(load)
}

// thousands writes a number with three significant figures at most, and commas.
func thousands(n float64) string {
	if n >= 1000 {
		unit := math.Pow(10, math.Floor(math.Log10(n))-2)
		n = math.Round(n/unit) * unit
	}
	switch {
	case n < 10:
		return fmt.Sprintf("%.1f", n)
	case n < 1000:
		return fmt.Sprintf("%.0f", n)
	}
	return fmt.Sprintf("%d,%03d", int(n)/1000, int(n)%1000)
}

func hours(h float64) string {
	if h < 1 {
		return fmt.Sprintf("%.0f min", h*60)
	}
	return fmt.Sprintf("%.1f h", h)
}
