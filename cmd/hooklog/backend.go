package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded"
	"github.com/hooklog/hooklog/eventlog/esdb"
)

// backend is the log that a node stands on, with what a node wants of it besides the port.
type backend interface {
	eventlog.Log
	eventlog.Pipeline
	// GroupNames lists the consumer groups of all streams in order.
	GroupNames(ctx context.Context) ([]string, error)
	// FreeSpace and Backup fail with errors.ErrUnsupported where the log has its own disk and its own backups.
	FreeSpace() (uint64, error)
	Backup(ctx context.Context, dir string) error
	// shared says that other nodes may work on the log too. A keyset is never made for such a log.
	shared() bool
	// fresh says that Hooklog has never written to the log.
	fresh(ctx context.Context) (bool, error)
	// clock compares this node's clock with the log's time; nil where that is this machine's.
	clock() *logClock
	// between counts the facts after one place and up to another; false if the log cannot tell.
	between(from, to eventlog.Position) (uint64, bool)
	// measure tells the log's own numbers.
	measure(set setter)
}

// openBackend opens the log that the settings name: the one of the data directory unless there is an EventStoreDB.
func openBackend(ctx context.Context, n *node) (backend, error) {
	logger := part(n.logger, "log")
	if n.settings.esdbURL.IsZero() {
		log, err := embedded.Open(n.settings.logDir(), embedded.Options{Logger: logger})
		if err != nil {
			return nil, err
		}
		return ownLog{log}, nil
	}
	logger.Info().Str("url", shownURL(n.settings.esdbURL)).Msg("opening the log on EventStoreDB")
	log, err := esdb.Open(ctx, esdb.Config{URL: n.settings.esdbURL.Reveal(), Logger: logger})
	if err != nil {
		return nil, err
	}
	return newSharedLog(log, n), nil
}

// ownLog is the log of the data directory.
type ownLog struct{ *embedded.Log }

func (ownLog) shared() bool                          { return false }
func (ownLog) clock() *logClock                      { return nil }
func (l ownLog) fresh(context.Context) (bool, error) { return l.Empty(), nil }

// between counts: the positions of an embedded log are dense.
func (ownLog) between(from, to eventlog.Position) (uint64, bool) {
	_, a := from.Halves()
	_, b := to.Halves()
	return max(a, b) - a, true
}

func (l ownLog) measure(set setter) {
	m := l.Metrics()
	set("hooklog_log_appends_total", float64(m.Appends))
	set("hooklog_log_events_total", float64(m.Events))
	set("hooklog_log_syncs_total", float64(m.Syncs))
	set("hooklog_log_bytes_total", float64(m.Bytes))
	set("hooklog_log_connections_total", 0)
	set("hooklog_log_repeats_total", 0)
}

// sharedLog is a log on EventStoreDB.
type sharedLog struct {
	*esdb.Log
	compared *logClock
}

func newSharedLog(log *esdb.Log, n *node) sharedLog {
	return sharedLog{log, newLogClock(log, n.settings.now(), part(n.logger, "clock"))}
}

func (sharedLog) shared() bool       { return true }
func (l sharedLog) clock() *logClock { return l.compared }

// Append compares the clocks while it appends.
func (l sharedLog) Append(ctx context.Context, stream string, expected eventlog.Expected, events ...eventlog.Event) (eventlog.Appended, error) {
	begun := l.compared.read()
	a, err := l.Log.Append(ctx, stream, expected, events...)
	if err == nil {
		l.compared.saw(begun, a.Position)
	}
	return a, err
}

// AppendLater compares the clocks as Append does.
func (l sharedLog) AppendLater(ctx context.Context, stream string, expected eventlog.Expected, events ...eventlog.Event) (func() (eventlog.Appended, error), error) {
	begun := l.compared.read()
	wait, err := l.Log.AppendLater(ctx, stream, expected, events...)
	if err != nil {
		return nil, err
	}
	return func() (eventlog.Appended, error) {
		a, err := wait()
		if err == nil {
			l.compared.saw(begun, a.Position)
		}
		return a, err
	}, nil
}

// fresh looks for the two streams that the first node of a log makes: others may have written to the log before.
func (l sharedLog) fresh(ctx context.Context) (bool, error) {
	for _, stream := range []string{domain.KeysetProbeStream, domain.KeyStream(domain.OperatorKeyID)} {
		for _, err := range l.Read(ctx, stream, 0) {
			return false, err
		}
	}
	return true, nil
}

func (sharedLog) FreeSpace() (uint64, error) {
	return 0, fmt.Errorf("the disk of EventStoreDB: %w", errors.ErrUnsupported)
}

func (sharedLog) Backup(context.Context, string) error {
	return domain.Refuse(domain.Conflict, "the log is on EventStoreDB and is backed up there")
}

func (sharedLog) between(eventlog.Position, eventlog.Position) (uint64, bool) { return 0, false }

func (l sharedLog) measure(set setter) {
	m := l.Metrics()
	set("hooklog_log_appends_total", float64(m.Appends))
	set("hooklog_log_events_total", float64(m.Events))
	set("hooklog_log_bytes_total", float64(m.Bytes))
	set("hooklog_log_connections_total", float64(m.Connections))
	set("hooklog_log_repeats_total", float64(m.Repeats))
}

var (
	_ backend = ownLog{}
	_ backend = sharedLog{}
)
