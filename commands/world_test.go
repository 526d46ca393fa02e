package commands

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded"
	"github.com/hooklog/hooklog/sealing"
)

// world is a real log in memory with a write side on it and a directory folded from it.
type world struct {
	*Commands
	t         *testing.T
	ctx       context.Context
	files     vfs.FS
	log       *embedded.Log
	keys      *sealing.Keyset
	directory *directory
	clock     *clock
}

var (
	by   = By{Actor: "key:live_test", Request: "req-1"}
	noon = time.Date(2026, 5, 23, 12, 0, 0, 0, time.UTC)
)

func newWorld(t *testing.T) *world {
	t.Helper()
	keys, err := sealing.NewKeyset()
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, ctx: t.Context(), files: vfs.NewMem(), keys: keys, clock: &clock{at: noon}}
	w.open()
	t.Cleanup(func() {
		if err := w.log.Close(); err != nil {
			t.Errorf("close the log: %v", err)
		}
	})
	return w
}

// open opens the log and joins a write side to it.
func (w *world) open() {
	w.t.Helper()
	log, err := embedded.Open("log", embedded.Options{FS: w.files, Fatal: func(err error) { w.t.Errorf("the log failed: %v", err) }})
	if err != nil {
		w.t.Fatal(err)
	}
	w.log = log
	w.directory = &directory{log: log, codec: domain.NewCodec(w.keys)}
	w.Commands = w.another(log)
}

// another makes one more write side on a log, as another node has.
func (w *world) another(log eventlog.Streams) *Commands {
	w.t.Helper()
	c, err := New(Config{Log: log, Keys: w.keys, Directory: w.directory, URLs: urls{}, Now: w.clock.now})
	if err != nil {
		w.t.Fatal(err)
	}
	return c
}

// reopen is what a restart does.
func (w *world) reopen() {
	w.t.Helper()
	if err := w.log.Close(); err != nil {
		w.t.Fatal(err)
	}
	w.open()
}

// recorded returns every event of the log.
func (w *world) recorded() []eventlog.Recorded {
	w.t.Helper()
	var all []eventlog.Recorded
	for r, err := range w.log.ReadAll(w.ctx, eventlog.Position{}) {
		if err != nil {
			w.t.Fatal(err)
		}
		all = append(all, r)
	}
	return all
}

// stream returns the facts of one stream; each must count.
func (w *world) stream(name string) []domain.Fact {
	w.t.Helper()
	var all []domain.Fact
	for f, err := range w.facts(w.ctx, name) {
		if err != nil || f.Fact == nil {
			w.t.Fatalf("%s holds what is no fact: %v, %v", name, f, err)
		}
		if f.At.IsZero() || f.Actor == "" {
			w.t.Errorf("%s: %T without time or actor: %+v", name, f.Fact, f.Meta)
		}
		all = append(all, f.Fact)
	}
	return all
}

// holds demands how many facts a stream has.
func (w *world) holds(name string, want int) {
	w.t.Helper()
	if got := w.stream(name); len(got) != want {
		w.t.Errorf("%s holds %d facts, want %d: %v", name, len(got), want, types(got))
	}
}

func types(facts []domain.Fact) (names []string) {
	for _, f := range facts {
		names = append(names, f.FactType())
	}
	return names
}

// clock is the time of the writers.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.at
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at = c.at.Add(d)
}

// urls refuses one host.
type urls struct{}

const refusedURL = "https://refused.example/"

func (urls) CheckURL(_ context.Context, raw string) error {
	if raw == refusedURL {
		return domain.Refuse(domain.Invalid, "webhook url rejected: not public")
	}
	return nil
}

// directory folds the log when it is asked, unless it is held back to an earlier place.
type directory struct {
	log   eventlog.Feed
	codec *domain.Codec

	mu            sync.Mutex
	held          bool
	after         eventlog.Position
	organizations map[domain.OrganizationID]domain.Organization
	eventTypes    map[string]domain.EventType
	subscriptions map[domain.SubscriptionID]domain.Subscription
	subscribers   map[domain.OrganizationID]*domain.Subscribers
}

// hold keeps the directory where it is now, as a node's that lags.
func (d *directory) hold(held bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.catchUp()
	d.held = held
}

func (d *directory) catchUp() {
	if d.held {
		return
	}
	if d.organizations == nil {
		d.organizations = map[domain.OrganizationID]domain.Organization{}
		d.eventTypes = map[string]domain.EventType{}
		d.subscriptions = map[domain.SubscriptionID]domain.Subscription{}
		d.subscribers = map[domain.OrganizationID]*domain.Subscribers{}
	}
	for r, err := range d.log.ReadAll(context.Background(), d.after) {
		if err != nil {
			panic(fmt.Sprintf("read the log: %v", err))
		}
		d.fold(r)
		d.after = r.Position
	}
}

func (d *directory) fold(r eventlog.Recorded) {
	f, m, err := d.codec.Decode(domain.Place{Stream: r.Stream, ID: r.ID, Revision: uint64(r.Revision)}, r.Type, r.Data, r.Metadata)
	if err != nil {
		return
	}
	if id, ok := domain.OrganizationOfStream(r.Stream); ok {
		o := d.organizations[id]
		o.ID = id
		d.organizations[id] = o.Apply(f, m)
	}
	switch f.(type) {
	case *domain.EventTypeDefined, *domain.EventTypeRetired:
		d.eventTypes[r.Stream] = d.eventTypes[r.Stream].Apply(f, m)
	}
	if id, ok := domain.SubscriptionOfStream(r.Stream); ok {
		s := d.subscriptions[id]
		s.ID = id
		s = s.Apply(f, m, uint64(r.Revision))
		d.subscriptions[id] = s
		x := d.subscribers[s.Organization]
		if x == nil {
			x = domain.NewSubscribers()
			d.subscribers[s.Organization] = x
		}
		x.Seen++
		x.Put(&s)
	}
}

func (d *directory) Organization(id domain.OrganizationID) (domain.Organization, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.catchUp()
	o, ok := d.organizations[id]
	return o, ok
}

func (d *directory) OrganizationBySlug(slug string) (domain.Organization, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.catchUp()
	for _, o := range d.organizations {
		if o.Slug == slug {
			return o, true
		}
	}
	return domain.Organization{}, false
}

func (d *directory) EventType(org domain.OrganizationID, name string) (domain.EventType, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.catchUp()
	e, ok := d.eventTypes[domain.EventTypeStream(org, name)]
	return e, ok
}

func (d *directory) Match(org domain.OrganizationID, eventType, client string) (domain.Matching, uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.catchUp()
	x := d.subscribers[org]
	if x == nil {
		return domain.Matching{}, 0
	}
	return x.Match(eventType, client), x.Seen
}

// troubled is a log between which and the writer something goes wrong.
type troubled struct {
	eventlog.Streams
	// before and after are asked around each append; an error is given instead of an answer.
	before, after func(stream string, events []eventlog.Event) error
}

func (l troubled) Append(ctx context.Context, stream string, expected eventlog.Expected, events ...eventlog.Event) (eventlog.Appended, error) {
	if l.before != nil {
		if err := l.before(stream, events); err != nil {
			return eventlog.Appended{}, err
		}
	}
	a, err := l.Streams.Append(ctx, stream, expected, events...)
	if err == nil && l.after != nil {
		err = l.after(stream, events)
	}
	return a, err
}

var errCrash = errors.New("the process died here")

// wantCode demands a refusal of a code; 0 demands none.
func wantCode(t *testing.T, name string, err error, want domain.Code) {
	t.Helper()
	if got := domain.CodeOf(err); got != want || (want == 0) != (err == nil) {
		t.Errorf("%s: got %v (code %d), want code %d", name, err, got, want)
	}
}

// must gives up on an error that the test is not about.
func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// organization registers one of a profile.
func (w *world) register(slug, profile string) domain.Organization {
	w.t.Helper()
	o, _, err := w.RegisterOrganization(w.ctx, by, slug, profile, domain.OrganizationSettings{Name: slug})
	w.must(err)
	return o
}

// acme registers an organization of the default profile that may publish order.paid.
func (w *world) acme() domain.Organization {
	w.t.Helper()
	o := w.register("acme", "vantageclaw")
	_, _, err := w.DefineEventType(w.ctx, by, o.ID, "order.paid", domain.EventTypeSettings{})
	w.must(err)
	return o
}

func (w *world) subscribe(o domain.Organization, events ...string) (domain.Subscription, string) {
	w.t.Helper()
	s, secret, _, err := w.CreateSubscription(w.ctx, by, o.ID, NewSubscription{URL: "https://receiver.example/in", Events: events})
	w.must(err)
	return s, secret.Reveal()
}

// order is a publication that acme may make.
func order(o domain.Organization, data string) domain.Publication {
	return domain.Publication{Organization: o.ID, EventType: "order.paid", Data: []byte(data)}
}

// opened opens what was sealed for an owner.
func (w *world) opened(o domain.OrganizationID, sealed []byte, owner string) []byte {
	w.t.Helper()
	key, err := w.DataKey(w.ctx, o)
	w.must(err)
	plain, err := key.Open(sealed, []byte(owner))
	w.must(err)
	return plain
}

func containsAny(haystack []byte, needles [][]byte) (string, bool) {
	for _, n := range needles {
		if bytes.Contains(haystack, n) {
			return string(n), true
		}
	}
	return "", false
}
