package notices

import (
	"bytes"
	"fmt"
	htmltemplate "html/template"
	"net/url"
	"strings"
	texttemplate "text/template"
	"time"
	"unicode"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/webhook"
)

// Mail is a composed mail.
type Mail struct {
	// ID is the same whenever the mail is sent again.
	ID string
	// To are its recipients; more than one do not see each other.
	To                  []string
	Subject, Text, HTML string
}

// story is what the templates tell.
type story struct {
	Title, Organization string
	// Lines are sentences; Link leads somewhere if LinkText is not empty.
	Lines          []string
	Link, LinkText string
}

var htmlBody = htmltemplate.Must(htmltemplate.New("html").Parse(`<!doctype html>
<html><head><meta charset="utf-8"><title>{{.Title}}</title></head>
<body style="font-family:sans-serif">
<h1 style="font-size:1.2em">{{.Title}}</h1>
{{range .Lines}}<p>{{.}}</p>
{{end}}{{if .LinkText}}<p><a href="{{.Link}}">{{.LinkText}}</a></p>
{{end}}<p style="color:#666">Organization: {{.Organization}}</p>
</body></html>
`))

var textBody = texttemplate.Must(texttemplate.New("text").Parse(`{{.Title}}

{{range .Lines}}{{.}}

{{end}}{{if .LinkText}}{{.LinkText}}: {{.Link}}

{{end}}Organization: {{.Organization}}
`))

// compose writes the mail of a notice.
func (x *Notices) compose(n domain.Notice) (Mail, error) {
	o, _ := x.Fold.Organization(n.Organization)
	s := story{Organization: plain(o.Name)}
	m := Mail{ID: n.ID.String(), To: []string{n.To}}
	switch n.Cause {
	case domain.CauseSummary:
		held, err := x.Fold.Summary(n.ID)
		if err != nil {
			return m, fmt.Errorf("read the summary: %w", err)
		}
		m.To = held.To
		x.tellSummary(&s, held)
	case domain.CauseAddress:
		s.Title = "Confirm this address for webhook notices"
		s.Lines = []string{"Somebody asked for notices about the webhooks of this organization to be sent to you.",
			"If that was not you, do nothing: you will get no notices."}
		s.LinkText, s.Link = "Confirm this address", x.PublicURL+"/api/v1/notices/confirm?token="+url.QueryEscape(x.Recorder.LinkToken(n.Organization, n.To))
	default:
		s.Title, s.Lines = x.tellTurn(n.Turn)
	}
	if len(m.To) == 0 {
		return m, fmt.Errorf("%s has no recipient", n.ID)
	}
	m.Subject = s.Title
	var text, html bytes.Buffer
	if err := textBody.Execute(&text, s); err != nil {
		return m, fmt.Errorf("write the text: %w", err)
	}
	if err := htmlBody.Execute(&html, s); err != nil {
		return m, fmt.Errorf("write the HTML: %w", err)
	}
	m.Text, m.HTML = text.String(), html.String()
	return m, nil
}

// tellTurn words a turn.
func (x *Notices) tellTurn(t domain.Turn) (title string, lines []string) {
	name := x.nameOf(t.Subscription)
	at := t.At.UTC().Format(time.RFC1123)
	switch t.Cause {
	case webhook.CauseFirstFailure:
		title = "A delivery to webhook " + name + " failed"
		lines = []string{"A delivery failed at " + at + ". It is retried on the webhook's schedule."}
	case webhook.CauseDisabled:
		title = "Webhook " + name + " was disabled"
		lines = []string{"Its deliveries kept failing, so it was disabled at " + at + ".",
			"Nothing is delivered to it until it is enabled again."}
	case webhook.CauseDead:
		title = "A delivery to webhook " + name + " failed for good"
		if d := t.Dead; d != nil {
			lines = []string{fmt.Sprintf("Event %s (%s) could not be delivered in %d attempts; the last one failed with %s at %s.",
				d.Message, plain(d.EventType), d.Attempts, plain(d.Reason), at), "Delivery: " + d.Delivery.String()}
		}
	case webhook.CauseWarning:
		title = fmt.Sprintf("Webhook %s is at %d %% of the way to being disabled", name, t.Percent)
	case webhook.CauseUnhealthy:
		title = "Webhook " + name + " is unhealthy"
	case webhook.CauseRecovered:
		title = "Webhook " + name + " recovered"
		lines = []string{"A delivery succeeded at " + at + "."}
	default:
		title = "Webhook " + name + ": " + plain(string(t.Cause))
	}
	if t.Failures > 0 && !t.FailingSince.IsZero() {
		lines = append(lines, fmt.Sprintf("Consecutive failed attempts: %d, since %s.", t.Failures, t.FailingSince.UTC().Format(time.RFC1123)))
	}
	return title, append(lines, "Webhook: "+t.Subscription.String())
}

// tellSummary words what was not mailed one by one.
func (x *Notices) tellSummary(s *story, held domain.Summary) {
	s.Title = fmt.Sprintf("%d more notices about your webhooks", held.Count)
	s.Lines = []string{fmt.Sprintf("There were more than %d notices within an hour. These were not sent one by one:", domain.MaxMails)}
	for _, t := range held.Turns {
		title, _ := x.tellTurn(t)
		s.Lines = append(s.Lines, t.At.UTC().Format(time.RFC3339)+" "+title)
	}
	if more := held.Count - len(held.Turns); more > 0 {
		s.Lines = append(s.Lines, fmt.Sprintf("… and %d more.", more))
	}
}

// nameOf names a subscription for people: by its name, or by its URL's host. Paths and queries may hold secrets.
func (x *Notices) nameOf(id domain.SubscriptionID) string {
	s, ok := x.Fold.Subscription(id)
	if ok && s.Name != "" {
		return plain(s.Name)
	}
	if u, err := url.Parse(s.URL); ok && err == nil && u.Host != "" {
		return plain(u.Host)
	}
	return id.String()
}

// maxPlain is the most characters of a text that others chose.
const maxPlain = 100

// plain makes a text that others chose fit for a line and a header: no control or formatting characters, not endless.
func plain(s string) string {
	s = strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "\uFFFD"), func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) }), " ")
	s = strings.Map(func(r rune) rune {
		if unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) {
			return -1
		}
		return r
	}, s)
	if runes := []rune(s); len(runes) > maxPlain {
		s = string(runes[:maxPlain]) + "…"
	}
	return s
}
