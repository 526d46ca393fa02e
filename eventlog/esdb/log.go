package esdb

import (
	"context"
	"fmt"
	"sync"

	client "github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/rs/zerolog"

	"github.com/hooklog/hooklog/eventlog"
)

// Log is the log on an EventStoreDB. It is safe for concurrent use.
type Log struct {
	connection *connection
	logger     zerolog.Logger
	// followers says that reads may be answered by a node that lags behind the leader.
	followers bool
	counters  counters
	held      *held

	headMu sync.Mutex
	head   eventlog.Position // the last event found by Head, from where it need not look further back
}

var _ eventlog.Log = (*Log)(nil)

// Open connects to an EventStoreDB. It waits until the server answers, however long that takes, or ctx ends. What will
// not pass is an error at once: a connection string that cannot be read, credentials that are refused
// ([ErrUnauthenticated], [ErrAccessDenied]), a certificate that does not verify, a server older than [LeastVersion]
// ([ErrOldServer]).
func Open(ctx context.Context, c Config) (*Log, error) {
	settings, err := c.settings()
	if err != nil {
		return nil, err
	}
	l := &Log{connection: newConnection(*settings, c.Logger), logger: c.Logger, followers: settings.NodePreference != client.NodePreferenceLeader, held: new(held)}
	l.connection.start()
	if err := l.connection.first(ctx); err != nil {
		l.connection.close()
		return nil, fmt.Errorf("connect to EventStoreDB: %w", err)
	}
	return l, nil
}

// Close ends every subscription and consumer with [eventlog.ErrClosed] and closes the connection. Verdicts of handlers
// that still run then are lost, and of appends under way it is unknown whether they happen: end their contexts and wait
// for them first.
func (l *Log) Close() error {
	l.connection.close()
	return nil
}
