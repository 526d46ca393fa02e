package esdb_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/protos/gossip"
	"github.com/EventStore/EventStore-Client-Go/v4/protos/streams"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/esdb"
	"github.com/hooklog/hooklog/eventlog/esdbserver"
	"google.golang.org/grpc/codes"
)

// together makes n appends at once, each to a stream named by its number, and returns what they were told.
func together(t *testing.T, l *esdb.Log, n int, expected func(i int) eventlog.Expected) (told []eventlog.Appended, errs []error) {
	t.Helper()
	told, errs = make([]eventlog.Appended, n), make([]error, n)
	var appenders sync.WaitGroup
	for i := range n {
		appenders.Go(func() {
			told[i], errs[i] = l.Append(soon(t), strconv.Itoa(i), expected(i), newEvent("t"))
		})
	}
	appenders.Wait()
	return told, errs
}

func noStream(int) eventlog.Expected { return eventlog.NoStream }

// gather receives n appends.
func gather(s streams.Streams_BatchAppendServer, n int) ([]*streams.BatchAppendReq, error) {
	var all []*streams.BatchAppendReq
	for range n {
		r, err := s.Recv()
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// number is the number of the stream of an append that together made.
func number(r *streams.BatchAppendReq) uint64 {
	n, err := strconv.ParseUint(string(r.GetOptions().GetStreamIdentifier().GetStreamName()), 10, 64)
	if err != nil {
		panic(err)
	}
	return n
}

// until waits for the end of a call.
func until(s streams.Streams_BatchAppendServer) error {
	<-s.Context().Done()
	return s.Context().Err()
}

func TestAnswersComeInAnyOrder(t *testing.T) {
	t.Parallel()
	const n = 100
	f := &fake{version: "24.10.4", append: func(s streams.Streams_BatchAppendServer) error {
		all, err := gather(s, n)
		if err != nil {
			return err
		}
		slices.Reverse(all)
		for i, r := range all {
			a := succeeded(number(r), 1+number(r), 1+number(r))
			if number(r)%3 == 0 {
				a = refused(codes.AlreadyExists, "x", conflictAt(eventlog.Expected(number(r))))
			}
			if i == n/2 { // An answer to nobody.
				if err := s.Send(&streams.BatchAppendResp{CorrelationId: wireID(newEvent("t").ID)}); err != nil {
					return err
				}
			}
			if err := s.Send(correlated(r, a)); err != nil {
				return err
			}
		}
		return until(s)
	}}
	told, errs := together(t, open(t, startFake(t, f)), n, noStream)
	for i := range n {
		var conflict *eventlog.ConflictError
		switch {
		case i%3 == 0 && (!errors.As(errs[i], &conflict) || *conflict != eventlog.ConflictError{Stream: strconv.Itoa(i), Expected: eventlog.NoStream, Actual: eventlog.Expected(i)}):
			t.Errorf("append %d: got %v, want its conflict", i, errs[i])
		case i%3 != 0 && (errs[i] != nil || told[i].Revision != eventlog.Revision(i)):
			t.Errorf("append %d: got %v, %v", i, told[i], errs[i])
		}
	}
}

func TestAConflictAmidOthersIsItsOwnAlone(t *testing.T) {
	t.Parallel()
	n := newNode(t, esdbserver.Config{Insecure: true})
	l := open(t, n.url())
	told, errs := together(t, l, 200, func(i int) eventlog.Expected { return []eventlog.Expected{eventlog.NoStream, eventlog.Exactly(7)}[i%2] })
	for i := range told {
		var conflict *eventlog.ConflictError
		if i%2 == 0 && errs[i] != nil || i%2 == 1 && (!errors.As(errs[i], &conflict) || conflict.Actual != eventlog.NoStream) {
			t.Errorf("append %d: got %v", i, errs[i])
		}
	}
	if got := len(n.contents()); got != 100 {
		t.Errorf("%d events were appended, want 100", got)
	}
}

// TestACallThatEndsInTheMiddle holds that what was answered is done, and that only of the rest the outcome is unknown,
// which is sent again with the same ids where that is harmless.
func TestACallThatEndsInTheMiddle(t *testing.T) {
	t.Parallel()
	const n = 60
	var calls atomic.Int32
	var mu sync.Mutex
	first := make(map[uint64]string)
	f := &fake{version: "24.10.4"}
	f.append = func(s streams.Streams_BatchAppendServer) error {
		if calls.Add(1) > 1 {
			return oneByOne(func(_ streams.Streams_BatchAppendServer, r *streams.BatchAppendReq) (*streams.BatchAppendResp, error) {
				mu.Lock()
				defer mu.Unlock()
				if id := r.GetProposedMessages()[0].GetId().String(); first[number(r)] != id {
					t.Errorf("append %d was sent with the id %s, and first with %s", number(r), id, first[number(r)])
				}
				return succeeded(2, 2, 2), nil
			})(s)
		}
		all, err := gather(s, n)
		if err != nil {
			return err
		}
		for i, r := range all {
			if i < n/2 {
				err = errors.Join(err, s.Send(correlated(r, succeeded(1, 1, 1))))
				continue
			}
			mu.Lock()
			first[number(r)] = r.GetProposedMessages()[0].GetId().String()
			mu.Unlock()
		}
		return errors.Join(err, refusal(s, codes.Internal, "x", "broken"))
	}
	told, errs := together(t, open(t, startFake(t, f)), n, func(i int) eventlog.Expected { return []eventlog.Expected{eventlog.NoStream, eventlog.Any}[i%2] })
	answered, repeated, unknown := 0, 0, 0
	for i := range n {
		switch {
		case errs[i] == nil && told[i].Revision == 1:
			answered++
		case errs[i] == nil && i%2 == 0:
			repeated++
		case errors.Is(errs[i], eventlog.ErrUnknownOutcome) && i%2 == 1:
			unknown++
		default:
			t.Errorf("append %d: got %v, %v", i, told[i], errs[i])
		}
	}
	if answered != n/2 || repeated+unknown != n/2 || repeated+unknown != len(first) {
		t.Errorf("%d were answered, %d repeated, of %d the outcome is unknown", answered, repeated, unknown)
	}
}

// TestANodeThatCeasesToBeLeader refuses amid a batch: all go on at the leader, but for those of which nobody knows
// whether the old one still did them.
func TestANodeThatCeasesToBeLeader(t *testing.T) {
	t.Parallel()
	const n = 40
	leader := newNode(t, esdbserver.Config{Insecure: true})
	host, port, _ := strings.Cut(leader.address, ":")
	f := &fake{version: "24.10.4", append: func(s streams.Streams_BatchAppendServer) error {
		if _, err := gather(s, n); err != nil {
			return err
		}
		return refusal(s, codes.NotFound, "exception", "not-leader", "leader-endpoint-host", host, "leader-endpoint-port", port)
	}}
	l := open(t, startFake(t, f))
	_, errs := together(t, l, n, func(i int) eventlog.Expected { return []eventlog.Expected{eventlog.NoStream, eventlog.Any}[i%2] })
	for i, err := range errs {
		if i%2 == 0 && err != nil || i%2 == 1 && !errors.Is(err, eventlog.ErrUnknownOutcome) {
			t.Errorf("append %d: got %v", i, err)
		}
	}
	if got := len(leader.contents()); got != n/2 {
		t.Errorf("the leader has %d events, want %d", got, n/2)
	}
	if got := l.Metrics(); got.Connections != 2 || got.Repeats != n/2 {
		t.Errorf("got %+v", got)
	}
}

// TestAnAppendHasADeadline holds that the server is told of it, that the connection string sets it where the caller does
// not, and that who gives up holds up nobody.
func TestAnAppendHasADeadline(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	deadlines := make(map[uint64][]time.Duration)
	f := &fake{version: "24.10.4", append: func(s streams.Streams_BatchAppendServer) error {
		for {
			all, err := gather(s, 1)
			if err != nil {
				return err
			}
			r := all[0]
			mu.Lock()
			deadlines[number(r)] = append(deadlines[number(r)], r.GetOptions().GetDeadline().AsDuration())
			tries := len(deadlines[number(r)])
			mu.Unlock()
			if number(r) == 1 || number(r) == 2 && tries < 3 {
				continue // It is not answered.
			}
			if err := s.Send(correlated(r, succeeded(0, 1, 1))); err != nil {
				return err
			}
		}
	}}
	l := open(t, startFake(t, f)+"&defaultDeadline=200")
	ctx, cancel := context.WithTimeout(soon(t), 100*time.Millisecond)
	defer cancel()
	if _, err := l.Append(ctx, "1", eventlog.NoStream, newEvent("t")); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, eventlog.ErrUnknownOutcome) {
		t.Errorf("an append that is not answered: got %v", err)
	}
	for _, stream := range []string{"2", "3"} {
		if _, err := l.Append(soon(t), stream, eventlog.NoStream, newEvent("t")); err != nil {
			t.Errorf("append %s: got %v", stream, err)
		}
	}
	mu.Lock()
	defer mu.Unlock()
	if len(deadlines[2]) != 3 || len(deadlines[3]) != 1 || deadlines[1][0] > 100*time.Millisecond || deadlines[3][0] > 200*time.Millisecond || deadlines[3][0] <= 0 {
		t.Errorf("deadlines: %v", deadlines)
	}
}

// TestWhatIsUnderWayIsBounded makes more appends than may be under way, and answers none until no more come.
func TestWhatIsUnderWayIsBounded(t *testing.T) {
	t.Parallel()
	const n, most = 1500, 1024
	var under, top atomic.Int64
	f := &fake{version: "24.10.4", append: func(s streams.Streams_BatchAppendServer) error {
		all, err := gather(s, most)
		if err != nil {
			return err
		}
		more := make(chan *streams.BatchAppendReq, n)
		go func() {
			for r, err := s.Recv(); err == nil; r, err = s.Recv() {
				top.Store(max(top.Load(), under.Add(1)))
				more <- r
			}
		}()
		under.Store(most)
		for i := range n {
			var r *streams.BatchAppendReq
			if i < most {
				r = all[i]
			} else {
				r = <-more
			}
			under.Add(-1) // before it is told
			if err := s.Send(correlated(r, succeeded(0, 1, 1))); err != nil {
				return err
			}
		}
		return until(s)
	}}
	_, errs := together(t, open(t, startFake(t, f)), n, noStream)
	for i, err := range errs {
		if err != nil {
			t.Errorf("append %d: %v", i, err)
		}
	}
	if got := top.Load(); got > most {
		t.Errorf("%d appends were under way, at most %d may be", got, most)
	}
}

// TestASilentConnectionOfTheAppenderIsNoticed holds that the heartbeat looks after both connections.
func TestASilentConnectionOfTheAppenderIsNoticed(t *testing.T) {
	t.Parallel()
	f := &fake{version: "24.10.4"}
	l := open(t, startFake(t, f))
	before := l.Metrics().Connections // A busy machine may have made more than one.
	f.silent.Store(true)              // Reads are answered still.
	eventually(t, "the heartbeat to ask", func() bool { return f.asked.Load() > 0 })
	f.silent.Store(false)
	eventually(t, "another connection", func() bool { return l.Metrics().Connections > before })
}

// TestTheNodeOfAClusterIsPicked asks a seed that is no leader.
func TestTheNodeOfAClusterIsPicked(t *testing.T) {
	t.Parallel()
	leader, follower := newNode(t, esdbserver.Config{Insecure: true}), newNode(t, esdbserver.Config{Insecure: true})
	member := func(n *node, state gossip.MemberInfo_VNodeState, alive bool) *gossip.MemberInfo {
		host, port, _ := strings.Cut(n.address, ":")
		number, err := strconv.Atoi(port)
		if err != nil {
			t.Fatal(err)
		}
		return &gossip.MemberInfo{State: state, IsAlive: alive, HttpEndPoint: &gossip.EndPoint{Address: host, Port: uint32(number)}}
	}
	dead := &gossip.MemberInfo{State: gossip.MemberInfo_Leader, HttpEndPoint: &gossip.EndPoint{Address: "127.0.0.1", Port: 1}}
	leaving := &gossip.MemberInfo{State: gossip.MemberInfo_ResigningLeader, IsAlive: true, HttpEndPoint: dead.HttpEndPoint}
	seed := startFake(t, &fake{version: "24.10.4", members: []*gossip.MemberInfo{
		dead, leaving, member(follower, gossip.MemberInfo_Follower, true), member(leader, gossip.MemberInfo_Leader, true),
	}})
	alone := startFake(t, &fake{version: "24.10.4", members: []*gossip.MemberInfo{dead, member(follower, gossip.MemberInfo_Follower, true)}})
	nobody := startFake(t, &fake{version: "24.10.4", members: []*gossip.MemberInfo{dead, leaving}})
	discovering := func(url string) string { return strings.Replace(url, "esdb:", "esdb+discover:", 1) }
	for url, want := range map[string]*node{
		discovering(seed): leader,
		discovering(seed) + "&nodePreference=follower":          follower,
		discovering(seed) + "&nodePreference=readOnlyReplica&x": nil, // any
		discovering(alone): follower,
		strings.Replace(nobody, "?", ","+strings.TrimSuffix(strings.TrimPrefix(seed, "esdb://"), "?tls=false")+"?", 1): leader,
	} {
		e := newEvent("t")
		if _, err := open(t, url).Append(soon(t), fmt.Sprintf("s-%s", e.ID), eventlog.NoStream, e); err != nil {
			t.Errorf("%s: %v", url, err)
		}
		if want != nil && want.contents()[e.ID] != 1 || leader.contents()[e.ID]+follower.contents()[e.ID] != 1 {
			t.Errorf("%s: the event is not where it belongs", url)
		}
	}
	ctx, cancel := context.WithTimeout(soon(t), 300*time.Millisecond)
	defer cancel()
	if _, err := esdb.Open(ctx, esdb.Config{URL: discovering(nobody)}); err == nil {
		t.Error("a cluster without a usable node was connected to")
	}
}
