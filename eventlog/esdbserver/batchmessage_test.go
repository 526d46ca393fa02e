package esdbserver

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/esdbwire"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"pgregory.net/rapid"
)

// TestAppendsAreReadAsTheGeneratedCodeWritesThem compares what is read by hand with the messages that were written.
func TestAppendsAreReadAsTheGeneratedCodeWritesThem(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		id := drawRecorded(t).ID
		asString := rapid.Bool().Draw(t, "string")
		expected := rapid.SampledFrom([]eventlog.Expected{eventlog.Any, eventlog.NoStream, eventlog.StreamExists, 0, 7}).Draw(t, "expected")
		req := &streams.BatchAppendReq{CorrelationId: idMessage(id, asString), IsFinal: rapid.Bool().Draw(t, "final"), Options: batchOptionsMessage(expected)}
		req.Options.DeadlineOption = &streams.BatchAppendReq_Options_Deadline{Deadline: durationpb.New(time.Hour)}
		if rapid.Bool().Draw(t, "old") {
			req.Options.DeadlineOption = &streams.BatchAppendReq_Options_Deadline_21_10_0{Deadline_21_10_0: timestamppb.New(time.Now().Add(time.Hour))}
		}
		var want []*eventlog.Recorded
		for range rapid.IntRange(0, 3).Draw(t, "events") {
			e := drawRecorded(t)
			want = append(want, e)
			req.ProposedMessages = append(req.ProposedMessages, &streams.BatchAppendReq_ProposedMessage{
				Id: idMessage(e.ID, asString), Metadata: systemMetadata(e), CustomMetadata: e.Metadata, Data: e.Data,
			})
		}
		b, err := proto.Marshal(req)
		if err != nil {
			t.Fatal(err)
		}
		var got batchPart
		if err := got.Parse(b); err != nil {
			t.Fatal(err)
		}
		if back, none, malformed := parseID(got.correlation); back != id || none != nil || malformed != nil {
			t.Errorf("got the correlation %v, %v, %v", back, none, malformed)
		}
		if got.final != req.IsFinal || got.options.stream != "s" || got.options.expected != expected || !got.options.expects {
			t.Errorf("got %+v, %+v", got, got.options)
		}
		ctx, cancel := got.options.deadline(context.Background())
		defer cancel()
		if until, ok := ctx.Deadline(); !ok || time.Until(until) > time.Hour || time.Until(until) < time.Minute {
			t.Errorf("got the deadline %v, %v", until, ok)
		}
		if len(got.events) != len(want) {
			t.Fatalf("got %d events, want %d", len(got.events), len(want))
		}
		for i, e := range got.events {
			w := want[i]
			if e.err != nil || e.ID != w.ID || e.Type != w.Type || e.Opaque != w.Opaque || !bytes.Equal(e.Data, w.Data) || !bytes.Equal(e.Metadata, w.Metadata) {
				t.Errorf("got %+v, want %+v", e, w)
			}
		}
	})
}

func batchOptionsMessage(expected eventlog.Expected) *streams.BatchAppendReq_Options {
	o := &streams.BatchAppendReq_Options{StreamIdentifier: identifier("s")}
	switch expected {
	case eventlog.Any:
		o.ExpectedStreamPosition = &streams.BatchAppendReq_Options_Any{Any: &emptypb.Empty{}}
	case eventlog.NoStream:
		o.ExpectedStreamPosition = &streams.BatchAppendReq_Options_NoStream{NoStream: &emptypb.Empty{}}
	case eventlog.StreamExists:
		o.ExpectedStreamPosition = &streams.BatchAppendReq_Options_StreamExists{StreamExists: &emptypb.Empty{}}
	default:
		o.ExpectedStreamPosition = &streams.BatchAppendReq_Options_StreamPosition{StreamPosition: uint64(expected)}
	}
	return o
}

func TestAppendsThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()
	message := func(m *streams.BatchAppendReq_ProposedMessage) (p proposal) {
		b, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if err := p.parse(b); err != nil {
			t.Fatal(err)
		}
		return p
	}
	id := wireID(eventlog.ID{1})
	for name, m := range map[string]*streams.BatchAppendReq_ProposedMessage{
		"no metadata": {Id: id}, "no content type": {Id: id, Metadata: map[string]string{typeKey: "t"}},
		"no id":      {Metadata: map[string]string{typeKey: "t", contentKey: jsonContent}},
		"another id": {Id: &shared.UUID{Value: &shared.UUID_String_{String_: "x"}}, Metadata: map[string]string{typeKey: "t", contentKey: jsonContent}},
	} {
		if message(m).err == nil {
			t.Errorf("%s: it was taken", name)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		_ = new(batchPart).Parse(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")) // It does not panic.
	})
}

// TestAnswersAreWrittenAsTheGeneratedCodeReadsThem compares what is written by hand with the messages that it stands for.
func TestAnswersAreWrittenAsTheGeneratedCodeReadsThem(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		id := drawRecorded(t).ID
		b, err := proto.Marshal(wireID(id))
		if err != nil {
			t.Fatal(err)
		}
		expected := rapid.SampledFrom([]eventlog.Expected{eventlog.Any, eventlog.NoStream, eventlog.StreamExists, 0, 7}).Draw(t, "expected")
		at := put{last: rapid.SampledFrom([]eventlog.Expected{eventlog.NoStream, 0, 300}).Draw(t, "last")}
		at.Position = eventlog.PositionOf(0, rapid.Uint64Range(0, 3).Draw(t, "position"))
		a := &batchAnswer{correlation: b, options: &batchOptions{stream: "s", expected: expected, expects: true}, at: at}
		if rapid.Bool().Draw(t, "failed") {
			a.failed = detailed(codes.NotFound, "m", &shared.StreamDeleted{StreamIdentifier: identifier("s")})
		}
		data, err := esdbwire.NewCodec().Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		if data.Len() > a.Most() {
			t.Errorf("%d bytes, at most %d were foreseen", data.Len(), a.Most())
		}
		got := new(streams.BatchAppendResp)
		if err := proto.Unmarshal(data.Materialize(), got); err != nil {
			t.Fatal(err)
		}
		if want := answerMessage(a, id); !proto.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func answerMessage(a *batchAnswer, id eventlog.ID) *streams.BatchAppendResp {
	m := &streams.BatchAppendResp{CorrelationId: wireID(id), StreamIdentifier: identifier(a.options.stream)}
	switch e := a.options.expected; e {
	case eventlog.Any:
		m.ExpectedStreamPosition = &streams.BatchAppendResp_Any{Any: &emptypb.Empty{}}
	case eventlog.NoStream:
		m.ExpectedStreamPosition = &streams.BatchAppendResp_NoStream{NoStream: &emptypb.Empty{}}
	case eventlog.StreamExists:
		m.ExpectedStreamPosition = &streams.BatchAppendResp_StreamExists{StreamExists: &emptypb.Empty{}}
	default:
		m.ExpectedStreamPosition = &streams.BatchAppendResp_StreamPosition{StreamPosition: uint64(e)}
	}
	if a.failed != nil {
		m.Result = &streams.BatchAppendResp_Error{Error: a.failed}
		return m
	}
	success := &streams.BatchAppendResp_Success{
		CurrentRevisionOption: &streams.BatchAppendResp_Success_CurrentRevision{CurrentRevision: uint64(a.at.last)},
		PositionOption:        &streams.BatchAppendResp_Success_NoPosition{NoPosition: &emptypb.Empty{}},
	}
	if a.at.last == eventlog.NoStream {
		success.CurrentRevisionOption = &streams.BatchAppendResp_Success_NoStream{NoStream: &emptypb.Empty{}}
	}
	if n := position(a.at.Position); n != 0 {
		success.PositionOption = &streams.BatchAppendResp_Success_Position{Position: &shared.AllStreamPosition{CommitPosition: n, PreparePosition: n}}
	}
	m.Result = &streams.BatchAppendResp_Success_{Success: success}
	return m
}
