package notices

import (
	"context"
	"errors"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// handle tells a handed notice and gives the verdict on the fact.
func (x *Notices) handle(ctx context.Context, h eventlog.Handed) eventlog.Verdict {
	f, _, err := x.Codec.Decode(domain.Place{Stream: h.Stream, ID: h.ID, Revision: uint64(h.Revision)}, h.Type, h.Data, h.Metadata)
	id, named := domain.NoticeOfStream(h.Stream)
	if domain.Skippable(err) || err == nil && !named {
		x.refused.Add(1)
		x.Logger.Warn().Err(err).Str("stream", h.Stream).Stringer("position", h.Position).Msg("fact passed over")
		return eventlog.Skip
	}
	if err != nil {
		x.Logger.Error().Err(err).Str("stream", h.Stream).Msg("fact cannot be read")
		return eventlog.Park
	}
	n, err := x.Recorder.LoadNotice(ctx, id)
	if due, ok := f.(*domain.NoticeDue); err == nil && ok && due.Attempt != n.Attempts+1 {
		return eventlog.Ack
	}
	if err == nil && n.Open() && !n.Due.After(time.Now()) {
		err = x.tell(ctx, n)
	}
	if err != nil {
		if ctx.Err() == nil {
			x.Logger.Error().Err(err).Stringer("notice", id).Msg("notice handed back")
		}
		return eventlog.Retry
	}
	return eventlog.Ack
}

// tell goes the ways that are open.
func (x *Notices) tell(ctx context.Context, n domain.Notice) error {
	var err error
	if n.WebhookOpen {
		err = x.publish(ctx, n)
	}
	if n.MailOpen {
		err = errors.Join(err, x.mail(ctx, n))
	}
	return err
}

// publish tells a notice by an operational message.
func (x *Notices) publish(ctx context.Context, n domain.Notice) error {
	message, err := x.Recorder.PublishNotice(ctx, n)
	if domain.CodeOf(err) != 0 && domain.CodeOf(err) != domain.Unavailable {
		return x.fail(ctx, n, domain.ByWebhook, domain.ReasonRefused, true, err)
	}
	if err != nil {
		return err
	}
	return x.record(ctx, n, domain.ByWebhook, message)
}

// mail tells a notice by a mail, or leaves it to the hour's summary.
func (x *Notices) mail(ctx context.Context, n domain.Notice) error {
	if x.Mailer == nil {
		return x.fail(ctx, n, domain.ByMail, domain.ReasonNoMail, true, nil)
	}
	if reason, permanent, err := x.mayMail(ctx, n); reason != "" || err != nil {
		if err != nil {
			return err
		}
		return x.fail(ctx, n, domain.ByMail, reason, permanent, nil)
	}
	m, err := x.compose(n)
	if err != nil {
		return x.fail(ctx, n, domain.ByMail, domain.ReasonRefused, true, err)
	}
	if n.Cause == domain.CauseSummary {
		return x.send(ctx, n, m)
	}
	at, admitted, err := x.Recorder.AdmitMail(ctx, n.Organization, n.ID)
	switch {
	case err != nil:
		return err
	case admitted:
		return x.sendAdmitted(ctx, n, m, at)
	case n.Cause == domain.CauseAddress:
		return x.fail(ctx, n, domain.ByMail, domain.ReasonBound, false, nil) // who is not confirmed gets no summary
	}
	return x.hold(ctx, n, at)
}

// mayMail says why a notice may not be mailed; empty if it may.
func (x *Notices) mayMail(ctx context.Context, n domain.Notice) (reason string, permanent bool, err error) {
	if n.Cause == domain.CauseSummary {
		return "", false, nil
	}
	if n.Cause == domain.CauseAddress {
		may, err := x.Recorder.AskAddress(ctx, n.Organization, n.To, n.ID)
		if err != nil || may {
			return "", false, err
		}
		return domain.ReasonNeedless, true, nil
	}
	a, err := x.Recorder.LoadAddress(ctx, n.Organization, n.To)
	if err != nil || a.Confirmed() {
		return "", false, err
	}
	return domain.ReasonUnconfirmed, false, nil
}

// hold leaves a notice to the summary of the hour of a time.
func (x *Notices) hold(ctx context.Context, n domain.Notice, at time.Time) error {
	summary := domain.Turn{Cause: domain.CauseSummary, Organization: n.Organization, Fact: domain.HourOf(at), At: at.UTC().Truncate(time.Hour)}
	if _, err := x.Recorder.DecideNotice(ctx, summary, domain.EndOfHour(at)); err != nil {
		return err
	}
	x.held.Add(1)
	_, err := x.Recorder.RecordNoticeSent(ctx, n.ID, domain.ByMail, domain.MessageID{}, summary.Notice())
	return err
}

// sendAdmitted sends a mail that was admitted at a time; one that is not sent is not counted.
func (x *Notices) sendAdmitted(ctx context.Context, n domain.Notice, m Mail, at time.Time) error {
	if err := x.Mailer.Send(ctx, m); err != nil {
		if released := x.Recorder.ReleaseMail(ctx, n.Organization, n.ID, at); released != nil {
			return errors.Join(err, released)
		}
		return x.unsent(ctx, n, err)
	}
	return x.record(ctx, n, domain.ByMail, domain.MessageID{})
}

func (x *Notices) send(ctx context.Context, n domain.Notice, m Mail) error {
	if err := x.Mailer.Send(ctx, m); err != nil {
		return x.unsent(ctx, n, err)
	}
	return x.record(ctx, n, domain.ByMail, domain.MessageID{})
}

// unsent records why a mail was not sent. Whoever was told to stop says nothing of the server.
func (x *Notices) unsent(ctx context.Context, n domain.Notice, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var refused *MailError
	if errors.As(err, &refused) {
		return x.fail(ctx, n, domain.ByMail, refused.Reason, refused.Permanent, err)
	}
	return x.fail(ctx, n, domain.ByMail, domain.ReasonUnreachable, false, err)
}

func (x *Notices) record(ctx context.Context, n domain.Notice, w domain.Way, message domain.MessageID) error {
	if _, err := x.Recorder.RecordNoticeSent(ctx, n.ID, w, message, domain.NoticeID{}); err != nil {
		return err
	}
	x.sent.Add(1)
	x.Logger.Info().Stringer("notice", n.ID).Str("cause", string(n.Cause)).Str("way", string(w)).
		Stringer("subscription", n.Subscription).Msg("notice told")
	return nil
}

func (x *Notices) fail(ctx context.Context, n domain.Notice, w domain.Way, reason string, permanent bool, why error) error {
	after, err := x.Recorder.RecordNoticeFailed(ctx, n.ID, w, reason, permanent)
	if err != nil {
		return err
	}
	x.failed.Add(1)
	x.Logger.Warn().Err(why).Stringer("notice", n.ID).Str("cause", string(n.Cause)).Str("way", string(w)).Str("reason", reason).
		Bool("given_up", !after.Open()).Time("due", after.Due).Msg("notice not told")
	return nil
}
