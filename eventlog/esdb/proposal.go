package esdb

import (
	"encoding/binary"
	"fmt"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/hooklog/hooklog/eventlog"
)

// proposed is an event as it is sent.
func proposed(e eventlog.Event) *streams.BatchAppendReq_ProposedMessage {
	content := jsonContent
	if e.Opaque {
		content = anyContent
	}
	return &streams.BatchAppendReq_ProposedMessage{
		Id:             structured(binary.BigEndian.Uint64(e.ID[:]), binary.BigEndian.Uint64(e.ID[8:])),
		Metadata:       map[string]string{"type": e.Type, "content-type": content},
		CustomMetadata: e.Metadata,
		Data:           e.Data,
	}
}

// structured is an id of 16 bytes, given as two big-endian halves, as it is sent.
func structured(high, low uint64) *shared.UUID {
	return &shared.UUID{Value: &shared.UUID_Structured_{Structured: &shared.UUID_Structured{
		MostSignificantBits: int64(high), LeastSignificantBits: int64(low),
	}}}
}

// request makes a request of the append, whole in one message.
func (a *appending) request() *streams.BatchAppendReq {
	o := &streams.BatchAppendReq_Options{StreamIdentifier: &shared.StreamIdentifier{StreamName: []byte(a.stream)}}
	switch a.expected {
	case eventlog.NoStream:
		o.ExpectedStreamPosition = &streams.BatchAppendReq_Options_NoStream{NoStream: &emptypb.Empty{}}
	case eventlog.Any:
		o.ExpectedStreamPosition = &streams.BatchAppendReq_Options_Any{Any: &emptypb.Empty{}}
	case eventlog.StreamExists:
		o.ExpectedStreamPosition = &streams.BatchAppendReq_Options_StreamExists{StreamExists: &emptypb.Empty{}}
	default:
		o.ExpectedStreamPosition = &streams.BatchAppendReq_Options_StreamPosition{StreamPosition: uint64(a.expected)}
	}
	return &streams.BatchAppendReq{Options: o, ProposedMessages: a.events, IsFinal: true}
}

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
