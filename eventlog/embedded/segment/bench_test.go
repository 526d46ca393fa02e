package segment

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// BenchmarkEach reads streams of one record each from a log of many closed segments: one stream of many, as deliveries
// are read, and the same few again and again, as subscriptions are.
func BenchmarkEach(b *testing.B) {
	const segments, n = 80, 80 * 3000
	s := longStore(b, n, segments)
	for name, of := range map[string]int{"many": n, "few": 20} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				found := 0
				err := s.Each(benchStream(rand.IntN(of)), 0, false, s.Head(), func(Found) bool {
					found++
					return true
				})
				if err != nil || found != 1 {
					b.Fatal(found, err)
				}
			}
		})
	}
}

func benchStream(i int) string { return fmt.Sprintf("stream-%08d", i) }

// longStore makes a store of n records in about as many closed segments as given.
func longStore(b *testing.B, n, segments int) *Store {
	const size, together = 600, 50
	o := Options{FS: vfs.Default, Inspect: inspect, Name: name, Bytes: int64(n / segments * (size + 50)), NoSync: true}
	s, err := Open(b.TempDir(), o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	g, text := s.NewGroup(), make([]byte, size)
	for i := 0; i < n; {
		g.Begin(uint64(i) + 1)
		for range min(together, n-i) {
			r := record(benchStream(i), 0, uint64(i)+1, text)
			space, err := g.Add(benchStream(i), 0, len(r))
			if err != nil {
				b.Fatal(err)
			}
			copy(space, r)
			i++
		}
		if err := s.Append(g); err != nil {
			b.Fatal(err)
		}
	}
	for s.closable() != nil || s.mergeable() != nil {
		time.Sleep(time.Millisecond)
	}
	return s
}
