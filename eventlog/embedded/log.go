package embedded

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded/segment"
)

// Log is an event log in a directory. It is safe for concurrent use; one process at a time has it open.
type Log struct {
	dir     string
	opts    Options
	records *segment.Store
	db      *pebble.DB // the state of groups, and notes
	lock    io.Closer
	failure *failure
	opening atomic.Bool
	tail    *tail
	writer  *writer
	groups  *groups
	// stated says that there is a stream with metadata, or one that was tombstoned. Until then nobody looks for them.
	stated atomic.Bool

	// life ends when Close begins.
	life   context.Context
	end    context.CancelFunc
	closer sync.Once
	closed error

	// use is held for reading while the store is used and for writing while it is closed.
	use  sync.RWMutex
	gone bool // under use

	// stuck says that the store panicked in the middle of a write. It holds its locks for ever and cannot be closed.
	stuck atomic.Bool
}

var _ eventlog.Store = (*Log)(nil)

// Open opens the log in dir, and makes it if there is none. Errors are sentences for an operator; [ErrMissing],
// [ErrLocked] and [ErrFormat] can be told apart. An error leaves what was there as it was.
func Open(dir string, opts Options) (*Log, error) {
	opts = opts.withDefaults()
	lock, err := claim(dir, opts)
	if err != nil {
		return nil, explain(dir, err)
	}
	l, err := open(dir, opts, lock)
	if err != nil {
		return nil, explain(dir, errors.Join(err, lock.Close()))
	}
	return l, nil
}

// claim locks a directory that holds a log, or makes an empty one.
func claim(dir string, opts Options) (*pebble.Lock, error) {
	exists, err := checkFormat(opts.FS, dir)
	if err != nil {
		return nil, err
	}
	if !exists && (opts.ReadOnly || opts.ErrIfMissing) {
		return nil, fmt.Errorf("%w in %s", ErrMissing, dir)
	}
	if err := enoughToOpen(dir, opts); err != nil {
		return nil, err
	}
	if err := makeDirectory(opts.FS, dir); err != nil {
		return nil, err
	}
	lock, err := pebble.LockDirectory(dir, opts.FS)
	if err != nil {
		return nil, explainLock(dir, err)
	}
	exists, err = checkFormat(opts.FS, dir)
	if err == nil && !exists {
		err = writeFormat(opts.FS, dir)
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return lock, nil
}

// explainLock tells a lock that is held, which comes as a bare errno or text, from a lock file that cannot be made.
func explainLock(dir string, err error) error {
	var path *fs.PathError
	if errors.As(err, &path) || errors.Is(err, syscall.ENOSPC) {
		return err
	}
	return fmt.Errorf("%w: another process, or another part of this one, has the log in %s open: %w", ErrLocked, dir, err)
}

func open(dir string, opts Options, lock *pebble.Lock) (*Log, error) {
	l := &Log{dir: dir, opts: opts, lock: lock, tail: &tail{}}
	l.opening.Store(true)
	l.failure = &failure{fatal: opts.Fatal, opening: &l.opening}
	settings := opts.pebble(l)
	settings.Lock = lock
	db, err := pebble.Open(dir, settings)
	if failed := l.failure.err(); failed != nil && db != nil {
		return nil, errors.Join(failed, db.Close())
	}
	if err = errors.Join(err, l.failure.err()); err != nil {
		return nil, err
	}
	l.opening.Store(false)
	l.db = db
	if err = l.openRecords(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	if err := l.findStates(); err != nil {
		err = errors.Join(err, l.records.Close())
		return nil, errors.Join(err, db.Close())
	}
	l.life, l.end = context.WithCancel(context.Background())
	l.groups = newGroups(l)
	l.writer = newWriter(l)
	go l.writer.run()
	return l, nil
}

func (l *Log) openRecords() (err error) {
	dir := l.opts.FS.PathJoin(l.dir, recordsDir)
	if !l.opts.ReadOnly {
		if err := makeDirectory(l.opts.FS, dir); err != nil {
			return err
		}
	}
	if l.records, err = segment.Open(dir, l.opts.segments()); err == nil {
		l.tail.head = l.records.Head()
	}
	return err
}

// Close ends every subscription and consumer with [eventlog.ErrClosed], stores the state of the groups and releases the
// directory. Verdicts of handlers that still run then are lost: end their contexts and wait for Consume first. Appends
// that had been handed over are finished.
func (l *Log) Close() error {
	l.closer.Do(func() { l.closed = l.close() })
	return l.closed
}

func (l *Log) close() error {
	l.end()
	<-l.writer.done
	err := l.groups.close()
	l.use.Lock()
	defer l.use.Unlock()
	l.gone = true
	if !l.stuck.Load() {
		err = errors.Join(err, l.closeStore())
	}
	if err = errors.Join(err, l.lock.Close()); err != nil {
		return fmt.Errorf("close the log in %s: %w", l.dir, err)
	}
	return nil
}

// closeStore closes the stores. What is known of groups goes into tables, so that the next Open has little to write.
// After a failure what the store says of it was told already.
func (l *Log) closeStore() error {
	var err error
	if !l.opts.ReadOnly && l.failure.err() == nil {
		err = l.db.Flush()
	}
	err = errors.Join(err, l.records.Close(), l.db.Close())
	if l.failure.err() != nil {
		return nil
	}
	return err
}

// enter lets the caller use the store until it calls leave.
func (l *Log) enter() error {
	l.use.RLock()
	if err := l.usable(); err != nil {
		l.use.RUnlock()
		return err
	}
	return nil
}

func (l *Log) leave() { l.use.RUnlock() }

func (l *Log) usable() error {
	if l.gone || l.life.Err() != nil {
		return eventlog.ErrClosed
	}
	return l.failure.err()
}

// Head returns the position of the last durable event.
func (l *Log) Head(ctx context.Context) (eventlog.Position, error) {
	if err := errors.Join(ctx.Err(), l.usableNow()); err != nil {
		return eventlog.Position{}, err
	}
	return eventlog.PositionOf(0, l.tail.position()), nil
}

func (l *Log) usableNow() error {
	if err := l.enter(); err != nil {
		return err
	}
	l.leave()
	return nil
}

// Empty reports whether nothing was ever appended.
func (l *Log) Empty() bool { return l.tail.position() == 0 }

// commit writes a batch to the store. It reports every error as fatal before it returns it: the store must not be used
// after a write that failed. Pebble tells of such writes by Fatalf or by panicking, and may return no error.
func (l *Log) commit(batch *pebble.Batch, sync bool) (err error) {
	if err := l.failure.err(); err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil {
			l.stuck.Store(true)
			l.failure.report(fmt.Errorf("write to the log: %v", p))
			err = l.failure.err()
		}
	}()
	how := pebble.NoSync
	if sync && !l.opts.NoSync {
		how = pebble.Sync
	}
	if err := l.db.Apply(batch, how); err != nil {
		l.failure.report(fmt.Errorf("write to the log: %w", err))
	}
	return l.failure.err()
}

// value copies what is stored under a key; false if nothing is.
func (l *Log) value(key []byte) ([]byte, bool, error) {
	v, closer, err := l.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	return append([]byte(nil), v...), true, closer.Close()
}

// record reads the event at a position up to the head.
func (l *Log) record(position uint64) (eventlog.Recorded, error) {
	if events, _, ok := l.tail.read(position-1, limit{events: 1}); ok && len(events) == 1 {
		return events[0], nil
	}
	v, err := l.records.Record(position)
	if err != nil {
		return eventlog.Recorded{}, err
	}
	e, _, err := decodeRecord(v, position, nil)
	return e, err
}

// low takes the number out of a position; past every head if it cannot be one of this log.
func low(p eventlog.Position) uint64 {
	high, low := p.Halves()
	if high != 0 {
		return math.MaxUint64
	}
	return low
}
