package segment

import (
	"encoding/binary"
	"math/bits"
)

const (
	blockSize  = 64
	blockWords = blockSize / 8
	// filterBits is how many bits the filter has for each entry, filterProbes how many it sets: about one in a hundred
	// keys that are not there seems to be.
	filterBits   = 10
	filterProbes = 6
)

// filter is a Bloom filter whose bits of one key are in one cache line.
type filter [][blockWords]uint64

// blocksFor is how many blocks the filter of so many keys has.
func blocksFor(keys uint64) uint64 { return 1 + keys*filterBits/(blockSize*8) }

// block finds the block of a key, and the numbers of its bits there, nine bits each.
func (f filter) block(key uint64) (at int, probes uint64) {
	high, _ := bits.Mul64(key, uint64(len(f)))
	const odd = 0x9E3779B97F4A7C15 // spreads what the choice of the block left alike
	return int(high), key * odd
}

func (f filter) add(key uint64) {
	at, probes := f.block(key)
	for range filterProbes {
		f[at][probes>>6%blockWords] |= 1 << (probes % 64)
		probes >>= 9
	}
}

func (f filter) mayHold(key uint64) bool {
	at, probes := f.block(key)
	for range filterProbes {
		if f[at][probes>>6%blockWords]&(1<<(probes%64)) == 0 {
			return false
		}
		probes >>= 9
	}
	return true
}

func (f filter) append(b []byte) []byte {
	for i := range f {
		for _, word := range f[i] {
			b = binary.BigEndian.AppendUint64(b, word)
		}
	}
	return b
}

func parseFilter(b []byte) filter {
	f := make(filter, len(b)/blockSize)
	for i := range f {
		for w := range f[i] {
			f[i][w] = binary.BigEndian.Uint64(b[i*blockSize+w*8:])
		}
	}
	return f
}
