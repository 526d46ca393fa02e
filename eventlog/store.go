package eventlog

import (
	"context"
	"iter"
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
	Notes
}

// StreamState is how a stream stands.
type StreamState struct {
	// Last is NoStream if the stream has never had an event, else the revision of its last one.
	Last Expected
}

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
