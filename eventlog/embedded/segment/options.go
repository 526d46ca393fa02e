package segment

import (
	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Options say how a store is opened. Inspect and Name must be given.
type Options struct {
	// FS is the file system; nil is the operating system's.
	FS vfs.FS
	// Bytes is the size at which a segment is closed; 0 is 128 MiB.
	Bytes int64
	// Inspect checks a record that was read from the disk, its checksum first of all, and tells its place.
	Inspect func(record []byte, position uint64) (Place, error)
	// Name tells the place of a record that is whole. The stream shares the record's bytes.
	Name func(record []byte) Place
	// Fault is told what went wrong while a closed segment was indexed; it is tried again. nil passes over it.
	Fault    func(error)
	ReadOnly bool
	// Ahead is how far the growing segment is filled with zeros before they are written over: a sync that need not tell
	// the file system of a longer file takes a fraction of the time. 0 is 4 MiB on the operating system's file system and
	// nothing on others; less than 0 is nothing.
	Ahead int64
	// NoSync leaves out every sync: a crash may then lose or tear anything. For tests and bulk loading.
	NoSync bool

	// hash is XXH64; tests make streams share hashes.
	hash func(string) uint64
}

// Place is where a record stands in its stream.
type Place struct {
	Stream   []byte
	Revision uint64
}

const (
	defaultBytes = 128 << 20
	defaultAhead = 4 << 20
)

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.Ahead == 0 && o.FS == vfs.Default {
		o.Ahead = defaultAhead
	}
	if o.hash == nil {
		o.hash = xxhash.Sum64String
	}
	if o.Bytes == 0 {
		o.Bytes = defaultBytes
	}
	if o.Fault == nil {
		o.Fault = func(error) {}
	}
	return o
}
