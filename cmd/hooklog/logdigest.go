package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"

	"github.com/hooklog/hooklog/eventlog"
)

// logDigest is a SHA-256 over all that a copy keeps of each event, in the order of the log: id, stream, revision, type, data
// and metadata, those of variable length with their length before them. Positions and the log's own times are its own.
type logDigest struct {
	hash  hash.Hash
	facts uint64
	line  []byte
}

func newLogDigest() *logDigest { return &logDigest{hash: sha256.New()} }

func (d *logDigest) add(e *eventlog.Recorded) {
	b := append(d.line[:0], e.ID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(e.Revision))
	if b = append(b, 0); e.Opaque {
		b[len(b)-1] = 1
	}
	for _, part := range [][]byte{[]byte(e.Stream), []byte(e.Type), e.Data, e.Metadata} {
		b = binary.BigEndian.AppendUint64(b, uint64(len(part)))
		b = append(b, part...)
	}
	d.hash.Write(b) // It never fails.
	d.line = b
	d.facts++
}

func (d *logDigest) sum() string { return hex.EncodeToString(d.hash.Sum(nil)) }

// sameFact compares what the digest is made over.
func sameFact(a, b *eventlog.Recorded) bool {
	return a.ID == b.ID && a.Stream == b.Stream && a.Revision == b.Revision && a.Type == b.Type && a.Opaque == b.Opaque &&
		bytes.Equal(a.Data, b.Data) && bytes.Equal(a.Metadata, b.Metadata)
}
