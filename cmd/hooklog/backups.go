package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	httpd "github.com/hooklog/hooklog/http"
)

// A backup's name is when it began, in UTC. While it is being made, what there is of it has another.
const (
	backupTime   = "20060102T150405.000000Z"
	backupMaking = ".making-"
)

var backupName = regexp.MustCompile(`^\d{8}T\d{6}\.\d{6}Z$`)

// backups copies the log of a running node into a folder of its data directory, from where `hooklog log backup` moves
// the copy. So nobody on the network chooses where the server writes.
type backups struct {
	log     backedUp
	dir     string
	minFree uint64

	making sync.Mutex
	counts backupCounts
}

// backedUp is what a backup needs of a log.
type backedUp interface {
	Head(ctx context.Context) (eventlog.Position, error)
	FreeSpace() (uint64, error)
	Backup(ctx context.Context, dir string) error
}

// backupCounts are for metrics.
type backupCounts struct {
	mu           sync.Mutex
	made, failed uint64
	lastAt       time.Time
	lastTook     time.Duration
}

func newBackups(log backedUp, s *settings) *backups {
	return &backups{log: log, dir: s.backupsDir(), minFree: s.minFree}
}

// lastBackupFile is there once a whole backup was made; its time is that backup's.
const lastBackupFile = "last"

// clear removes what a process that died left half-made, and finds out when the last backup was.
func (b *backups) clear() error {
	if info, err := os.Stat(filepath.Join(b.dir, lastBackupFile)); err == nil {
		b.counts.lastAt = info.ModTime()
	} else if !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for the last backup: %w", err)
	}
	left, err := filepath.Glob(filepath.Join(b.dir, backupMaking+"*"))
	if err != nil {
		return err
	}
	for _, path := range left {
		if err := os.RemoveAll(path); err != nil {
			return fmt.Errorf("remove the unfinished backup %s: %w", path, err)
		}
	}
	return nil
}

// Backup makes a copy. One at a time: a second is refused.
func (b *backups) Backup(ctx context.Context) (httpd.Backup, error) {
	if !b.making.TryLock() {
		return httpd.Backup{}, domain.Refuse(domain.Conflict, "a backup is being made; one at a time")
	}
	defer b.making.Unlock()
	began := time.Now()
	made, err := b.make(ctx, began)
	made.Took = time.Since(began)
	b.counts.note(made, err)
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, eventlog.ErrNoSpace) {
		return made, domain.Refuse(domain.Unavailable, "the disk has no room for a backup")
	}
	return made, err
}

func (b *backups) make(ctx context.Context, at time.Time) (httpd.Backup, error) {
	if err := b.room(); err != nil {
		return httpd.Backup{}, err
	}
	made := httpd.Backup{Name: at.UTC().Format(backupTime), CreatedAt: at}
	head, err := b.log.Head(ctx)
	if err != nil {
		return made, err
	}
	made.Position = head
	if made.Directory, err = filepath.Abs(filepath.Join(b.dir, made.Name)); err != nil {
		return made, fmt.Errorf("name the backup: %w", err)
	}
	unfinished := filepath.Join(b.dir, backupMaking+made.Name)
	if err := b.log.Backup(ctx, unfinished); err != nil {
		return made, err
	}
	if made.Bytes, err = sizeOf(unfinished); err == nil {
		err = finishBackup(unfinished, made.Directory)
	}
	if err == nil {
		err = markBackup(b.dir, at)
	}
	if err != nil {
		return made, errors.Join(fmt.Errorf("back up the log: %w", err), os.RemoveAll(unfinished))
	}
	return made, nil
}

// room refuses while the disk is short: what the server writes comes first.
func (b *backups) room() error {
	free, err := b.log.FreeSpace()
	switch {
	case errors.Is(err, errors.ErrUnsupported):
		return nil
	case err != nil:
		return err
	case free < b.minFree:
		return domain.Refuse(domain.Unavailable, "the disk has no room for a backup: %s are free and %s are kept", aboutBytes(free), aboutBytes(b.minFree))
	}
	return nil
}

func finishBackup(unfinished, directory string) error {
	if err := os.Chmod(unfinished, 0o700); err != nil {
		return err
	}
	if err := os.Rename(unfinished, directory); err != nil {
		return err
	}
	return syncDirectory(filepath.Dir(directory))
}

// markBackup remembers when the last backup was, for metrics and doctor.
func markBackup(dir string, at time.Time) error {
	path := filepath.Join(dir, lastBackupFile)
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	return os.Chtimes(path, at, at)
}

// sizeOf adds up the files below a directory. Files that go away meanwhile do not count.
func sizeOf(dir string) (total int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || entry.IsDir() {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			total += info.Size()
		}
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("add up the files in %s: %w", dir, err)
	}
	return total, nil
}

func (c *backupCounts) note(b httpd.Backup, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.failed++
		return
	}
	c.made++
	c.lastAt, c.lastTook = b.CreatedAt, b.Took
}

// backupsIn lists the finished and unfinished backups in a folder.
func backupsIn(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the backups: %w", err)
	}
	var names []string
	for _, e := range entries {
		if name := strings.TrimPrefix(e.Name(), backupMaking); e.IsDir() && backupName.MatchString(name) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}
