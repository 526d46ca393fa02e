package segment

import (
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
	// Fault is told what went wrong in the background, while a closed segment was indexed or the growing one filled; it is
	// tried again. nil passes over it.
	Fault func(error)
	// Outdated is told that there are indexes of an earlier version, so that opening reads the records through. nil passes
	// over it.
	Outdated func()
	ReadOnly bool
	// Ahead is how far the growing segment is filled with zeros, in the background, before they are written over: a sync that
	// need not tell the file system of a longer file takes a fraction of the time. 0 is 4 MiB on the operating system's file
	// system and nothing on others; less than 0 is nothing.
	Ahead int64
	// NoSync leaves out every sync: a crash may then lose or tear anything. For tests and bulk loading.
	NoSync bool

	// key is keyOf; tests make streams share keys.
	key func(string) uint64
	// filter is how many bytes a table's filter of untimed keys has at most; 0 is maxFilter.
	filter int
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
	if o.key == nil {
		o.key = keyOf
	}
	if o.filter == 0 {
		o.filter = maxFilter
	}
	if o.Bytes == 0 {
		o.Bytes = defaultBytes
	}
	if o.Fault == nil {
		o.Fault = func(error) {}
	}
	if o.Outdated == nil {
		o.Outdated = func() {}
	}
	return o
}
