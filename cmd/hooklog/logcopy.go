package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded"
	"github.com/hooklog/hooklog/eventlog/esdb"
)

// fromSetting as a place stands for the setting esdb-url, so that a password need not be a flag.
const fromSetting = "esdb-url"

func (p *program) logCopy() *cobra.Command {
	var from, to string
	var everything, asJSON bool
	c := &cobra.Command{Use: "copy --from DIR|URL --to DIR|URL", Short: "Move a whole history to another log, and compare both by a digest", Args: noArguments,
		Long: "Copy every fact of a log into another one, with its id, type, data and metadata, in the same order and at the same\n" +
			"revision of its stream. A DIR is a data directory with a log that no process has open; it is made where a copy is to\n" +
			"come. A URL is an EventStoreDB (esdb://…); with a password it belongs into the environment or the settings file, as\n" +
			"esdb-url, and is called esdb-url here.\n\n" +
			"Begun again after it broke off, or after the source went on, it goes on: what the copy holds is compared first. At the end\n" +
			"both logs are read and must have the same digest. A copy that holds anything else of Hooklog's is refused.\n\n" +
			"Copied are Hooklog's streams (hl_…), or with --everything all but EventStoreDB's own ($…). Left behind are keyset,\n" +
			"operator key and consumer groups: put the keyset beside the copy. A server on the copy goes on with what had not ended\n" +
			"and sends nothing that had. Never run servers on both: both would deliver.",
		Example: "  hooklog log copy --from data --to moved\n" +
			"  HOOKLOG_ESDB_URL='esdb://node:PASSWORD@db1,db2,db3' hooklog log copy --from data --to esdb-url"}
	cfg := configure(c, ofCopy)
	c.Flags().StringVar(&from, "from", "", "`PLACE` that is copied: a data directory, an EventStoreDB's URL or esdb-url")
	c.Flags().StringVar(&to, "to", "", "`PLACE` that the copy is made in")
	c.Flags().BoolVar(&everything, "everything", false, "copy streams that are not Hooklog's, too")
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON for programs")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := cfg.load(c.Flags(), p.env); err != nil {
			return err
		}
		if from == "" || to == "" {
			return usage("log copy needs --from and --to")
		}
		made, err := p.copyLog(c.Context(), &cfg.settings, from, to, everything)
		if err != nil {
			return err
		}
		if asJSON {
			raw, err := encodeJSON(made)
			if err != nil {
				return err
			}
			return show{out: p.out}.raw(raw)
		}
		return p.tellCopy(made)
	}
	return c
}

func (p *program) tellCopy(c copied) error {
	_, err := fmt.Fprintf(p.out, "Copied %d facts; %d were there already, %d events of others are left out.\n"+
		"source: %d facts, sha256 %s\ncopy:   %d facts, sha256 %s\n",
		c.Copied, c.Found, c.LeftOut, c.Facts, c.SHA256, c.Facts, c.SHA256)
	return err
}

// copyLog opens both logs and copies.
func (p *program) copyLog(ctx context.Context, s *settings, from, to string, everything bool) (made copied, err error) {
	logger, err := newLogger(s, p.err)
	if err != nil {
		return made, err
	}
	logger = logger.Level(atLeastWarn(logger.GetLevel()))
	source, err := openPlace(ctx, s, from, embedded.Options{ReadOnly: true, ErrIfMissing: true, Logger: logger})
	if err != nil {
		return made, fmt.Errorf("open what is copied: %w", err)
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	target, err := openPlace(ctx, s, to, embedded.Options{Logger: logger})
	if err != nil {
		return made, fmt.Errorf("open the copy: %w", err)
	}
	defer func() { err = errors.Join(err, target.Close()) }()
	bar := newProgressBar(p.err)
	defer bar.end()
	return (&copying{from: source, to: target, everything: everything, bar: bar}).run(ctx)
}

// openPlace opens a log by what a person calls it.
func openPlace(ctx context.Context, s *settings, place string, o embedded.Options) (eventlog.Log, error) {
	if place == fromSetting {
		if s.esdbURL.IsZero() {
			return nil, usage("the setting esdb-url is empty")
		}
		return openURL(ctx, s.esdbURL.Reveal(), o.Logger)
	}
	if strings.Contains(place, "://") {
		return openURL(ctx, place, o.Logger)
	}
	log, err := embedded.Open(filepath.Join(place, logName), o)
	if errors.Is(err, embedded.ErrLocked) {
		return nil, fmt.Errorf("%w; stop the server first", err)
	}
	if err != nil {
		return nil, err
	}
	return log, nil
}

func openURL(ctx context.Context, url string, logger zerolog.Logger) (eventlog.Log, error) {
	log, err := esdb.Open(ctx, esdb.Config{URL: url, Logger: logger})
	if err != nil {
		return nil, err
	}
	return log, nil
}
