package esdbserver

import (
	"context"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/hooklog/hooklog/eventlog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Delete hides a stream until it is appended to again.
func (s *streamService) Delete(ctx context.Context, req *streams.DeleteReq) (*streams.DeleteResp, error) {
	expected, ok := deleteExpectation(req.GetOptions())
	stream := named(req.GetOptions().GetStreamIdentifier())
	deleted, err := s.end(ctx, stream, ok, func() (eventlog.Appended, error) {
		return s.config.Log.Delete(ctx, stream, expected)
	})
	if err != nil {
		return nil, err
	}
	at := position(deleted.Position)
	return &streams.DeleteResp{PositionOption: &streams.DeleteResp_Position_{
		Position: &streams.DeleteResp_Position{CommitPosition: at, PreparePosition: at},
	}}, nil
}

// Tombstone ends a stream for ever.
func (s *streamService) Tombstone(ctx context.Context, req *streams.TombstoneReq) (*streams.TombstoneResp, error) {
	expected, ok := tombstoneExpectation(req.GetOptions())
	stream := named(req.GetOptions().GetStreamIdentifier())
	ended, err := s.end(ctx, stream, ok, func() (eventlog.Appended, error) {
		return s.config.Log.Append(ctx, stream, expected, eventlog.Event{ID: randomID(), Type: eventlog.TombstoneType, Opaque: true})
	})
	if err != nil {
		return nil, err
	}
	at := position(ended.Position)
	return &streams.TombstoneResp{PositionOption: &streams.TombstoneResp_Position_{
		Position: &streams.TombstoneResp_Position{CommitPosition: at, PreparePosition: at},
	}}, nil
}

// end checks what deleting and tombstoning have in common, does it and makes a status of an error.
func (s *streamService) end(ctx context.Context, stream string, expects bool, do func() (eventlog.Appended, error)) (eventlog.Appended, error) {
	if err := s.door.mayWrite(ctx); err != nil {
		return eventlog.Appended{}, err
	}
	if !expects {
		return eventlog.Appended{}, status.Error(codes.InvalidArgument, "the expected revision is missing or no revision")
	}
	err := checkStream(stream)
	var ended eventlog.Appended
	if err == nil {
		ended, err = do()
	}
	return ended, s.refusal(ctx, "delete", stream, err)
}

func deleteExpectation(o *streams.DeleteReq_Options) (eventlog.Expected, bool) {
	switch v := o.GetExpectedStreamRevision().(type) {
	case *streams.DeleteReq_Options_Any:
		return eventlog.Any, true
	case *streams.DeleteReq_Options_NoStream:
		return eventlog.NoStream, true
	case *streams.DeleteReq_Options_StreamExists:
		return eventlog.StreamExists, true
	case *streams.DeleteReq_Options_Revision:
		return exactly(v.Revision)
	}
	return 0, false
}

func tombstoneExpectation(o *streams.TombstoneReq_Options) (eventlog.Expected, bool) {
	switch v := o.GetExpectedStreamRevision().(type) {
	case *streams.TombstoneReq_Options_Any:
		return eventlog.Any, true
	case *streams.TombstoneReq_Options_NoStream:
		return eventlog.NoStream, true
	case *streams.TombstoneReq_Options_StreamExists:
		return eventlog.StreamExists, true
	case *streams.TombstoneReq_Options_Revision:
		return exactly(v.Revision)
	}
	return 0, false
}
