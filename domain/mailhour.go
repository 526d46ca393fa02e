package domain

import (
	"slices"
	"time"
)

// MailAdmitted counts a mail against an organization's bound of mails an hour.
type MailAdmitted struct {
	Organization OrganizationID `json:"organization"`
	Notice       NoticeID       `json:"notice"`
}

// MailReleased takes an admission back: the mail was not sent.
type MailReleased struct {
	Organization OrganizationID `json:"organization"`
	Notice       NoticeID       `json:"notice"`
}

// FactType names the fact in the log.
func (*MailAdmitted) FactType() string { return "hooklog.MailAdmitted.v1" }

// FactType names the fact in the log.
func (*MailReleased) FactType() string { return "hooklog.MailReleased.v1" }

// MaxMails is how many notices an organization is mailed within any hour, beside the summary of what went beyond.
const MaxMails = 20

// HourOf names the hour of a time in UTC.
func HourOf(at time.Time) string { return at.UTC().Format("2006-01-02T15") }

// EndOfHour is the beginning of the hour after a time's.
func EndOfHour(at time.Time) time.Time { return at.UTC().Truncate(time.Hour).Add(time.Hour) }

// MailHour is the admissions of an organization in one hour of the clock.
type MailHour struct {
	admitted []admission
}

type admission struct {
	notice NoticeID
	at     time.Time
}

// Apply folds one fact of the hour's stream.
func (h MailHour) Apply(f Fact, m Meta) MailHour {
	switch f := f.(type) {
	case *MailAdmitted:
		h.admitted = append(slices.Clip(h.admitted), admission{f.Notice, m.At})
	case *MailReleased:
		h.admitted = slices.DeleteFunc(slices.Clone(h.admitted), func(a admission) bool { return a.notice == f.Notice })
	}
	return h
}

// holds reports whether a notice stands admitted.
func (h MailHour) holds(n NoticeID) bool {
	return slices.ContainsFunc(h.admitted, func(a admission) bool { return a.notice == n })
}

// DecideAdmit admits a notice's mail unless MaxMails were admitted within the last hour; before is the hour before.
// It returns no fact if the mail stands admitted already.
func (h MailHour) DecideAdmit(org OrganizationID, n NoticeID, before MailHour, now time.Time) (f Fact, admitted bool) {
	if h.holds(n) {
		return nil, true
	}
	recent := len(h.admitted)
	for _, a := range before.admitted {
		if a.notice != n && a.at.After(now.Add(-time.Hour)) {
			recent++
		}
	}
	if recent >= MaxMails {
		return nil, false
	}
	return &MailAdmitted{org, n}, true
}

// DecideRelease takes an admission back; nil if there is none.
func (h MailHour) DecideRelease(org OrganizationID, n NoticeID) Fact {
	if !h.holds(n) {
		return nil
	}
	return &MailReleased{org, n}
}
