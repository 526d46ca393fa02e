package main

import (
	"errors"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
)

func (p *program) serveCommand() *cobra.Command {
	c := &cobra.Command{Use: "serve", Short: "Run the service", Args: noArguments,
		Long: "Run the service on the log of a data directory, which is made if it is new; with a new log come a keyset and an\n" +
			"operator key (operator.key). Runs until SIGINT or SIGTERM; a second signal ends it at once.",
		Example: "  hooklog serve --data data --listen 127.0.0.1:8080 --operator-listen 127.0.0.1:8081"}
	cfg := configure(c, ofServer)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return p.serving(c, cfg, func(logger zerolog.Logger) (err error) {
			for _, name := range cfg.strangers {
				logger.Warn().Str("variable", name).Msg("this variable looks like a setting and is none")
			}
			n, err := openNode(c.Context(), &cfg.settings, logger)
			if err != nil {
				return err
			}
			n.strangers = cfg.strangers
			defer func() { err = errors.Join(err, n.close()) }()
			return n.run(c.Context())
		})
	}
	return c
}

// serving loads the settings of a command that serves, and runs it with a logger whose lines are gathered.
func (p *program) serving(c *cobra.Command, cfg *configuration, run func(zerolog.Logger) error) (err error) {
	if err := cfg.load(c.Flags(), p.env); err != nil {
		return err
	}
	out := newLines(p.err)
	defer func() { err = errors.Join(err, out.Flush()) }()
	logger, err := newLogger(&cfg.settings, out)
	if err != nil {
		return err
	}
	return run(logger)
}
