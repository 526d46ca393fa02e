package projections

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/rs/zerolog"

	"github.com/hooklog/hooklog/eventlog"
)

// format is the version of everything in the store. A store of another version is dropped and folded again.
const format = "hooklog-projections-2"

// Sizes of the store. Memtables are charged to the block cache, so the cache is larger than the two that there mostly are, one
// that is written and one that is flushed. The larger they are, the fewer runs there are to merge: with 16 MiB flushes and
// merges took a third less CPU under load than with 8, and a storm of a million retries 307 MiB, which is more than it should.
const (
	cacheSize    = 44 << 20
	memTableSize = 12 << 20
	memTables    = 3
	blockSize    = 8 << 10
	filterBits   = 10
	// tableSize is the size of a table in the first level below the flushed runs, each of which is one; they are twice as large
	// in each level further down. Four times Pebble's: a table is a file to open, and an index to read, for whoever comes to it first, and
	// folding three million facts takes 4 % less CPU with a third as many.
	tableSize = 16 << 20
	// maxTables is how many tables are kept open, which is what Pebble leaves of maxOpenFiles, about as many as ten million facts have.
	maxTables    = 64
	maxOpenFiles = maxTables + 10
	// gatheredRuns is how many overlapping runs of flushed rows are gathered before they are merged into the levels below:
	// twice Pebble's number, since every merge reads and writes again the rows that are there, which was the largest part
	// of a rebuild in the store. Readers look into a few runs more, whose filters mostly say no. While the past is folded
	// it is heldRuns. Nothing is written any more at stopRuns.
	gatheredRuns = 8
	stopRuns     = heldRuns + 3*gatheredRuns
)

// store is the Pebble store of the read models with what Pebble does not offer in one call.
type store struct {
	*pebble.DB
	compactions compactions
	pacing      *pacing
	// sought counts how often rows were looked for; folded is what of it holdMerges has counted.
	sought *atomic.Int64
	folded *atomic.Int64
}

func openStore(dir string, fs vfs.FS, logger zerolog.Logger) (*store, error) {
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the read models: %w", err)
	}
	c := newCompactions()
	c.held.Store(true) // because Open waits for the merges that it begins, which may take seconds
	sought := new(atomic.Int64)
	p := &pacing{held: c.held, sought: sought}
	o := storeOptions(pacedFS{fs, p}, logger)
	o.Experimental.CompactionScheduler = c
	db, err := pebble.Open(dir, o)
	if err != nil {
		return nil, fmt.Errorf("open the read models in %s (they may be deleted: they are folded from the log again): %w", dir, err)
	}
	p.db.Store(db)
	c.letGo()
	return &store{db, c, p, sought, new(atomic.Int64)}, nil
}

// leave writes what is in memory, and closes the store.
func (s *store) leave() error {
	s.pacing.leaving.Store(true)
	return errors.Join(s.Flush(), s.Close())
}

func storeOptions(fs vfs.FS, logger zerolog.Logger) *pebble.Options {
	o := &pebble.Options{
		FS:                          fs,
		CacheSize:                   cacheSize,
		MemTableSize:                memTableSize,
		MemTableStopWritesThreshold: memTables,
		MaxOpenFiles:                maxOpenFiles,
		L0CompactionThreshold:       gatheredRuns,
		L0StopWritesThreshold:       stopRuns,
		FormatMajorVersion:          pebble.FormatTableFormatV6,
		// Safe because the checkpoint is in the same batch as what it stands for: see the package comment.
		DisableWAL: true,
		Logger:     storeLogger{logger},
	}
	o.TargetFileSizes[0], o.TargetFileSizes[1] = tableSize, tableSize
	for i := range o.Levels {
		o.Levels[i].BlockSize = blockSize
		if i < len(o.Levels)-1 { // what is asked for mostly exists, so the last level needs none
			o.Levels[i].FilterPolicy = bloom.FilterPolicy(filterBits)
		}
	}
	return o
}

// checkpoint is where the store stands in the log, with the counts that belong to that place.
type checkpoint struct {
	position eventlog.Position
	// open counts the rows of the due index, unsent those of them that wait for the first attempt of all.
	open, unsent int64
	// facts counts the events up to there, those passed over included.
	facts uint64
}

// checkpointSize is the length of a checkpoint's row.
const checkpointSize = 40

var (
	formatKey     = []byte{metaSpace, 'f'}
	checkpointKey = []byte{metaSpace, 'c'}
	spacesEnd     = []byte{0xff}
)

func (c checkpoint) append(b []byte) []byte {
	b, _ = c.position.AppendBinary(b)
	b = binary.BigEndian.AppendUint64(b, uint64(c.open))
	b = binary.BigEndian.AppendUint64(b, uint64(c.unsent))
	return binary.BigEndian.AppendUint64(b, c.facts)
}

func parseCheckpoint(b []byte) (c checkpoint, err error) {
	if len(b) != checkpointSize {
		return c, errors.New("the checkpoint is damaged")
	}
	err = c.position.UnmarshalBinary(b[:16])
	c.open, c.unsent = int64(binary.BigEndian.Uint64(b[16:])), int64(binary.BigEndian.Uint64(b[24:]))
	c.facts = binary.BigEndian.Uint64(b[32:])
	return c, err
}

// begin returns the checkpoint of a store of this format; any other store is emptied first.
func (s *store) begin(logger zerolog.Logger) (checkpoint, error) {
	found, ok, err := s.value(formatKey)
	if err != nil {
		return checkpoint{}, err
	}
	if ok && string(found) == format {
		value, ok, err := s.value(checkpointKey)
		if err != nil || !ok {
			return checkpoint{}, err
		}
		return parseCheckpoint(value)
	}
	if ok {
		logger.Warn().Str("found", string(found)).Str("wanted", format).
			Msg("the read models have another format: they are dropped and folded from the start of the log")
	}
	b := s.NewBatch()
	defer b.Close()
	if err := errors.Join(b.DeleteRange([]byte{metaSpace}, spacesEnd, nil), b.Set(formatKey, []byte(format), nil),
		setDocument(b, versionsKey, presentVersions())); err != nil {
		return checkpoint{}, err
	}
	if err := b.Commit(pebble.NoSync); err != nil {
		return checkpoint{}, fmt.Errorf("begin the read models: %w", err)
	}
	return checkpoint{}, nil
}

// value returns a copy of the value under a key.
func (s *store) value(key []byte) ([]byte, bool, error) {
	s.sought.Add(1)
	v, closer, err := s.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read the read models: %w", err)
	}
	v = bytes.Clone(v)
	return v, true, closer.Close()
}

// scan calls each with every row whose key is in [from, to), in order, without what stands before the keys. The slices
// are good during the call only. It ends early when each returns false.
func (s *store) scan(from, to []byte, each func(key, value []byte) (bool, error)) (err error) {
	s.sought.Add(1)
	it, err := s.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: to})
	if err != nil {
		return fmt.Errorf("read the read models: %w", err)
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return fmt.Errorf("read the read models: %w", err)
		}
		if more, err := each(it.Key(), value); err != nil || !more {
			return err
		}
	}
	return it.Error()
}

// storeLogger passes on what Pebble has to say.
type storeLogger struct{ logger zerolog.Logger }

func (l storeLogger) Infof(format string, args ...any)  { l.logger.Trace().Msgf(format, args...) }
func (l storeLogger) Errorf(format string, args ...any) { l.logger.Error().Msgf(format, args...) }

// Fatalf is called when the store cannot go on. Nothing is lost by ending: the next start folds what is missing.
func (l storeLogger) Fatalf(format string, args ...any) { l.logger.Fatal().Msgf(format, args...) }
