package projections

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// history draws a log: mostly what could happen, in part what could not.
type history struct {
	*scribe
	t          *rapid.T
	orgs       []domain.OrganizationID
	subs       []owned
	messages   []published
	deliveries []domain.DeliveryOf
	seen       map[domain.OrganizationID]uint64
}

type owned struct {
	id  domain.SubscriptionID
	org domain.OrganizationID
}

type published struct {
	id domain.MessageID
	of domain.MessageOf
}

func drawHistory(t *rapid.T) *history {
	h := &history{scribe: newScribe(t), t: t, seen: map[domain.OrganizationID]uint64{}}
	for range 2 {
		h.orgs = append(h.orgs, h.organization("vantageclaw"))
	}
	h.create()
	steps := map[string]func(){"create": h.create, "change": h.change, "toggle": h.toggle, "publish": h.publishSome,
		"parts": h.parts, "correct": h.correct, "outcome": h.outcome, "outcome again": h.outcome, "another outcome": h.outcome, "offer": h.offer,
		"redeliver": h.redeliver, "rare": h.rare}
	names := slices.Sorted(maps.Keys(steps))
	clocks := []time.Duration{0, 0, 0, time.Hour, -time.Hour}
	for range rapid.IntRange(1, 120).Draw(t, "length") {
		h.behind = rapid.SampledFrom(clocks).Draw(t, "behind")
		steps[rapid.SampledFrom(names).Draw(t, "step")]()
	}
	return h
}

func (h *history) oneOf(n int) int { return rapid.IntRange(0, n-1).Draw(h.t, "which") }

func (h *history) chance(percent int) bool {
	return rapid.IntRange(1, 100).Draw(h.t, "chance") <= percent
}

func (h *history) create() {
	if len(h.subs) > 6 {
		return
	}
	org := h.orgs[h.oneOf(len(h.orgs))]
	events := [][]string{{"a.b"}, {"a.*"}, {"*"}, {"c.d"}, {"a.b", "c.d"}}[h.oneOf(5)]
	h.subs = append(h.subs, owned{h.subscription(org, events...), org})
	h.seen[org]++
}

func (h *history) change() {
	o := h.subs[h.oneOf(len(h.subs))]
	h.write(domain.SubscriptionStream(o.id), &domain.SubscriptionChanged{Organization: o.org, SubscriptionSettings: domain.SubscriptionSettings{
		URL: "https://example.com/new", Events: []string{"a.b"}, Ordered: h.chance(60)}})
	h.seen[o.org]++
}

func (h *history) toggle() {
	o := h.subs[h.oneOf(len(h.subs))]
	switch h.oneOf(5) {
	case 0, 1:
		h.disable(o.org, o.id)
	case 2, 3:
		h.enable(o.org, o.id)
	case 4:
		h.deleteSubscription(o.org, o.id)
	}
	h.seen[o.org]++ // the scribe does not know which of them make sense: so it publishes with a wrong count, too
}

func (h *history) publishSome() {
	org := h.orgs[h.oneOf(len(h.orgs))]
	f := &domain.MessagePublished{Organization: org, EventType: []string{"a.b", "c.d", "a.x"}[h.oneOf(3)], OccurredAt: h.now, Seen: h.seen[org]}
	if h.chance(30) {
		f.Seen -= min(f.Seen, 1)
	}
	for _, o := range h.subs {
		if h.chance(60) && (o.org == org || h.chance(5)) {
			f.Targets = append(f.Targets, domain.Target{Subscription: o.id, Revision: h.next[domain.SubscriptionStream(o.id)] - 1})
		}
	}
	if h.chance(10) && len(f.Targets) > 0 {
		f.Targets = append(f.Targets, f.Targets[0])
	}
	f.Total = len(f.Targets)
	f.Only = h.chance(10)
	if h.chance(20) {
		f.Total++
	}
	id := domain.MessageID(h.scribe.id())
	of := h.publishAs(id, f)
	h.messages = append(h.messages, published{id, of})
	for _, o := range h.subs {
		h.deliveries = append(h.deliveries, deliveryTo(id, of, o.id))
	}
}

func (h *history) someTargets() (targets []domain.Target) {
	for _, o := range h.subs {
		if h.chance(40) {
			targets = append(targets, domain.Target{Subscription: o.id, Revision: uint64(h.oneOf(4))})
		}
	}
	return targets
}

func (h *history) parts() {
	if len(h.messages) > 0 {
		m := h.messages[h.oneOf(len(h.messages))]
		h.write(domain.MessageStream(m.id), &domain.MessageTargets{MessageOf: m.of, Targets: append([]domain.Target{}, h.someTargets()...)})
	}
}

func (h *history) correct() {
	if len(h.messages) == 0 {
		return
	}
	m := h.messages[h.oneOf(len(h.messages))]
	f := &domain.TargetsCorrected{MessageOf: m.of, Added: h.someTargets(), Seen: 1}
	for _, t := range h.someTargets() {
		f.Removed = append(f.Removed, t.Subscription)
	}
	h.write(domain.MessageStream(m.id), f)
}

// some returns a delivery that may have begun, the latest more often.
func (h *history) some() (of domain.DeliveryOf, ok bool) {
	if len(h.deliveries) == 0 {
		return of, false
	}
	if h.chance(60) {
		return h.deliveries[max(0, len(h.deliveries)-1-h.oneOf(6))], true
	}
	return h.deliveries[h.oneOf(len(h.deliveries))], true
}

func (h *history) outcome() {
	of, ok := h.some()
	if !ok {
		return
	}
	a := h.attempt(of, 1, 1+int(h.next[domain.DeliveryStream(of.ID())]), uint64(h.oneOf(4)), 500)
	a.Extra = h.chance(10)
	if h.chance(40) {
		a.Status = 200
		h.write(domain.DeliveryStream(of.ID()), &domain.AttemptSucceeded{Attempt: a})
		return
	}
	f := &domain.AttemptFailed{Attempt: a, Reason: "http_500", Dead: h.chance(30)}
	if !f.Dead && !a.Extra {
		f.NextAttemptAt = h.now.Add(time.Duration(h.oneOf(5)) * time.Minute).Add(17 * time.Nanosecond)
	}
	h.write(domain.DeliveryStream(of.ID()), f)
}

func (h *history) offer() {
	if of, ok := h.some(); ok {
		stream := domain.DeliveryStream(of.ID())
		h.write(stream, &domain.RetryDue{DeliveryOf: of, Round: 1, Number: 1 + int(h.next[stream]), DueAt: h.now})
	}
}

func (h *history) redeliver() {
	if of, ok := h.some(); ok {
		h.write(domain.DeliveryStream(of.ID()), &domain.RedeliveryRequested{DeliveryOf: of, Round: 2, Revision: uint64(h.oneOf(5))})
	}
}

func (h *history) rare() {
	switch h.oneOf(10) {
	case 0:
		h.write(domain.OrganizationStream(h.orgs[h.oneOf(len(h.orgs))]), &domain.OrganizationClosed{})
	case 1:
		h.put("else", eventlog.Event{ID: h.scribe.id(), Type: "Else", Data: []byte("{}"), Metadata: []byte("{}")})
	case 2:
		e := h.events[h.oneOf(len(h.events))] // the very same event once more
		h.put(e.Stream, e.Event)
	case 3:
		h.write(domain.KeyStream("live_a"), &domain.KeyIssued{Mode: "live", SecretHash: "x"})
	case 4:
		h.write(domain.KeyStream("live_a"), &domain.KeyRevoked{})
	case 5:
		h.write(domain.EventTypeStream(h.orgs[0], "a.b"), &domain.EventTypeDefined{Organization: h.orgs[0], Name: "a.b"})
	case 6:
		h.write(domain.OrganizationStream(h.orgs[1]), &domain.OrganizationChanged{OrganizationSettings: domain.OrganizationSettings{Name: "New"}})
	case 8, 9:
		h.recover()
	case 7:
		h.write("hl_elsewhere-1", &domain.EventTypeRetired{Organization: h.orgs[0], Name: "a.b"})
	}
}

// recover writes a fact of one of two recoveries, whether or not it makes sense.
func (h *history) recover() {
	o := h.subs[h.oneOf(len(h.subs))]
	of := domain.RecoveryOf{Organization: o.org, Subscription: o.id}
	stream := domain.RecoveryStream(domain.RecoveryID{15: byte(h.oneOf(2))})
	switch h.oneOf(3) {
	case 0:
		h.write(stream, &domain.RecoveryRequested{Organization: o.org, Subscription: o.id, From: h.now, To: h.now.Add(time.Hour), States: []domain.DeliveryState{domain.Dead}})
	case 1:
		h.write(stream, &domain.RecoveryProgressed{RecoveryOf: of, After: domain.DeliveryPlace{PublishedAt: h.now}, RecoveryTally: domain.RecoveryTally{Redelivered: 1}})
	case 2:
		h.write(stream, &domain.RecoveryEnded{RecoveryOf: of})
	}
}

// However a log is cut into batches and wherever folding is interrupted, the read models come out the same; and they
// are what the log says.
func TestFoldingDependsOnTheFactsAlone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		h := drawHistory(rt)
		whole := openOn(t, vfs.NewMem())
		defer closeFold(t, whole)
		foldOn(t, whole, h.scribe)
		fs := vfs.NewMem()
		parts := openOn(t, fs)
		for at := 0; at < len(h.events); {
			n := rapid.IntRange(1, 40).Draw(rt, "batch")
			end := min(len(h.events), at+n)
			if err := parts.receive(t.Context(), eventlog.Batch{Events: h.events[at:end]}); err != nil {
				rt.Fatalf("fold: %v", err)
			}
			at = end
			if rapid.Bool().Draw(rt, "restart") {
				closeFold(t, parts)
				parts = openOn(t, fs)
			}
		}
		defer closeFold(t, parts)
		sameStore(rt, "in parts", dump(rt, parts), dump(rt, whole))
		a, b := h.readings(whole), h.readings(parts)
		for i := range a {
			if i >= len(b) || a[i] != b[i] {
				rt.Fatalf("the whole reads\n %s\nthe parts\n %q", a[i], b[min(i, len(b)):])
			}
		}
		h.check(whole)
	})
}

// readings writes down what a fold answers.
func (h *history) readings(x *Fold) []string {
	out := ""
	for _, org := range h.orgs {
		o, ok := x.Organization(org)
		rows, _, err := x.Subscriptions(org, 0, "")
		m, seen := x.Match(org, "a.b", "")
		out += fmt.Sprintln(o, ok, err, m, seen)
		for _, row := range rows {
			text, err := json.Marshal([]any{row.Subscription, row.Health})
			out += fmt.Sprintln(string(text), err)
		}
	}
	text, err := json.Marshal(x.OpenRecoveries())
	out += fmt.Sprintln(string(text), err)
	for _, m := range h.messages {
		right, seen, pending := x.Correction(m.id)
		out += fmt.Sprintln(right, seen, pending)
	}
	for _, of := range h.everyDelivery() {
		d, ok, err := x.Delivery(of)
		out += fmt.Sprintf("%+v %t %v\n", d, ok, err)
	}
	for _, o := range h.subs {
		due, err := x.Due(o.id, h.now.Add(24*time.Hour), 1000, nil)
		out += fmt.Sprintf("%+v %v\n", due, err)
	}
	x.DueSubscriptions(h.now.Add(24*time.Hour), func(id domain.SubscriptionID, at time.Time) bool {
		out += fmt.Sprintln(id, at)
		return true
	})
	k, ok := x.Key("live_a")
	return strings.Split(out+fmt.Sprintln(k, ok, len(x.AtLimit()), x.OpenDeliveries(), x.UnsentDeliveries()), "\n")
}

// truth folds a log in the plainest way: everything in maps, closures applied to every delivery at once.
type truth struct {
	orgs      map[domain.OrganizationID]domain.Organization
	seen      map[domain.OrganizationID]uint64
	subs      map[domain.SubscriptionID]domain.Subscription
	rows      map[domain.DeliveryID]*trueRow
	corrected map[domain.MessageID]bool
	pending   map[domain.MessageID][]domain.Target
	number    uint64
}

type trueRow struct {
	domain.Delivery
	cancelled bool
	order     uint64
	opened    time.Time // by the log's time
}

// place gives a round its place in a strict order, if its subscription is in one.
func (w *truth) place(r *trueRow) {
	w.closeAll()
	if r.order, r.Ordered = 0, false; w.subs[r.Of.Subscription].Ordered && !r.cancelled {
		r.order, r.Ordered = w.number, true
	}
}

// waits reports whether one before it in a strict order is open.
func (w *truth) waits(r *trueRow) bool {
	for _, o := range w.rows {
		if o.Of.Subscription == r.Of.Subscription && o.Open() && !o.cancelled && 0 < o.order && o.order < r.order {
			return true
		}
	}
	return false
}

func (h *history) check(x *Fold) {
	w := &truth{map[domain.OrganizationID]domain.Organization{}, map[domain.OrganizationID]uint64{}, map[domain.SubscriptionID]domain.Subscription{},
		map[domain.DeliveryID]*trueRow{}, map[domain.MessageID]bool{}, map[domain.MessageID][]domain.Target{}, 0}
	for i := range h.events {
		r := &h.events[i]
		if f, m, err := h.codec.Decode(placeOf(r), r.Type, r.Data, r.Metadata); err == nil {
			w.number = uint64(i) + 1
			w.fold(placed{f, m, r})
		}
	}
	open := 0
	for _, of := range h.everyDelivery() {
		want, begun := w.rows[of.ID()]
		got, ok, err := x.Delivery(of)
		if err != nil || ok != begun {
			h.t.Fatalf("delivery of %s to %s: found %t, error %v; want %t", of.Message, of.Subscription, ok, err, begun)
		}
		if !begun {
			continue
		}
		expected := want.Delivery
		expected.Due, expected.OfferedAt = domain.Time(expected.Due), domain.Time(expected.OfferedAt)
		if want.cancelled {
			expected.State, expected.Due = domain.Cancelled, time.Time{}
		}
		if got != expected {
			h.t.Fatalf("delivery of %s to %s:\n %+v, want\n %+v", of.Message, of.Subscription, got, expected)
		}
		if expected.Open() {
			open++
			h.mustBeDue(x, expected, want, w.waits(want))
		}
	}
	if x.OpenDeliveries() != open {
		h.t.Fatalf("%d open, want %d; the log is\n%s", x.OpenDeliveries(), open, h)
	}
	rows := 0
	if err := x.store.scan([]byte{dueSpace}, []byte{dueSpace + 1}, func(_, _ []byte) (bool, error) { rows++; return true, nil }); err != nil || rows != open {
		h.t.Fatalf("%d rows are due (error %v), want %d", rows, err, open)
	}
	if got := x.PendingCorrections(1000); len(got) != len(w.pending) {
		h.t.Fatalf("%d corrections are pending, want %d", len(got), len(w.pending))
	}
	for org, seen := range w.seen {
		if _, got := x.Match(org, "a.b", ""); got != seen {
			h.t.Fatalf("%d subscription facts seen of %s, want %d", got, org, seen)
		}
	}
}

// String writes the log down.
func (h *history) String() string {
	out := ""
	for _, e := range h.events {
		out += fmt.Sprintf("%s %d %s %s\n", e.Stream, e.Revision, e.Type, e.Data)
	}
	return out
}

// everyDelivery names each message to each subscription.
func (h *history) everyDelivery() (all []domain.DeliveryOf) {
	for _, m := range h.messages {
		for _, o := range h.subs {
			all = append(all, deliveryTo(m.id, m.of, o.id))
		}
	}
	return all
}

func (h *history) mustBeDue(x *Fold, d domain.Delivery, r *trueRow, waits bool) {
	from := d.Due
	if waits {
		from = waitingTime(r.order)
	} else if d.Offered == d.Attempts+1 {
		from = d.OfferedAt.Add(domain.OfferGrace)
	} else if d.RoundAttempts == 0 && r.order == 0 {
		from = r.opened.Add(domain.OfferGrace)
	} else if d.RoundAttempts == 0 && r.opened.Before(from) {
		from = r.opened
	}
	has := func(at time.Time) bool {
		due, err := x.Due(d.Of.Subscription, at, 1000, nil)
		if err != nil {
			h.t.Fatalf("due: %v", err)
		}
		return slices.ContainsFunc(due, func(w DueDelivery) bool { return w.Of == d.Of })
	}
	if !has(from) || has(from.Add(-time.Microsecond)) {
		h.t.Fatalf("delivery of %s to %s is due at %v: %t; just before: %t", d.Of.Message, d.Of.Subscription, from, has(from), has(from.Add(-time.Microsecond)))
	}
}

func (w *truth) fold(p placed) {
	switch f := p.fact.(type) {
	case *domain.OrganizationRegistered, *domain.OrganizationChanged, *domain.OrganizationClosed:
		id, _ := domain.OrganizationOfStream(p.Stream)
		if _, begins := f.(*domain.OrganizationRegistered); begins == w.orgs[id].Exists() {
			return
		}
		o := w.orgs[id]
		o.ID = id
		w.orgs[id] = o.Apply(p.fact, p.meta)
		w.closeAll()
	case *domain.MessagePublished:
		w.publish(p, f)
	case *domain.MessageTargets:
		if id, ok := domain.MessageOfStream(p.Stream); ok && !w.corrected[id] {
			w.begin(p, id, f.MessageOf, f.Targets)
		}
	case *domain.TargetsCorrected:
		id, _ := domain.MessageOfStream(p.Stream)
		delete(w.pending, id)
		if w.corrected[id] {
			return
		}
		for _, sub := range f.Removed {
			if r, ok := w.rows[domain.DeriveDeliveryID(id, sub)]; ok && r.Next == 0 {
				delete(w.rows, domain.DeriveDeliveryID(id, sub))
			}
		}
		w.begin(p, id, f.MessageOf, f.Added)
	default:
		if domain.IsSubscriptionFact(p.fact) {
			w.subscribe(p)
		} else if of, ok := deliveryOf(p.fact); ok {
			w.attempt(p, of)
		}
	}
}

func (w *truth) subscribe(p placed) {
	id, ok := domain.SubscriptionOfStream(p.Stream)
	s, known := w.subs[id]
	_, begins := p.fact.(*domain.SubscriptionCreated)
	if !ok || begins != (p.Revision == 0) || begins == known || s.Deleted {
		return
	}
	s.ID = id
	s = s.Apply(p.fact, p.meta, uint64(p.Revision))
	w.subs[id] = s
	w.seen[s.Organization]++
	w.closeAll()
}

// closeAll cancels what is open and closed: at once, so that nothing can end it later.
func (w *truth) closeAll() {
	for _, r := range w.rows {
		s := w.subs[r.Of.Subscription]
		_, closed := s.ClosedAfter(r.RoundRevision)
		r.cancelled = r.cancelled || r.Open() && (closed || s.Deleted || w.orgs[s.Organization].Closed())
	}
}

func (w *truth) publish(p placed, f *domain.MessagePublished) {
	id, ok := domain.MessageOfStream(p.Stream)
	if !ok || p.Revision != 0 {
		return
	}
	subscribers := domain.NewSubscribers()
	for _, s := range w.subs {
		if s.Organization == f.Organization {
			subscribers.Put(&s)
		}
	}
	targets := f.Targets
	if f.Only {
		targets = activeAlone(subscribers, targets)
	} else if f.Seen != w.seen[f.Organization] {
		targets = subscribers.Match(f.EventType, f.Client).Targets
		added, removed := domain.Correct(f.Targets, targets)
		if len(added)+len(removed) > 0 || f.Total > len(f.Targets) || len(targets) != len(f.Targets) {
			w.corrected[id], w.pending[id] = true, targets
		}
	}
	var there []domain.Target
	for _, t := range targets {
		if !w.subs[t.Subscription].Deleted {
			there = append(there, t)
		}
	}
	w.begin(p, id, f.Of(p.meta), there)
}

func (w *truth) begin(p placed, id domain.MessageID, of domain.MessageOf, targets []domain.Target) {
	for _, t := range targets {
		s, ok := w.subs[t.Subscription]
		d := domain.NewDelivery(deliveryTo(id, of, t.Subscription), min(t.Revision, s.Revision))
		if _, known := w.rows[d.Of.ID()]; !known && ok && s.Organization == of.Organization {
			w.rows[d.Of.ID()] = &trueRow{Delivery: d, opened: p.RecordedAt}
			w.place(w.rows[d.Of.ID()])
		}
	}
	w.closeAll()
}

func (w *truth) attempt(p placed, of domain.DeliveryOf) {
	r, ok := w.rows[of.ID()]
	if !ok || p.Stream != domain.DeliveryStream(of.ID()) {
		return
	}
	r.Delivery = r.Apply(p.fact, p.meta, uint64(p.Revision))
	if _, again := p.fact.(*domain.RedeliveryRequested); again {
		r.cancelled, r.opened, r.RoundRevision = false, p.RecordedAt, min(r.RoundRevision, w.subs[of.Subscription].Revision)
		w.place(r)
	}
	w.closeAll()
}
