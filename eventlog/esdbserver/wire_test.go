package esdbserver_test

import (
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/persistent"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	plain "google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// connect is for what the official client does not let one send or see.
func connect(t *testing.T, n *node) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(n.address, grpc.WithTransportCredentials(plain.NewCredentials()))
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	return conn
}

func rawNode(t *testing.T) (streams.StreamsClient, persistent.PersistentSubscriptionsClient) {
	t.Helper()
	n, _ := insecure(t)
	conn := connect(t, n)
	return streams.NewStreamsClient(conn), persistent.NewPersistentSubscriptionsClient(conn)
}

func name(stream string) *shared.StreamIdentifier {
	return &shared.StreamIdentifier{StreamName: []byte(stream)}
}

func stringID(id uuid.UUID) *shared.UUID {
	return &shared.UUID{Value: &shared.UUID_String_{String_: id.String()}}
}

func system(kind string) map[string]string {
	return map[string]string{"type": kind, "content-type": "application/json"}
}

func appendRaw(t *testing.T, c streams.StreamsClient, reqs ...*streams.AppendReq) (*streams.AppendResp, metadata.MD, error) {
	t.Helper()
	call, err := c.Append(soon(t))
	must(t, err)
	for _, r := range reqs {
		if err := call.Send(r); err != nil && !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
	}
	answer, err := call.CloseAndRecv()
	return answer, call.Trailer(), err
}

func appendOptions(stream string) *streams.AppendReq {
	return &streams.AppendReq{Content: &streams.AppendReq_Options_{Options: &streams.AppendReq_Options{
		StreamIdentifier: name(stream), ExpectedStreamRevision: &streams.AppendReq_Options_Any{Any: &shared.Empty{}},
	}}}
}

func message(id *shared.UUID, system map[string]string, data []byte) *streams.AppendReq {
	return &streams.AppendReq{Content: &streams.AppendReq_ProposedMessage_{ProposedMessage: &streams.AppendReq_ProposedMessage{Id: id, Metadata: system, Data: data}}}
}

func TestAppendsThatMakeNoSenseAreRefusedByName(t *testing.T) {
	t.Parallel()
	c, _ := rawNode(t)
	id := stringID(uuid.New())
	for _, test := range []struct {
		name      string
		reqs      []*streams.AppendReq
		exception string
		field     string
		value     string
	}{
		{"nothing", nil, "", "", ""},
		{"no options", []*streams.AppendReq{message(id, system("a"), nil)}, "", "", ""},
		{"options twice", []*streams.AppendReq{appendOptions("s"), appendOptions("s")}, "", "", ""},
		{"no expectation", []*streams.AppendReq{{Content: &streams.AppendReq_Options_{Options: &streams.AppendReq_Options{StreamIdentifier: name("s")}}}}, "", "", ""},
		{"no revision", []*streams.AppendReq{{Content: &streams.AppendReq_Options_{Options: &streams.AppendReq_Options{
			StreamIdentifier: name("s"), ExpectedStreamRevision: &streams.AppendReq_Options_Revision{Revision: 1 << 63}}}}}, "", "", ""},
		{"no stream", []*streams.AppendReq{appendOptions(""), message(id, system("a"), nil)}, "", "", ""},
		{"no id", []*streams.AppendReq{appendOptions("s"), message(nil, system("a"), nil)}, "", "", ""},
		{"id that is none", []*streams.AppendReq{appendOptions("s"), message(&shared.UUID{Value: &shared.UUID_String_{String_: "x"}}, system("a"), nil)}, "", "", ""},
		{"zero id", []*streams.AppendReq{appendOptions("s"), message(stringID(uuid.Nil), system("a"), nil)}, "", "", ""},
		{"empty type", []*streams.AppendReq{appendOptions("s"), message(id, system(""), nil)}, "", "", ""},
		{"no type", []*streams.AppendReq{appendOptions("s"), message(id, map[string]string{"content-type": "x"}, nil)},
			"missing-required-metadata-property", "required-metadata-properties", "type,content-type"},
		{"no content type", []*streams.AppendReq{appendOptions("s"), message(id, map[string]string{"type": "x"}, nil)},
			"missing-required-metadata-property", "required-metadata-properties", "type,content-type"},
		{"too large", []*streams.AppendReq{appendOptions("s"), message(id, system("a"), make([]byte, 1<<20))},
			"maximum-append-size-exceeded", "maximum-append-size", "1048576"},
	} {
		_, trailer, err := appendRaw(t, c, test.reqs...)
		if status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: got %v", test.name, err)
		}
		if test.exception != "" && (!slices.Equal(trailer["exception"], []string{test.exception}) || !slices.Equal(trailer[test.field], []string{test.value})) {
			t.Errorf("%s: the trailer is %v", test.name, trailer)
		}
	}
	if _, _, err := appendRaw(t, c, appendOptions("s"), message(id, system("a"), nil)); err != nil {
		t.Errorf("then an append that makes sense: %v", err)
	}
}

func TestConflictsAreToldInOldFieldsToo(t *testing.T) {
	t.Parallel()
	c, _ := rawNode(t)
	req := appendOptions("s")
	req.GetOptions().ExpectedStreamRevision = &streams.AppendReq_Options_StreamExists{StreamExists: &shared.Empty{}}
	answer, _, err := appendRaw(t, c, req, message(stringID(uuid.New()), system("a"), nil))
	must(t, err)
	w := answer.GetWrongExpectedVersion()
	if w.GetCurrentNoStream() == nil || w.GetNoStream_20_6_0() == nil || w.GetExpectedStreamExists() == nil || w.GetStreamExists_20_6_0() == nil {
		t.Errorf("got %v", w)
	}
	req.GetOptions().ExpectedStreamRevision = &streams.AppendReq_Options_NoStream{NoStream: &shared.Empty{}}
	id := uuid.New()
	_, _, err = appendRaw(t, c, req, message(stringID(id), system("a"), nil))
	must(t, err)
	answer, _, err = appendRaw(t, c, req, message(stringID(uuid.New()), system("a"), nil))
	must(t, err)
	w = answer.GetWrongExpectedVersion()
	if w.GetExpectedNoStream() == nil || w.GetExpectedRevision_20_6_0() != 1<<64-1 || w.GetCurrentRevision_20_6_0() != 0 {
		t.Errorf("got %v", w)
	}
	_, ok := w.GetCurrentRevisionOption().(*streams.AppendResp_WrongExpectedVersion_CurrentRevision)
	if !ok {
		t.Errorf("got %v", w)
	}
	if got := readRaw(t, c, "s"); got.GetId().GetString_() != id.String() {
		t.Errorf("as a string the id is %q, want %s", got.GetId().GetString_(), id)
	}
}

// readRaw reads the first event of a stream, with its id as a string.
func readRaw(t *testing.T, c streams.StreamsClient, stream string) *streams.ReadResp_ReadEvent_RecordedEvent {
	t.Helper()
	o := readOptions(stream)
	r, err := c.Read(soon(t), &streams.ReadReq{Options: o})
	must(t, err)
	answer, err := r.Recv()
	must(t, err)
	return answer.GetEvent().GetEvent()
}

func readOptions(stream string) *streams.ReadReq_Options {
	return &streams.ReadReq_Options{
		StreamOption: &streams.ReadReq_Options_Stream{Stream: &streams.ReadReq_Options_StreamOptions{
			StreamIdentifier: name(stream), RevisionOption: &streams.ReadReq_Options_StreamOptions_Start{Start: &shared.Empty{}},
		}},
		CountOption: &streams.ReadReq_Options_Count{Count: 1},
		UuidOption:  &streams.ReadReq_Options_UUIDOption{Content: &streams.ReadReq_Options_UUIDOption_String_{String_: &shared.Empty{}}},
	}
}

func TestReadsThatMakeNoSenseAreRefused(t *testing.T) {
	t.Parallel()
	c, _ := rawNode(t)
	filter := func(f *streams.ReadReq_Options_FilterOptions) *streams.ReadReq_Options_Filter {
		return &streams.ReadReq_Options_Filter{Filter: f}
	}
	types := &streams.ReadReq_Options_FilterOptions_EventType{EventType: &streams.ReadReq_Options_FilterOptions_Expression{Prefix: []string{"a"}}}
	for name, change := range map[string]func(*streams.ReadReq_Options){
		"no stream":      func(o *streams.ReadReq_Options) { o.StreamOption = nil },
		"no count":       func(o *streams.ReadReq_Options) { o.CountOption = nil },
		"no form of ids": func(o *streams.ReadReq_Options) { o.UuidOption = nil },
		"filtered stream": func(o *streams.ReadReq_Options) {
			o.FilterOption = filter(&streams.ReadReq_Options_FilterOptions{Filter: types})
		},
		"empty filter": func(o *streams.ReadReq_Options) { o.FilterOption = filter(&streams.ReadReq_Options_FilterOptions{}) },
		"following backwards": func(o *streams.ReadReq_Options) {
			o.CountOption, o.ReadDirection = &streams.ReadReq_Options_Subscription{}, streams.ReadReq_Options_Backwards
		},
		"no checkpoints": func(o *streams.ReadReq_Options) {
			o.CountOption, o.StreamOption = &streams.ReadReq_Options_Subscription{}, &streams.ReadReq_Options_All{All: &streams.ReadReq_Options_AllOptions{}}
			o.FilterOption = filter(&streams.ReadReq_Options_FilterOptions{Filter: types})
		},
	} {
		o := readOptions("s")
		change(o)
		r, err := c.Read(soon(t), &streams.ReadReq{Options: o})
		must(t, err)
		if _, err := r.Recv(); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: got %v", name, err)
		}
	}
	r, err := c.Read(soon(t), &streams.ReadReq{})
	must(t, err)
	if _, err := r.Recv(); status.Code(err) != codes.InvalidArgument {
		t.Errorf("nothing: got %v", err)
	}
}

func TestErrorsCarryTheRealServersTrailers(t *testing.T) {
	t.Parallel()
	c, groups := rawNode(t)
	var trailer metadata.MD
	want := func(what string, err error, code codes.Code, fields map[string]string) {
		t.Helper()
		if status.Code(err) != code {
			t.Errorf("%s: got %v", what, err)
		}
		for k, v := range fields {
			if !slices.Equal(trailer[k], []string{v}) {
				t.Errorf("%s: the trailer %s is %q, want %q", what, k, trailer[k], v)
			}
		}
	}
	options := &streams.DeleteReq_Options{StreamIdentifier: name("ström"), ExpectedStreamRevision: &streams.DeleteReq_Options_Revision{Revision: 4}}
	_, err := c.Delete(soon(t), &streams.DeleteReq{Options: options}, grpc.Trailer(&trailer))
	want("delete", err, codes.FailedPrecondition, map[string]string{
		"exception": "wrong-expected-version", "stream-name": "str%C3%B6m", "expected-version": "4", "actual-version": "-1",
	})
	_, err = c.Tombstone(soon(t), &streams.TombstoneReq{Options: &streams.TombstoneReq_Options{StreamIdentifier: name("s"), ExpectedStreamRevision: &streams.TombstoneReq_Options_Any{}}})
	must(t, err)
	_, err = c.Tombstone(soon(t), &streams.TombstoneReq{Options: &streams.TombstoneReq_Options{StreamIdentifier: name("s"), ExpectedStreamRevision: &streams.TombstoneReq_Options_Any{}}}, grpc.Trailer(&trailer))
	want("tombstone", err, codes.FailedPrecondition, map[string]string{"exception": "stream-deleted", "stream-name": "s"})
	all := &persistent.CreateReq_Options{
		GroupName: "g", StreamOption: &persistent.CreateReq_Options_All{All: &persistent.CreateReq_AllOptions{}},
		Settings: &persistent.CreateReq_Settings{ReadBatchSize: 5, HistoryBufferSize: 5},
	}
	_, err = groups.Create(soon(t), &persistent.CreateReq{Options: all}, grpc.Trailer(&trailer))
	want("create", err, codes.Internal, map[string]string{"exception": "persistent-subscription-failed", "stream-name": "$all", "group-name": "g"})
	all.Settings = &persistent.CreateReq_Settings{HistoryBufferSize: 5, MaxSubscriberCount: 1}
	_, err = groups.Create(soon(t), &persistent.CreateReq{Options: all})
	must(t, err)
	_, err = groups.Create(soon(t), &persistent.CreateReq{Options: all}, grpc.Trailer(&trailer))
	want("create again", err, codes.AlreadyExists, map[string]string{"exception": "persistent-subscription-exists", "stream-name": "$all", "group-name": "g"})
	join := func(group string, buffer int32) persistent.PersistentSubscriptions_ReadClient {
		call, err := groups.Read(soon(t))
		must(t, err)
		must(t, call.Send(&persistent.ReadReq{Content: &persistent.ReadReq_Options_{Options: &persistent.ReadReq_Options{
			StreamOption: &persistent.ReadReq_Options_All{All: &shared.Empty{}}, GroupName: group, BufferSize: buffer,
		}}}))
		return call
	}
	first := join("g", 1)
	confirmed, err := first.Recv()
	must(t, err)
	if id := confirmed.GetSubscriptionConfirmation().GetSubscriptionId(); id != "$all::g" {
		t.Errorf("the subscription is %q", id)
	}
	for what, call := range map[string]persistent.PersistentSubscriptions_ReadClient{
		"maximum-subscribers-reached":            join("g", 1),
		"persistent-subscription-does-not-exist": join("none", 1),
	} {
		_, err = call.Recv()
		trailer = call.Trailer()
		want(what, err, map[bool]codes.Code{true: codes.FailedPrecondition, false: codes.NotFound}[what[0] == 'm'], map[string]string{"exception": what})
	}
	if _, err = join("g", 0).Recv(); status.Code(err) != codes.InvalidArgument {
		t.Errorf("without a buffer: %v", err)
	}
	_, err = groups.Delete(soon(t), &persistent.DeleteReq{Options: &persistent.DeleteReq_Options{GroupName: "g", StreamOption: &persistent.DeleteReq_Options_All{All: &shared.Empty{}}}})
	must(t, err)
	_, err = first.Recv()
	trailer = first.Trailer()
	want("dropped", err, codes.Canceled, map[string]string{"exception": "persistent-subscription-dropped", "stream-name": "$all", "group-name": "g"})
}

func TestBatchesAreAnsweredOneByOne(t *testing.T) {
	t.Parallel()
	c, _ := rawNode(t)
	call, err := c.BatchAppend(soon(t))
	must(t, err)
	send := func(o *streams.BatchAppendReq_Options, final bool, id *shared.UUID, kinds ...string) {
		t.Helper()
		req := &streams.BatchAppendReq{CorrelationId: id, Options: o, IsFinal: final}
		for _, k := range kinds {
			req.ProposedMessages = append(req.ProposedMessages, &streams.BatchAppendReq_ProposedMessage{Id: stringID(uuid.New()), Metadata: system(k)})
		}
		must(t, call.Send(req))
	}
	options := func(stream string) *streams.BatchAppendReq_Options {
		return &streams.BatchAppendReq_Options{StreamIdentifier: name(stream), ExpectedStreamPosition: &streams.BatchAppendReq_Options_NoStream{NoStream: &emptypb.Empty{}}}
	}
	whole, refused, parts := stringID(uuid.New()), stringID(uuid.New()), stringID(uuid.New())
	send(options("in parts"), false, parts, "a")
	send(options("s"), true, whole, "a", "b")
	answers := make(map[string]*streams.BatchAppendResp)
	receive := func() {
		t.Helper()
		a, err := call.Recv()
		must(t, err)
		answers[a.GetCorrelationId().GetString_()] = a
	}
	receive()
	send(options("s"), true, refused, "c")
	send(nil, true, parts, "b", "c")
	send(&streams.BatchAppendReq_Options{StreamIdentifier: name("s")}, true, stringID(uuid.Max), "c")
	receive()
	receive()
	receive()
	if got := answers[whole.GetString_()].GetSuccess(); got.GetCurrentRevision() != 1 || got.GetPosition().GetCommitPosition() == 0 {
		t.Errorf("got %v", got)
	}
	if got := answers[parts.GetString_()].GetSuccess(); got.GetCurrentRevision() != 2 {
		t.Errorf("in parts: got %v", got)
	}
	var conflict shared.WrongExpectedVersion
	got := answers[refused.GetString_()].GetError()
	if codes.Code(got.GetCode()) != codes.AlreadyExists || len(got.GetDetails()) != 1 || got.GetDetails()[0].UnmarshalTo(&conflict) != nil || conflict.GetCurrentStreamRevision() != 1 {
		t.Errorf("got %v", got)
	}
	if got := answers[uuid.Max.String()].GetError(); codes.Code(got.GetCode()) != codes.InvalidArgument {
		t.Errorf("without an expectation: %v", got)
	}
	must(t, call.CloseSend())
	if _, err := call.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

func TestTheVersionIsThreeNumbers(t *testing.T) {
	t.Parallel()
	_, c := insecure(t)
	v, err := c.GetServerVersion()
	must(t, err)
	if v.Major < 23 {
		t.Errorf("got version %v", v)
	}
}
