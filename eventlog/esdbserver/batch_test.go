package esdbserver_test

import (
	"context"
	"strings"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/uuid"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/esdbserver"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// oneEvent is an append of one event to a stream that does not exist, whole in one message.
func oneEvent(stream string) *streams.BatchAppendReq {
	return &streams.BatchAppendReq{
		CorrelationId: stringID(uuid.New()), IsFinal: true,
		Options: &streams.BatchAppendReq_Options{
			StreamIdentifier:       name(stream),
			ExpectedStreamPosition: &streams.BatchAppendReq_Options_NoStream{NoStream: &emptypb.Empty{}},
		},
		ProposedMessages: []*streams.BatchAppendReq_ProposedMessage{{Id: stringID(uuid.New()), Metadata: system("t")}},
	}
}

func TestAServerThatStopsEndsTheCallOfABatch(t *testing.T) {
	t.Parallel()
	n, _ := insecure(t)
	call, err := streams.NewStreamsClient(connect(t, n)).BatchAppend(soon(t))
	must(t, err)
	must(t, call.Send(oneEvent("s")))
	_, err = call.Recv()
	must(t, err)
	n.shutDown()
	if _, err := call.Recv(); status.Code(err) != codes.Unavailable || !strings.Contains(err.Error(), "shutting down") {
		t.Errorf("got %v", err) // Without it the server would cut the connection after a while.
	}
}

// failing is a log whose appends fail.
type failing struct {
	esdbserver.Log
	err error
}

func (f failing) Append(context.Context, string, eventlog.Expected, ...eventlog.Event) (eventlog.Appended, error) {
	return eventlog.Appended{}, f.err
}

func (f failing) AppendLater(context.Context, string, eventlog.Expected, ...eventlog.Event) (func() (eventlog.Appended, error), error) {
	return nil, f.err
}

func TestABatchTellsWhyAnAppendFailed(t *testing.T) {
	t.Parallel()
	for err, want := range map[error]codes.Code{
		eventlog.ErrNoSpace: codes.ResourceExhausted, eventlog.ErrUnknownOutcome: codes.Aborted, eventlog.ErrClosed: codes.Unavailable,
		eventlog.ErrStreamDeleted: codes.NotFound, eventlog.ErrTooLarge: codes.InvalidArgument,
	} {
		n := &node{t: t, fs: vfs.NewMem(), config: esdbserver.Config{Insecure: true}, address: "127.0.0.1:0", fails: err}
		n.start()
		t.Cleanup(func() { n.shutDown() })
		call, failed := streams.NewStreamsClient(connect(t, n)).BatchAppend(soon(t))
		must(t, failed)
		must(t, call.Send(oneEvent("s")))
		answer, failed := call.Recv()
		must(t, failed)
		if got := codes.Code(answer.GetError().GetCode()); got != want {
			t.Errorf("%v: got %s, want %s", err, got, want)
		}
	}
}

// TestABatchKeepsTheOrderOfItsAppends holds that appends of one call follow each other, also with what only asks for a
// stream's revision in between, and that one that fails keeps nobody up.
func TestABatchKeepsTheOrderOfItsAppends(t *testing.T) {
	t.Parallel()
	n, _ := insecure(t)
	call, err := streams.NewStreamsClient(connect(t, n)).BatchAppend(soon(t))
	must(t, err)
	const appends = 600
	at := func(revision uint64) *streams.BatchAppendReq {
		r := oneEvent("s")
		if revision > 0 {
			r.Options.ExpectedStreamPosition = &streams.BatchAppendReq_Options_StreamPosition{StreamPosition: revision - 1}
		}
		return r
	}
	var want []bool
	go func() {
		for i := range uint64(appends) {
			_ = call.Send(at(i)) // If it fails Recv does.
			if i%50 == 0 {
				_ = call.Send(at(i + 7))
				question := at(i + 1)
				question.ProposedMessages = nil
				_ = call.Send(question)
			}
		}
	}()
	for i := range appends {
		if want = append(want, true); i%50 == 0 {
			want = append(want, false, true)
		}
	}
	for i, succeeds := range want {
		answer, err := call.Recv()
		must(t, err)
		if got := answer.GetSuccess() != nil; got != succeeds {
			t.Fatalf("answer %d: got %v", i, answer)
		}
	}
}
