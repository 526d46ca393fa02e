package commands

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// DecideNotice decides that somebody is told of a turn, from dueAt on, or at once if that is zero. It reports false if
// that was decided before.
func (c *Commands) DecideNotice(ctx context.Context, by By, t domain.Turn, dueAt time.Time) (decided bool, err error) {
	m := by.meta(c.Now())
	m.Causation = t.Fact
	_, err = c.append(ctx, domain.NoticeStream(t.Notice()), eventlog.NoStream, &domain.NoticeDecided{Turn: t, DueAt: dueAt}, m)
	if errors.Is(err, eventlog.ErrRevisionConflict) {
		return false, nil
	}
	return err == nil, err
}

// LoadNotice folds a notice's stream; one that was never decided does not exist.
func (c *Commands) LoadNotice(ctx context.Context, id domain.NoticeID) (domain.Notice, error) {
	l, err := load(ctx, c, domain.NoticeStream(id), domain.Notice{ID: id}, foldNotice)
	return l.state, err
}

func foldNotice(n domain.Notice, f recordedFact) domain.Notice {
	return n.Apply(f.Fact, f.Meta, f.revision)
}

// RecordNoticeSent records that a notice was told on a way: by a message, by a mail, or together with others by a
// summary. It returns the notice as it stands then.
func (c *Commands) RecordNoticeSent(ctx context.Context, by By, id domain.NoticeID, w domain.Way, message domain.MessageID, summary domain.NoticeID) (domain.Notice, error) {
	return c.changeNotice(ctx, by, id, func(n domain.Notice) domain.Fact { return n.DecideSent(w, message, summary) })
}

// RecordNoticeFailed records that a notice could not be told on a way, and when that is tried again.
func (c *Commands) RecordNoticeFailed(ctx context.Context, by By, id domain.NoticeID, w domain.Way, reason string, permanent bool) (domain.Notice, error) {
	return c.changeNotice(ctx, by, id, func(n domain.Notice) domain.Fact { return n.DecideFailed(w, reason, permanent, c.Now()) })
}

func (c *Commands) changeNotice(ctx context.Context, by By, id domain.NoticeID, decide func(domain.Notice) domain.Fact) (domain.Notice, error) {
	n, _, err := change(ctx, c, by, domain.NoticeStream(id), domain.Notice{ID: id}, foldNotice, func(n domain.Notice) (domain.Fact, error) {
		return decide(n), nil
	})
	return n, err
}

// OfferNotice hands an open notice out whose time has come. It reports whether a fact was recorded: not if the log
// knows more of the notice than known.
func (c *Commands) OfferNotice(ctx context.Context, by By, known domain.Notice) (offered bool, err error) {
	m := by.meta(c.Now())
	f := known.DecideOffer(m.At)
	if f == nil {
		return false, nil
	}
	_, err = c.append(ctx, domain.NoticeStream(known.ID), eventlog.Exactly(eventlog.Revision(known.Revision)), f, m)
	if errors.Is(err, eventlog.ErrRevisionConflict) {
		return false, nil
	}
	return err == nil, err
}

// AdmitMail counts a notice's mail against the organization's bound, at the time that it returns. It reports whether the
// mail may be sent now; if not, the summary of that hour is to tell of it.
func (c *Commands) AdmitMail(ctx context.Context, by By, org domain.OrganizationID, id domain.NoticeID) (now time.Time, admitted bool, err error) {
	now = c.Now()
	before, err := load(ctx, c, domain.MailHourStream(org, now.Add(-time.Hour)), domain.MailHour{}, foldMailHour)
	if err != nil {
		return now, false, err
	}
	_, _, err = change(ctx, c, by, domain.MailHourStream(org, now), domain.MailHour{}, foldMailHour, func(h domain.MailHour) (f domain.Fact, _ error) {
		f, admitted = h.DecideAdmit(org, id, before.state, now)
		return f, nil
	})
	return now, admitted, err
}

// ReleaseMail takes back that a notice's mail was admitted at a time: it was not sent.
func (c *Commands) ReleaseMail(ctx context.Context, by By, org domain.OrganizationID, id domain.NoticeID, at time.Time) error {
	_, _, err := change(ctx, c, by, domain.MailHourStream(org, at), domain.MailHour{}, foldMailHour, func(h domain.MailHour) (domain.Fact, error) {
		return h.DecideRelease(org, id), nil
	})
	return err
}

func foldMailHour(h domain.MailHour, f recordedFact) domain.MailHour { return h.Apply(f.Fact, f.Meta) }

// PublishNotice publishes the operational message that tells of a notice. Its id is derived, so that published again it
// is the first one.
func (c *Commands) PublishNotice(ctx context.Context, by By, n domain.Notice) (domain.MessageID, error) {
	id := domain.MessageOfNotice(n.Organization, n.ID)
	o, err := c.openOrganization(ctx, n.Organization)
	if err != nil {
		return id, err
	}
	data, err := n.Data()
	if err != nil {
		return id, fmt.Errorf("data of %s: %w", n.ID, err)
	}
	m := by.meta(c.Now())
	m.Causation = n.Fact
	f, targets := c.matched(domain.Publication{Organization: o.ID, EventType: n.Type}, data, m)
	wait, err := c.publish(ctx, id, f, targets, data, m)
	if err != nil {
		return id, err
	}
	if _, err = wait(); errors.Is(err, eventlog.ErrRevisionConflict) {
		return id, nil
	}
	return id, err
}
