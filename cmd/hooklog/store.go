package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/rs/zerolog"

	"github.com/hooklog/hooklog/eventlog/embedded"
	"github.com/hooklog/hooklog/sealing"
)

// logName is the log's directory in a data directory.
const logName = "log"

// logDir, projectionsDir and the others are what a data directory holds.
func (s *settings) logDir() string          { return filepath.Join(s.data, logName) }
func (s *settings) projectionsDir() string  { return filepath.Join(s.data, "projections") }
func (s *settings) backupsDir() string      { return filepath.Join(s.data, "backups") }
func (s *settings) nodePath() string        { return filepath.Join(s.data, "node") }
func (s *settings) operatorKeyPath() string { return filepath.Join(s.data, operatorKeyFile) }
func (s *settings) esdbKeyPath() string     { return filepath.Join(s.data, "esdb-key.pem") }
func (s *settings) esdbCertificatePath() string {
	return filepath.Join(s.data, "esdb-certificate.pem")
}

func (s *settings) esdbUsersPath() string {
	if s.facade.users != "" {
		return s.facade.users
	}
	return filepath.Join(s.data, "esdb-users.toml")
}

func (s *settings) keysetPath() string {
	if s.keyset != "" {
		return s.keyset
	}
	return filepath.Join(s.data, "keyset.json")
}

// openStopped opens a log that no server has open, for a command that works on it directly.
func openStopped(s *settings, logger zerolog.Logger, readOnly bool) (*embedded.Log, error) {
	log, err := embedded.Open(s.logDir(), embedded.Options{ReadOnly: readOnly, ErrIfMissing: true, Logger: logger})
	if errors.Is(err, embedded.ErrLocked) {
		return nil, fmt.Errorf("%w; stop the server first", err)
	}
	return log, err
}

// openKeyset reads the keyset that belongs to a log. Only together with a new, empty log is one made.
func openKeyset(s *settings, logger zerolog.Logger, emptyLog bool) (*sealing.Keyset, error) {
	path := s.keysetPath()
	keys, err := sealing.ReadKeyset(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return keys, err
	}
	if !s.esdbURL.IsZero() {
		return nil, fmt.Errorf("the keyset %s is missing: all nodes on one EventStoreDB share a keyset and none is made for it; make one with `hooklog keyset new` for a new log, or give the one that was made for it with --keyset", path)
	}
	if !emptyLog {
		return nil, fmt.Errorf("the keyset %s is missing: the log in %s is not new and can only be opened with the keyset that was made with it; give it with --keyset", path, s.logDir())
	}
	if keys, err = sealing.NewKeyset(); err != nil {
		return nil, err
	}
	if err := keys.Write(path); err != nil {
		return nil, err
	}
	logger.Warn().Str("keyset", path).Msg("made a keyset for the new log; keep a copy apart from the log: without it nothing can be read")
	return keys, nil
}
