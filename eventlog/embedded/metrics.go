package embedded

// Metrics counts what the log has written since it was opened.
type Metrics struct {
	// Appends and Events are the accepted ones.
	Appends, Events uint64
	// Groups is how many groups of appends were committed.
	Groups uint64
	// Syncs is how many of them were synced: all, except with Options.NoSync.
	Syncs uint64
	// Bytes is the size of the appended events as encoded, without keys.
	Bytes uint64
}

// Metrics returns the counts so far.
func (l *Log) Metrics() Metrics {
	c := &l.writer.counts
	return Metrics{
		Appends: c.appends.Load(), Events: c.events.Load(), Groups: c.groups.Load(),
		Syncs: c.syncs.Load(), Bytes: c.bytes.Load(),
	}
}
