package projections

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/rs/zerolog"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded"
	"github.com/hooklog/hooklog/sealing"
	"github.com/hooklog/hooklog/waittest"
)

func TestMain(m *testing.M) {
	// A check of a property is a whole history, folded several times; more of them with HOOKLOG_LONG or -rapid.checks.
	if !long() {
		if err := flag.Set("rapid.checks", "40"); err != nil {
			panic(err)
		}
	}
	waittest.Main(m)
}

// codec is shared by all tests: making a keyset takes a while.
var codec = sync.OnceValue(func() *domain.Codec {
	keys, err := sealing.NewKeyset()
	if err != nil {
		panic(err)
	}
	return domain.NewCodec(keys)
})

// scribe writes facts the way the write side would, as they would stand in a log that holds nothing else.
type scribe struct {
	t       fataler
	codec   *domain.Codec
	events  []eventlog.Recorded
	next    map[string]uint64
	now     time.Time
	behind  time.Duration // how far the writer's clock is behind the log's
	counter uint64
	actor   string
}

// fataler is what of testing.TB rapid.T has, too.
type fataler interface {
	Helper()
	Fatalf(string, ...any)
}

func newScribe(t fataler) *scribe {
	return &scribe{t: t, codec: codec(), next: map[string]uint64{}, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), actor: "node:a"}
}

// id returns a new ULID-like id of the scribe's present time.
func (s *scribe) id() (id [16]byte) {
	s.counter++
	binary.BigEndian.PutUint64(id[:], uint64(s.now.UnixMilli())<<16)
	binary.BigEndian.PutUint64(id[8:], s.counter)
	return domain.LayOut(id)
}

// write appends a fact and returns its meta.
func (s *scribe) write(stream string, f domain.Fact) domain.Meta {
	s.t.Helper()
	m := domain.Meta{At: s.now.Add(-s.behind), Actor: s.actor}
	id := eventlog.ID(s.id())
	e, err := s.codec.Encode(domain.Place{Stream: stream, ID: id, Revision: s.next[stream]}, f, m)
	if err != nil {
		s.t.Fatalf("encode: %v", err)
	}
	s.put(stream, eventlog.Event{ID: id, Type: e.Type, Data: e.Data, Metadata: e.Metadata})
	return m
}

// put appends an event as it is.
func (s *scribe) put(stream string, e eventlog.Event) {
	s.events = append(s.events, eventlog.Recorded{Event: e, Stream: stream, Revision: eventlog.Revision(s.next[stream]),
		Position: eventlog.PositionOf(0, uint64(len(s.events)+1)), RecordedAt: s.now})
	s.next[stream]++
	s.now = s.now.Add(time.Millisecond)
}

func (s *scribe) organization(profile string) domain.OrganizationID {
	id := domain.OrganizationID(s.id())
	s.write(domain.OrganizationStream(id), &domain.OrganizationRegistered{Slug: fmt.Sprintf("org-%d", s.counter), Profile: profile,
		OrganizationSettings: domain.OrganizationSettings{Name: "Acme"}})
	return id
}

func (s *scribe) subscription(org domain.OrganizationID, events ...string) domain.SubscriptionID {
	id := domain.SubscriptionID(s.id())
	s.write(domain.SubscriptionStream(id), &domain.SubscriptionCreated{Organization: org, Secret: []byte("sealed"),
		SubscriptionSettings: domain.SubscriptionSettings{URL: "https://example.com/hook", Events: events}})
	return id
}

func (s *scribe) disable(org domain.OrganizationID, id domain.SubscriptionID) {
	s.write(domain.SubscriptionStream(id), &domain.SubscriptionDisabled{Organization: org, By: domain.ByOwner})
}

func (s *scribe) enable(org domain.OrganizationID, id domain.SubscriptionID) {
	s.write(domain.SubscriptionStream(id), &domain.SubscriptionEnabled{Organization: org})
}

func (s *scribe) deleteSubscription(org domain.OrganizationID, id domain.SubscriptionID) {
	s.write(domain.SubscriptionStream(id), &domain.SubscriptionDeleted{Organization: org})
}

// publish records a message for the given targets, having seen that many subscription facts.
func (s *scribe) publish(org domain.OrganizationID, eventType string, seen uint64, targets ...domain.Target) (domain.MessageID, domain.MessageOf) {
	id := domain.MessageID(s.id())
	return id, s.publishAs(id, &domain.MessagePublished{Organization: org, EventType: eventType, OccurredAt: s.now,
		Payload: []byte("sealed"), PayloadSHA256: []byte("sum"), Targets: targets, Total: len(targets), Seen: seen})
}

func (s *scribe) publishAs(id domain.MessageID, f *domain.MessagePublished) domain.MessageOf {
	if f.Targets == nil {
		f.Targets = []domain.Target{}
	}
	return f.Of(s.write(domain.MessageStream(id), f))
}

func deliveryTo(id domain.MessageID, of domain.MessageOf, sub domain.SubscriptionID) domain.DeliveryOf {
	return domain.DeliveryOf{Message: id, Subscription: sub, Organization: of.Organization, EventType: of.EventType, PublishedAt: of.PublishedAt}
}

// attempt fills in an attempt of a round.
func (s *scribe) attempt(of domain.DeliveryOf, round, number int, roundRevision uint64, status int) domain.Attempt {
	return domain.Attempt{DeliveryOf: of, Round: round, Number: number, StartedAt: s.now, TookMicros: 1500, Status: status,
		Address: "192.0.2.1:443", BodySHA256: []byte("sum"), Revision: roundRevision, RoundRevision: roundRevision}
}

func (s *scribe) succeed(of domain.DeliveryOf, number int) {
	s.write(domain.DeliveryStream(of.ID()), &domain.AttemptSucceeded{Attempt: s.attempt(of, 1, number, 0, 200)})
}

// fail records a failed attempt: retried after wait, or dead if that is 0.
func (s *scribe) fail(of domain.DeliveryOf, number int, wait time.Duration) {
	f := &domain.AttemptFailed{Attempt: s.attempt(of, 1, number, 0, 500), Reason: "http_500", Dead: wait == 0}
	if wait > 0 {
		f.NextAttemptAt = s.now.Add(wait)
	}
	s.write(domain.DeliveryStream(of.ID()), f)
}

// openOn opens a fold over a store, without any log.
func openOn(t testing.TB, fs vfs.FS) *Fold {
	t.Helper()
	x, err := Open(Config{Dir: "projections", FS: fs, Feed: noLog{}, Streams: noLog{}, Codec: codec(), Logger: zerolog.Nop()})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return x
}

// noLog is the log of tests that hand facts to the fold themselves: nothing asks it.
type noLog struct {
	eventlog.Streams
	eventlog.Feed
}

// folded opens a fold in memory and folds what a scribe wrote.
func folded(t testing.TB, s *scribe) *Fold {
	t.Helper()
	x := openOn(t, vfs.NewMem())
	t.Cleanup(func() { closeFold(t, x) })
	foldOn(t, x, s)
	return x
}

// foldOn folds what the scribe wrote since the fold's position.
func foldOn(t testing.TB, x *Fold, s *scribe) {
	t.Helper()
	_, done := x.Position().Halves()
	if err := x.receive(t.Context(), eventlog.Batch{Events: s.events[done:], Live: true}); err != nil {
		t.Fatalf("fold: %v", err)
	}
}

func closeFold(t testing.TB, x *Fold) {
	t.Helper()
	if err := x.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

// running is a fold that follows a real log.
type running struct {
	*Fold
	t    testing.TB
	log  *embedded.Log
	stop context.CancelFunc
	done chan error
}

// follow opens an embedded log in memory and a fold that runs on it.
func follow(t testing.TB) *running {
	t.Helper()
	log, err := embedded.Open("log", embedded.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatalf("open the log: %v", err)
	}
	t.Cleanup(func() {
		if err := log.Close(); err != nil {
			t.Errorf("close the log: %v", err)
		}
	})
	return run(t, log, vfs.NewMem())
}

func run(t testing.TB, log *embedded.Log, fs vfs.FS) *running {
	t.Helper()
	x, err := Open(Config{Dir: "projections", FS: fs, Feed: log, Streams: log, Codec: codec()})
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	return start(t, x, log)
}

// start lets a fold run until the test ends.
func start(t testing.TB, x *Fold, log *embedded.Log) *running {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	r := &running{x, t, log, stop, make(chan error, 1)}
	go func() { r.done <- x.Run(ctx) }()
	t.Cleanup(func() {
		if err := r.end(); err != nil {
			t.Errorf("run: %v", err)
		}
		closeFold(t, x)
	})
	return r
}

// end stops Run and returns its error; again and again the same.
func (r *running) end() error {
	r.stop()
	err := <-r.done
	r.done <- err
	return err
}

// append puts what the scribe wrote since the last call into the log and waits until it is folded.
func (r *running) append(s *scribe, from int) eventlog.Position {
	r.t.Helper()
	var at eventlog.Position
	for i := range s.events[from:] {
		at = appendWritten(r.t, r.log, &s.events[from+i])
	}
	if err := r.WaitFor(r.t.Context(), at); err != nil {
		r.t.Fatalf("wait for %s: %v", at, err)
	}
	return at
}

// appendWritten puts what a scribe wrote into a log and notes its time there.
func appendWritten(t testing.TB, log *embedded.Log, e *eventlog.Recorded) eventlog.Position {
	t.Helper()
	expected := eventlog.NoStream
	if e.Revision > 0 {
		expected = eventlog.Exactly(e.Revision - 1)
	}
	a, err := log.Append(context.Background(), e.Stream, expected, e.Event)
	if err != nil {
		t.Fatalf("append to %s: %v", e.Stream, err)
	}
	there, err := log.ReadAt(context.Background(), a.Position)
	if err != nil {
		t.Fatalf("read %s: %v", e.Stream, err)
	}
	e.RecordedAt = there.RecordedAt
	return a.Position
}

// dump is everything that the store holds.
func dump(t fataler, x *Fold) map[string]string {
	t.Helper()
	rows := map[string]string{}
	if err := x.store.scan([]byte{metaSpace}, spacesEnd, func(key, value []byte) (bool, error) {
		rows[string(key)] = string(value)
		return true, nil
	}); err != nil {
		t.Fatalf("dump: %v", err)
	}
	return rows
}

// sameStore compares two stores.
func sameStore(t fataler, what string, got, want map[string]string) {
	t.Helper()
	for _, key := range slices.Sorted(maps.Keys(want)) {
		if got[key] != want[key] {
			t.Fatalf("%s: row %x is\n %q, want\n %q", what, key, got[key], want[key])
		}
	}
	for key := range got {
		if _, ok := want[key]; !ok {
			t.Fatalf("%s: row %x should not be there", what, key)
		}
	}
}

// standing returns a delivery that must be there.
func standing(t testing.TB, x *Fold, of domain.DeliveryOf) domain.Delivery {
	t.Helper()
	d, ok, err := x.Delivery(of)
	if err != nil || !ok {
		t.Fatalf("delivery of %s to %s: found %t, error %v", of.Message, of.Subscription, ok, err)
	}
	return d
}

// offered lists the deliveries that the due index offers at a time.
func offered(t testing.TB, x *Fold, at time.Time) (ids []domain.DeliveryID) {
	t.Helper()
	var failed error
	x.DueSubscriptions(at, func(sub domain.SubscriptionID, _ time.Time) bool {
		due, err := x.Due(sub, at, 1000, nil)
		failed = errors.Join(failed, err)
		for _, d := range due {
			ids = append(ids, d.Of.ID())
		}
		return true
	})
	if failed != nil {
		t.Fatalf("due: %v", failed)
	}
	return ids
}

const testType = "vc.test.ping"
