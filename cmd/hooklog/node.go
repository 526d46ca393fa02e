package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/rs/zerolog"

	"github.com/hooklog/hooklog/commands"
	"github.com/hooklog/hooklog/dispatcher"
	"github.com/hooklog/hooklog/dispatcher/egress"
	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	httpd "github.com/hooklog/hooklog/http"
	"github.com/hooklog/hooklog/notices"
	"github.com/hooklog/hooklog/projections"
	"github.com/hooklog/hooklog/sealing"
)

// node is one process of the service: every part of it, joined.
type node struct {
	settings *settings
	logger   zerolog.Logger
	actor    string // node:<id>
	// strangers are variables of the environment that look like settings and are none.
	strangers []string

	log        backend
	fresh      bool // Hooklog had not written to the log before this start
	keys       *sealing.Keyset
	codec      *domain.Codec
	fold       *projections.Fold
	sender     *egress.Client
	commands   *commands.Commands
	dispatcher *dispatcher.Dispatcher
	notices    *notices.Notices
	api        *httpd.API
	registry   *prometheus.Registry
	attempts   *attemptMetrics
	backups    *backups

	public, operator net.Listener
	facade           *facade // nil unless --esdb-listen is given
	// stopping turns the node unready before it stops accepting.
	stopping atomic.Bool
	// closers undo the steps of openNode, the last one first.
	closers []func() error
}

// openNode opens and joins everything; nothing runs yet. An error leaves nothing open.
func openNode(ctx context.Context, s *settings, logger zerolog.Logger) (*node, error) {
	n := &node{settings: s, logger: logger, registry: newRegistry()}
	for _, step := range []func(context.Context) error{
		n.openData, n.openLog, n.bootstrap, n.openFold, n.openWriteSide, n.openDispatcher, n.openNotices, n.listen, n.openFacade, n.openAPI, n.measure,
	} {
		if err := step(ctx); err != nil {
			return nil, errors.Join(err, n.close())
		}
	}
	return n, nil
}

// close releases what openNode opened. It is called once run has returned.
func (n *node) close() error {
	var errs []error
	for _, undo := range slices.Backward(n.closers) {
		errs = append(errs, undo())
	}
	n.closers = nil
	return errors.Join(errs...)
}

func (n *node) atClose(undo func() error) { n.closers = append(n.closers, undo) }

// openData makes the data directory, which only its owner may enter.
func (n *node) openData(context.Context) error {
	if err := os.MkdirAll(n.settings.data, 0o700); err != nil {
		return fmt.Errorf("make the data directory: %w", err)
	}
	return nil
}

// openLog opens the log first of all: the lock of an embedded one keeps every other process away from the data directory.
func (n *node) openLog(ctx context.Context) (err error) {
	if n.log, err = openBackend(ctx, n); err != nil {
		return err
	}
	n.atClose(n.log.Close)
	if n.fresh, err = n.log.fresh(ctx); err != nil {
		return err
	}
	if n.keys, err = openKeyset(n.settings, n.logger, n.fresh && !n.log.shared()); err != nil {
		return err
	}
	n.codec = domain.NewCodec(n.keys)
	n.backups = newBackups(n.log, n.settings)
	if err := n.backups.clear(); err != nil {
		return err
	}
	id, err := openNodeID(n.settings.nodePath())
	n.actor = "node:" + id
	return err
}

// bootstrap makes sure that keyset and log belong together, before anything is folded with it, and that there is an
// operator key. It has no read side yet and needs none.
func (n *node) bootstrap(ctx context.Context) error {
	c, err := commands.New(commands.Config{Log: n.log, Keys: n.keys, Directory: noDirectory{}, URLs: noURLs{}, Now: n.settings.now(), Logger: n.logger})
	if err != nil {
		return err
	}
	by := commands.By{Actor: n.actor}
	if err := c.CheckKeyset(ctx, by, n.fresh); err != nil {
		return fmt.Errorf("keyset %s: %w", n.settings.keysetPath(), err)
	}
	if err := ensureOperatorKey(ctx, c, by, n.settings.operatorKeyPath(), n.logger); err != nil {
		return err
	}
	return bindReadModels(ctx, n.log, n.settings, n.logger)
}

func (n *node) openFold(context.Context) (err error) {
	n.fold, err = projections.Open(projections.Config{Dir: n.settings.projectionsDir(), Feed: n.log, Streams: n.streams(),
		Codec: n.codec, Keys: n.keys, Logger: part(n.logger, "projections"), RebuildRate: n.settings.rebuildRate, ReconcileRate: orOff(n.settings.reconcileRate)})
	if err != nil {
		return fmt.Errorf("open the read models in %s: %w", n.settings.projectionsDir(), err)
	}
	n.atClose(n.fold.Close)
	return nil
}

func (n *node) openWriteSide(context.Context) (err error) {
	if len(n.settings.allowInsecure) > 0 {
		n.logger.Warn().Interface("networks", n.settings.allowInsecure).
			Msg("INSECURE: deliveries may go to these networks, also over plain http; this is for development only")
	}
	if n.sender, err = egress.New(egress.Config{AllowInsecure: n.settings.allowInsecure}); err != nil {
		return err
	}
	n.atClose(func() error { n.sender.Close(); return nil })
	n.commands, err = commands.New(commands.Config{Log: n.streams(), Keys: n.keys, Codec: n.codec, Directory: n.fold,
		URLs: urlPolicy{n.sender.Guard()}, Now: n.settings.now(), Logger: part(n.logger, "commands")})
	return err
}

// streams is the log for requests.
func (n *node) streams() eventlog.Streams {
	if n.log.shared() {
		return hasty{n.log}
	}
	return n.log
}

func (n *node) openDispatcher(context.Context) (err error) {
	n.attempts = newAttemptMetrics(n.registry)
	n.dispatcher, err = dispatcher.New(dispatcher.Config{
		Groups: n.log, Fold: foldOf{n.fold}, Recorder: recorderOf{n.commands, commands.By{Actor: n.actor}}, Sender: n.sender,
		Codec: n.codec, Node: n.actor, Alone: !n.log.shared(), StopGrace: n.settings.stopGrace, Observe: n.attempts.observe,
		WallClock: n.settings.now(), ClockDistance: n.log.clock().source(), Logger: part(n.logger, "dispatcher"),
		Limits: dispatcher.Limits{Lane: n.settings.perSubscription, Host: n.settings.perHost, Process: n.settings.maxInFlight, Recovery: n.settings.recoveryRate},
	})
	return err
}

func (n *node) openAPI(context.Context) (err error) {
	n.api, err = httpd.New(httpd.Config{Commands: n.commands, Fold: n.fold, Positions: positionsOf{n.fold}, Readiness: n.fold, Stopping: n.stopping.Load,
		Groups: groupsOf{n.log}, Backups: n.backups, Doctor: n, Node: n.actor,
		Pressure:     &pressure{backlog: n.fold.UnsentDeliveries, maxBacklog: n.settings.maxBacklog, free: n.log.FreeSpace, minFree: n.settings.minFree},
		SourceRanges: n.settings.sourceRanges, Unavailable: unavailable, RateLimit: n.settings.rateLimit, Registry: n.registry, Logger: part(n.logger, "http")})
	return err
}

// orOff spells a rate of 0, which turns something off, as package projections does.
func orOff(rate int) int {
	if rate == 0 {
		return -1
	}
	return rate
}

// part marks the lines of a component.
func part(logger zerolog.Logger, name string) zerolog.Logger {
	return logger.With().Str("part", name).Logger()
}
