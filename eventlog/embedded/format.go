package embedded

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	formatFile    = "FORMAT"
	recordsDir    = "records"
	formatLine    = "hooklog-log 2\n"
	formatName    = "hooklog-log "
	maxFormatSize = 256
)

// checkFormat says whether dir holds a log (true), or nothing of one (false), and refuses what this release cannot read.
func checkFormat(fsys vfs.FS, dir string) (bool, error) {
	line, err := readFormat(fsys, dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, refuseForeign(fsys, dir)
	case err != nil:
		return false, fmt.Errorf("read the format of the log in %s: %w", dir, err)
	case line == formatLine:
		return true, nil
	}
	version, named := strings.CutPrefix(strings.TrimSuffix(line, "\n"), formatName)
	if !named {
		return false, fmt.Errorf("%w: %s in %s says %.40q", ErrFormat, formatFile, dir, line)
	}
	return false, fmt.Errorf("%w: the log in %s has format version %.40q; this release reads version 2", ErrFormat, dir, version)
}

func readFormat(fsys vfs.FS, dir string) (string, error) {
	f, err := fsys.Open(fsys.PathJoin(dir, formatFile))
	if err != nil {
		return "", err
	}
	defer f.Close()
	var b bytes.Buffer
	_, err = io.Copy(&b, io.LimitReader(f, maxFormatSize))
	return b.String(), err
}

// refuseForeign refuses a directory that holds a Pebble store but no FORMAT: somebody else's, or a backup cut short.
func refuseForeign(fsys vfs.FS, dir string) error {
	names, err := fsys.List(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("list the log's directory %s: %w", dir, err)
	}
	for _, name := range names {
		if strings.HasPrefix(name, "MANIFEST-") {
			return fmt.Errorf("%w: %s holds a store without a %s file: it is not a log, or a backup that was cut short", ErrFormat, dir, formatFile)
		}
	}
	return nil
}

// writeFormat makes the FORMAT file durable, whole or not at all.
func writeFormat(fsys vfs.FS, dir string) error {
	path := fsys.PathJoin(dir, formatFile)
	temporary := path + ".new"
	f, err := fsys.Create(temporary, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write([]byte(formatLine))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err := fsys.Rename(temporary, path); err != nil {
		return err
	}
	return syncDirectory(fsys, dir)
}

func syncDirectory(fsys vfs.FS, dir string) error {
	d, err := fsys.OpenDir(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// makeDirectory makes dir and what is missing above it, durably.
func makeDirectory(fsys vfs.FS, dir string) error {
	var made []string
	for at := dir; ; at = fsys.PathDir(at) {
		info, err := fsys.Stat(at)
		if err == nil && !info.IsDir() {
			return fmt.Errorf("%s is a file, not a directory", at)
		}
		if err == nil || fsys.PathDir(at) == at {
			made = append(made, at)
			break
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		made = append(made, at)
	}
	if len(made) == 1 {
		return nil
	}
	if err := fsys.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	for _, at := range made[1:] {
		if err := syncDirectory(fsys, at); err != nil {
			return err
		}
	}
	return nil
}

// explain turns what the operating system says about a directory into a sentence for an operator.
func explain(dir string, err error) error {
	switch {
	case errors.Is(err, ErrMissing), errors.Is(err, ErrLocked), errors.Is(err, ErrFormat):
		return err
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("open the log in %s: it, or what is above it, is a file, not a directory: %w", dir, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("open the log in %s: this user may not write there: %w", dir, err)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("open the log in %s: the file system is read-only: %w", dir, err)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("open the log in %s: the disk is full: %w", dir, err)
	}
	return fmt.Errorf("open the log in %s: %w", dir, err)
}
