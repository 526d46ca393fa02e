package http_test

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/hooklog/hooklog/commands"
	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// pastRefusals are those of everything that can be asked as of a moment.
func (s *scene) pastRefusals() []refusal {
	return []refusal{
		{"managed.id", "GET", hooks + s.foreign + "/history", s.partner, "", nil, 404, "no such webhook", ""},
		{"managed.id", "GET", hooks + "wh_" + unknown + "/history?organization=acme", s.auditor, "", nil, 404, "no such webhook", ""},
		{"managed.id", "GET", hooks + s.foreign + "/explanation", s.partner, "", nil, 404, "no such webhook", ""},
		{"managed.id", "GET", hooks + s.deleted + "/explanation", s.partner, "", nil, 404, "no such webhook", ""},
		{"past.cursor", "GET", hooks + s.active + "/history?cursor=x", s.partner, "", nil, 400, "cursor", ""},
		{"past.cursor", "GET", hooks + s.active + "/explanation?cursor=x", s.partner, "", nil, 400, "cursor", ""},
		{"past.cursor", "GET", types + "/order.paid/subscribers?cursor=x", s.auditor, "", nil, 400, "cursor", ""},
		{"past.cursor", "GET", events + "/" + s.event + "?cursor=x", s.auditor, "", nil, 400, "cursor", ""},
		{"list.limit", "GET", hooks + s.active + "/history?limit=0", s.partner, "", nil, 422, "", "limit"},
		{"list.limit", "GET", hooks + s.active + "/explanation?limit=201", s.partner, "", nil, 422, "", "limit"},
		{"list.limit", "GET", events + "/" + s.event + "?limit=201", s.auditor, "", nil, 422, "", "limit"},
		{"list.limit", "GET", types + "/order.paid/subscribers?limit=x", s.auditor, "", nil, 422, "", "limit"},
		{"subscribers.type", "GET", types + "/no.such/subscribers", s.auditor, "", nil, 404, "no such event type", ""},
		{"subscribers.type", "GET", types + "/order.paid/subscribers", s.narrow, "", nil, 404, "no such organization", ""},
		{"subscribers.type", "GET", types + "/order.paid/subscribers?client=" + strings.Repeat("x", 129), s.auditor, "", nil, 422, "", "client"},
		{"moment.absent", "GET", hooks + s.active + "/explanation?at=0-1", s.partner, "", nil, 404, "no such webhook", ""},
		{"moment.spelling", "GET", hooks + s.active + "/explanation?at=now", s.partner, "", nil, 400, "moment", ""},
		{"moment.spelling", "GET", events + "/" + s.event + "?at=now", s.auditor, "", nil, 400, "moment", ""},
		{"moment.future", "GET", types + "/order.paid/subscribers?at=9999-01-01T00:00:00Z", s.auditor, "", nil, 422, "future", "at"},
		{"moment.spelling", "GET", orgs + "?at=yesterday", s.operator, "", nil, 400, "moment", ""},
		{"moment.spelling", "GET", orgs + "/acme?at=", s.operator, "", nil, 400, "moment", ""},
		{"moment.spelling", "GET", types + "?at=2026-01-30", s.operator, "", nil, 400, "moment", ""},
		{"moment.spelling", "GET", types + "/order.paid?at=0-0", s.operator, "", nil, 400, "moment", ""},
		{"moment.spelling", "GET", hooks + s.active + "?at=0-1&at=0-2", s.partner, "", nil, 400, "more than once", ""},
		{"moment.future", "GET", orgs + "?at=9999-01-01T00:00:00Z", s.operator, "", nil, 422, "future", "at"},
		{"moment.future", "GET", hooks + s.active + "?at=9999-01-01T00:00:00Z", s.partner, "", nil, 422, "future", "at"},
		{"moment.absent", "GET", orgs + "/acme?at=2001-01-01T00:00:00Z", s.operator, "", nil, 404, "no such organization", ""},
		{"moment.absent", "GET", types + "?at=0-1", s.operator, "", nil, 404, "no such organization", ""},
		{"moment.absent", "GET", types + "/order.paid?at=0-1", s.operator, "", nil, 404, "no such organization", ""},
		{"moment.absent", "GET", hooks + s.active + "?at=0-1", s.partner, "", nil, 404, "no such webhook", ""},
		{"managed.id", "GET", hooks + "wh_" + unknown, s.partner, "", nil, 404, "no such webhook", ""},
		{"managed.id", "GET", hooks + "x", s.partner, "", nil, 404, "no such webhook", ""},
		{"managed.id", "GET", hooks + s.deleted, s.partner, "", nil, 404, "no such webhook", ""},
		{"managed.id", "GET", hooks + s.foreign, s.partner, "", nil, 404, "no such webhook", ""},
		{"managed.id", "GET", hooks + s.foreign + "?organization=acme", s.auditor, "", nil, 404, "no such webhook", ""},
		{"managed.organization", "GET", hooks + s.active, s.auditor, "", nil, 422, "", "organization"},
		{"managed.organization", "GET", hooks + s.active + "?organization=nobody", s.operator, "", nil, 404, "no such organization", ""},
		{"managed.organization", "GET", hooks + s.active + "?organization=acme", s.narrow, "", nil, 404, "no such organization", ""},
		{"managed.organization", "GET", hooks + s.foreign + "?organization=other", s.partner, "", nil, 404, "no such organization", ""},
		{"auth.scope", "GET", hooks + s.active, s.identity, "", nil, 403, "webhooks:manage or audit:read", ""},
	}
}

// pastWorld is an organization to which things happen, and what the API said of it after each.
type pastWorld struct {
	*house
	t      *rapid.T
	org    domain.OrganizationID
	slug   string
	hooks  []domain.SubscriptionID
	events []domain.DeliveryOf
	told   []told
}

// told is what the API answered at a place in the log.
type told struct {
	path     string
	status   int
	body     string
	position string
	time     time.Time
}

var pastTypes = []string{"a.b", "a.b", "order.paid", "a.c", "message.received"}

// TestThePastIsWhatItWas lets things happen at random, remembers what the API said after each, and asks again as of that
// place and as of that time. It holds the rows past.webhook, past.organizations, past.catalogue and past.event.
func TestThePastIsWhatItWas(t *testing.T) {
	t.Parallel()
	h := build(t)
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		w := &pastWorld{house: h, t: rt, slug: fmt.Sprintf("past-%d", n)}
		profile := rapid.SampledFrom([]string{"vantageclaw", "clawbook", "vantagekit", "standard"}).Draw(rt, "profile")
		id := h.want(201, "POST", orgs, h.operator, `{"slug":"`+w.slug+`","name":"Past","profile":"`+profile+`"}`).text(h, "id")
		org, err := domain.ParseOrganizationID(id)
		h.must(err)
		w.org = org
		h.eventType(w.slug, "a.b")
		h.eventType(w.slug, "order.paid")
		w.create()
		for range rapid.IntRange(4, 25).Draw(rt, "steps") {
			w.step()
			w.remember()
		}
		w.compare()
	})
}

// step lets one thing happen. What is refused changes nothing, which is as good.
func (w *pastWorld) step() {
	actions := []func(){w.create, w.publish, w.publish, w.attempt, w.attempt, w.attempt, w.storm, w.storm, w.toggle, w.toggle, w.change, w.defineType, w.redeliver, w.settle, w.override, w.race}
	if rapid.IntRange(0, 15).Draw(w.t, "rare") == 0 {
		actions = []func(){w.delete, w.retireType, w.close}
	}
	rapid.SampledFrom(actions).Draw(w.t, "action")()
}

func (w *pastWorld) hook() (domain.SubscriptionID, bool) {
	if len(w.hooks) == 0 {
		return domain.SubscriptionID{}, false
	}
	return rapid.SampledFrom(w.hooks).Draw(w.t, "hook"), true
}

func (w *pastWorld) create() {
	events := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a.b", "a.*", "order.paid", "*", "message.received"}), 0, 3, rapid.ID[string]).Draw(w.t, "events")
	s, _, _, err := w.commands.CreateSubscription(w.Context(), by, w.org, commands.NewSubscription{URL: "https://example.com/hook", Events: events})
	w.may(err)
	if err == nil {
		w.hooks = append(w.hooks, s.ID)
	}
}

func (w *pastWorld) publish() {
	typ := rapid.SampledFrom(pastTypes).Draw(w.t, "type")
	p, err := w.commands.Publish(w.Context(), by, domain.Publication{Organization: w.org, EventType: typ, Data: []byte(`{}`),
		Client: rapid.SampledFrom([]string{"", "eu"}).Draw(w.t, "client")})
	if err != nil {
		w.may(err)
		return
	}
	m, err := w.commands.LoadMessage(w.Context(), p.Message)
	w.must(err)
	for _, target := range m.Targets {
		w.events = append(w.events, domain.DeliveryOf{Message: p.Message, Subscription: target.Subscription, Organization: w.org,
			EventType: typ, PublishedAt: domain.Time(m.Meta.At)})
	}
}

// race publishes before this node may know who subscribed, and corrects the message as a dispatcher would.
func (w *pastWorld) race() {
	w.create()
	w.publish()
	if len(w.events) == 0 {
		return
	}
	head, err := w.log.Head(w.Context())
	w.must(err)
	w.must(w.fold.WaitFor(w.Context(), head))
	id := w.events[len(w.events)-1].Message
	if right, seen, pending := w.fold.Correction(id); pending && rapid.Bool().Draw(w.t, "correct") {
		w.must(w.commands.CorrectTargets(w.Context(), by, id, right, seen))
	}
}

func (w *pastWorld) attempt() {
	if len(w.events) > 0 {
		of := rapid.SampledFrom(w.events[max(0, len(w.events)-6):]).Draw(w.t, "delivery")
		w.outcome(of, rapid.SampledFrom([]int{200, 200, 404, 410, 500, 503, 0}).Draw(w.t, "status"))
	}
}

// storm lets many attempts fail, so that limits are reached.
func (w *pastWorld) storm() {
	if len(w.events) == 0 {
		return
	}
	of := rapid.SampledFrom(w.events).Draw(w.t, "delivery")
	for range rapid.IntRange(4, 26).Draw(w.t, "failures") {
		w.outcome(of, rapid.SampledFrom([]int{500, 500, 500, 500, 500, 500, 500, 500, 410}).Draw(w.t, "status"))
	}
	if rapid.Bool().Draw(w.t, "success") {
		w.outcome(of, 200) // which heals nothing once the limit is reached
	}
	if rapid.IntRange(0, 2).Draw(w.t, "settle") > 0 {
		w.remember() // at the limit, and not disabled
		w.settle()
	}
}

// outcome records an attempt as a dispatcher would; status 0 is a timeout.
func (w *pastWorld) outcome(of domain.DeliveryOf, status int) {
	known, ok, err := w.fold.Delivery(of)
	w.must(err)
	s, _ := w.fold.Subscription(of.Subscription)
	org, _ := w.fold.Organization(w.org)
	policy, _ := org.PolicyFor(s.SubscriptionSettings)
	if !ok {
		return
	}
	if known.State == domain.Cancelled { // a dispatcher knows only what the stream says
		known, err = w.commands.LoadDelivery(w.Context(), of, known.RoundRevision)
		w.must(err)
	}
	o := domain.Outcome{StartedAt: time.Now(), Took: 1500 * time.Microsecond, Status: status, Revision: s.Revision}
	if status == 0 {
		o.Reason = "timeout"
	} else if status != 200 {
		o.Reason = domain.StatusReason(status)
	}
	_, at, err := w.commands.RecordOutcome(w.Context(), by, known, o, policy, eventlog.ID{})
	w.must(err)
	w.must(w.fold.WaitFor(w.Context(), at))
}

func (w *pastWorld) toggle() {
	id, ok := w.hook()
	if !ok {
		return
	}
	if rapid.Bool().Draw(w.t, "enable") {
		_, err := w.commands.EnableSubscription(w.Context(), by, w.org, id)
		w.may(err)
		return
	}
	who := rapid.SampledFrom([]domain.DisabledBy{domain.ByOwner, domain.ByOperator}).Draw(w.t, "who")
	_, err := w.commands.DisableSubscription(w.Context(), by, w.org, id, who, "because")
	w.may(err)
}

// change replaces settings, or the secret.
func (w *pastWorld) change() {
	id, ok := w.hook()
	if !ok {
		return
	}
	s, err := w.commands.LoadSubscription(w.Context(), id)
	w.must(err)
	if s.Deleted {
		return
	}
	m := domain.Meta{At: time.Now(), Actor: "key:test_k", Correlation: "r-1"}
	if rapid.IntRange(0, 3).Draw(w.t, "secret") == 0 {
		w.record(domain.SubscriptionStream(id), &domain.SecretRotated{Organization: w.org, Secret: []byte("sealed"), PreviousUntil: m.At.Add(time.Hour)}, m)
		return
	}
	settings := s.SubscriptionSettings
	settings.Name = rapid.SampledFrom([]string{"", "one", "two"}).Draw(w.t, "name")
	settings.Clients = rapid.SampledFrom([][]string{nil, {"eu"}}).Draw(w.t, "clients")
	settings.RetrySchedule = rapid.SampledFrom([][]domain.Duration{nil, {domain.Duration(time.Second)}}).Draw(w.t, "schedule")
	w.record(domain.SubscriptionStream(id), &domain.SubscriptionChanged{Organization: w.org, SubscriptionSettings: settings}, m)
}

func (w *pastWorld) delete() {
	if id, ok := w.hook(); ok {
		_, err := w.commands.DeleteSubscription(w.Context(), by, w.org, id)
		w.may(err)
	}
}

func (w *pastWorld) defineType() {
	name := rapid.SampledFrom(pastTypes).Draw(w.t, "type")
	_, _, err := w.commands.DefineEventType(w.Context(), by, w.org, name, domain.EventTypeSettings{Description: name})
	w.may(err)
}

func (w *pastWorld) retireType() {
	_, err := w.commands.RetireEventType(w.Context(), by, w.org, rapid.SampledFrom(pastTypes).Draw(w.t, "type"))
	w.may(err)
}

func (w *pastWorld) close() {
	_, err := w.commands.CloseOrganization(w.Context(), by, w.org)
	w.may(err)
}

func (w *pastWorld) override() {
	_, _, err := w.commands.ChangeOrganization(w.Context(), by, w.org, func(s domain.OrganizationSettings) domain.OrganizationSettings {
		s.RetrySchedule = rapid.SampledFrom([][]domain.Duration{nil, {domain.Duration(time.Minute), domain.Duration(time.Hour)}}).Draw(w.t, "schedule")
		return s
	})
	w.may(err)
}

func (w *pastWorld) redeliver() {
	if len(w.events) == 0 {
		return
	}
	of := rapid.SampledFrom(w.events).Draw(w.t, "delivery")
	known, ok, err := w.fold.Delivery(of)
	w.must(err)
	s, _ := w.fold.Subscription(of.Subscription)
	if f, err := known.DecideRedeliver(s, known.State == domain.Cancelled); ok && err == nil {
		w.record(domain.DeliveryStream(of.ID()), f, domain.Meta{At: time.Now(), Actor: "cli"})
	}
}

// settle disables what is at its limit, as a dispatcher does.
func (w *pastWorld) settle() {
	for _, l := range w.fold.AtLimit() {
		if slices.Contains(w.hooks, l.ID) {
			w.must(w.commands.DisableFailing(w.Context(), by, l.ID, l.Lifecycle, l.Limit))
		}
	}
}

// may fails unless err is a refusal.
func (w *pastWorld) may(err error) {
	if domain.CodeOf(err) == 0 {
		w.must(err)
	}
}

// paths are all questions that can be asked of the past.
func (w *pastWorld) paths() []string {
	org := orgs + "/" + w.slug
	paths := []string{orgs + "?limit=3", org, org + "/event-types?limit=200", org + "/event-types/a.b", org + "/event-types/message.received",
		org + "/event-types/a.b/subscribers?limit=3", org + "/event-types/order.paid/subscribers?client=eu"}
	for _, id := range w.hooks {
		paths = append(paths, hooks+id.String()+"?organization="+w.slug, hooks+id.String()+"/explanation?organization="+w.slug)
	}
	return paths
}

// remember asks everything, as of the present.
func (w *pastWorld) remember() {
	head, err := w.log.Head(w.Context())
	w.must(err)
	w.must(w.fold.WaitFor(w.Context(), head))
	for _, path := range w.paths() {
		a := w.call("GET", path, w.operator, "")
		w.told = append(w.told, told{path, a.status, a.body, head.String(), time.Now()})
	}
	w.agree()
	w.standAlike()
	for now := time.Now(); !time.Now().Truncate(time.Microsecond).After(now); { // so that what follows has a later time
		time.Sleep(time.Microsecond)
	}
}

// agree holds what the API says of one thing in several places against each other.
func (w *pastWorld) agree() {
	for _, id := range w.hooks {
		shown := w.call("GET", hooks+id.String()+"?organization="+w.slug, w.operator, "")
		why := w.call("GET", hooks+id.String()+"/explanation?limit=200&organization="+w.slug, w.operator, "")
		if shown.status != why.status {
			w.t.Fatalf("%d and %d", shown.status, why.status)
		}
		if shown.status != 200 {
			continue
		}
		n := shown.json(w, "consecutive_failures")
		if why.json(w, "consecutive_failures") != n || why.json(w, "failures_total") != n || float64(len(why.json(w, "failures").([]any))) != n {
			w.t.Fatalf("%v failures are explained by %s", n, why.body)
		}
	}
}

// standAlike holds how each delivery stands by its own facts against how it stands in the lists.
func (w *pastWorld) standAlike() {
	for _, id := range w.hooks {
		rows, _, err := w.fold.Deliveries(id, 0, "")
		w.must(err)
		for _, row := range rows {
			h, err := w.fold.DeliveryByID(w.Context(), row.ID)
			if err != nil || h.DeliveryRow != row {
				w.t.Fatalf("by its facts %+v, %v\nin the list %+v", h.DeliveryRow, err, row)
			}
		}
	}
}

// compare asks everything again, as of where it was asked before.
func (w *pastWorld) compare() {
	w.Helper()
	for _, was := range w.told {
		for _, at := range []string{was.position, was.time.Format(time.RFC3339Nano)} {
			a := w.call("GET", withAt(was.path, at), w.operator, "")
			if a.status != was.status || a.status == 200 && a.body != was.body {
				w.t.Fatalf("GET %s at %s (%s)\n got %d %s\nwant %d %s", was.path, at, was.position, a.status, a.body, was.status, was.body)
			}
		}
	}
}

// TestAPlaceThatIsNotReachedIsWaitedFor holds the row moment.late.
func TestAPlaceThatIsNotReachedIsWaitedFor(t *testing.T) {
	t.Parallel()
	s := stage(t)
	a := s.want(503, "GET", orgs+"?at=0-ffffff", s.operator, "")
	if checkProblem(t, a); !strings.Contains(a.body, "has not reached") { // moment.late
		t.Errorf("%s", a.body)
	}
	for _, path := range []string{orgs, types, hooks + s.active + "?organization=acme"} {
		s.want(503, "GET", withAt(path, "ffff-0"), s.operator, "")
	}
}

func TestAWebhookDeletedLaterIsStillToldAsOfThen(t *testing.T) {
	t.Parallel()
	s := stage(t)
	path := hooks + s.active
	a := s.want(202, "POST", events, s.platform, `{"type":"order.paid","data":{}}`)
	before := a.text(t, "position")
	s.want(204, "DELETE", webhooks+"/"+s.active, s.partner, "")
	s.want(404, "GET", path, s.partner, "")
	then := s.want(200, "GET", withAt(path, before), s.partner, "")
	if then.json(t, "status") != "active" || len(then.json(t, "recent_deliveries").([]any)) != 2 || then.json(t, "recent_deliveries.0.status") != "pending" ||
		!strings.Contains(then.body, a.text(t, "event_id")) {
		t.Errorf("then: %s", then.body)
	}
	if strings.Contains(then.body, "secret") {
		t.Errorf("tells a secret: %s", then.body)
	}
	s.want(404, "GET", withAt(path+"?organization=other", before), s.operator, "")
	s.want(404, "GET", withAt(path, before), s.otherPartner, "")
}

// withAt adds a moment to a path.
func withAt(path, at string) string {
	u, err := url.Parse(path)
	if err != nil {
		panic(err)
	}
	q := u.Query()
	q.Set("at", at)
	u.RawQuery = q.Encode()
	return u.String()
}
