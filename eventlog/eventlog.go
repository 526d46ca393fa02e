// Package eventlog is the port to an append-only event log. It moves bytes and names: what the events mean is the
// business of its users. EventStoreDB's conventions are kept (0-based revisions, "category-id" streams, expected
// revisions, durable competing-consumer groups), so that a backend translates nothing twice.
//
// The port is cut by user: [Streams] for who writes, [Feed] for who folds, [Groups] for who acts. [Log] is all of
// them, and [Store] what a façade for other programs needs besides. Every backend passes the suite in
// eventlog/eventlogtest, which says precisely what each sentence below means.
package eventlog

import (
	"context"
	"iter"
	"time"
)

// Event is what a writer appends.
type Event struct {
	// ID is chosen by the writer and never zero. It makes a repeated append recognisable.
	ID ID
	// Type names the kind of event and is never empty.
	Type string
	// Data and Metadata are JSON documents. The log does not look into them.
	Data     []byte
	Metadata []byte
	// Opaque says that Data is not JSON.
	Opaque bool
}

// Recorded is an event as the log holds it. Its byte slices are shared: they may be kept but never changed.
type Recorded struct {
	Event
	Stream   string
	Revision Revision
	Position Position
	// RecordedAt is the log's own time. It tells how long ago the event was recorded; what a fact says may not be decided by
	// it, for a copy of the log has other times.
	RecordedAt time.Time
}

// Appended says where an append ended.
type Appended struct {
	// Revision is the stream's last revision after the append.
	Revision Revision
	// Position is the place of the append's last event in the whole log.
	Position Position
}

// Streams is the half of the log that commands use.
type Streams interface {
	// Append adds events to the end of one stream, all of them or none, and returns once they are durable: nothing
	// that it acknowledged is lost by a power failure. If the stream is not as expected it fails with a
	// [*ConflictError]. If it fails with [ErrUnknownOutcome], or because ctx ended, the events may or may not have
	// been appended; the same ids may then be appended again at the same NoStream or exact expectation, which
	// succeeds without adding anything if they were. Any promises nothing of the kind. The log keeps
	// the Data and Metadata of the events, which must never be changed afterwards.
	Append(ctx context.Context, stream string, expected Expected, events ...Event) (Appended, error)
	// Read yields the events of a stream in order, beginning with revision from, up to the end as it is when the
	// read begins or later. A stream that does not exist yields nothing. An error ends the sequence.
	Read(ctx context.Context, stream string, from Revision) iter.Seq2[Recorded, error]
}

// Pipeline is what a log offers besides that takes an append without being waited for.
type Pipeline interface {
	// AppendLater hands an append over. wait waits for what came of the append, as Append does, and is called once. An
	// append that fails does not keep those behind it from being made.
	AppendLater(ctx context.Context, stream string, expected Expected, events ...Event) (wait func() (Appended, error), err error)
	// InOrder says that appends which one goroutine hands over are made in that order.
	InOrder() bool
}

// Feed is the reading half of the log: all events of all streams in the order of their positions. No event is shown
// before it is durable.
type Feed interface {
	// Head returns the position of the last event, or the zero Position if the log is empty. It is the log's own answer,
	// no older than the call; while the log says nothing it waits, until ctx ends.
	Head(ctx context.Context) (Position, error)
	// ReadAll yields all events after the given position up to the head as it is when the read begins or later.
	// The zero Position is before the first event. It fails with [ErrAhead] if after is past the head.
	ReadAll(ctx context.Context, after Position) iter.Seq2[Recorded, error]
	// ReadAt returns the event at exactly the given position, as Append, Read or ReadAll told it. It fails with a
	// [*NoEventError] if there is none, as after the head or at a position of another log.
	ReadAt(ctx context.Context, at Position) (Recorded, error)
	// Subscribe hands all events after the given position to receive, in order, without gap or repetition, and goes
	// on with those that are appended while it runs. It resumes by itself after a lost connection. It blocks until
	// ctx ends, receive fails (that error is returned), the log is closed ([ErrClosed]) or after turns out to be
	// past the head ([ErrAhead]). Receive is never called concurrently.
	Subscribe(ctx context.Context, after Position, receive func(context.Context, Batch) error) error
}

// Batch is a run of consecutive events handed to a subscriber.
type Batch struct {
	// Events may be empty when only Live has changed. They are shared: they may be kept but never changed.
	Events []Recorded
	// Release, where it is not nil, gives the memory of Events back to the log, slices of bytes included, to be read into
	// again. Who keeps none of it may call it once, during receive or later, from any goroutine.
	Release func()
	// Live says that the subscription had caught up with the head when the batch was made. It turns false while the
	// subscription reads the past and while its connection is lost; each change is told, if need be by an empty batch.
	Live bool
}

// Groups offers durable consumer groups: competing consumers over all streams, at least once, in no promised order.
type Groups interface {
	// Consume joins the group, which is created at the head of the log if it does not exist, and calls handle for
	// each event handed to this consumer, at most buffer of them at once, each on its own goroutine. It blocks until
	// ctx ends and every running handle has returned; ctx is also the context of the handlers. What was handed to a
	// consumer that left or died is handed to the others at once. A group that exists with other settings is refused
	// with [ErrGroupDiffers].
	Consume(ctx context.Context, group Group, buffer int, handle func(context.Context, Handed) Verdict) error
	// Stats tells how a group stands; [ErrNoGroup] if there is none of that name.
	Stats(ctx context.Context, name string) (GroupStats, error)
	// ReplayParked puts all parked events of a group back to be handed out again and says how many there were.
	ReplayParked(ctx context.Context, name string) (int, error)
}

// Group names a consumer group and its settings. A group is never changed: other settings are another group, which is
// why a name ends in a version.
type Group struct {
	Name string
	// TypePrefixes admits the events whose type begins with one of them.
	TypePrefixes []string
	// MessageTimeout is how long a consumer may take over an event before it is handed out again.
	MessageTimeout time.Duration
	// MaxRetries is how many times an event is handed out again before it is parked.
	MaxRetries int
}

// Handed is an event handed to a consumer.
type Handed struct {
	Recorded
	// Retries counts how often the event was handed out before.
	Retries int
	// Replayed says that the event had been parked.
	Replayed bool
	// Backlog says that the event was recorded before this consumer last joined the group, so that another consumer,
	// or this one in an earlier life, may have handled it already.
	Backlog bool
}

// Verdict is a consumer's answer to an event.
type Verdict uint8

// The verdicts a consumer can give.
const (
	// Ack finishes the event.
	Ack Verdict = iota
	// Retry asks for it to be handed out again; past the group's MaxRetries it is parked.
	Retry
	// Park sets it aside until ReplayParked.
	Park
	// Skip finishes the event without having handled it.
	Skip
)

// GroupStats is a snapshot of a group.
type GroupStats struct {
	Name string
	// Checkpoint is the place up to which every admitted event is finished or parked, as last stored.
	Checkpoint Position
	// LastKnown is the last position that the group has looked at.
	LastKnown Position
	InFlight  int
	Parked    int
	Consumers int
}

// Log is the whole port.
type Log interface {
	Streams
	Feed
	Groups
	// Close ends every subscription and consumer with [ErrClosed] and releases what the log holds.
	Close() error
}
