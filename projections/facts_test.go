package projections

import (
	"cmp"
	"context"
	"fmt"
	"iter"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/rs/zerolog"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// scribeLog is the log that a scribe wrote.
type scribeLog struct {
	noLog
	*scribe
}

// ReadAt returns the event at a position.
func (l scribeLog) ReadAt(_ context.Context, at eventlog.Position) (eventlog.Recorded, error) {
	high, low := at.Halves()
	if high != 0 || low == 0 || low > uint64(len(l.events)) {
		return eventlog.Recorded{}, &eventlog.NoEventError{At: at}
	}
	return l.events[low-1], nil
}

// Read yields the events of a stream.
func (l scribeLog) Read(_ context.Context, stream string, from eventlog.Revision) iter.Seq2[eventlog.Recorded, error] {
	return func(yield func(eventlog.Recorded, error) bool) {
		for _, e := range l.events {
			if e.Stream == stream && e.Revision >= from && !yield(e, nil) {
				return
			}
		}
	}
}

// listed opens a fold in memory over what a scribe wrote and folds it in batches of some sizes.
func listed(t testing.TB, s *scribe, sizes ...int) *Fold {
	t.Helper()
	x, err := Open(Config{Dir: "projections", FS: vfs.NewMem(), Feed: scribeLog{scribe: s}, Streams: scribeLog{scribe: s}, Codec: codec(), Logger: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeFold(t, x) })
	rest := s.events
	for i := 0; len(rest) > 0; i++ {
		n := min(sizes[i%len(sizes)], len(rest))
		if err := x.receive(t.Context(), eventlog.Batch{Events: rest[:n], Live: true}); err != nil {
			t.Fatal(err)
		}
		rest = rest[n:]
	}
	return x
}

// archive is a log of a few blocks with all that filters can ask for.
type archive struct {
	*scribe
	random   *rand.Rand
	orgs     []domain.OrganizationID
	subs     []domain.SubscriptionID
	messages []domain.MessageID
	dels     []domain.DeliveryID
}

func newArchive(t fataler, facts int) *archive {
	a := &archive{scribe: newScribe(t), random: rand.New(rand.NewPCG(1, 2))}
	for range 3 {
		org := a.organization("standard")
		a.orgs = append(a.orgs, org)
		for range 4 {
			a.subs = append(a.subs, a.subscription(org, "order.created"))
		}
		key := domain.KeyStream(domain.KeyID(fmt.Sprintf("live_%d", len(a.orgs))))
		a.write(key, &domain.KeyIssued{Organization: org, Mode: "live", SecretHash: "sha256:x"})
	}
	a.write(domain.KeyStream("live_all"), &domain.KeyIssued{Mode: "live", SecretHash: "sha256:x"})
	for len(a.events) < facts {
		a.step()
	}
	return a
}

// step writes a message and what becomes of it, and now and then something rare.
func (a *archive) step() {
	org := a.random.IntN(len(a.orgs))
	var targets []domain.Target
	for _, sub := range a.subs[4*org : 4*org+4] {
		if a.random.IntN(3) == 0 {
			targets = append(targets, domain.Target{Subscription: sub})
		}
	}
	id, of := a.publish(a.orgs[org], "order.created", 4, targets...)
	a.messages = append(a.messages, id)
	for _, target := range targets {
		to := deliveryTo(id, of, target.Subscription)
		a.dels = append(a.dels, to.ID())
		if a.random.IntN(4) == 0 {
			a.fail(to, 1, time.Minute)
			a.succeed(to, 2)
		} else {
			a.succeed(to, 1)
		}
	}
	switch a.random.IntN(40) {
	case 0:
		a.write(domain.KeyStream(domain.KeyID(fmt.Sprintf("live_%d", org+1))), &domain.KeyRotated{SecretHash: "sha256:y"})
	case 1:
		a.put("elsewhere", eventlog.Event{ID: eventlog.ID(a.id()), Type: "somebody.elses", Data: []byte("{}"), Metadata: []byte("{}")})
	case 2:
		a.put(domain.KeyStream("live_all"), eventlog.Event{ID: eventlog.ID(a.id()), Type: "hooklog.KeyRevoked.v1", Data: []byte("{}"), Metadata: []byte(`{"at":"2026-01-01T00:00:00Z"}`)})
	case 3:
		a.write(domain.AuditStream("live_all"), &domain.AuditRead{Form: "json"})
	case 4: // a delivery's fact on the stream of another
		a.write(domain.DeliveryStream(domain.DeliveryID{1}), &domain.RetryDue{DeliveryOf: deliveryTo(id, of, a.subs[0])})
	case 5: // a clock that went wrong
		was := a.now
		a.now = a.now.Add(-time.Hour)
		a.write(domain.SubscriptionStream(a.subs[4*org]), &domain.SubscriptionChanged{Organization: a.orgs[org],
			SubscriptionSettings: domain.SubscriptionSettings{URL: "https://example.com/hook", Events: []string{"order.created"}}})
		a.now = was
	}
}

// drawFilter draws what an auditor could ask for.
func (a *archive) drawFilter() FactFilter {
	var f FactFilter
	pick := func(n int) bool { return a.random.IntN(n) == 0 }
	if pick(2) {
		f.Organizations = []domain.OrganizationID{}
		for _, id := range a.orgs {
			if pick(2) {
				f.Organizations = append(f.Organizations, id)
			}
		}
	}
	if pick(3) {
		f.Subscription = a.subs[a.random.IntN(len(a.subs))]
	}
	if pick(6) {
		f.Message = a.messages[a.random.IntN(len(a.messages))]
	}
	if pick(8) {
		f.Delivery = a.dels[a.random.IntN(len(a.dels))]
	}
	for _, typ := range []string{"hooklog.AttemptFailed.v1", "hooklog.KeyRotated.v1", "hooklog.SubscriptionChanged.v1", "hooklog.MessagePublished.v1", "hooklog.RetryDue.v1"} {
		if pick(5) {
			f.Types = append(f.Types, typ)
		}
	}
	if pick(3) {
		f.From = a.events[a.random.IntN(len(a.events))].RecordedAt
	}
	if pick(3) {
		f.To = a.events[a.random.IntN(len(a.events))].RecordedAt
	}
	f.Newest = pick(2)
	return f
}

// asked works out from the log alone which facts a filter asks for.
func (a *archive) asked(t testing.TB, x *Fold, f FactFilter) (positions []eventlog.Position) {
	owner := map[string]domain.OrganizationID{}
	for i := range a.events {
		e := &a.events[i]
		fact, meta, err := a.codec.Decode(placeOf(e), e.Type, e.Data, e.Metadata)
		if domain.Skippable(err) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if issued, ok := fact.(*domain.KeyIssued); ok {
			owner[e.Stream] = issued.Organization
		}
		of := domain.SubjectOf(e.Stream, fact)
		if of.Misplaced() {
			of = domain.Subject{}
		}
		if of.Organization.IsZero() {
			of.Organization = owner[e.Stream]
		}
		r := RecordedFact{Fact: fact, Meta: meta, Of: of}
		if f.takes(&r) {
			positions = append(positions, e.Position)
		}
	}
	if f.Newest {
		slices.Reverse(positions)
	}
	return positions
}

// walked reads all pages of a filter.
func walked(t testing.TB, x *Fold, f FactFilter, limit int) (positions []eventlog.Position) {
	t.Helper()
	for cursor, pages := "", 0; ; pages++ {
		page, next, err := x.Facts(t.Context(), f, limit, cursor)
		if err != nil || len(page) > limit || pages > 100_000 {
			t.Fatalf("%+v: a page of %d facts, %v", f, len(page), err)
		}
		for _, r := range page {
			positions = append(positions, r.Position)
		}
		if next == "" {
			return positions
		}
		cursor = next
	}
}

func TestEveryFilterFindsWhatTheLogHas(t *testing.T) {
	t.Parallel()
	a := newArchive(t, 5000)
	x := listed(t, a.scribe, 700, 1, 13)
	for i := range 24 {
		f := a.drawFilter()
		limit := []int{1000, 200, 37}[i%3]
		if got, want := walked(t, x, f, limit), a.asked(t, x, f); !slices.Equal(got, want) {
			t.Fatalf("filter %+v by %d: got %d facts %v\nwant %d %v", f, limit, len(got), got, len(want), want)
		}
	}
	if all := walked(t, x, FactFilter{}, 1000); len(all) < 4800 || len(all) >= len(a.events) {
		t.Errorf("%d facts are listed of %d events", len(all), len(a.events))
	}
}

func TestTheIndexIsTheSameHoweverFactsWereGathered(t *testing.T) {
	t.Parallel()
	a := newArchive(t, 3000)
	want := dump(t, listed(t, a.scribe, 1<<20))
	for _, sizes := range [][]int{{1}, {512}, {1023, 1, 1025}, {3, 700}} {
		sameStore(t, fmt.Sprint(sizes), dump(t, listed(t, a.scribe, sizes...)), want)
	}
}

func TestTheIndexSurvivesRestarts(t *testing.T) {
	t.Parallel()
	a := newArchive(t, 2600)
	want := dump(t, listed(t, a.scribe, 512))
	fs := vfs.NewMem()
	open := func() *Fold {
		x, err := Open(Config{Dir: "projections", FS: fs, Feed: scribeLog{scribe: a.scribe}, Streams: scribeLog{scribe: a.scribe}, Codec: codec(), Logger: zerolog.Nop()})
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	done := 0
	for _, n := range []int{1, 400, 622, 1, 1, 1023, 10, 100_000} {
		x := open()
		n = min(n, len(a.events)-done)
		if err := x.receive(t.Context(), eventlog.Batch{Events: a.events[done : done+n], Live: true}); err != nil {
			t.Fatal(err)
		}
		done += n
		closeFold(t, x)
	}
	x := open()
	defer closeFold(t, x)
	sameStore(t, "after restarts", dump(t, x), want)
	f := FactFilter{Organizations: a.orgs[:1]}
	if got, want := walked(t, x, f, 200), a.asked(t, x, f); !slices.Equal(got, want) {
		t.Errorf("got %d facts, want %d", len(got), len(want))
	}
}

func TestPagesStayWhileFactsAreRecorded(t *testing.T) {
	t.Parallel()
	for _, newest := range []bool{false, true} {
		a := newArchive(t, 1500)
		x := listed(t, a.scribe, 512)
		f := FactFilter{Newest: newest, Types: []string{"hooklog.AttemptSucceeded.v1", "hooklog.MessagePublished.v1"}}
		want := a.asked(t, x, f)
		var got []eventlog.Position
		for cursor := ""; ; {
			page, next, err := x.Facts(t.Context(), f, 100, cursor)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page {
				got = append(got, r.Position)
			}
			for range 100 {
				a.step()
			}
			foldOn(t, x, a.scribe)
			if cursor = next; cursor == "" {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("newest first %t: got %d facts, want %d", newest, len(got), len(want))
		}
	}
}

func TestACursorOfAnotherFilterIsRefused(t *testing.T) {
	t.Parallel()
	a := newArchive(t, 200)
	x := listed(t, a.scribe, 512)
	f := FactFilter{Organizations: a.orgs[:1]}
	_, next, err := x.Facts(t.Context(), f, 5, "")
	if err != nil || next == "" {
		t.Fatal(next, err)
	}
	for what, other := range map[string]FactFilter{
		"all": {}, "another organization": {Organizations: a.orgs[1:2]}, "backwards": {Organizations: a.orgs[:1], Newest: true},
		"a type": {Organizations: a.orgs[:1], Types: []string{"x"}}, "from": {Organizations: a.orgs[:1], From: a.now}, "to": {Organizations: a.orgs[:1], To: a.now},
		"subscription": {Organizations: a.orgs[:1], Subscription: a.subs[0]}, "message": {Organizations: a.orgs[:1], Message: a.messages[0]},
		"delivery": {Organizations: a.orgs[:1], Delivery: a.dels[0]},
	} {
		if _, _, err := x.Facts(t.Context(), other, 5, next); domain.CodeOf(err) != domain.BadCursor {
			t.Errorf("%s: got %v", what, err)
		}
	}
	for _, bad := range []string{"x", next + "A", next[1:], "!!", f.FactCursor("export", FactPlace{}, nil)} {
		if _, _, err := x.Facts(t.Context(), f, 5, bad); domain.CodeOf(err) != domain.BadCursor {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}

func TestSubscriptionFactsAreReadBackwardsFromAPlace(t *testing.T) {
	t.Parallel()
	a := newArchive(t, 4000)
	x := listed(t, a.scribe, 512)
	f := FactFilter{Subscription: a.subs[5], Newest: true}
	all := a.asked(t, x, f)
	for _, before := range []int{0, 1, len(all) / 3, len(all) - 1} {
		var got []eventlog.Position
		err := x.SubscriptionFacts(t.Context(), f.Subscription, all[before], func(r RecordedFact) bool {
			got = append(got, r.Position)
			return len(got) < 300
		})
		want := all[before+1:]
		if want = want[:min(len(want), 300)]; err != nil || !slices.Equal(got, want) {
			t.Errorf("before the %dth: got %v, want %v, %v", before, got, want, err)
		}
	}
	first := eventlog.Position{}
	if err := x.SubscriptionFacts(t.Context(), f.Subscription, first, func(r RecordedFact) bool { first = r.Position; return false }); err != nil || first != all[0] {
		t.Errorf("from the head: got %s, want %s, %v", first, all[0], err)
	}
}

// endless is a log of attempts that are made up when they are read, so that it takes no memory: one delivery each, to a
// few subscriptions of a few organizations.
type endless struct {
	noLog
	codec *domain.Codec
	size  int
	reads int
}

const endlessSubscriptions = 20

func (l *endless) event(n int) eventlog.Recorded {
	at := time.Date(2026, 3, 1, 12, 0, 0, n*1000, time.UTC)
	sub := n * 7 % endlessSubscriptions
	of := domain.DeliveryOf{Message: domain.MessageID{1, byte(n >> 16), byte(n >> 8), byte(n)}, Subscription: domain.SubscriptionID{2, byte(sub)},
		Organization: domain.OrganizationID{3, byte(sub % 4)}, EventType: "order.created", PublishedAt: at}
	id := eventlog.ID{4, byte(n >> 16), byte(n >> 8), byte(n)}
	stream := domain.DeliveryStream(of.ID())
	var fact domain.Fact = &domain.AttemptSucceeded{Attempt: domain.Attempt{DeliveryOf: of, Round: 1, Number: 1, StartedAt: at, Status: 200}}
	if n%5 == 0 {
		fact = &domain.AttemptFailed{Attempt: domain.Attempt{DeliveryOf: of, Round: 1, Number: 1, StartedAt: at, Status: 500}, Reason: "http_500", Dead: true}
	}
	e, err := l.codec.Encode(domain.Place{Stream: stream, ID: id}, fact, domain.Meta{At: at, Actor: "node:a"})
	if err != nil {
		panic(err)
	}
	return eventlog.Recorded{Event: eventlog.Event{ID: id, Type: e.Type, Data: e.Data, Metadata: e.Metadata}, Stream: stream,
		Position: eventlog.PositionOf(0, uint64(n+1)), RecordedAt: at}
}

// ReadAt makes an event up.
func (l *endless) ReadAt(_ context.Context, at eventlog.Position) (eventlog.Recorded, error) {
	l.reads++
	_, low := at.Halves()
	return l.event(int(low - 1)), nil
}

// long reports whether tests take their time.
func long() bool { return os.Getenv("HOOKLOG_LONG") != "" }

// TestThePagesOfAMillionFactsCostTheSame reads 1,000 pages of each kind of list over a million facts, or what of that there
// is time for, and counts what is read for them: rows of the index and facts of the log.
func TestThePagesOfAMillionFactsCostTheSame(t *testing.T) {
	t.Parallel()
	l, least := &endless{codec: codec(), size: 52_000}, 2500
	if long() {
		l.size, least = 1_000_000, 50_000
	}
	x, err := Open(Config{Dir: "projections", FS: vfs.NewMem(), Feed: l, Streams: l, Codec: codec(), Logger: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer closeFold(t, x)
	for n := 0; n < l.size; n += 500 {
		events := make([]eventlog.Recorded, 0, 500)
		for i := range 500 {
			events = append(events, l.event(n+i))
		}
		if err := x.receive(t.Context(), eventlog.Batch{Events: events, Live: true}); err != nil {
			t.Fatal(err)
		}
	}
	from := time.Date(2026, 3, 1, 12, 0, 0, l.size/10*1000, time.UTC)
	for what, f := range map[string]FactFilter{
		"all": {}, "all, newest first": {Newest: true}, "an organization": {Organizations: []domain.OrganizationID{{3, 1}}},
		"two organizations": {Organizations: []domain.OrganizationID{{3, 1}, {3, 2}}}, "a subscription": {Subscription: domain.SubscriptionID{2, 7}},
		"a subscription, newest first": {Subscription: domain.SubscriptionID{2, 7}, Newest: true},
		"a type":                       {Types: []string{"hooklog.AttemptFailed.v1"}},
		"a type of an organization":    {Types: []string{"hooklog.AttemptSucceeded.v1"}, Organizations: []domain.OrganizationID{{3, 1}}},
		"from a tenth on":              {From: from},
	} {
		pages := 1000
		if !long() && what != "all" {
			pages = 100
		}
		costs, facts := pageCosts(t, x, l, f, pages)
		slices.Sort(costs[1:])
		median, most := costs[len(costs)/2], costs[len(costs)-1]
		t.Logf("%s: %d pages, %d facts; the first page reads %d, the median %d, the most %d", what, len(costs), facts, costs[0], median, most)
		if facts < least-50 || most > costs[0]+3 {
			t.Errorf("%s: %d facts; a page reads %d rows and facts, the first one %d", what, facts, most, costs[0])
		}
	}
}

// pageCosts counts for each page what was read of index and log.
func pageCosts(t *testing.T, x *Fold, l *endless, f FactFilter, pages int) (costs []int, facts int) {
	t.Helper()
	var last RecordedFact
	for cursor := ""; len(costs) < pages; {
		from, _, err := f.ParseFactCursor(PageCursor, cursor)
		if err != nil {
			t.Fatal(err)
		}
		l.reads = 0
		r := x.ReadFacts(f, from)
		page, next, err := r.Page(t.Context(), 50)
		if err != nil || r.reads != l.reads {
			t.Fatalf("%d reads were counted of %d, %v", r.reads, l.reads, err)
		}
		for _, got := range page {
			order := cmp.Or(got.Position.Compare(last.Position), 0)
			if !last.Position.IsZero() && (order < 0) != f.Newest {
				t.Fatalf("%s follows %s", got.Position, last.Position)
			}
			last = got
		}
		costs, facts = append(costs, r.seeks+r.reads), facts+len(page)
		if cursor = next; cursor == "" {
			break
		}
	}
	return costs, facts
}
