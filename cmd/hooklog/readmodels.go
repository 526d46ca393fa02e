package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/rs/zerolog"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// boundFile names the log that the read models beside it were folded from.
const boundFile = "projections.log"

// bindReadModels drops the read models of a data directory if they were folded from another log: a place in one log says
// nothing in another, even if the other is its copy. They are then folded again from the start.
func bindReadModels(ctx context.Context, log backend, s *settings, logger zerolog.Logger) error {
	identity, err := identityOf(ctx, log)
	if err != nil {
		return err
	}
	path := filepath.Join(s.data, boundFile)
	bound, err := os.ReadFile(path)
	switch {
	case err == nil && strings.TrimSpace(string(bound)) == identity:
		return nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("find out which log the read models belong to: %w", err)
	case err == nil || log.shared(): // Releases that knew no other log than their own did not write the file.
		if err := dropReadModels(s, logger); err != nil {
			return err
		}
	}
	if err := os.WriteFile(path, []byte(identity+"\n"), 0o600); err != nil {
		return fmt.Errorf("note which log the read models belong to: %w", err)
	}
	return nil
}

func dropReadModels(s *settings, logger zerolog.Logger) error {
	if _, err := os.Stat(s.projectionsDir()); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	logger.Warn().Str("directory", s.projectionsDir()).Msg("the read models were folded from another log; they are dropped and folded again")
	if err := os.RemoveAll(s.projectionsDir()); err != nil {
		return fmt.Errorf("drop the read models of another log: %w", err)
	}
	return nil
}

// identityOf tells logs apart: by the first fact of all, and by where it stands, which differs in a copy.
func identityOf(ctx context.Context, log eventlog.Streams) (string, error) {
	for probe, err := range log.Read(ctx, domain.KeysetProbeStream, 0) {
		if err != nil {
			return "", fmt.Errorf("identify the log: %w", err)
		}
		return probe.ID.String() + " " + probe.Position.String(), nil
	}
	return "", errors.New("identify the log: it holds no probe of a keyset")
}
