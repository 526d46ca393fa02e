package esdb

import (
	"fmt"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hooklog/hooklog/eventlog"
)

// refusal makes an error of what an append is answered with if it did not succeed. The type of the details tells what it is.
func (a *appending) refusal(s *spb.Status) error {
	if len(s.GetDetails()) == 0 {
		return coded(codes.Code(s.GetCode()), s.GetMessage())
	}
	detail, err := s.GetDetails()[0].UnmarshalNew()
	if err != nil { // A type that only newer servers know.
		return coded(codes.Code(s.GetCode()), s.GetMessage())
	}
	switch d := detail.(type) {
	case *shared.WrongExpectedVersion:
		actual := eventlog.NoStream
		if now, ok := d.GetCurrentStreamRevisionOption().(*shared.WrongExpectedVersion_CurrentStreamRevision); ok {
			actual = eventlog.Exactly(eventlog.Revision(now.CurrentStreamRevision))
		}
		return &eventlog.ConflictError{Stream: a.stream, Expected: a.expected, Actual: actual}
	case *shared.StreamDeleted:
		return fmt.Errorf("%w: %w", eventlog.ErrStreamDeleted, coded(codes.NotFound, s.GetMessage()))
	case *shared.MaximumAppendSizeExceeded:
		return fmt.Errorf("%w: the server takes at most %d bytes: %w", eventlog.ErrTooLarge, d.GetMaxAppendSize(), coded(codes.InvalidArgument, s.GetMessage()))
	case *shared.BadRequest:
		return coded(codes.InvalidArgument, d.GetMessage())
	case *shared.AccessDenied:
		return coded(codes.PermissionDenied, s.GetMessage())
	case *shared.Timeout:
		return coded(codes.DeadlineExceeded, s.GetMessage())
	}
	return coded(codes.Code(s.GetCode()), s.GetMessage())
}

// coded is a status that is an error for certain. EventStoreDB gives no code where it is not ready to try.
func coded(code codes.Code, message string) error {
	if code == codes.OK {
		code = codes.Unavailable
	}
	return status.Error(code, message)
}
