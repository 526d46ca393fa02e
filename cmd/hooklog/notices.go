package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/hooklog/hooklog/commands"
	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/notices"
	"github.com/hooklog/hooklog/projections"
)

// openNotices joins the notices; they mail only where a mail server is set.
func (n *node) openNotices(context.Context) (err error) {
	c := notices.Config{Groups: n.log, Fold: n.fold, Recorder: noticeRecorder{n.commands, commands.By{Actor: n.actor}}, Codec: n.codec,
		PublicURL: strings.TrimRight(n.settings.publicBase, "/"), Logger: part(n.logger, "notices")}
	server, err := n.settings.mailServer()
	if err != nil {
		return err
	}
	if server != nil {
		c.Mailer = server
	}
	n.notices, err = notices.New(c)
	return err
}

// mailServer is the server that mails go through; nil if none is set.
func (s *settings) mailServer() (*notices.Server, error) {
	if s.smtpHost == "" {
		return nil, nil
	}
	if u, err := url.Parse(s.publicBase); err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return nil, errors.New("smtp-host needs public-url, such as https://hooks.example.com, where people reach the links in mails")
	}
	password := s.smtpPassword.Reveal()
	if s.smtpPasswordFile != "" {
		text, err := os.ReadFile(s.smtpPasswordFile)
		if err != nil {
			return nil, fmt.Errorf("read the mail server's password: %w", err)
		}
		password = strings.TrimRight(string(text), "\r\n")
	}
	return notices.NewServer(notices.ServerConfig{Host: s.smtpHost, Port: s.smtpPort, Security: notices.Security(s.smtpSecurity),
		Username: s.smtpUser, Password: password, From: s.smtpFrom})
}

// noticeRecorder gives the notices the write side in the node's name.
type noticeRecorder struct {
	*commands.Commands
	by commands.By
}

// DecideNotice decides that somebody is told of a turn.
func (r noticeRecorder) DecideNotice(ctx context.Context, t domain.Turn, dueAt time.Time) (bool, error) {
	return r.Commands.DecideNotice(ctx, r.by, t, dueAt)
}

// RecordNoticeSent records that a notice was told.
func (r noticeRecorder) RecordNoticeSent(ctx context.Context, id domain.NoticeID, w domain.Way, message domain.MessageID, summary domain.NoticeID) (domain.Notice, error) {
	return r.Commands.RecordNoticeSent(ctx, r.by, id, w, message, summary)
}

// RecordNoticeFailed records that a notice could not be told.
func (r noticeRecorder) RecordNoticeFailed(ctx context.Context, id domain.NoticeID, w domain.Way, reason string, permanent bool) (domain.Notice, error) {
	return r.Commands.RecordNoticeFailed(ctx, r.by, id, w, reason, permanent)
}

// OfferNotice hands a notice out.
func (r noticeRecorder) OfferNotice(ctx context.Context, known domain.Notice) (bool, error) {
	return r.Commands.OfferNotice(ctx, r.by, known)
}

// PublishNotice publishes the operational message of a notice.
func (r noticeRecorder) PublishNotice(ctx context.Context, n domain.Notice) (domain.MessageID, error) {
	return r.Commands.PublishNotice(ctx, r.by, n)
}

// AdmitMail counts a mail against the organization's bound.
func (r noticeRecorder) AdmitMail(ctx context.Context, org domain.OrganizationID, id domain.NoticeID) (time.Time, bool, error) {
	return r.Commands.AdmitMail(ctx, r.by, org, id)
}

// ReleaseMail takes an admission back.
func (r noticeRecorder) ReleaseMail(ctx context.Context, org domain.OrganizationID, id domain.NoticeID, at time.Time) error {
	return r.Commands.ReleaseMail(ctx, r.by, org, id, at)
}

// AskAddress reserves an address for a notice that asks it.
func (r noticeRecorder) AskAddress(ctx context.Context, org domain.OrganizationID, address string, n domain.NoticeID) (bool, error) {
	return r.Commands.AskAddress(ctx, r.by, org, address, n)
}

var (
	_ notices.Fold     = (*projections.Fold)(nil)
	_ notices.Recorder = noticeRecorder{}
)
