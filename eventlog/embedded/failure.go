package embedded

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
)

// Errors of opening a log; test with errors.Is.
var (
	// ErrMissing means that there is no log in the directory.
	ErrMissing = errors.New("there is no log")
	// ErrLocked means that the log is open already.
	ErrLocked = errors.New("the log is in use")
	// ErrFormat means that the directory holds something else, or a log of a version that this release cannot read.
	ErrFormat = errors.New("not a log that this release can read")
	// ErrReadOnly means that a log opened with Options.ReadOnly was asked to write.
	ErrReadOnly = errors.New("the log was opened for reading only")
)

// failure remembers that a write or sync failed and tells of it once.
type failure struct {
	fatal   func(error)
	opening *atomic.Bool
	once    sync.Once
	reason  atomic.Pointer[error]
}

// report marks the log as failed before it tells: whoever asks afterwards is refused even if telling returns. While the
// log is being opened Open tells.
func (f *failure) report(err error) {
	f.reason.CompareAndSwap(nil, &err)
	if !f.opening.Load() {
		f.tell()
	}
}

// stop is report for what Open would not return from.
func (f *failure) stop(err error) {
	f.reason.CompareAndSwap(nil, &err)
	f.tell()
}

func (f *failure) tell() { f.once.Do(func() { f.fatal(*f.reason.Load()) }) }

// err is nil as long as the log can be trusted.
func (f *failure) err() error {
	if p := f.reason.Load(); p != nil {
		return fmt.Errorf("the log has failed and must be opened again: %w", *p)
	}
	return nil
}

// pebbleLogger takes what Pebble logs. Its Fatalf means that the write-ahead log or the manifest could not be written.
type pebbleLogger struct{ log *Log }

func (p *pebbleLogger) Infof(format string, args ...any) {
	p.log.opts.Logger.Debug().Msgf(format, args...)
}

func (p *pebbleLogger) Errorf(format string, args ...any) {
	p.log.opts.Logger.Error().Msgf(format, args...)
}

func (p *pebbleLogger) Fatalf(format string, args ...any) {
	l := p.log
	err := error(said{fmt.Sprintf(format, args...), firstError(args)})
	if l.opening.Load() {
		l.failure.stop(explain(l.dir, err)) // Pebble may try again for ever.
		return
	}
	l.failure.report(err)
}

// said is what Pebble said of an error.
type said struct {
	text  string
	cause error
}

func (s said) Error() string { return s.text }
func (s said) Unwrap() error { return s.cause }

func firstError(args []any) error {
	for _, a := range args {
		if err, ok := a.(error); ok {
			return err
		}
	}
	return nil
}
