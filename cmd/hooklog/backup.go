package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/hooklog/hooklog/eventlog/embedded"
)

// backupTimeout bounds how long the command waits for a running server to make a copy.
const backupTimeout = time.Hour

// backup is what the server says of a copy that it made.
type backup struct {
	Name      string `json:"name"`
	Directory string `json:"directory"`
	Position  string `json:"position"`
	Bytes     int64  `json:"bytes"`
}

func (p *program) logBackup() *cobra.Command {
	c := &cobra.Command{Use: "backup DIR", Short: "Copy the log into a new directory, while the server runs or not", Args: arguments("DIR"),
		Long: "Copy the log, with the state of its consumer groups, into a new directory. The keyset and the operator key are\n" +
			"left out on purpose: the copy alone can be read by nobody.\n\n" +
			"A running server is asked to make the copy in its data directory, from where this command moves it; so it is run on\n" +
			"the server's machine, with its --data and --url. The log of a stopped server is copied by the command itself."}
	cfg, asJSON := clientFlags(c, ofStore|ofClient)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := cfg.load(c.Flags(), p.env); err != nil {
			return err
		}
		if _, err := os.Lstat(args[0]); !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(fmt.Errorf("back up the log to %s: %w", args[0], fs.ErrExist), err)
		}
		made, err := p.backUp(c.Context(), &cfg.settings, args[0])
		if err != nil {
			return err
		}
		if *asJSON {
			raw, err := encodeJSON(made)
			if err != nil {
				return err
			}
			return show{out: p.out}.raw(raw)
		}
		return p.tellBackup(&cfg.settings, made)
	}
	return c
}

func (p *program) tellBackup(s *settings, made backup) error {
	_, err := fmt.Fprintf(p.out, "Copied the log up to position %s into %s.\n"+
		"The keyset (%s) and the operator key (%s) are left out: keep the keyset elsewhere, the copy cannot be used without it.\n"+
		"To use the copy, put it in the place of %s in a data directory without projections.\n",
		made.Position, made.Directory, s.keysetPath(), s.operatorKeyPath(), s.logDir())
	return err
}

// backUp copies a stopped log, or lets the server copy it that has it open.
func (p *program) backUp(ctx context.Context, s *settings, dir string) (made backup, err error) {
	logger, err := newLogger(s, p.err)
	if err != nil {
		return backup{}, err
	}
	// The store finishes its own files before they are copied: that is writing.
	log, err := openStopped(s, logger.Level(atLeastWarn(logger.GetLevel())), false)
	if errors.Is(err, embedded.ErrLocked) {
		return p.backUpRunning(ctx, s, dir)
	}
	if err != nil {
		return backup{}, err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	if err := log.Backup(ctx, dir); err != nil {
		return backup{}, err
	}
	head, err := log.Head(ctx)
	if err != nil {
		return backup{}, err
	}
	if err := errors.Join(os.Chmod(dir, 0o700), os.MkdirAll(s.backupsDir(), 0o700), markBackup(s.backupsDir(), time.Now())); err != nil {
		return backup{}, err
	}
	size, err := sizeOf(dir)
	return backup{Name: filepath.Base(dir), Directory: dir, Position: head.String(), Bytes: size}, err
}

func (p *program) backUpRunning(ctx context.Context, s *settings, dir string) (backup, error) {
	c, err := newClient(s)
	if err != nil {
		return backup{}, err
	}
	c.http.Timeout = backupTimeout
	var raw json.RawMessage
	if err := c.do(ctx, http.MethodPost, "/api/v1/backups", nil, &raw); err != nil {
		return backup{}, fmt.Errorf("the log is open in a server, which was asked for a backup: %w", err)
	}
	var made backup
	if err := json.Unmarshal(raw, &made); err != nil {
		return backup{}, fmt.Errorf("the server's answer is not what was expected: %w", err)
	}
	from, err := s.backupHere(made)
	if err != nil {
		return backup{}, err
	}
	if err := moveDirectory(from, dir); err != nil {
		return backup{}, fmt.Errorf("the copy is whole and lies in %s; it could not be moved to %s: %w", from, dir, err)
	}
	made.Directory = dir
	return made, nil
}

// backupHere finds in the data directory at hand what the server says it made: a path that came over the network is not
// followed.
func (s *settings) backupHere(made backup) (string, error) {
	if !backupName.MatchString(made.Name) {
		return "", errors.New("the server's answer names no backup")
	}
	here := filepath.Join(s.backupsDir(), made.Name)
	if _, err := os.Stat(here); err != nil {
		return "", fmt.Errorf("the copy lies in %s on the server's machine and not below %s here; is --data the server's data directory? %w",
			printable(made.Directory), s.data, err)
	}
	return here, nil
}

// moveDirectory moves a copy of a log, over the border of a file system too: then the file that makes it a log comes last,
// so that a move that was cut short leaves nothing that could be taken for a whole copy.
func moveDirectory(from, to string) error {
	err := os.Rename(from, to)
	if err == nil {
		return syncDirectory(filepath.Dir(to))
	}
	if !errors.Is(err, syscall.EXDEV) {
		return err
	}
	if err := copyDirectory(from, to); err != nil {
		return errors.Join(err, os.RemoveAll(to))
	}
	return os.RemoveAll(from)
}

// formatName is the file without which a directory is no log.
const formatName = "FORMAT"

func copyDirectory(from, to string) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == formatName {
			continue
		}
		if err := copyEntry(e, from, to); err != nil {
			return err
		}
	}
	if err := syncDirectory(to); err != nil {
		return err
	}
	if err := copyFile(filepath.Join(from, formatName), filepath.Join(to, formatName)); err != nil {
		return err
	}
	return errors.Join(syncDirectory(to), syncDirectory(filepath.Dir(to)))
}

// copyEntry copies a file, or a directory with all that is in it.
func copyEntry(e fs.DirEntry, from, to string) error {
	from, to = filepath.Join(from, e.Name()), filepath.Join(to, e.Name())
	if !e.IsDir() {
		return copyFile(from, to)
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	for _, e := range entries {
		if err := copyEntry(e, from, to); err != nil {
			return err
		}
	}
	return syncDirectory(to)
}

// copyFile makes a synced copy.
func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	target, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(target, source)
	if err == nil {
		err = target.Sync()
	}
	return errors.Join(err, target.Close())
}
