package esdb_test

import (
	"bytes"
	"context"
	"errors"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/persistent"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/shared"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/esdb"
	"github.com/hooklog/hooklog/eventlog/esdbserver"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/emptypb"
)

func TestAnOldServerIsRefusedByName(t *testing.T) {
	t.Parallel()
	for version, says := range map[string]string{"22.10.5": "EventStoreDB 22.10.5", "23.6.0": "EventStoreDB 23.6.0", "": "does not tell its version"} {
		url := startFake(t, &fake{version: version})
		_, err := esdb.Open(soon(t), esdb.Config{URL: url})
		if !errors.Is(err, esdb.ErrOldServer) || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), esdb.LeastVersion) {
			t.Errorf("version %q: got %v", version, err)
		}
	}
	for _, version := range []string{"23.10.0", "24.10.4", "25.0.1"} {
		open(t, startFake(t, &fake{version: version}))
	}
}

func TestTheAnswerToARepetitionMayLackThePosition(t *testing.T) {
	t.Parallel()
	e := newEvent("t")
	f := &fake{version: "24.10.4"}
	f.append = oneByOne(func(streams.Streams_BatchAppendServer, *streams.BatchAppendReq) (*streams.BatchAppendResp, error) {
		return succeeded(7, 0, 0), nil
	})
	f.read = func(o *streams.ReadReq_Options, s streams.Streams_ReadServer) error {
		if at := o.GetStream().GetRevision(); at != 7 {
			t.Errorf("revision %d was looked at, want 7", at)
		}
		return s.Send(shown(recorded(e, "s", 7, 1234)))
	}
	l := open(t, startFake(t, f))
	a, err := l.Append(soon(t), "s", eventlog.Exactly(6), e)
	if want := (eventlog.Appended{Revision: 7, Position: eventlog.PositionOf(1234, 1234)}); err != nil || a != want {
		t.Errorf("got %v, %v, want %v", a, err, want)
	}
	if a, err := l.Append(soon(t), "s", eventlog.Exactly(6), newEvent("t")); !errors.Is(err, eventlog.ErrUnknownOutcome) {
		t.Errorf("another event stands where the append is said to have ended: got %v, %v", a, err)
	}
}

// TestAnAppendIsSentAgainWhileItsOutcomeIsUnknown holds it for what ends the call of all appends, and for what one append
// is answered with.
func TestAnAppendIsSentAgainWhileItsOutcomeIsUnknown(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		ended  codes.Code
		answer *streams.BatchAppendResp
	}{
		"aborted":   {codes.Aborted, nil},
		"broken":    {codes.Internal, nil},
		"gone":      {codes.Unavailable, nil},
		"timed out": {codes.OK, refused(codes.DeadlineExceeded, "Timeout", &shared.Timeout{})},
		"unknown":   {codes.OK, refused(codes.Unknown, "Unknown", &shared.Unknown{})},
		"not ready": {codes.OK, refused(codes.OK, "Server Is Not Ready", &emptypb.Empty{})},
		"no answer": {codes.OK, &streams.BatchAppendResp{}},
	} {
		for _, expected := range []eventlog.Expected{eventlog.NoStream, eventlog.Exactly(4), eventlog.Any, eventlog.StreamExists} {
			var tries atomic.Int32
			f := &fake{version: "24.10.4", append: oneByOne(func(s streams.Streams_BatchAppendServer, _ *streams.BatchAppendReq) (*streams.BatchAppendResp, error) {
				switch {
				case tries.Add(1) >= 3:
					return succeeded(5, 5, 4), nil
				case c.answer == nil:
					return nil, refusal(s, c.ended, "x", "try "+name)
				}
				return c.answer, nil
			})}
			a, err := open(t, startFake(t, f)).Append(soon(t), "s", expected, newEvent("t"))
			if expected == eventlog.Any || expected == eventlog.StreamExists {
				if !errors.Is(err, eventlog.ErrUnknownOutcome) || tries.Load() != 1 {
					t.Errorf("%s at %s: got %v after %d tries, want an unknown outcome after one", name, expected, err, tries.Load())
				}
				continue
			}
			if want := (eventlog.Appended{Revision: 5, Position: eventlog.PositionOf(5, 4)}); err != nil || tries.Load() != 3 || a != want {
				t.Errorf("%s at %s: got %v, %v after %d tries", name, expected, a, err, tries.Load())
			}
		}
	}
}

func TestWhatTheServerRefusesIsNotSentAgain(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		code     codes.Code // with which the call of all appends ends
		trailers []string
		answer   *streams.BatchAppendResp // or what the one append is answered with
		want     error
	}{
		"a wrong password":                  {codes.Unauthenticated, []string{"x", "who"}, nil, esdb.ErrUnauthenticated},
		"no right to write":                 {codes.PermissionDenied, []string{"exception", "access-denied"}, nil, esdb.ErrAccessDenied},
		"a server that has no such method":  {codes.Unimplemented, []string{"x", "unknown method"}, nil, nil},
		"no space":                          {0, nil, refused(codes.ResourceExhausted, "full", nil), eventlog.ErrNoSpace},
		"no right to this stream":           {0, nil, refused(codes.PermissionDenied, "Access Denied", &shared.AccessDenied{}), esdb.ErrAccessDenied},
		"a deleted stream":                  {0, nil, refused(codes.NotFound, "Stream is deleted", &shared.StreamDeleted{}), eventlog.ErrStreamDeleted},
		"what is no append":                 {0, nil, refused(codes.InvalidArgument, "Bad Request", &shared.BadRequest{Message: "x"}), nil},
		"what is too large there":           {0, nil, refused(codes.InvalidArgument, "Too Large", &shared.MaximumAppendSizeExceeded{MaxAppendSize: 1024}), eventlog.ErrTooLarge},
		"an event that is too large there":  {0, nil, refused(codes.InvalidArgument, "Maximum Append Event Size Exceeded.", nil), eventlog.ErrTooLarge},
		"the wrong revision of a stream":    {0, nil, refused(codes.AlreadyExists, "x", conflictAt(3)), &eventlog.ConflictError{Stream: "s", Expected: eventlog.Exactly(8), Actual: 3}},
		"the revision of what is no stream": {0, nil, refused(codes.AlreadyExists, "x", conflictAt(-1)), &eventlog.ConflictError{Stream: "s", Expected: eventlog.Exactly(8), Actual: eventlog.NoStream}},
	} {
		var tries atomic.Int32
		f := &fake{version: "24.10.4", append: oneByOne(func(s streams.Streams_BatchAppendServer, _ *streams.BatchAppendReq) (*streams.BatchAppendResp, error) {
			if tries.Add(1); c.answer == nil {
				return nil, refusal(s, c.code, c.trailers...)
			}
			return c.answer, nil
		})}
		_, err := open(t, startFake(t, f)).Append(soon(t), "s", eventlog.Exactly(8), newEvent("t"))
		var met, want *eventlog.ConflictError
		right := err != nil && (c.want == nil || errors.Is(err, c.want))
		if errors.As(c.want, &want) {
			right = errors.As(err, &met) && *met == *want
		}
		if !right || errors.Is(err, eventlog.ErrUnknownOutcome) || tries.Load() != 1 {
			t.Errorf("%s: got %v after %d tries, want %v", name, err, tries.Load(), c.want)
		}
	}
}

// conflictAt is the detail of a conflict with a stream at a revision.
func conflictAt(actual eventlog.Expected) *shared.WrongExpectedVersion {
	w := &shared.WrongExpectedVersion{CurrentStreamRevisionOption: &shared.WrongExpectedVersion_CurrentStreamRevision{CurrentStreamRevision: uint64(actual)}}
	if actual == eventlog.NoStream {
		w.CurrentStreamRevisionOption = &shared.WrongExpectedVersion_CurrentNoStream{CurrentNoStream: &emptypb.Empty{}}
	}
	return w
}

func TestASubscriptionHandsOverWhatIsNewAndTellsLive(t *testing.T) {
	t.Parallel()
	f := &fake{version: "24.10.4"}
	old, first, second, third := newEvent("t"), newEvent("t"), newEvent("t"), newEvent("t")
	release := make(chan struct{})
	f.read = func(o *streams.ReadReq_Options, s streams.Streams_ReadServer) error {
		answers := []*streams.ReadResp{
			{Content: &streams.ReadResp_Confirmation{Confirmation: &streams.ReadResp_SubscriptionConfirmation{SubscriptionId: "x"}}},
			{Content: &streams.ReadResp_Checkpoint_{Checkpoint: &streams.ReadResp_Checkpoint{CommitPosition: math.MaxUint64, PreparePosition: math.MaxUint64}}},
			shown(recorded(old, "s", 0, 10)), // A server that began with the position and not after it.
			shown(recorded(first, "s", 1, 20)),
			shown(recorded(newEvent("$metadata"), "$$s", 0, 25)),
			{Content: &streams.ReadResp_CaughtUp_{CaughtUp: &streams.ReadResp_CaughtUp{}}},
			shown(recorded(second, "s", 2, 30)),
			{Content: &streams.ReadResp_FellBehind_{FellBehind: &streams.ReadResp_FellBehind{}}},
			shown(recorded(third, "s", 3, 40)),
		}
		for i, a := range answers {
			if i == 6 || i == 8 {
				<-release
			}
			if err := s.Send(a); err != nil {
				return err
			}
		}
		<-s.Context().Done()
		return nil
	}
	l := open(t, startFake(t, f))
	var got []eventlog.ID
	var lives []bool
	done := errors.New("done")
	err := l.Subscribe(soon(t), eventlog.Position{}, func(_ context.Context, b eventlog.Batch) error {
		for _, e := range b.Events {
			got = append(got, e.ID)
		}
		if len(lives) == 0 || lives[len(lives)-1] != b.Live {
			lives = append(lives, b.Live)
			if b.Live || len(got) == 3 {
				release <- struct{}{}
			}
		}
		if len(got) == 4 {
			return done
		}
		return nil
	})
	if !errors.Is(err, done) || len(got) != 4 || got[0] != old.ID || got[1] != first.ID || got[2] != second.ID || got[3] != third.ID {
		t.Errorf("got %v, %v", got, err)
	}
	t.Logf("live: %v", lives)
	if len(lives) < 2 || lives[len(lives)-1] {
		t.Errorf("live was told as %v", lives)
	}
}

// verdicts collects what a consumer sends, by the id of the event.
type verdicts struct {
	mu   sync.Mutex
	acks map[string]int
	nack map[string]persistent.ReadReq_Nack_Action
}

func (v *verdicts) collect(s persistent.PersistentSubscriptions_ReadServer) {
	for {
		r, err := s.Recv()
		if err != nil {
			return
		}
		v.mu.Lock()
		for _, id := range r.GetAck().GetIds() {
			v.acks[idOf(id)]++
		}
		for _, id := range r.GetNack().GetIds() {
			v.nack[idOf(id)] = r.GetNack().GetAction()
		}
		v.mu.Unlock()
	}
}

func idOf(id *shared.UUID) string {
	var b eventlog.ID
	s := id.GetStructured()
	for i := range 8 {
		b[i], b[8+i] = byte(uint64(s.GetMostSignificantBits())>>(56-8*i)), byte(uint64(s.GetLeastSignificantBits())>>(56-8*i))
	}
	return b.String()
}

// TestVerdictsCountForTheirOwnEvent holds three traps: an event of the same id as one in hand, which the server does not
// tell apart; a link whose event is gone; an event that came back because its handler took too long.
func TestVerdictsCountForTheirOwnEvent(t *testing.T) {
	t.Parallel()
	v := &verdicts{acks: map[string]int{}, nack: map[string]persistent.ReadReq_Nack_Action{}}
	slow, twin, parked := newEvent("t.slow"), newEvent("t.twin"), newEvent("t.parked")
	twin.ID = slow.ID
	link, dangling := newEvent("$>"), newEvent("$>")
	again := make(chan struct{})
	f := &fake{version: "24.10.4", consume: func(s persistent.PersistentSubscriptions_ReadServer) error {
		for _, h := range []struct {
			event, link *streams.ReadResp_ReadEvent_RecordedEvent
		}{
			{recorded(slow, "a", 0, 10), nil},
			{recorded(twin, "b", 0, 20), nil},
			{recorded(parked, "c", 0, 30), recorded(link, "$parked", 0, 40)},
			{nil, recorded(dangling, "$parked", 1, 50)},
		} {
			if err := handOut(s, h.event, h.link, 0); err != nil {
				return err
			}
		}
		go func() {
			<-again
			handOut(s, recorded(slow, "a", 0, 10), nil, 1) // It fails only if the test has.
		}()
		v.collect(s)
		return nil
	}}
	l := open(t, startFake(t, f))
	group := eventlog.Group{Name: "g", TypePrefixes: []string{"t."}, MessageTimeout: time.Hour, MaxRetries: 3}
	ctx, stop := context.WithCancel(soon(t))
	finish, handled := make(chan struct{}), make(chan eventlog.Handed, 8)
	ended := make(chan error, 1)
	go func() {
		ended <- l.Consume(ctx, group, 10, func(_ context.Context, h eventlog.Handed) eventlog.Verdict {
			handled <- h
			switch {
			case h.Type == slow.Type && h.Retries == 0:
				<-finish
				return eventlog.Park
			case h.Type == parked.Type && !h.Replayed:
				t.Error("a replayed event is not told as such")
			}
			return eventlog.Ack
		})
	}()
	for range 3 {
		<-handled
	}
	sent := func(want string, holds func() bool) {
		t.Helper()
		eventually(t, want, func() bool {
			v.mu.Lock()
			defer v.mu.Unlock()
			return holds()
		})
	}
	sent("the replayed event to be answered by its link", func() bool { return v.acks[link.ID.String()] == 1 })
	sent("the link to nothing to be passed over", func() bool { return v.nack[dangling.ID.String()] == persistent.ReadReq_Nack_Skip })
	close(again)
	if h := <-handled; h.Type != slow.Type || h.Retries != 1 {
		t.Errorf("got %+v", h)
	}
	sent("the second handing-out to be finished", func() bool { return v.acks[slow.ID.String()] == 1 })
	close(finish)
	stop()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("consume: %v", err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if _, told := v.nack[slow.ID.String()]; told || v.acks[slow.ID.String()] != 1 {
		t.Errorf("acks %v, nacks %v: want one verdict for the id of two events", v.acks, v.nack)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.begin.GetStart() == nil || f.begin.GetFilter().GetEventType().GetPrefix()[0] != "t." {
		t.Errorf("the group was made with %v", f.begin)
	}
}

func TestANodeThatIsNoLeaderNamesIt(t *testing.T) {
	t.Parallel()
	leader := newNode(t, esdbserver.Config{Insecure: true})
	host, port, _ := strings.Cut(leader.address, ":")
	f := &fake{version: "24.10.4", append: func(s streams.Streams_BatchAppendServer) error {
		if _, err := s.Recv(); err != nil {
			return err
		}
		return refusal(s, codes.NotFound, "exception", "not-leader", "leader-endpoint-host", host, "leader-endpoint-port", port)
	}}
	l := open(t, startFake(t, f))
	e := newEvent("t")
	if _, err := l.Append(soon(t), "s", eventlog.Any, e); err != nil {
		t.Fatal(err)
	}
	if leader.contents()[e.ID] != 1 {
		t.Error("the leader was not told")
	}
}

func TestCredentialsAreNeverShown(t *testing.T) {
	t.Parallel()
	var said bytes.Buffer
	for _, url := range []string{
		"s3cret", "esdb://ops:s3cret", "esdb://ops:s3#cret", "esdb://ops:s3cret@", "esdb://ops:s3cret@a:b", "esdb://ops:s3cret@a:1,b:c", "esdb://ops:s3#cret@a", "esdb://ops:s3%cret@a",
		"esdb://ops:s3c/ret@a:1/x", "http://ops:s3cret@a", "esdb://ops:s3cret@a?gossipTimeout=x", "esdb://ops:s3cret@a?defaultDeadline=x", "esdb://:s3cret@a", "esdb://s3@a",
	} {
		_, err := esdb.Open(soon(t), esdb.Config{URL: url})
		if err == nil {
			t.Errorf("%s was taken", url)
			continue
		}
		said.WriteString(err.Error() + "\n")
	}
	if strings.Contains(said.String(), "s3") {
		t.Errorf("a password is shown:\n%s", said.String())
	}
}
