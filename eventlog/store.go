package eventlog

import (
	"context"
	"iter"
	"math"
	"time"
)

// Store is what those who serve a whole log to others need of it besides [Log]: reading towards the beginning, how a
// stream stands, and a place for what they must remember themselves.
type Store interface {
	Log
	// ReadBack yields the events of a stream from revision from, or from the stream's end if from is past it, down to
	// the first. A stream that does not exist yields nothing. An error ends the sequence.
	ReadBack(ctx context.Context, stream string, from Revision) iter.Seq2[Recorded, error]
	// ReadAllBack yields all events before a position, the latest first. A position past the head is the head's.
	ReadAllBack(ctx context.Context, before Position) iter.Seq2[Recorded, error]
	// Stream tells how a stream stands.
	Stream(ctx context.Context, stream string) (StreamState, error)
	// Delete hides all events of a stream that is as expected, by an event in its metadata stream, whose place it returns.
	// The stream's revisions go on when it is appended to again, with [NoStream] too. It fails as Append does.
	Delete(ctx context.Context, stream string, expected Expected) (Appended, error)
	Notes
}

// Streams of metadata, and what ends a stream.
const (
	// MetadataPrefix begins the name of the stream that holds another stream's metadata. Its last event's data is a JSON
	// object, in which $maxCount, $maxAge (seconds) and $tb (truncate before) hide events of that stream from Read and
	// ReadBack, but not from the feed. Of a stream of metadata itself only the last event is shown.
	MetadataPrefix = "$$"
	// MetadataType is the type of the events in such streams.
	MetadataType = "$metadata"
	// TombstoneType is the type of an event after which a stream, and its metadata, can be neither read nor appended to:
	// that fails with [ErrStreamDeleted].
	TombstoneType = "$streamDeleted"
	// TruncateAll is the $tb of a deleted stream.
	TruncateAll Revision = math.MaxInt64
)

// StreamState is how a stream stands.
type StreamState struct {
	// Last is NoStream if the stream has never had an event, else the revision of its last one.
	Last Expected
	// HasMetadata says that metadata was ever written.
	HasMetadata bool
	// Tombstoned says that the stream has ended.
	Tombstoned bool
	// First is the first revision that is not hidden by $tb or $maxCount; past Last if there is none.
	First Revision
	// TruncateBefore, MaxCount and MaxAge are the metadata's; zero if not given.
	TruncateBefore Revision
	MaxCount       uint64
	MaxAge         time.Duration
}

// Deleted says that the stream was deleted and not appended to since, or that it was tombstoned.
func (s StreamState) Deleted() bool { return s.Tombstoned || s.TruncateBefore == TruncateAll }

// Notes keeps small records by name beside the events: what a façade has to remember that is no fact, such as the
// settings and checkpoints of its consumer groups. A copy of the events does not take them along.
type Notes interface {
	// Note replaces what is kept under a name and returns once that is durable; nil content removes it. Content is at
	// most [MaxAppend] bytes, a name at most [MaxName].
	Note(ctx context.Context, name string, content []byte) error
	// Notes yields the notes whose names begin with prefix, in the order of their names.
	Notes(ctx context.Context, prefix string) iter.Seq2[Noted, error]
}

// Noted is a note as it is kept. Its content is the reader's.
type Noted struct {
	Name    string
	Content []byte
}

// CheckNote holds the port's rules about notes. Every backend calls it first.
func CheckNote(name string, content []byte) error {
	if err := CheckName("note", name); err != nil {
		return err
	}
	return checkSize(len(content))
}
