package esdb

import (
	"context"
	"fmt"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hooklog/hooklog/eventlog"
)

// following is a call that follows the log, on the connection of the appends, since the client has no way to receive events
// without the objects that the generated code makes of each.
type following struct {
	g      *generation
	call   grpc.ServerStreamingClient[streams.ReadResp]
	ctx    context.Context // ends with the caller's, and when the connection is known to be dead
	cancel context.CancelFunc
	unlink func() bool
}

// follow follows the log after a position. What it returns is to be ended.
func (g *generation) follow(ctx context.Context, after eventlog.Position) (*following, error) {
	if !g.enter() {
		return nil, errNotEntered
	}
	f := &following{g: g}
	f.ctx, f.cancel = context.WithCancel(ctx)
	f.unlink = context.AfterFunc(g.ctx, f.cancel)
	call, err := streams.NewStreamsClient(g.appender.conn).Read(f.ctx, followRequest(after), g.appender.options...)
	if err != nil {
		defer f.end()
		return nil, f.failed(err)
	}
	f.call = call
	return f, nil
}

// followRequest asks for everything but what is EventStoreDB's own.
func followRequest(after eventlog.Position) *streams.ReadReq {
	all := &streams.ReadReq_Options_AllOptions{AllOption: &streams.ReadReq_Options_AllOptions_Start{Start: &shared.Empty{}}}
	if !after.IsZero() {
		commit, prepare := after.Halves()
		all.AllOption = &streams.ReadReq_Options_AllOptions_Position{Position: &streams.ReadReq_Options_Position{CommitPosition: commit, PreparePosition: prepare}}
	}
	return &streams.ReadReq{Options: &streams.ReadReq_Options{
		StreamOption: &streams.ReadReq_Options_All{All: all},
		CountOption:  &streams.ReadReq_Options_Subscription{Subscription: &streams.ReadReq_Options_SubscriptionOptions{}},
		UuidOption:   &streams.ReadReq_Options_UUIDOption{Content: &streams.ReadReq_Options_UUIDOption_Structured{Structured: &shared.Empty{}}},
		FilterOption: &streams.ReadReq_Options_Filter{Filter: &streams.ReadReq_Options_FilterOptions{
			Filter: &streams.ReadReq_Options_FilterOptions_EventType{
				EventType: &streams.ReadReq_Options_FilterOptions_Expression{Regex: `^[^\$].*`},
			},
			Window: &streams.ReadReq_Options_FilterOptions_Max{Max: searchWindow}, CheckpointIntervalMultiplier: 1,
		}},
	}}
}

// next receives what comes next.
func (f *following) next() (shown, error) {
	var s shown
	if err := f.call.RecvMsg(&s); err != nil {
		return s, f.failed(err)
	}
	return s, nil
}

// failed draws the consequences of the end of the call.
func (f *following) failed(err error) error {
	if f.call != nil {
		if leader := leaderOf(f.call.Trailer()); leader != nil {
			f.g.lose(leader)
			return fmt.Errorf("%w: %w", errLost, err)
		}
	}
	switch {
	case status.Code(err) == codes.Unavailable:
		f.g.lose(nil)
	case f.g.ctx.Err() != nil:
		return fmt.Errorf("%w: %w", errLost, err)
	}
	return err
}

// end ends the call.
func (f *following) end() {
	f.unlink()
	f.cancel()
	f.g.leave()
}
