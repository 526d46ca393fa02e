package notices_test

import (
	"context"
	"errors"

	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/rs/zerolog"

	"github.com/hooklog/hooklog/commands"
	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded"
	"github.com/hooklog/hooklog/notices"
	"github.com/hooklog/hooklog/projections"
	"github.com/hooklog/hooklog/sealing"
	"github.com/hooklog/hooklog/waittest"
)

func TestMain(m *testing.M) { waittest.Main(m) }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var keyset = sync.OnceValue(func() *sealing.Keyset {
	keys, err := sealing.NewKeyset()
	if err != nil {
		panic(err)
	}
	return keys
})

var by = commands.By{Actor: "test"}

type anyURL struct{}

func (anyURL) CheckURL(context.Context, string) error { return nil }

// rig is a node but for HTTP and the dispatcher: attempts are recorded as the test says.
type rig struct {
	t        *testing.T
	fs       vfs.FS
	codec    *domain.Codec
	mailer   notices.Mailer
	nodes    int
	groups   func(eventlog.Groups) eventlog.Groups
	log      *embedded.Log
	fold     *projections.Fold
	commands *commands.Commands
	stop     func()
}

func newRig(t *testing.T, m notices.Mailer) *rig {
	r := &rig{t: t, fs: vfs.NewMem(), codec: domain.NewCodec(keyset()), mailer: m, nodes: 1,
		groups: func(g eventlog.Groups) eventlog.Groups { return g }}
	return r
}

// start opens everything and runs it until stopped.
func (r *rig) start() {
	r.t.Helper()
	var err error
	r.log, err = embedded.Open("log", embedded.Options{FS: r.fs, MinFree: 1})
	must(r.t, err)
	r.fold, err = projections.Open(projections.Config{Dir: "projections", FS: r.fs, Feed: r.log, Streams: r.log, Codec: r.codec,
		Keys: keyset(), Logger: zerolog.Nop(), ReconcileRate: -1})
	must(r.t, err)
	r.commands, err = commands.New(commands.Config{Log: r.log, Keys: keyset(), Directory: r.fold, URLs: anyURL{}})
	must(r.t, err)
	ctx, cancel := context.WithCancel(context.Background())
	var telling, folding sync.WaitGroup
	for range r.nodes {
		n, err := notices.New(notices.Config{Groups: r.groups(r.log), Fold: r.fold, Recorder: recorderOf{r.commands, by}, Codec: r.codec,
			Mailer: r.mailer, PublicURL: "https://hooks.example.com", Logger: zerolog.Nop()})
		must(r.t, err)
		telling.Go(func() {
			if err := n.Run(ctx); err != nil {
				r.t.Errorf("notices: %v", err)
			}
		})
	}
	foldCtx, stopFold := context.WithCancel(context.Background())
	folding.Go(func() {
		if err := r.fold.Run(foldCtx); err != nil && !errors.Is(err, context.Canceled) {
			r.t.Errorf("fold: %v", err)
		}
	})
	r.stop = func() {
		cancel()
		telling.Wait()
		stopFold()
		folding.Wait()
		must(r.t, r.fold.Close())
		must(r.t, r.log.Close())
	}
}

func (r *rig) restart() {
	r.t.Helper()
	r.stop()
	r.start()
}

func (r *rig) organization(profile string) domain.OrganizationID {
	r.t.Helper()
	o, at, err := r.commands.RegisterOrganization(r.t.Context(), by, "acme", profile, domain.OrganizationSettings{Name: "Acme"})
	must(r.t, err)
	must(r.t, r.fold.WaitFor(r.t.Context(), at))
	_, at, err = r.commands.DefineEventType(r.t.Context(), by, o.ID, "things.happened", domain.EventTypeSettings{})
	must(r.t, err)
	must(r.t, r.fold.WaitFor(r.t.Context(), at))
	return o.ID
}

func (r *rig) subscribe(org domain.OrganizationID, email string, change func(*commands.NewSubscription)) domain.SubscriptionID {
	r.t.Helper()
	n := commands.NewSubscription{URL: "https://receiver.example/hook?token=hidden", Events: []string{"things.happened"}, Email: email}
	if change != nil {
		change(&n)
	}
	s, _, at, err := r.commands.CreateSubscription(r.t.Context(), by, org, n)
	must(r.t, err)
	must(r.t, r.fold.WaitFor(r.t.Context(), at))
	return s.ID
}

// confirm confirms an address as an operator.
func (r *rig) confirm(org domain.OrganizationID, email string) {
	r.t.Helper()
	_, _, err := r.commands.SetAddress(r.t.Context(), by, org, email)
	must(r.t, err)
}

// attempt publishes to a subscription and records that the only attempt failed or succeeded; dead ends the delivery.
func (r *rig) attempt(org domain.OrganizationID, sub domain.SubscriptionID, status int) {
	r.t.Helper()
	ctx := r.t.Context()
	p, err := r.commands.Publish(ctx, by, domain.Publication{Organization: org, EventType: "things.happened", Data: []byte(`{}`)})
	must(r.t, err)
	must(r.t, r.fold.WaitFor(ctx, p.Position))
	r.outcome(org, sub, p.Message, "things.happened", status)
}

func (r *rig) outcome(org domain.OrganizationID, sub domain.SubscriptionID, message domain.MessageID, eventType string, status int) {
	r.t.Helper()
	ctx := r.t.Context()
	l, err := r.commands.LoadMessage(ctx, message)
	must(r.t, err)
	of := domain.DeliveryOf{Message: message, Subscription: sub, Organization: org, EventType: eventType, PublishedAt: l.Meta.At}
	known, ok, err := r.fold.Delivery(of)
	must(r.t, err)
	if !ok {
		r.t.Fatalf("%s does not go to %s", message, sub)
	}
	policy, _ := r.fold.Policy(sub)
	o := domain.Outcome{StartedAt: time.Now(), Took: time.Millisecond, Status: status, BodySHA256: []byte("sum"), Revision: known.RoundRevision}
	if status/100 != 2 {
		o.Reason = domain.StatusReason(status)
	}
	_, at, err := r.commands.RecordOutcome(ctx, by, known, o, policy, eventlog.ID{})
	must(r.t, err)
	must(r.t, r.fold.WaitFor(ctx, at))
}

// facts returns the facts of one type, in log order.
func facts[F domain.Fact](r *rig) (found []F) {
	r.t.Helper()
	for e, err := range r.log.ReadAll(r.t.Context(), eventlog.Position{}) {
		must(r.t, err)
		f, _, err := r.codec.Decode(domain.Place{Stream: e.Stream, ID: e.ID, Revision: uint64(e.Revision)}, e.Type, e.Data, e.Metadata)
		must(r.t, err)
		if f, ok := f.(F); ok {
			found = append(found, f)
		}
	}
	return found
}

// outbox is a mailer that keeps what it is given.
type outbox struct {
	mu    sync.Mutex
	mails []notices.Mail
	at    []time.Time
	fail  error
}

// Send keeps a mail, or fails as told.
func (o *outbox) Send(_ context.Context, m notices.Mail) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fail != nil {
		return o.fail
	}
	o.mails, o.at = append(o.mails, m), append(o.at, time.Now())
	return nil
}

func (o *outbox) got() []notices.Mail {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]notices.Mail(nil), o.mails...)
}

// parts reads the text and the HTML of a mail as a reader would.
func parts(t *testing.T, data string) (header mail.Header, text, html string) {
	t.Helper()
	m, err := mail.ReadMessage(strings.NewReader(data))
	must(t, err)
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	must(t, err)
	if kind != "multipart/alternative" {
		t.Fatalf("content type %s", kind)
	}
	for reader := multipart.NewReader(m.Body, params["boundary"]); ; {
		p, err := reader.NextRawPart()
		if errors.Is(err, io.EOF) {
			return m.Header, text, html
		}
		must(t, err)
		body, err := io.ReadAll(quotedprintable.NewReader(p))
		must(t, err)
		if strings.HasPrefix(p.Header.Get("Content-Type"), "text/html") {
			html = string(body)
		} else {
			text = string(body)
		}
	}
}

// recorderOf gives the notices the write side, as the program does.
type recorderOf struct {
	*commands.Commands
	by commands.By
}

func (c recorderOf) DecideNotice(ctx context.Context, t domain.Turn, dueAt time.Time) (bool, error) {
	return c.Commands.DecideNotice(ctx, c.by, t, dueAt)
}

func (c recorderOf) RecordNoticeSent(ctx context.Context, id domain.NoticeID, w domain.Way, message domain.MessageID, summary domain.NoticeID) (domain.Notice, error) {
	return c.Commands.RecordNoticeSent(ctx, c.by, id, w, message, summary)
}

func (c recorderOf) RecordNoticeFailed(ctx context.Context, id domain.NoticeID, w domain.Way, reason string, permanent bool) (domain.Notice, error) {
	return c.Commands.RecordNoticeFailed(ctx, c.by, id, w, reason, permanent)
}

func (c recorderOf) OfferNotice(ctx context.Context, known domain.Notice) (bool, error) {
	return c.Commands.OfferNotice(ctx, c.by, known)
}

func (c recorderOf) PublishNotice(ctx context.Context, n domain.Notice) (domain.MessageID, error) {
	return c.Commands.PublishNotice(ctx, c.by, n)
}

func (c recorderOf) AdmitMail(ctx context.Context, org domain.OrganizationID, id domain.NoticeID) (time.Time, bool, error) {
	return c.Commands.AdmitMail(ctx, c.by, org, id)
}

func (c recorderOf) ReleaseMail(ctx context.Context, org domain.OrganizationID, id domain.NoticeID, at time.Time) error {
	return c.Commands.ReleaseMail(ctx, c.by, org, id, at)
}

func (c recorderOf) AskAddress(ctx context.Context, org domain.OrganizationID, address string, n domain.NoticeID) (bool, error) {
	return c.Commands.AskAddress(ctx, c.by, org, address, n)
}

// twice is a log whose groups hand every fact out a second time, as one that was rewound does.
type twice struct{ eventlog.Groups }

func (g twice) Consume(ctx context.Context, group eventlog.Group, buffer int, handle func(context.Context, eventlog.Handed) eventlog.Verdict) error {
	return g.Groups.Consume(ctx, group, buffer, func(ctx context.Context, h eventlog.Handed) eventlog.Verdict {
		if v := handle(ctx, h); v != eventlog.Ack {
			return v
		}
		h.Backlog = true
		return handle(ctx, h)
	})
}

func count(mails []notices.Mail, subject string) (n int) {
	for _, m := range mails {
		if strings.Contains(m.Subject, subject) {
			n++
		}
	}
	return n
}
