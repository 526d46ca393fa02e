package esdbserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/hooklog/hooklog/eventlog"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// drained is how many bytes of an append that is refused are still read, so that the client, which sends before it
// listens, hears why.
const drained = 64 << 20

// incoming is an append as it comes in.
type incoming struct {
	events  []eventlog.Event
	refused error // why it will not be appended
	bytes   int
}

// add adds an event to the append. What is refused is not kept.
func (in *incoming) add(e proposal) {
	in.bytes += max(1, len(e.Data)+len(e.Metadata)+len(e.Type))
	if in.refused == nil && in.bytes > eventlog.MaxAppend {
		in.refused = eventlog.ErrTooLarge
	}
	if in.refused != nil {
		in.events = nil
		return
	}
	in.refused = e.err
	in.events = append(in.events, e.Event)
}

// appending is one call of Append.
type appending struct {
	incoming
	options *streams.AppendReq_Options
}

// Append reads to the end before it answers, even to refuse.
func (s *streamService) Append(call streams.Streams_AppendServer) error {
	ctx := call.Context()
	in := appending{incoming: incoming{refused: s.door.mayWrite(ctx)}}
	for {
		req, err := call.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		in.take(req)
		if in.bytes > drained {
			break
		}
	}
	if in.options == nil && in.refused == nil {
		in.refused = fmt.Errorf("%w: it has no options", eventlog.ErrInvalid)
	}
	stream := named(in.options.GetStreamIdentifier())
	if in.refused == nil {
		in.refused = checkStream(stream)
	}
	if in.refused != nil {
		return s.refusal(ctx, "append", stream, in.refused)
	}
	expected, err := appendExpectation(in.options)
	if err != nil {
		return err
	}
	answer, err := s.append(ctx, stream, expected, in.events)
	if err != nil {
		return s.refusal(ctx, "append", stream, err)
	}
	return call.SendAndClose(answer)
}

// take adds a message to the append.
func (in *appending) take(req *streams.AppendReq) {
	if options := req.GetOptions(); options != nil {
		if in.options != nil && in.refused == nil {
			in.refused = fmt.Errorf("%w: it has options twice", eventlog.ErrInvalid)
		}
		in.options = options
		return
	}
	m := req.GetProposedMessage()
	in.add(proposed(m.GetId(), m.GetMetadata(), m.GetCustomMetadata(), m.GetData()))
}

func appendExpectation(o *streams.AppendReq_Options) (eventlog.Expected, error) {
	switch v := o.GetExpectedStreamRevision().(type) {
	case *streams.AppendReq_Options_Any:
		return eventlog.Any, nil
	case *streams.AppendReq_Options_NoStream:
		return eventlog.NoStream, nil
	case *streams.AppendReq_Options_StreamExists:
		return eventlog.StreamExists, nil
	case *streams.AppendReq_Options_Revision:
		if e, ok := exactly(v.Revision); ok {
			return e, nil
		}
	}
	return 0, status.Error(codes.InvalidArgument, "the expected revision is missing or no revision")
}

// append appends, and makes an answer of a conflict too.
func (s *streamService) append(ctx context.Context, stream string, expected eventlog.Expected, events []eventlog.Event) (*streams.AppendResp, error) {
	appended, err := s.put(ctx, stream, expected, events)
	var conflict *eventlog.ConflictError
	if errors.As(err, &conflict) {
		return &streams.AppendResp{Result: &streams.AppendResp_WrongExpectedVersion_{
			WrongExpectedVersion: wrongVersion(conflict),
		}}, nil
	}
	if err != nil {
		return nil, err
	}
	success := &streams.AppendResp_Success{PositionOption: &streams.AppendResp_Success_NoPosition{NoPosition: &shared.Empty{}}}
	if at := position(appended.Position); at != 0 {
		success.PositionOption = &streams.AppendResp_Success_Position{Position: &streams.AppendResp_Position{CommitPosition: at, PreparePosition: at}}
	}
	success.CurrentRevisionOption = &streams.AppendResp_Success_CurrentRevision{CurrentRevision: uint64(appended.last)}
	if appended.last == eventlog.NoStream {
		success.CurrentRevisionOption = &streams.AppendResp_Success_NoStream{NoStream: &shared.Empty{}}
	}
	return &streams.AppendResp{Result: &streams.AppendResp_Success_{Success: success}}, nil
}

// put is where an append ended: last is NoStream if there is still no stream, the Position zero if nothing was added.
type put struct {
	eventlog.Appended
	last eventlog.Expected
}

// put appends; no events are only compared with the expectation.
func (s *Server) put(ctx context.Context, stream string, expected eventlog.Expected, events []eventlog.Event) (put, error) {
	return s.putLater(ctx, stream, expected, events)()
}

// putLater hands an append over; wait does what put does and is called once. No events are compared when it is called.
func (s *Server) putLater(ctx context.Context, stream string, expected eventlog.Expected, events []eventlog.Event) (wait func() (put, error)) {
	if len(events) == 0 {
		return func() (put, error) { return s.compare(ctx, stream, expected) }
	}
	outcome := s.recent.append(ctx, stream, expected, events, func() (func() (eventlog.Appended, error), error) {
		return s.config.Log.AppendLater(ctx, stream, expected, events...)
	})
	return func() (put, error) {
		appended, repeated, err := outcome()
		if repeated && err == nil {
			err = s.notOver(ctx, stream)
		}
		return put{appended, eventlog.Exactly(appended.Revision)}, err
	}
}

// compare compares a stream with an expectation.
func (s *Server) compare(ctx context.Context, stream string, expected eventlog.Expected) (put, error) {
	state, err := s.config.Log.Stream(ctx, stream)
	if err != nil {
		return put{}, err
	}
	met := expected == eventlog.Any || expected == state.Last
	switch {
	case state.Tombstoned, expected == eventlog.StreamExists && state.Deleted():
		return put{}, eventlog.ErrStreamDeleted
	case expected == eventlog.StreamExists:
		met = state.Last != eventlog.NoStream || state.HasMetadata
	case expected == eventlog.NoStream && state.Deleted():
		met = true
	}
	if !met {
		return put{}, &eventlog.ConflictError{Stream: stream, Expected: expected, Actual: state.Last}
	}
	return put{last: state.Last}, nil
}

// notOver fails if a stream was tombstoned.
func (s *Server) notOver(ctx context.Context, stream string) error {
	state, err := s.config.Log.Stream(ctx, stream)
	if err == nil && state.Tombstoned {
		err = eventlog.ErrStreamDeleted
	}
	return err
}

// wrongVersion tells a conflict in today's fields and in those of version 20.6.0.
func wrongVersion(c *eventlog.ConflictError) *streams.AppendResp_WrongExpectedVersion {
	w := &streams.AppendResp_WrongExpectedVersion{
		CurrentRevisionOption:        &streams.AppendResp_WrongExpectedVersion_CurrentRevision{CurrentRevision: uint64(c.Actual)},
		CurrentRevisionOption_20_6_0: &streams.AppendResp_WrongExpectedVersion_CurrentRevision_20_6_0{CurrentRevision_20_6_0: uint64(c.Actual)},
	}
	if c.Actual == eventlog.NoStream {
		w.CurrentRevisionOption = &streams.AppendResp_WrongExpectedVersion_CurrentNoStream{CurrentNoStream: &shared.Empty{}}
		w.CurrentRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_NoStream_20_6_0{NoStream_20_6_0: &shared.Empty{}}
	}
	switch c.Expected {
	case eventlog.Any:
		w.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedAny{ExpectedAny: &shared.Empty{}}
		w.ExpectedRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_Any_20_6_0{Any_20_6_0: &shared.Empty{}}
	case eventlog.StreamExists:
		w.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedStreamExists{ExpectedStreamExists: &shared.Empty{}}
		w.ExpectedRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_StreamExists_20_6_0{StreamExists_20_6_0: &shared.Empty{}}
	case eventlog.NoStream:
		w.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedNoStream{ExpectedNoStream: &shared.Empty{}}
		w.ExpectedRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_ExpectedRevision_20_6_0{ExpectedRevision_20_6_0: math.MaxUint64}
	default:
		w.ExpectedRevisionOption = &streams.AppendResp_WrongExpectedVersion_ExpectedRevision{ExpectedRevision: uint64(c.Expected)}
		w.ExpectedRevisionOption_20_6_0 = &streams.AppendResp_WrongExpectedVersion_ExpectedRevision_20_6_0{ExpectedRevision_20_6_0: uint64(c.Expected)}
	}
	return w
}
