package embedded

import (
	"os"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/rs/zerolog"
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
	// CacheSize is how many bytes of memory Pebble may use for blocks and memtables together. 0 means
	// [DefaultCacheSize]; below 96 MiB there is little left for blocks.
	CacheSize int64
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
	// DefaultCacheSize is the memory that Options.CacheSize 0 stands for.
	DefaultCacheSize = 112 << 20
	// ExitFatal is the exit code of a process whose log failed.
	ExitFatal = 70
)

const (
	memTableSize  = 32 << 20
	memTables     = 3
	filterBits    = 10
	blockSize     = 16 << 10
	compactAt     = 8
	stopWritesAt  = 64
	maxOpenFiles  = 512
	baseLevelSize = 2 << 30
)

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.MinFree == 0 {
		o.MinFree = DefaultMinFree
	}
	if o.CacheSize == 0 {
		o.CacheSize = DefaultCacheSize
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

// pebble makes the options of the store. Memtables are charged to the block cache, so the cache is the larger of the
// two; filters are asked on all levels, because the commonest question is about a stream that does not exist.
func (o Options) pebble(l *Log) *pebble.Options {
	p := &pebble.Options{
		FS:                          o.FS,
		Comparer:                    comparer(),
		CacheSize:                   o.CacheSize,
		MemTableSize:                memTableSize,
		MemTableStopWritesThreshold: memTables,
		L0CompactionThreshold:       compactAt,
		L0StopWritesThreshold:       stopWritesAt,
		LBaseMaxBytes:               baseLevelSize,
		MaxOpenFiles:                maxOpenFiles,
		FormatMajorVersion:          pebble.FormatValueSeparation,
		ReadOnly:                    o.ReadOnly,
		Logger:                      &pebbleLogger{log: l},
		EventListener:               o.listener(l),
	}
	p.Experimental.ValueSeparationPolicy = recordsApart
	for i := range p.Levels {
		p.Levels[i].BlockSize = blockSize
		if i < len(p.Levels)-1 { // what is still moving is written often and mostly ciphertext
			p.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.NoCompression }
		}
		p.Levels[i].FilterPolicy = bloom.FilterPolicy(filterBits)
	}
	return p
}

// recordsApart keeps records in files of their own, written once: compacting moves only their keys. Nothing is ever
// deleted from the log, so those files hold no garbage to be collected.
func recordsApart() pebble.ValueSeparationPolicy {
	const (
		fromSize = 128 // every record, and no index entry
		overlap  = 64  // files that one table may refer to before records are written again
	)
	return pebble.ValueSeparationPolicy{Enabled: true, MinimumSize: fromSize, MaxBlobReferenceDepth: overlap,
		TargetGarbageRatio: 1, RewriteMinimumAge: time.Hour}
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
