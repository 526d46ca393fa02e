package eventlog

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// Errors that every backend gives by these names; test with errors.Is.
var (
	// ErrRevisionConflict is what a [*ConflictError] is: the stream was not as the appender expected.
	ErrRevisionConflict = errors.New("the stream is not at the expected revision")
	// ErrUnknownOutcome means that an append may or may not have happened.
	ErrUnknownOutcome = errors.New("it is unknown whether the events were appended")
	// ErrInvalid means that what was to be appended breaks a rule of the port.
	ErrInvalid = errors.New("invalid append")
	// ErrTooLarge means that an append is over [MaxAppend].
	ErrTooLarge = errors.New("append too large")
	// ErrAhead means that a position is past the head: the log is older than the reader's checkpoint.
	ErrAhead = errors.New("the checkpoint is past the head of the log")
	// ErrNoGroup means that there is no consumer group of that name.
	ErrNoGroup = errors.New("no such consumer group")
	// ErrGroupDiffers means that the group exists with other settings.
	ErrGroupDiffers = errors.New("the consumer group exists with other settings")
	// ErrNoSpace means that the log refuses appends because its disk is nearly full; nothing was appended.
	ErrNoSpace = errors.New("the disk of the log is nearly full")
	// ErrNoEvent is what a [*NoEventError] is: nothing stands at a position that was asked for.
	ErrNoEvent = errors.New("no event at this position")
	// ErrStreamDeleted means that a stream was deleted: for ever if it was tombstoned.
	ErrStreamDeleted = errors.New("the stream was deleted")
	// ErrClosed means that the log was closed.
	ErrClosed = errors.New("the log is closed")
)

// ConflictError tells how a stream stood when an append expected something else.
type ConflictError struct {
	Stream   string
	Expected Expected
	// Actual is NoStream or the stream's last revision.
	Actual Expected
}

// Error tells what was expected and what was found.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("append to %s: expected %s, found %s", e.Stream, e.Expected, e.Actual)
}

// Is makes errors.Is(err, ErrRevisionConflict) true.
func (e *ConflictError) Is(target error) bool { return target == ErrRevisionConflict }

// NoEventError tells at which position no event was found.
type NoEventError struct{ At Position }

// Error tells the position.
func (e *NoEventError) Error() string { return fmt.Sprintf("read position %s: %v", e.At, ErrNoEvent) }

// Is makes errors.Is(err, ErrNoEvent) true.
func (e *NoEventError) Is(target error) bool { return target == ErrNoEvent }

// Limits of the port, the same for every backend.
const (
	// MaxAppend is the most bytes of types, data and metadata in one append.
	MaxAppend = 1 << 20
	// MaxName is the most bytes in the name of a stream, a type or a group.
	MaxName = 512
)

// CheckAppend holds the port's rules about what may be appended. Every backend calls it first.
func CheckAppend(stream string, expected Expected, events []Event) error {
	if err := CheckName("stream", stream); err != nil {
		return err
	}
	if expected < 0 && expected != NoStream && expected != Any && expected != StreamExists {
		return fmt.Errorf("%w: expectation %d", ErrInvalid, int64(expected))
	}
	if len(events) == 0 {
		return fmt.Errorf("%w: no events", ErrInvalid)
	}
	size := 0
	for i, e := range events {
		if e.ID.IsZero() {
			return fmt.Errorf("%w: event %d has no id", ErrInvalid, i)
		}
		if err := CheckName("event type", e.Type); err != nil {
			return err
		}
		size += len(e.Type) + len(e.Data) + len(e.Metadata)
	}
	return checkSize(size)
}

func checkSize(size int) error {
	if size > MaxAppend {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, size, MaxAppend)
	}
	return nil
}

// CheckName refuses names that are empty, too long or not UTF-8; what says which name it is.
func CheckName(what, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: empty %s", ErrInvalid, what)
	case len(name) > MaxName:
		return fmt.Errorf("%w: %s of %d bytes, at most %d", ErrInvalid, what, len(name), MaxName)
	case !utf8.ValidString(name):
		return fmt.Errorf("%w: %s is not UTF-8", ErrInvalid, what)
	}
	return nil
}
