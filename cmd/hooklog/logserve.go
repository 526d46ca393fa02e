package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/hooklog/hooklog/eventlog/embedded"
)

// defaultFacade is where a log node listens unless it is told otherwise.
const defaultFacade = "127.0.0.1:2113"

func (p *program) logServe() *cobra.Command {
	c := &cobra.Command{Use: "serve", Short: "Run a log node: the log alone, over EventStoreDB's protocol", Args: noArguments,
		Long: "Run the log of a data directory, which is made if it is new, for nodes that stand on it with --esdb-url, and for\n" +
			"every client of EventStoreDB. Nothing is delivered here and no keyset is needed. Clients need TLS and the name and\n" +
			"password of a user; a certificate and users are made at the first start unless files are given. Runs until SIGINT\n" +
			"or SIGTERM.",
		Example: "  hooklog log serve --data log --esdb-listen 10.0.0.5:2113\n" +
			"  hooklog serve --data one --esdb-url 'esdb://node:PASSWORD@10.0.0.5:2113?tlsCAFile=esdb-certificate.pem'"}
	cfg := configure(c, ofLogNode)
	c.RunE = func(c *cobra.Command, _ []string) error {
		return p.serving(c, cfg, func(logger zerolog.Logger) error { return serveLog(c.Context(), &cfg.settings, logger) })
	}
	return c
}

// serveLog serves the log until ctx ends.
func serveLog(ctx context.Context, s *settings, logger zerolog.Logger) (err error) {
	if s.facade.listen == "" {
		s.facade.listen = defaultFacade
	}
	if s.facade.insecure && openToOthers(s.facade.listen) {
		return usage("--insecure lets everybody write to the log who reaches %s; it is admitted on loopback addresses alone", s.facade.listen)
	}
	if s.facade.insecure && (s.facade.users != "" || s.facade.certificate != "") {
		return usage("--insecure asks for neither users nor a certificate: leave out --esdb-users and --esdb-certificate")
	}
	if err := os.MkdirAll(s.data, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	log, err := embedded.Open(s.logDir(), embedded.Options{Logger: part(logger, "log")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	f, err := listenFacade(ctx, s, facadeKind{log: log, open: s.facade.insecure}, part(logger, "esdb"))
	if err != nil {
		return err
	}
	if s.facade.insecure {
		logger.Warn().Str("listen", s.facade.listen).Msg("INSECURE: whoever reaches this address can read and write the log")
	}
	logger.Info().Stringer("build", thisBuild()).Str("data", s.data).Str("esdb", f.url()).Msg("serving the log")
	err = f.serve(ctx)
	logger.Info().Err(err).Msg("stopped")
	return err
}
