package esdbserver

import (
	"strconv"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/persistent"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/esdbwire"
	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"
)

// TestEventsAreWrittenAsTheGeneratedCodeReadsThem compares what is written by hand with the messages that it stands for.
func TestEventsAreWrittenAsTheGeneratedCodeReadsThem(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		m := &eventMessage{asString: rapid.Bool().Draw(t, "string"), handedOut: rapid.Bool().Draw(t, "handed out"), retries: rapid.IntRange(0, 1<<31-1).Draw(t, "retries")}
		if links := rapid.IntRange(0, 2).Draw(t, "links"); links < 2 {
			m.event = drawRecorded(t)
		} else {
			m.link = drawRecorded(t)
		}
		if m.event != nil && rapid.Bool().Draw(t, "linked") {
			m.link = drawRecorded(t)
		}
		data, err := esdbwire.NewCodec().Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		if data.Len() > m.Most() {
			t.Errorf("%d bytes, at most %d were foreseen", data.Len(), m.Most())
		}
		var got, want proto.Message = new(streams.ReadResp), shownMessage(m)
		if m.handedOut {
			got, want = new(persistent.ReadResp), handedMessage(m)
		}
		if err := proto.Unmarshal(data.Materialize(), got); err != nil {
			t.Fatal(err)
		}
		if !proto.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func drawRecorded(t *rapid.T) *eventlog.Recorded {
	e := &eventlog.Recorded{
		Event: eventlog.Event{
			Type: rapid.SampledFrom([]string{"t", eventlog.TombstoneType, "é" + string(make([]byte, 200))}).Draw(t, "type"), Opaque: rapid.Bool().Draw(t, "opaque"),
			Data: rapid.SliceOfN(rapid.Byte(), 0, 2000).Draw(t, "data"), Metadata: rapid.SliceOfN(rapid.Byte(), 0, 200).Draw(t, "metadata"),
		},
		Stream: rapid.StringN(1, 200, -1).Draw(t, "stream"), Revision: eventlog.Revision(rapid.Int64Min(0).Draw(t, "revision")),
		Position: eventlog.PositionOf(0, rapid.Uint64().Draw(t, "position")), RecordedAt: time.Unix(0, rapid.Int64().Draw(t, "time")),
	}
	copy(e.ID[:], rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "id"))
	return e
}

func shownMessage(m *eventMessage) *streams.ReadResp {
	record := func(e *eventlog.Recorded) *streams.ReadResp_ReadEvent_RecordedEvent {
		if e == nil {
			return nil
		}
		_, at := e.Position.Halves()
		return &streams.ReadResp_ReadEvent_RecordedEvent{
			Id: idMessage(e.ID, m.asString), StreamIdentifier: identifier(e.Stream), StreamRevision: shownRevision(e),
			CommitPosition: at, PreparePosition: at, Metadata: systemMetadata(e), CustomMetadata: e.Metadata, Data: e.Data,
		}
	}
	return &streams.ReadResp{Content: &streams.ReadResp_Event{Event: &streams.ReadResp_ReadEvent{
		Event: record(m.event), Link: record(m.link),
		Position: &streams.ReadResp_ReadEvent_CommitPosition{CommitPosition: position(m.original().Position)},
	}}}
}

func handedMessage(m *eventMessage) *persistent.ReadResp {
	record := func(e *eventlog.Recorded) *persistent.ReadResp_ReadEvent_RecordedEvent {
		if e == nil {
			return nil
		}
		_, at := e.Position.Halves()
		return &persistent.ReadResp_ReadEvent_RecordedEvent{
			Id: idMessage(e.ID, m.asString), StreamIdentifier: identifier(e.Stream), StreamRevision: shownRevision(e),
			CommitPosition: at, PreparePosition: at, Metadata: systemMetadata(e), CustomMetadata: e.Metadata, Data: e.Data,
		}
	}
	return &persistent.ReadResp{Content: &persistent.ReadResp_Event{Event: &persistent.ReadResp_ReadEvent{
		Event: record(m.event), Link: record(m.link),
		Position: &persistent.ReadResp_ReadEvent_CommitPosition{CommitPosition: position(m.original().Position)},
		Count:    &persistent.ReadResp_ReadEvent_RetryCount{RetryCount: int32(m.retries)},
	}}}
}

func idMessage(id eventlog.ID, asString bool) *shared.UUID {
	if asString {
		return &shared.UUID{Value: &shared.UUID_String_{String_: id.String()}}
	}
	return wireID(id)
}

func systemMetadata(e *eventlog.Recorded) map[string]string {
	content := jsonContent
	if e.Opaque {
		content = anyContent
	}
	return map[string]string{typeKey: e.Type, contentKey: content, createdKey: strconv.FormatInt(e.RecordedAt.UnixNano()/tick, 10)}
}
