package esdbserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/hooklog/hooklog/eventlog"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"
)

// Bounds of one call of BatchAppend.
const (
	batchesOpen    = 64  // begun and not yet final
	batchesRunning = 256 // handed over and not answered; more wait, and so does the client
)

// batch is an append that comes in parts.
type batch struct {
	correlation []byte
	options     *batchOptions
	incoming

	// What follows is known once it is whole.
	ctx    context.Context
	cancel context.CancelFunc
	wait   func() (put, error)
	done   chan struct{} // closed when it is answered; nil if nobody waits for that
}

// batches are the appends of one call of BatchAppend.
type batches struct {
	*streamService
	call    streams.Streams_BatchAppendServer
	open    map[eventlog.ID]*batch
	running chan struct{} // holds a value for each append that runs

	starting sync.Mutex // nothing is handed over once stopped is set
	stopped  bool
	begun    chan *batch // capacity batchesRunning: those that run, in their order
}

// BatchAppend appends what comes in parts, each append with an answer of its own. Appends are done in the order in which
// they became whole. When the server stops, those under way are still answered.
func (s *streamService) BatchAppend(call streams.Streams_BatchAppendServer) error {
	if err := s.door.mayWrite(call.Context()); err != nil {
		return err
	}
	b := batches{
		streamService: s, call: call, open: make(map[eventlog.ID]*batch),
		running: make(chan struct{}, batchesRunning), begun: make(chan *batch, batchesRunning),
	}
	received, answered := make(chan error, 1), make(chan struct{})
	go func() { received <- b.receive() }() // It ends with the call.
	go func() {
		defer close(answered)
		b.answerAll()
	}()
	var err error
	select {
	case err = <-received:
	case <-s.life.Done():
		err = eventlog.ErrClosed
	}
	b.stop()
	<-answered
	return s.refusal(call.Context(), "append", "", err)
}

// receive takes what the client sends until it sends no more.
func (b *batches) receive() error {
	for {
		part := new(batchPart)
		err := b.call.RecvMsg(part)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = b.take(part)
		}
		if err != nil {
			return err
		}
	}
}

// stop ends the handing over, and answerAll after what was handed over.
func (b *batches) stop() {
	b.starting.Lock()
	defer b.starting.Unlock()
	b.stopped = true
	close(b.begun)
}

// take adds a part to its append.
func (b *batches) take(part *batchPart) error {
	id, none, malformed := parseID(part.correlation)
	if err := errors.Join(none, malformed); err != nil {
		return fmt.Errorf("%w: the correlation id is missing", eventlog.ErrInvalid)
	}
	one := b.open[id]
	if one == nil {
		if len(b.open) == batchesOpen {
			return fmt.Errorf("%w: %d appends are open", eventlog.ErrInvalid, batchesOpen)
		}
		one = &batch{correlation: part.correlation}
		b.open[id] = one
	}
	if part.options != nil {
		one.options = part.options
	}
	for _, e := range part.events {
		one.add(e)
	}
	if !part.final {
		return nil
	}
	delete(b.open, id)
	return b.start(one)
}

// start hands an append over. One without events, which is only a question, is answered before the next is handed over.
func (b *batches) start(one *batch) error {
	select {
	case b.running <- struct{}{}:
	case <-b.call.Context().Done():
		return b.call.Context().Err()
	}
	if len(one.events) == 0 {
		one.done = make(chan struct{})
	}
	if err := b.handOver(one); err != nil {
		return err
	}
	if one.done != nil {
		<-one.done
	}
	return nil
}

func (b *batches) handOver(one *batch) error {
	b.starting.Lock()
	defer b.starting.Unlock()
	if b.stopped {
		return eventlog.ErrClosed
	}
	b.begin(one)
	b.begun <- one // There is room for all that run.
	return nil
}

// begin decides how an append is waited for.
func (b *batches) begin(one *batch) {
	one.ctx, one.cancel = one.options.deadline(b.call.Context())
	expected, err := one.options.expectation()
	if err == nil {
		err = errors.Join(one.refused, checkStream(one.options.stream))
	}
	if err != nil {
		one.wait = func() (put, error) { return put{}, err }
		return
	}
	one.wait = b.putLater(one.ctx, one.options.stream, expected, one.events)
}

// answerAll answers one append after the other. They are handed over meanwhile, and become durable many at once.
func (b *batches) answerAll() {
	for one := range b.begun {
		_ = b.call.SendMsg(b.finish(one)) // If it fails the call has ended, which Recv tells.
		if one.done != nil {
			close(one.done)
		}
		<-b.running
	}
}

func (b *batches) finish(one *batch) *batchAnswer {
	defer one.cancel()
	answer := &batchAnswer{correlation: one.correlation, options: one.options}
	var err error
	if answer.at, err = one.wait(); err != nil {
		answer.failed = b.batchError(one.ctx, one.options, err)
	}
	return answer
}

// batchError tells an error in the form of this one method.
func (s *Server) batchError(ctx context.Context, o *batchOptions, err error) *spb.Status {
	var conflict *eventlog.ConflictError
	switch {
	case errors.As(err, &conflict):
		return detailed(codes.AlreadyExists, "wrong expected version", sharedConflict(conflict))
	case errors.Is(err, eventlog.ErrStreamDeleted):
		return detailed(codes.NotFound, "stream is deleted", &shared.StreamDeleted{StreamIdentifier: identifier(o.stream)})
	case ctx.Err() != nil:
		return detailed(codes.DeadlineExceeded, "timeout", &shared.Timeout{})
	case errors.Is(err, eventlog.ErrTooLarge):
		return detailed(codes.InvalidArgument, "maximum append size exceeded", &shared.MaximumAppendSizeExceeded{MaxAppendSize: eventlog.MaxAppend})
	case errors.Is(err, eventlog.ErrInvalid), errors.Is(err, errMissingMetadata):
		return detailed(codes.InvalidArgument, "bad request", &shared.BadRequest{Message: err.Error()})
	case errors.Is(err, eventlog.ErrUnknownOutcome):
		return detailed(codes.Aborted, "it is unknown whether the events were appended", &shared.Unknown{})
	case errors.Is(err, eventlog.ErrNoSpace):
		return detailed(codes.ResourceExhausted, eventlog.ErrNoSpace.Error(), &shared.Unknown{})
	case errors.Is(err, eventlog.ErrClosed):
		return detailed(codes.Unavailable, "the server is shutting down", &shared.Unknown{})
	}
	s.config.Logger.Error().Err(err).Msg("append")
	return detailed(codes.Unknown, "unknown", &shared.Unknown{})
}

func detailed(code codes.Code, message string, detail proto.Message) *spb.Status {
	st := &spb.Status{Code: int32(code), Message: message}
	if d, err := anypb.New(detail); err == nil {
		st.Details = []*anypb.Any{d}
	}
	return st
}

func sharedConflict(c *eventlog.ConflictError) *shared.WrongExpectedVersion {
	w := &shared.WrongExpectedVersion{
		CurrentStreamRevisionOption: &shared.WrongExpectedVersion_CurrentStreamRevision{CurrentStreamRevision: uint64(c.Actual)},
	}
	if c.Actual == eventlog.NoStream {
		w.CurrentStreamRevisionOption = &shared.WrongExpectedVersion_CurrentNoStream{CurrentNoStream: &emptypb.Empty{}}
	}
	switch c.Expected {
	case eventlog.Any:
		w.ExpectedStreamPositionOption = &shared.WrongExpectedVersion_ExpectedAny{ExpectedAny: &emptypb.Empty{}}
	case eventlog.StreamExists:
		w.ExpectedStreamPositionOption = &shared.WrongExpectedVersion_ExpectedStreamExists{ExpectedStreamExists: &emptypb.Empty{}}
	case eventlog.NoStream:
		w.ExpectedStreamPositionOption = &shared.WrongExpectedVersion_ExpectedNoStream{ExpectedNoStream: &emptypb.Empty{}}
	default:
		w.ExpectedStreamPositionOption = &shared.WrongExpectedVersion_ExpectedStreamPosition{ExpectedStreamPosition: uint64(c.Expected)}
	}
	return w
}
