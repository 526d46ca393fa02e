package segment

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

const (
	// pageFilterSize is what the filter of a page takes, with its checksum: about filterBits for each entry.
	pageFilterSize = 224
	pageFilterBits = (pageFilterSize - sumSize) * 8
	// filteredPages is how many pages of entries have their filters on one page.
	filteredPages = pageSize / pageFilterSize
)

// pageFilter is a Bloom filter of the keys of a page of entries, and the CRC-32C of that.
type pageFilter [pageFilterSize]byte

// probes chooses a key's bits: first, and others a step apart.
func probes(key uint64) (first, step uint32) {
	const odd = 0x9E3779B97F4A7C15 // spreads what keys of one time have alike
	mixed := key * odd
	return uint32(mixed >> 32), uint32(mixed)
}

// bit is where in the filter a probe leads.
func bit(probe uint32) (at uint64, mask byte) {
	n := uint64(probe) * pageFilterBits >> 32
	return n / 8, 1 << (n % 8)
}

func (f *pageFilter) add(key uint64) {
	probe, step := probes(key)
	for range filterProbes {
		at, mask := bit(probe)
		f[at] |= mask
		probe += step
	}
}

func (f *pageFilter) mayHold(key uint64) bool {
	probe, step := probes(key)
	for range filterProbes {
		at, mask := bit(probe)
		if f[at]&mask == 0 {
			return false
		}
		probe += step
	}
	return true
}

func (f *pageFilter) sum() uint32 { return crc32.Checksum(f[:pageFilterSize-sumSize], castagnoli) }

// close fills the checksum in.
func (f *pageFilter) close() { binary.BigEndian.PutUint32(f[pageFilterSize-sumSize:], f.sum()) }

func (f *pageFilter) check() error {
	if f.sum() != binary.BigEndian.Uint32(f[pageFilterSize-sumSize:]) {
		return fmt.Errorf("a filter: %w", ErrDamaged)
	}
	return nil
}
