package notices

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// Fold is what the notices ask of this node's fold of the log.
type Fold interface {
	// Lag is how old what is not yet folded may be; 0 at the head of the log.
	Lag() time.Duration
	UndecidedTurns(from time.Time, limit int) ([]domain.Turn, error)
	OpenNotices(now time.Time, limit int) ([]domain.Notice, error)
	Summary(id domain.NoticeID) (domain.Summary, error)
	// Noticed pulses when there may be more in UndecidedTurns or OpenNotices.
	Noticed() <-chan struct{}
	Subscription(id domain.SubscriptionID) (domain.Subscription, bool)
	Organization(id domain.OrganizationID) (domain.Organization, bool)
}

// Recorder is what the notices ask of the write side, on behalf of their node.
type Recorder interface {
	DecideNotice(ctx context.Context, t domain.Turn, dueAt time.Time) (decided bool, err error)
	LoadNotice(ctx context.Context, id domain.NoticeID) (domain.Notice, error)
	RecordNoticeSent(ctx context.Context, id domain.NoticeID, w domain.Way, message domain.MessageID, summary domain.NoticeID) (domain.Notice, error)
	RecordNoticeFailed(ctx context.Context, id domain.NoticeID, w domain.Way, reason string, permanent bool) (domain.Notice, error)
	OfferNotice(ctx context.Context, known domain.Notice) (offered bool, err error)
	PublishNotice(ctx context.Context, n domain.Notice) (domain.MessageID, error)
	AdmitMail(ctx context.Context, org domain.OrganizationID, id domain.NoticeID) (at time.Time, admitted bool, err error)
	ReleaseMail(ctx context.Context, org domain.OrganizationID, id domain.NoticeID, at time.Time) error
	LoadAddress(ctx context.Context, org domain.OrganizationID, address string) (domain.Address, error)
	AskAddress(ctx context.Context, org domain.OrganizationID, address string, n domain.NoticeID) (may bool, err error)
	LinkToken(org domain.OrganizationID, address string) string
}

// Config is what New needs. Mailer, PublicURL and Logger may be left out.
type Config struct {
	Groups   eventlog.Groups
	Fold     Fold
	Recorder Recorder
	Codec    *domain.Codec
	// Mailer sends mails; without one those notices end as failed.
	Mailer Mailer
	// PublicURL is where people reach the public listener, without a slash at its end; links begin with it.
	PublicURL string
	Logger    zerolog.Logger
}

// Notices tells people of turns. Run it once.
type Notices struct {
	Config
	sent, failed, held, refused atomic.Uint64
}

// Group is the consumer group of all nodes' notices. Other settings are another group: then its name changes.
var Group = eventlog.Group{
	Name:         "hooklog-notices-v1",
	TypePrefixes: []string{"hooklog.NoticeDecided.", "hooklog.NoticeDue."},
	// Longer than the mailer takes at most.
	MessageTimeout: 2 * time.Minute,
	MaxRetries:     10,
}

const (
	// tellAtOnce bounds the notices that a node tells at the same time.
	tellAtOnce = 4
	// page is how many turns or notices are seen to at once.
	page = 100
	// stale is how old a turn may be when its notice is decided: what was before there were notices is told nobody.
	stale = 72 * time.Hour
	// watchEvery is the longest time between two rounds, so that nothing depends on a pulse.
	watchEvery = time.Second
	// watchRest is the shortest.
	watchRest = 20 * time.Millisecond
	// maxLag is how far the fold may be behind while notices are decided and handed out.
	maxLag = 2 * time.Second
)

// New joins notices. It fails if something they need is missing.
func New(c Config) (*Notices, error) {
	if c.Groups == nil || c.Fold == nil || c.Recorder == nil || c.Codec == nil {
		return nil, errors.New("notices: Groups, Fold, Recorder and Codec are needed")
	}
	if c.Mailer != nil && c.PublicURL == "" {
		return nil, errors.New("notices: a mailer needs the public URL that links begin with")
	}
	return &Notices{Config: c}, nil
}

// Run decides and tells until ctx ends. It fails if the group exists with other settings or the log is closed.
func (x *Notices) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		err := x.Groups.Consume(ctx, Group, tellAtOnce, x.handle)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("consume %s: %w", Group.Name, err)
	})
	g.Go(func() error { return x.watch(ctx) })
	if err := g.Wait(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("tell notices: %w", err)
	}
	return nil
}

// Stats counts what was done since the start, for metrics.
type Stats struct {
	// Sent counts mails and messages, Failed attempts that failed, Held mails left to a summary; Refused counts the
	// facts handed out that could not be folded.
	Sent, Failed, Held, Refused uint64
}

// Stats returns a snapshot.
func (x *Notices) Stats() Stats {
	return Stats{x.sent.Load(), x.failed.Load(), x.held.Load(), x.refused.Load()}
}

// watch decides notices and hands out those that are due.
func (x *Notices) watch(ctx context.Context) error {
	for {
		if x.Fold.Lag() < maxLag {
			if err := errors.Join(x.decide(ctx), x.offer(ctx)); err != nil && ctx.Err() == nil {
				x.Logger.Error().Err(err).Msg("notices cannot be seen to")
			}
		}
		if err := rest(ctx, x.Fold.Noticed()); err != nil {
			return err
		}
	}
}

// rest waits for news, or for a while.
func rest(ctx context.Context, news <-chan struct{}) error {
	longest := time.NewTimer(watchEvery)
	defer longest.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-longest.C:
		return nil
	case <-news:
	}
	shortest := time.NewTimer(watchRest)
	defer shortest.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-shortest.C:
		return nil
	}
}

// decide decides the notices of the turns that the fold has found.
func (x *Notices) decide(ctx context.Context) error {
	from := time.Now().Add(-stale)
	for {
		turns, err := x.Fold.UndecidedTurns(from, page)
		if err != nil {
			return fmt.Errorf("look for turns: %w", err)
		}
		for _, t := range turns {
			if _, err := x.Recorder.DecideNotice(ctx, t, time.Time{}); err != nil {
				return fmt.Errorf("decide the notice of %s: %w", t.Cause, err)
			}
			from = t.At.Add(time.Microsecond)
		}
		if len(turns) < page {
			return nil
		}
	}
}

// offer hands out the notices whose time has come.
func (x *Notices) offer(ctx context.Context) error {
	open, err := x.Fold.OpenNotices(time.Now(), page)
	if err != nil {
		return fmt.Errorf("look for open notices: %w", err)
	}
	for _, n := range open {
		if _, err := x.Recorder.OfferNotice(ctx, n); err != nil {
			return fmt.Errorf("hand out %s: %w", n.ID, err)
		}
	}
	return nil
}
