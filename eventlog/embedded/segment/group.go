package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
)

const (
	groupMagic  = "HGRP"
	groupHeader = 4 + 4 + 4 + 8 + 8 + 4 + sumSize
	lengthSize  = 4
	sumSize     = 4
	// afterSync is the flag of a group that was written when the one before had been synced.
	afterSync = 1
	// MaxRecord bounds a record, so that a length is never taken for the beginning of a group.
	MaxRecord = 1<<24 - 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrDamaged means that a file is not what this package wrote.
var ErrDamaged = errors.New("damaged")

// Group gathers records to be appended together. It is used again and again.
type Group struct {
	key     func(string) uint64
	first   uint64
	bytes   []byte // header and records
	records []listed
}

// listed is what a segment's memory holds of a record.
type listed struct {
	key      uint64
	offset   uint32 // of its length, in the group and later in the segment
	revision uint32
}

// NewGroup makes a group for this store.
func (s *Store) NewGroup() *Group { return &Group{key: s.options.key} }

// Begin empties the group. Its first record will have the given position.
func (g *Group) Begin(first uint64) {
	g.first = first
	g.bytes = append(g.bytes[:0], make([]byte, groupHeader)...)
	g.records = g.records[:0]
}

// Add makes room for a record of a stream and returns it to be filled before anything else is done with the group.
func (g *Group) Add(stream string, revision uint64, size int) ([]byte, error) {
	if size > MaxRecord || revision > math.MaxUint32 {
		return nil, fmt.Errorf("a record of %d bytes at revision %d is past what a segment can hold", size, revision)
	}
	g.records = append(g.records, listed{g.key(stream), uint32(len(g.bytes)), uint32(revision)})
	g.bytes = binary.BigEndian.AppendUint32(g.bytes, uint32(size))
	at := len(g.bytes)
	g.bytes = append(g.bytes, make([]byte, size)...)
	return g.bytes[at:], nil
}

// Records is how many were added.
func (g *Group) Records() int { return len(g.records) }

// Size is how many bytes the group takes on the disk.
func (g *Group) Size() int { return len(g.bytes) }

// close fills the header.
func (g *Group) close(offset int64, flags uint32) {
	b := append(g.bytes[:0], groupMagic...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(g.bytes)-groupHeader))
	b = binary.BigEndian.AppendUint32(b, uint32(len(g.records)))
	b = binary.BigEndian.AppendUint64(b, g.first)
	b = binary.BigEndian.AppendUint64(b, uint64(offset))
	b = binary.BigEndian.AppendUint32(b, flags)
	binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// header is the beginning of a group as it was read.
type header struct {
	bytes, records uint32
	first          uint64
	offset         int64
	flags          uint32
}

// parseHeader reads what may be the beginning of a group.
func parseHeader(b []byte) (h header, ok bool) {
	if len(b) < groupHeader || string(b[:4]) != groupMagic {
		return h, false
	}
	if crc32.Checksum(b[:groupHeader-sumSize], castagnoli) != binary.BigEndian.Uint32(b[groupHeader-sumSize:]) {
		return h, false
	}
	return header{bytes: binary.BigEndian.Uint32(b[4:]), records: binary.BigEndian.Uint32(b[8:]),
		first: binary.BigEndian.Uint64(b[12:]), offset: int64(binary.BigEndian.Uint64(b[20:])),
		flags: binary.BigEndian.Uint32(b[28:])}, true
}
