package commands

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

func TestAMessageIsMatchedSealedAndRecorded(t *testing.T) {
	w := newWorld(t)
	o := w.acme()
	a, _ := w.subscribe(o, "order.paid")
	b, _ := w.subscribe(o, "*", "order.*")
	w.subscribe(o, "vc.lead.created")
	off, _ := w.subscribe(o, "order.paid")
	_, err := w.DisableSubscription(w.ctx, by, o.ID, off.ID, domain.ByOwner, "")
	w.must(err)
	before := len(w.recorded())
	occurred := noon.Add(-time.Hour)
	p := order(o, ` { "b":1.0, "a":"\u00e9" } `)
	p.OccurredAt = occurred
	got, err := w.Publish(w.ctx, by, p)
	w.must(err)
	events := w.recorded()
	if len(events) != before+1 || events[before].Position != got.Position || got.Deliveries != 2 {
		t.Errorf("one publish is one append: got %+v and %d events", got, len(events)-before)
	}
	m, err := w.LoadMessage(w.ctx, got.Message)
	w.must(err)
	want := `{"b":1,"a":"é"}`
	sum := sha256.Sum256([]byte(want))
	f := m.Published
	if plain := w.opened(o.ID, f.Payload, got.Message.String()); string(plain) != want || !bytes.Equal(f.PayloadSHA256, sum[:]) {
		t.Errorf("data %s, want %s", plain, want)
	}
	targets := []domain.Target{{Subscription: a.ID}, {Subscription: b.ID}}
	slices.SortFunc(targets, byID)
	if !slices.Equal(f.Targets, targets) || f.Total != 2 || !m.Complete() || !slices.Equal(m.Targets, targets) {
		t.Errorf("targets %v of %d, want %v", f.Targets, f.Total, targets)
	}
	if !slices.Equal(f.Withheld, []domain.Withheld{{Subscription: off.ID, Why: domain.WithheldDisabled}}) || f.WithheldTotal != 1 {
		t.Errorf("withheld %v", f.Withheld)
	}
	if f.Seen != 5 || !f.OccurredGiven || !f.OccurredAt.Equal(occurred) || f.Only || m.Meta.Actor != by.Actor || m.Meta.Correlation != by.Request {
		t.Errorf("got %+v, %+v", f, m.Meta)
	}
	none, err := w.Publish(w.ctx, by, domain.Publication{Organization: w.register("empty", "clawbook").ID, EventType: "ai.error", Data: []byte(`{}`)})
	if err != nil || none.Deliveries != 0 {
		t.Errorf("one that matches nothing is recorded too: %+v, %v", none, err)
	}
	_, err = w.LoadMessage(w.ctx, domain.MessageID{1})
	wantCode(t, "load none", err, domain.NotFound)
	if p, err := w.LoadPublished(w.ctx, got.Message); err != nil || !p.SameAs(f) || p.Total != f.Total {
		t.Errorf("the first fact alone: %+v, %v", p, err)
	}
	_, err = w.LoadPublished(w.ctx, domain.MessageID{1})
	wantCode(t, "load the first fact of none", err, domain.NotFound)
}

func byID(a, b domain.Target) int { return bytes.Compare(a.Subscription[:], b.Subscription[:]) }

func TestPublishRefusals(t *testing.T) {
	w := newWorld(t)
	o, vntana := w.acme(), w.register("vntana", "vntana")
	good := order(o, `{}`)
	with := func(change func(*domain.Publication)) domain.Publication {
		p := good
		change(&p)
		return p
	}
	data := func(s string) domain.Publication { return with(func(p *domain.Publication) { p.Data = []byte(s) }) }
	events := len(w.recorded())
	for _, c := range []struct {
		name string
		p    domain.Publication
		want domain.Code
	}{
		{"no organization", with(func(p *domain.Publication) { p.Organization = domain.OrganizationID{1} }), domain.NotFound},
		{"a name that is none", with(func(p *domain.Publication) { p.EventType = "A" }), domain.Invalid},
		{"an unknown type", with(func(p *domain.Publication) { p.EventType = "order.lost" }), domain.Invalid},
		{"the test's type", with(func(p *domain.Publication) { p.EventType = "vc.test.ping" }), domain.Invalid},
		{"a reserved type that nobody defined", with(func(p *domain.Publication) { p.EventType = "vc.lead.created" }), domain.Invalid},
		{"a bad own id", with(func(p *domain.Publication) { p.OwnID = "a b" }), domain.Invalid},
		{"a long own id", with(func(p *domain.Publication) { p.OwnID = strings.Repeat("a", 129) }), domain.Invalid},
		{"a bad client", with(func(p *domain.Publication) { p.Client = "a\n" }), domain.Invalid},
		{"a year past 9999", with(func(p *domain.Publication) { p.OccurredAt = noon.AddDate(9000, 0, 0) }), domain.Invalid},
		{"no data", data(""), domain.Invalid}, {"no JSON", data("{"), domain.Invalid}, {"no object", data("[]"), domain.Invalid},
		{"a member twice", data(`{"a":1,"\u0061":2}`), domain.Invalid}, {"no UTF-8", data("{\"a\":\"\xff\"}"), domain.Invalid},
		{"too large", data(`{"a":"` + strings.Repeat("x", domain.MaxData) + `"}`), domain.TooLarge},
		{"too large once canonical", data(`{"a":[` + strings.Repeat("1e20,", 50000) + `1]}`), domain.TooLarge},
		{"a member that the profile owns", domain.Publication{Organization: vntana.ID, EventType: "product.added", Data: []byte(`{"event":1}`)}, domain.Invalid},
	} {
		_, err := w.Publish(w.ctx, by, c.p)
		wantCode(t, c.name, err, c.want)
	}
	if n := len(w.recorded()); n != events {
		t.Errorf("refusals left %d events", n-events)
	}
	largest := data(`{"a":"` + strings.Repeat("x", domain.MaxData-8) + `"}`)
	if _, err := w.Publish(w.ctx, by, largest); err != nil || len(largest.Data) != domain.MaxData {
		t.Errorf("the largest data, %d bytes: %v", len(largest.Data), err)
	}
	_, err := w.CloseOrganization(w.ctx, by, o.ID)
	w.must(err)
	_, err = w.Publish(w.ctx, by, good)
	wantCode(t, "a closed organization", err, domain.Conflict)
}

// TestManyPublicationsOfOneIDAreOneMessage: one message, one result, whoever asks, and after a restart.
func TestManyPublicationsOfOneIDAreOneMessage(t *testing.T) {
	w := newWorld(t)
	o := w.acme()
	w.subscribe(o, "*")
	p := order(o, `{"n":1}`)
	p.OwnID, p.Client, p.OccurredAt = "order-1", "c", noon
	before := len(w.recorded())
	nodes := []*Commands{w.Commands, w.another(w.log)}
	results := make([]Published, 20)
	var race sync.WaitGroup
	for i := range results {
		race.Go(func() {
			var err error
			if results[i], err = nodes[i%2].Publish(w.ctx, by, p); err != nil {
				t.Error(err)
			}
		})
	}
	race.Wait()
	for i, r := range results {
		if r != results[0] || r.Message != domain.DeriveMessageID(o.ID, "order-1") || r.Position.IsZero() || r.Deliveries != 1 {
			t.Errorf("result %d is %+v, the first %+v", i, r, results[0])
		}
	}
	w.holds(domain.MessageStream(results[0].Message), 1)
	w.subscribe(o, "*")
	w.clock.pass(1000 * time.Hour)
	w.reopen()
	spelled := p
	spelled.Data = []byte(" {\"n\" : 1.0 } ")
	if again, err := w.Publish(w.ctx, by, spelled); err != nil || again != results[0] {
		t.Errorf("after a restart: got %+v, %v, want %+v", again, err, results[0])
	}
	for name, change := range map[string]func(*domain.Publication){
		"other data":   func(p *domain.Publication) { p.Data = []byte(`{"n":2}`) },
		"other client": func(p *domain.Publication) { p.Client = "" },
		"other time":   func(p *domain.Publication) { p.OccurredAt = noon.Add(time.Second) },
		"no time":      func(p *domain.Publication) { p.OccurredAt = time.Time{} },
	} {
		q := p
		change(&q)
		_, err := w.Publish(w.ctx, by, q)
		wantCode(t, name, err, domain.Conflict)
	}
	_, _, err := w.DefineEventType(w.ctx, by, o.ID, "order.lost", domain.EventTypeSettings{})
	w.must(err)
	q := p
	q.EventType = "order.lost"
	_, err = w.Publish(w.ctx, by, q)
	wantCode(t, "another type", err, domain.Conflict)
	other := w.register("other", "vantageclaw")
	_, _, err = w.DefineEventType(w.ctx, by, other.ID, "order.paid", domain.EventTypeSettings{})
	w.must(err)
	q = p
	q.Organization = other.ID
	if r, err := w.Publish(w.ctx, by, q); err != nil || r.Message == results[0].Message {
		t.Errorf("the same id of another organization: %+v, %v", r, err)
	}
	w.holds(domain.MessageStream(results[0].Message), 1)
	// The message; a subscription and a type; the other organization's slug, registration, type, data key and message.
	if n := len(w.recorded()) - before; n != 8 {
		t.Errorf("%d events, want 8", n)
	}
}

// manySubscribers makes n subscriptions to everything.
func (w *world) manySubscribers(o domain.Organization, n int) {
	w.t.Helper()
	var makers sync.WaitGroup
	for i := range 16 {
		makers.Go(func() {
			for range (n + 15 - i) / 16 {
				if _, _, _, err := w.CreateSubscription(w.ctx, by, o.ID, NewSubscription{URL: "https://a.example", Events: []string{"*"}}); err != nil {
					w.t.Error(err)
					return
				}
			}
		})
	}
	makers.Wait()
}

// parts checks that the parts of a message are in order of ids, each as full as can be, and returns all targets.
func (w *world) parts(id domain.MessageID) []domain.Target {
	w.t.Helper()
	var all []domain.Target
	facts := w.stream(domain.MessageStream(id))
	for i, f := range facts {
		var part []domain.Target
		switch f := f.(type) {
		case *domain.MessagePublished:
			part = f.Targets
		case *domain.MessageTargets:
			part = f.Targets
		default:
			w.t.Errorf("part %d is a %T", i, f)
		}
		if len(part) > domain.MaxTargets || i+1 < len(facts) && len(part) != domain.MaxTargets {
			w.t.Errorf("part %d of %d has %d targets", i, len(facts), len(part))
		}
		all = append(all, part...)
	}
	if !slices.IsSortedFunc(all, byID) || len(slices.CompactFunc(slices.Clone(all), func(a, b domain.Target) bool { return a == b })) != len(all) {
		w.t.Error("the targets are not in order of their ids, each once")
	}
	return all
}

func TestManyTargetsAreRecordedInParts(t *testing.T) {
	w := newWorld(t)
	o := w.acme()
	const n = 2*domain.MaxTargets + 500
	w.manySubscribers(o, n)
	right, _ := w.directory.Match(o.ID, "order.paid", "")
	p := order(o, `{}`)
	p.OwnID = "order-1"
	got, err := w.Publish(w.ctx, by, p)
	w.must(err)
	if all := w.parts(got.Message); got.Deliveries != n || !slices.Equal(all, right.Targets) {
		t.Errorf("%d deliveries, %d targets, want %d", got.Deliveries, len(all), n)
	}
	m, err := w.LoadMessage(w.ctx, got.Message)
	w.must(err)
	if m.Published.Total != n || m.Parts != n || !m.Complete() || m.Position != got.Position {
		t.Errorf("total %d, parts %d", m.Published.Total, m.Parts)
	}
	w.holds(domain.MessageStream(got.Message), 3)
	if again, err := w.Publish(w.ctx, by, p); err != nil || again != got {
		t.Errorf("repeated: %+v, %v, want %+v", again, err, got)
	}

	t.Run("a publisher that dies between the parts", func(t *testing.T) {
		w.t = t
		for _, survived := range []int{0, 1} {
			dying := w.another(troubled{Streams: w.log, before: crashAtPart(survived)})
			q := order(o, `{}`)
			q.OwnID = fmt.Sprint("dying-", survived)
			_, err := dying.Publish(w.ctx, by, q)
			if !errors.Is(err, errCrash) {
				t.Fatalf("got %v", err)
			}
			id := domain.DeriveMessageID(o.ID, q.OwnID)
			asked := false
			match := func(context.Context) ([]domain.Target, error) { asked = true; return right.Targets, nil }
			if done, err := w.CompleteTargets(w.ctx, by, id, match); done || err != nil || asked {
				t.Errorf("in its publisher's hands: %v, %v, matched %v", done, err, asked)
			}
			w.clock.pass(unfinishedAfter)
			fault := errors.New("not now")
			if _, err := w.CompleteTargets(w.ctx, by, id, func(context.Context) ([]domain.Target, error) { return nil, fault }); !errors.Is(err, fault) {
				t.Errorf("the matching failed: %v", err)
			}
			var nodes sync.WaitGroup
			for range 3 {
				nodes.Go(func() {
					match := func(context.Context) ([]domain.Target, error) { return right.Targets, nil }
					if done, err := w.CompleteTargets(w.ctx, by, id, match); !done || err != nil {
						t.Errorf("completed: %v, %v", done, err)
					}
				})
			}
			nodes.Wait()
			if all := w.parts(id); !slices.Equal(all, right.Targets) {
				t.Errorf("%d targets, want %d", len(all), n)
			}
			asked = false
			if done, err := w.CompleteTargets(w.ctx, by, id, match); !done || err != nil || asked {
				t.Errorf("a complete message: %v, %v, matched %v", done, err, asked)
			}
			w.holds(domain.MessageStream(id), 3)
		}
	})

	t.Run("a correction while parts are missing settles all targets", func(t *testing.T) {
		w.t = t
		dying := w.another(troubled{Streams: w.log, before: crashAtPart(0)})
		q := order(o, `{}`)
		q.OwnID = "corrected"
		if _, err := dying.Publish(w.ctx, by, q); !errors.Is(err, errCrash) {
			t.Fatalf("got %v", err)
		}
		id := domain.DeriveMessageID(o.ID, q.OwnID)
		demanded := slices.Concat(right.Targets[:n-1]) // the last was deleted before the message's place in the log
		w.must(w.CorrectTargets(w.ctx, by, id, demanded, n+1))
		for _, f := range w.stream(domain.MessageStream(id)) {
			if c, ok := f.(*domain.TargetsCorrected); ok && len(c.Added) > domain.MaxTargets {
				t.Errorf("a correction adds %d targets in one fact", len(c.Added))
			}
		}
		w.sameTargets(id, demanded)
		// The publisher lives after all and goes on with what it had matched.
		w.must(w.completeTargets(w.ctx, id, right.Targets, by.meta(noon)))
		w.sameTargets(id, demanded)
		w.clock.pass(unfinishedAfter)
		match := func(context.Context) ([]domain.Target, error) { return demanded, nil }
		if done, err := w.CompleteTargets(w.ctx, by, id, match); !done || err != nil {
			t.Errorf("completed: %v, %v", done, err)
		}
		w.sameTargets(id, demanded)
	})
}

func crashAtPart(survived int) func(string, []eventlog.Event) error {
	return func(_ string, events []eventlog.Event) error {
		if events[0].Type != (*domain.MessageTargets)(nil).FactType() {
			return nil
		}
		if survived--; survived < 0 {
			return errCrash
		}
		return nil
	}
}

// sameTargets demands that a message's stream amounts to these targets.
func (w *world) sameTargets(id domain.MessageID, want []domain.Target) {
	w.t.Helper()
	m, err := w.LoadMessage(w.ctx, id)
	w.must(err)
	got := slices.SortedFunc(slices.Values(m.Targets), byID)
	if !slices.Equal(got, want) {
		w.t.Errorf("%d targets, want %d", len(got), len(want))
	}
	if !m.Complete() {
		w.t.Errorf("the message is not complete: %d of %d", m.Parts, m.Published.Total)
	}
}

func TestAnOvertakenMatchingIsCorrectedOnce(t *testing.T) {
	w := newWorld(t)
	o := w.acme()
	gone, _ := w.subscribe(o, "*")
	kept, _ := w.subscribe(o, "*")
	w.directory.hold(true)
	_, err := w.DeleteSubscription(w.ctx, by, o.ID, gone.ID)
	w.must(err)
	added, _ := w.subscribe(o, "order.*")
	published, err := w.Publish(w.ctx, by, order(o, `{}`))
	w.must(err)
	m, err := w.LoadMessage(w.ctx, published.Message)
	w.must(err)
	if m.Published.Seen != 2 || len(m.Targets) != 2 || m.Corrected {
		t.Fatalf("got %+v", m.Published)
	}
	w.directory.hold(false)
	right, seen := w.directory.Match(o.ID, "order.paid", "")
	var nodes sync.WaitGroup
	for range 4 {
		nodes.Go(func() {
			if err := w.CorrectTargets(w.ctx, by, published.Message, right.Targets, seen); err != nil {
				t.Error(err)
			}
		})
	}
	nodes.Wait()
	w.holds(domain.MessageStream(published.Message), 2)
	f, ok := w.stream(domain.MessageStream(published.Message))[1].(*domain.TargetsCorrected)
	if !ok || !slices.Equal(f.Added, []domain.Target{{Subscription: added.ID}}) || !slices.Equal(f.Removed, []domain.SubscriptionID{gone.ID}) || f.Seen != 4 {
		t.Errorf("got %+v", f)
	}
	if f.Organization != o.ID || f.EventType != "order.paid" || !f.PublishedAt.Equal(noon) {
		t.Errorf("a correction cannot be read alone: %+v", f)
	}
	want := []domain.Target{{Subscription: kept.ID}, {Subscription: added.ID}}
	slices.SortFunc(want, byID)
	w.sameTargets(published.Message, want)
	w.must(w.CorrectTargets(w.ctx, by, domain.MessageID{1}, right.Targets, seen))
	w.holds(domain.MessageStream(domain.MessageID{1}), 0)
}

func TestWithheldSubscriptionsAreCounted(t *testing.T) {
	w := newWorld(t)
	o := w.acme()
	w.manySubscribers(o, domain.MaxWithheld+5)
	right, _ := w.directory.Match(o.ID, "order.paid", "")
	for _, target := range right.Targets {
		_, err := w.DisableSubscription(w.ctx, by, o.ID, target.Subscription, domain.ByOwner, "")
		w.must(err)
	}
	p, err := w.Publish(w.ctx, by, order(o, `{}`))
	w.must(err)
	m, err := w.LoadMessage(w.ctx, p.Message)
	w.must(err)
	if f := m.Published; len(f.Withheld) != domain.MaxWithheld || f.WithheldTotal != domain.MaxWithheld+5 || f.Total != 0 || f.Targets == nil {
		t.Errorf("%d withheld of %d, targets %v", len(f.Withheld), f.WithheldTotal, f.Targets)
	}
}
