package esdb_test

import (
	"context"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/persistent"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/serverfeatures"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/hooklog/hooklog/eventlog"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/emptypb"
)

// fake answers as a test tells it to, for what the embedded log behind esdbserver never does.
type fake struct {
	serverfeatures.UnimplementedServerFeaturesServer
	streams.UnimplementedStreamsServer

	version string // "" is a server without the service that tells it
	append  func(streams.Streams_BatchAppendServer) error
	read    func(*streams.ReadReq_Options, streams.Streams_ReadServer) error
	consume func(persistent.PersistentSubscriptions_ReadServer) error
	members []*gossip.MemberInfo
	silent  atomic.Bool  // what it offers is not told
	asked   atomic.Int32 // how often it was asked for that in vain

	mu    sync.Mutex
	info  *persistent.SubscriptionInfo
	begin *persistent.CreateReq_AllOptions // what the group was made with
}

func startFake(t *testing.T, f *fake) (url string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	if f.version != "" {
		serverfeatures.RegisterServerFeaturesServer(s, f)
	}
	streams.RegisterStreamsServer(s, f)
	persistent.RegisterPersistentSubscriptionsServer(s, &fakeGroups{f: f})
	gossip.RegisterGossipServer(s, &fakeGossip{f: f})
	served := make(chan error, 1)
	go func() { served <- s.Serve(listener) }()
	t.Cleanup(func() {
		s.Stop()
		if err := <-served; err != nil {
			t.Errorf("serve: %v", err)
		}
	})
	return "esdb://" + listener.Addr().String() + "?tls=false"
}

func (f *fake) GetSupportedMethods(ctx context.Context, _ *shared.Empty) (*serverfeatures.SupportedMethods, error) {
	if f.silent.Load() {
		f.asked.Add(1)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	const groups = "event_store.client.persistent_subscriptions.persistentsubscriptions"
	m := &serverfeatures.SupportedMethods{EventStoreServerVersion: f.version}
	for _, name := range []string{"create", "getinfo", "list", "replayparked", "restartsubsystem"} {
		m.Methods = append(m.Methods, &serverfeatures.SupportedMethod{ServiceName: groups, MethodName: name, Features: []string{"stream", "all"}})
	}
	return m, nil
}

func (f *fake) BatchAppend(s streams.Streams_BatchAppendServer) error { return f.append(s) }

// oneByOne answers each append before it looks at the next. An error ends the call.
func oneByOne(answer func(streams.Streams_BatchAppendServer, *streams.BatchAppendReq) (*streams.BatchAppendResp, error)) func(streams.Streams_BatchAppendServer) error {
	return func(s streams.Streams_BatchAppendServer) error {
		for {
			r, err := s.Recv()
			if err != nil {
				return err
			}
			a, err := answer(s, r)
			if err != nil {
				return err
			}
			if err := s.Send(correlated(r, a)); err != nil {
				return err
			}
		}
	}
}

// correlated makes an answer the answer to a request.
func correlated(r *streams.BatchAppendReq, a *streams.BatchAppendResp) *streams.BatchAppendResp {
	a.CorrelationId, a.StreamIdentifier = r.GetCorrelationId(), r.GetOptions().GetStreamIdentifier()
	return a
}

// succeeded is the answer to an append that ended at a revision and a position; 0, 0 is none.
func succeeded(revision, commit, prepare uint64) *streams.BatchAppendResp {
	s := &streams.BatchAppendResp_Success{
		CurrentRevisionOption: &streams.BatchAppendResp_Success_CurrentRevision{CurrentRevision: revision},
		PositionOption:        &streams.BatchAppendResp_Success_NoPosition{NoPosition: &emptypb.Empty{}},
	}
	if commit != 0 {
		s.PositionOption = &streams.BatchAppendResp_Success_Position{Position: &shared.AllStreamPosition{CommitPosition: commit, PreparePosition: prepare}}
	}
	return &streams.BatchAppendResp{Result: &streams.BatchAppendResp_Success_{Success: s}}
}

// refused is the answer to an append that did not succeed, with a detail if it is given.
func refused(code codes.Code, message string, detail proto.Message) *streams.BatchAppendResp {
	s := &spb.Status{Code: int32(code), Message: message}
	if detail != nil {
		d, err := anypb.New(detail)
		if err != nil {
			panic(err)
		}
		s.Details = []*anypb.Any{d}
	}
	return &streams.BatchAppendResp{Result: &streams.BatchAppendResp_Error{Error: s}}
}

// Read answers the question for the last event of all, which comes with each connection, unless a test does.
func (f *fake) Read(r *streams.ReadReq, s streams.Streams_ReadServer) error {
	o := r.GetOptions()
	if f.read == nil || o.GetAll() != nil && o.GetReadDirection() == streams.ReadReq_Options_Backwards {
		return nil
	}
	return f.read(o, s)
}

// fakeGroups is the service whose Read is another.
type fakeGroups struct {
	persistent.UnimplementedPersistentSubscriptionsServer
	f *fake
}

func (g *fakeGroups) GetInfo(context.Context, *persistent.GetInfoReq) (*persistent.GetInfoResp, error) {
	g.f.mu.Lock()
	defer g.f.mu.Unlock()
	if g.f.info == nil {
		return nil, status.Error(codes.NotFound, "no such group")
	}
	return &persistent.GetInfoResp{SubscriptionInfo: g.f.info}, nil
}

// Create keeps the settings of the group, as far as they are compared.
func (g *fakeGroups) Create(_ context.Context, r *persistent.CreateReq) (*persistent.CreateResp, error) {
	g.f.mu.Lock()
	defer g.f.mu.Unlock()
	o := r.GetOptions().GetSettings()
	g.f.begin = r.GetOptions().GetAll()
	g.f.info = &persistent.SubscriptionInfo{
		EventSource: "$all", GroupName: r.GetOptions().GetGroupName(), StartFrom: "C:0/P:0",
		MaxRetryCount: o.GetMaxRetryCount(), MessageTimeoutMilliseconds: o.GetMessageTimeoutMs(), MaxSubscriberCount: o.GetMaxSubscriberCount(),
	}
	return &persistent.CreateResp{}, nil
}

func (g *fakeGroups) Read(s persistent.PersistentSubscriptions_ReadServer) error {
	if _, err := s.Recv(); err != nil {
		return err
	}
	err := s.Send(&persistent.ReadResp{Content: &persistent.ReadResp_SubscriptionConfirmation_{
		SubscriptionConfirmation: &persistent.ReadResp_SubscriptionConfirmation{SubscriptionId: "$all::g"},
	}})
	if err != nil {
		return err
	}
	return g.f.consume(s)
}

// fakeGossip is one more service with a Read of its own.
type fakeGossip struct {
	gossip.UnimplementedGossipServer
	f *fake
}

func (g *fakeGossip) Read(context.Context, *shared.Empty) (*gossip.ClusterInfo, error) {
	return &gossip.ClusterInfo{Members: g.f.members}, nil
}

// handedOut is an event of a group as it goes over the wire, or a link to it.
func handedOut(e *streams.ReadResp_ReadEvent_RecordedEvent) *persistent.ReadResp_ReadEvent_RecordedEvent {
	return &persistent.ReadResp_ReadEvent_RecordedEvent{
		Id: e.Id, StreamIdentifier: e.StreamIdentifier, StreamRevision: e.StreamRevision, CommitPosition: e.CommitPosition,
		PreparePosition: e.PreparePosition, Data: e.Data, CustomMetadata: e.CustomMetadata, Metadata: e.Metadata,
	}
}

func handOut(s persistent.PersistentSubscriptions_ReadServer, event, link *streams.ReadResp_ReadEvent_RecordedEvent, retries int32) error {
	r := &persistent.ReadResp_ReadEvent{Count: &persistent.ReadResp_ReadEvent_RetryCount{RetryCount: retries}}
	if event != nil {
		r.Event = handedOut(event)
	}
	if link != nil {
		r.Link = handedOut(link)
	}
	return s.Send(&persistent.ReadResp{Content: &persistent.ReadResp_Event{Event: r}})
}

// recorded is an event as it goes over the wire.
func recorded(e eventlog.Event, stream string, revision, at uint64) *streams.ReadResp_ReadEvent_RecordedEvent {
	return &streams.ReadResp_ReadEvent_RecordedEvent{
		Id: wireID(e.ID), StreamIdentifier: &shared.StreamIdentifier{StreamName: []byte(stream)}, StreamRevision: revision,
		CommitPosition: at, PreparePosition: at, Data: e.Data, CustomMetadata: e.Metadata, Metadata: wireMetadata(e.Type),
	}
}

func wireID(id eventlog.ID) *shared.UUID {
	return &shared.UUID{Value: &shared.UUID_String_{String_: id.String()}}
}

func wireMetadata(kind string) map[string]string {
	return map[string]string{"type": kind, "content-type": "application/json", "created": strconv.FormatInt(time.Now().UnixNano()/100, 10)}
}

func shown(e *streams.ReadResp_ReadEvent_RecordedEvent) *streams.ReadResp {
	return &streams.ReadResp{Content: &streams.ReadResp_Event{Event: &streams.ReadResp_ReadEvent{Event: e}}}
}

// refusal is an error with the trailers by which clients tell errors apart.
func refusal(s grpc.ServerStream, code codes.Code, pairs ...string) error {
	s.SetTrailer(metadata.Pairs(pairs...))
	return status.Error(code, pairs[1])
}
