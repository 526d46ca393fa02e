package embedded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/cockroachdb/pebble/v2"
)

// Backup writes a copy of the log, with the state of its groups, into dir, which must not exist. The log goes on
// meanwhile. The copy holds at least every event that was durable when Backup began, and opens as a log by itself. On
// the same file system it shares the disk space of what does not change. A copy cut short lacks the FORMAT file and is
// refused by [Open]; Backup removes it if it can.
func (l *Log) Backup(ctx context.Context, dir string) error {
	if err := l.enter(); err != nil {
		return err
	}
	defer l.leave()
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, err := l.opts.FS.Stat(dir); !errors.Is(err, fs.ErrNotExist) {
		return errors.Join(fmt.Errorf("back up the log to %s: %w", dir, fs.ErrExist), err)
	}
	if err := l.copyTo(ctx, dir); err != nil {
		return errors.Join(fmt.Errorf("back up the log to %s: %w", dir, err), l.opts.FS.RemoveAll(dir))
	}
	return nil
}

func (l *Log) copyTo(ctx context.Context, dir string) error {
	if err := makeDirectory(l.opts.FS, l.opts.FS.PathDir(dir)); err != nil {
		return err
	}
	var options []pebble.CheckpointOption
	if !l.opts.ReadOnly {
		options = append(options, pebble.WithFlushedWAL())
	}
	if err := l.db.Checkpoint(dir, options...); err != nil {
		return err
	}
	// After the groups, so that none of them is ahead of the events.
	if err := l.opts.FS.MkdirAll(l.opts.FS.PathJoin(dir, recordsDir), 0o700); err != nil {
		return err
	}
	if err := l.records.Backup(ctx, l.opts.FS.PathJoin(dir, recordsDir)); err != nil {
		return err
	}
	if err := syncDirectory(l.opts.FS, l.opts.FS.PathJoin(dir, recordsDir)); err != nil {
		return err
	}
	return writeFormat(l.opts.FS, dir)
}
