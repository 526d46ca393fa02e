package esdb

import (
	"bytes"
	"encoding/binary"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/google/uuid"
	spb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
	"pgregory.net/rapid"

	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/esdbwire"
)

// TestAppendsAreWrittenAsTheGeneratedCodeReadsThem compares what is written by hand with what is read of it.
func TestAppendsAreWrittenAsTheGeneratedCodeReadsThem(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := &sending{request: &request{
			stream:   rapid.StringN(1, 200, -1).Draw(t, "stream"),
			expected: rapid.SampledFrom([]eventlog.Expected{eventlog.Any, eventlog.NoStream, eventlog.StreamExists, 0, 300}).Draw(t, "expected"),
		}, own: rapid.Uint64().Draw(t, "own"), id: rapid.Uint64().Draw(t, "id"), until: time.Now().Add(time.Hour)}
		for range rapid.IntRange(1, 3).Draw(t, "events") {
			e := eventlog.Event{
				Type: rapid.StringN(1, 200, -1).Draw(t, "type"), Opaque: rapid.Bool().Draw(t, "opaque"),
				Data: rapid.SliceOfN(rapid.Byte(), 0, 2000).Draw(t, "data"), Metadata: rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "metadata"),
			}
			copy(e.ID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "event id"))
			s.events = append(s.events, e)
		}
		data, err := esdbwire.NewCodec().Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		if data.Len() > s.Most() {
			t.Errorf("%d bytes, at most %d were foreseen", data.Len(), s.Most())
		}
		got := new(streams.BatchAppendReq)
		if err := proto.Unmarshal(data.Materialize(), got); err != nil {
			t.Fatal(err)
		}
		o := got.GetOptions()
		if within := o.GetDeadline().AsDuration(); within > time.Hour || within < time.Minute {
			t.Errorf("got the deadline %v", within)
		}
		if string(o.GetStreamIdentifier().GetStreamName()) != s.stream || expectedOf(o) != s.expected || !got.GetIsFinal() || !sameID(got.GetCorrelationId(), s.own, s.id) {
			t.Errorf("got %v", got)
		}
		for i, m := range got.GetProposedMessages() {
			e := s.events[i]
			if m.GetMetadata()["type"] != e.Type || (m.GetMetadata()["content-type"] == jsonContent) == e.Opaque || len(m.GetMetadata()) != 2 ||
				!bytes.Equal(m.GetData(), e.Data) || !bytes.Equal(m.GetCustomMetadata(), e.Metadata) ||
				!sameID(m.GetId(), binary.BigEndian.Uint64(e.ID[:]), binary.BigEndian.Uint64(e.ID[8:])) {
				t.Errorf("got %v, want %+v", m, e)
			}
		}
		if len(got.GetProposedMessages()) != len(s.events) {
			t.Errorf("got %d events, want %d", len(got.GetProposedMessages()), len(s.events))
		}
	})
}

func sameID(id *shared.UUID, high, low uint64) bool {
	return uint64(id.GetStructured().GetMostSignificantBits()) == high && uint64(id.GetStructured().GetLeastSignificantBits()) == low
}

func expectedOf(o *streams.BatchAppendReq_Options) eventlog.Expected {
	switch e := o.GetExpectedStreamPosition().(type) {
	case *streams.BatchAppendReq_Options_Any:
		return eventlog.Any
	case *streams.BatchAppendReq_Options_NoStream:
		return eventlog.NoStream
	case *streams.BatchAppendReq_Options_StreamExists:
		return eventlog.StreamExists
	case *streams.BatchAppendReq_Options_StreamPosition:
		return eventlog.Expected(e.StreamPosition)
	}
	return -100
}

// TestEventsAreReadAsTheGeneratedCodeWritesThem compares what is read by hand with what was written.
func TestEventsAreReadAsTheGeneratedCodeWritesThem(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		id := uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		want := eventlog.Recorded{
			Event: eventlog.Event{
				ID: eventlog.ID(id), Type: rapid.StringN(1, 200, -1).Draw(t, "type"), Opaque: rapid.Bool().Draw(t, "opaque"),
				Data: rapid.SliceOfN(rapid.Byte(), 1, 2000).Draw(t, "data"), Metadata: rapid.SliceOfN(rapid.Byte(), 1, 200).Draw(t, "metadata"),
			},
			Stream: rapid.StringN(1, 200, -1).Draw(t, "stream"), Revision: eventlog.Revision(rapid.Int64Min(0).Draw(t, "revision")),
			Position:   eventlog.PositionOf(rapid.Uint64().Draw(t, "commit"), rapid.Uint64().Draw(t, "prepare")),
			RecordedAt: time.Unix(0, tick*rapid.Int64Range(0, 1<<50).Draw(t, "ticks")).UTC(),
		}
		commit, prepare := want.Position.Halves()
		content := map[bool]string{false: jsonContent, true: anyContent}[want.Opaque]
		e := &streams.ReadResp_ReadEvent_RecordedEvent{
			Id:               &shared.UUID{Value: &shared.UUID_String_{String_: id.String()}},
			StreamIdentifier: &shared.StreamIdentifier{StreamName: []byte(want.Stream)}, StreamRevision: uint64(want.Revision),
			CommitPosition: commit, PreparePosition: prepare, Data: want.Data, CustomMetadata: want.Metadata,
			Metadata: map[string]string{"type": want.Type, "content-type": content, "created": strconv.FormatInt(want.RecordedAt.UnixNano()/tick, 10), "other": ""},
		}
		if rapid.Bool().Draw(t, "structured") {
			e.Id = &shared.UUID{Value: &shared.UUID_Structured_{Structured: &shared.UUID_Structured{
				MostSignificantBits: int64(binary.BigEndian.Uint64(id[:])), LeastSignificantBits: int64(binary.BigEndian.Uint64(id[8:])),
			}}}
		}
		got := read(t, &streams.ReadResp{Content: &streams.ReadResp_Event{Event: &streams.ReadResp_ReadEvent{
			Event: e, Position: &streams.ReadResp_ReadEvent_CommitPosition{CommitPosition: commit},
		}}})
		if got.kind != shownEvent || !reflect.DeepEqual(got.event, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
		_ = new(shown).Parse(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")) // It does not panic.
	})
	for kind, m := range map[shownKind]*streams.ReadResp{
		caughtUp:   {Content: &streams.ReadResp_CaughtUp_{CaughtUp: &streams.ReadResp_CaughtUp{}}},
		fellBehind: {Content: &streams.ReadResp_FellBehind_{FellBehind: &streams.ReadResp_FellBehind{}}},
	} {
		if got := read(t, m); got.kind != kind {
			t.Errorf("got %+v, want kind %d", got, kind)
		}
	}
}

func read(t rapid.TB, m *streams.ReadResp) (s shown) {
	b, err := proto.Marshal(m)
	if err == nil {
		err = s.Parse(b)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestAnswersAreReadAsTheGeneratedCodeWritesThem compares what is read by hand with what was written.
func TestAnswersAreReadAsTheGeneratedCodeWritesThem(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		id := uuid.UUID(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
		low := binary.BigEndian.Uint64(id[8:])
		m := &streams.BatchAppendResp{
			CorrelationId:          &shared.UUID{Value: &shared.UUID_String_{String_: id.String()}},
			StreamIdentifier:       &shared.StreamIdentifier{StreamName: []byte("s")},
			ExpectedStreamPosition: &streams.BatchAppendResp_Any{Any: &emptypb.Empty{}},
		}
		if rapid.Bool().Draw(t, "structured") {
			m.CorrelationId = &shared.UUID{Value: &shared.UUID_Structured_{Structured: &shared.UUID_Structured{
				MostSignificantBits: int64(binary.BigEndian.Uint64(id[:])), LeastSignificantBits: int64(low),
			}}}
		}
		want := answer{id: low, succeeded: rapid.Bool().Draw(t, "succeeded")}
		success := &streams.BatchAppendResp_Success{
			CurrentRevisionOption: &streams.BatchAppendResp_Success_NoStream{NoStream: &emptypb.Empty{}},
			PositionOption:        &streams.BatchAppendResp_Success_NoPosition{NoPosition: &emptypb.Empty{}},
		}
		if want.succeeded {
			want.at.Revision = eventlog.Revision(rapid.Int64Min(0).Draw(t, "revision"))
			success.CurrentRevisionOption = &streams.BatchAppendResp_Success_CurrentRevision{CurrentRevision: uint64(want.at.Revision)}
			if rapid.Bool().Draw(t, "position") {
				commit, prepare := rapid.Uint64().Draw(t, "commit"), rapid.Uint64().Draw(t, "prepare")
				want.at.Position = eventlog.PositionOf(commit, prepare)
				success.PositionOption = &streams.BatchAppendResp_Success_Position{Position: &shared.AllStreamPosition{CommitPosition: commit, PreparePosition: prepare}}
			}
			m.Result = &streams.BatchAppendResp_Success_{Success: success}
		} else {
			want.refused = &spb.Status{Code: 5, Message: "m"}
			m.Result = &streams.BatchAppendResp_Error{Error: want.refused}
		}
		b, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		var got answer
		if err := esdbwire.NewCodec().Unmarshal(mem.BufferSlice{mem.SliceBuffer(b)}, &got); err != nil {
			t.Fatal(err)
		}
		if got.id != want.id || got.succeeded != want.succeeded || got.at != want.at || !proto.Equal(got.refused, want.refused) {
			t.Errorf("got %+v, want %+v", got, want)
		}
		_ = got.Parse(rapid.SliceOf(rapid.Byte()).Draw(t, "bytes")) // It does not panic.
	})
}
