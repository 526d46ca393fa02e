package embedded

import (
	"os"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/rs/zerolog"

	"github.com/hooklog/hooklog/eventlog/embedded/segment"
)

// Options say how a log is opened. The zero value is right for a service.
type Options struct {
	// FS is the file system; nil is the operating system's.
	FS vfs.FS
	// ReadOnly opens a log that nobody else has open, without changing its events. The directory is locked all the
	// same, so that what is read stands still.
	ReadOnly bool
	// ErrIfMissing refuses, with [ErrMissing], to make a log where there is none.
	ErrIfMissing bool
	// MinFree is how many bytes of the disk must be free for an append to be taken; below it appends are refused with
	// [eventlog.ErrNoSpace]. 0 means [DefaultMinFree].
	MinFree uint64
	// SegmentSize is how many bytes of records make a file. 0 means [DefaultSegmentSize].
	SegmentSize int64
	// Fatal is called, at most once, when a write or sync failed so that nothing can be trusted any more. nil logs the
	// error and ends the process with exit code [ExitFatal]. If it returns, every further call on the log fails. Open calls
	// it too if the disk fills up while it puts the store in order, because the store would try again for ever.
	Fatal func(error)
	// Logger gets what Pebble has to say. The zero value says nothing.
	Logger zerolog.Logger

	// NoSync acknowledges appends that A POWER FAILURE WILL LOSE. It is there for the tests that show that the other
	// tests would notice, and for measuring what syncing costs. Never set it in a service.
	NoSync bool
}

const (
	// DefaultMinFree is the free space that Options.MinFree 0 stands for.
	DefaultMinFree = 64 << 20
	// DefaultSegmentSize is what Options.SegmentSize 0 stands for.
	DefaultSegmentSize = 128 << 20
	// ExitFatal is the exit code of a process whose log failed.
	ExitFatal = 70
)

// The store holds the state of groups and notes, which is little.
const (
	memTableSize = 4 << 20
	cacheSize    = 16 << 20 // memtables are charged to it
)

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.MinFree == 0 {
		o.MinFree = DefaultMinFree
	}
	if o.SegmentSize == 0 {
		o.SegmentSize = DefaultSegmentSize
	}
	if o.Fatal == nil {
		logger := o.Logger
		o.Fatal = func(err error) {
			logger.Error().Err(err).Msg("the log failed; the next start recovers")
			os.Stderr.WriteString("hooklog: the log failed, the next start recovers: " + err.Error() + "\n")
			os.Exit(ExitFatal)
		}
	}
	return o
}

func (o Options) pebble(l *Log) *pebble.Options {
	return &pebble.Options{
		FS:                 o.FS,
		CacheSize:          cacheSize,
		MemTableSize:       memTableSize,
		FormatMajorVersion: pebble.FormatTableFormatV6,
		ReadOnly:           o.ReadOnly,
		Logger:             &pebbleLogger{log: l},
		EventListener:      o.listener(l),
	}
}

func (o Options) segments() segment.Options {
	return segment.Options{FS: o.FS, Bytes: o.SegmentSize, ReadOnly: o.ReadOnly, NoSync: o.NoSync, Inspect: inspectRecord, Name: placeOf,
		Fault: func(err error) {
			o.Logger.Error().Err(err).Msg("the log's segments could not be indexed; it is tried again")
		},
		Outdated: func() {
			o.Logger.Info().Msg("the log's indexes are of an earlier release and are written anew: this start reads the whole log")
		}}
}

// complaintInterval is how often a background error is logged while the store tries again and again.
const complaintInterval = 10 * time.Second

// listener tells of the store's background work. Opening waits for some of it, and would wait for ever on a full disk.
func (o Options) listener(l *Log) *pebble.EventListener {
	var complained atomic.Int64
	return &pebble.EventListener{
		BackgroundError: func(err error) {
			if l.opening.Load() {
				l.failure.stop(explain(l.dir, err))
			}
			now, last := time.Now().UnixNano(), complained.Load()
			if now-last >= int64(complaintInterval) && complained.CompareAndSwap(last, now) {
				o.Logger.Error().Err(err).Msg("the log's store could not do its background work and tries again")
			}
		},
		WriteStallBegin: func(info pebble.WriteStallBeginInfo) {
			o.Logger.Warn().Str("reason", info.Reason).Msg("the log's store has fallen behind; appends wait")
		},
		WriteStallEnd: func() { o.Logger.Info().Msg("the log's store has caught up") },
	}
}
