package esdb

import "sync/atomic"

// Metrics are totals since the log was opened.
type Metrics struct {
	// Appends and Events count what was acknowledged, Bytes its types, data and metadata.
	Appends, Events, Bytes uint64
	// Repeats counts the appends that were sent again because it was unknown whether they had happened.
	Repeats uint64
	// Connections counts the connections made.
	Connections uint64
}

type counters struct{ appends, events, bytes, repeats atomic.Uint64 }

// Metrics returns the totals as they stand.
func (l *Log) Metrics() Metrics {
	l.connection.mu.Lock()
	made := l.connection.made
	l.connection.mu.Unlock()
	return Metrics{
		Appends: l.counters.appends.Load(), Events: l.counters.events.Load(), Bytes: l.counters.bytes.Load(),
		Repeats: l.counters.repeats.Load(), Connections: uint64(made),
	}
}
