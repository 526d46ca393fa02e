package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/hooklog/hooklog/sealing"
)

// quickstart is what the first steps on a server make: an organization, a partner key, an event type, a subscription.
type quickstart struct {
	slug, name    string
	eventType     string
	target        string
	retrySchedule []string
}

// started is what came of them.
type started struct {
	organization organization
	// partner manages the organization's subscriptions with its own key.
	partner      *client
	subscription subscription
}

// quickData is the data of the event that the first steps publish.
const quickData = `{"order":"A-1001","total":"42.50","note":"Grüße & <thanks>"}`

// begin registers the organization and makes everything in it. operator may do that.
func (q quickstart) begin(ctx context.Context, operator *client) (started, error) {
	var s started
	ask := newOrganization{Slug: q.slug, Name: q.name, Profile: "vantageclaw", RetrySchedule: q.retrySchedule}
	if err := operator.do(ctx, http.MethodPost, "/api/v1/organizations", ask, &s.organization); err != nil {
		return s, err
	}
	var key apiKey
	if err := operator.do(ctx, http.MethodPost, keysPath(q.slug), newKey{Scopes: []string{"webhooks:manage"}, Mode: "test"}, &key); err != nil {
		return s, err
	}
	define := eventType{Name: q.eventType, Description: "An order was paid"}
	if err := operator.do(ctx, http.MethodPost, organizationPath(q.slug, "event-types"), define, nil); err != nil {
		return s, err
	}
	partner := *operator
	partner.key = sealing.NewSecret(key.Key)
	s.partner = &partner
	subscribe := struct {
		URL    string   `json:"url"`
		Events []string `json:"events"`
	}{q.target, []string{q.eventType}}
	return s, s.partner.do(ctx, http.MethodPost, webhooksPath, subscribe, &s.subscription)
}

// publish publishes one event to the organization.
func (q quickstart) publish(ctx context.Context, platform *client) (published, error) {
	var a published
	e := event{Type: q.eventType, Data: json.RawMessage(quickData)}
	err := platform.do(ctx, http.MethodPost, organizationPath(q.slug, "events"), e, &a)
	return a, err
}

func (p *program) quickstartCommand() *cobra.Command {
	q := quickstart{eventType: "order.paid"}
	c := &cobra.Command{Use: "quickstart", Short: "Take the first steps on a running server, showing each call", Args: noArguments,
		Long: "Register an organization, issue it a key, define an event type, subscribe and publish one event, on a running\n" +
			"server, printing each call and its answer. Needs an operator key: HOOKLOG_KEY, or operator.key of --data.",
		Example: "  hooklog quickstart --url http://127.0.0.1:8080 --receiver https://example.com/webhooks"}
	c.Flags().StringVar(&q.slug, "slug", "quickstart", "`SLUG` of the organization")
	c.Flags().StringVar(&q.target, "receiver", "https://example.com/webhooks", "`URL` that gets the event; give one of yours")
	return p.clientCommand(c, func(ctx context.Context, operator *client, _ []string, s show) error {
		q.name = q.slug
		if s.json {
			return q.listed(ctx, operator, s)
		}
		return q.told(ctx, operator, s)
	})
}

// told takes the steps and tells people of each as it is done.
func (q quickstart) told(ctx context.Context, operator *client, s show) error {
	own := operator.key
	operator.trace = func(c *client, k call, a answer) {
		name := "HOOKLOG_KEY"
		if !c.key.Equal(own) {
			name = "PARTNER_KEY"
		}
		fmt.Fprintf(s.out, "$ %s\n%s\n\n", curl(c.base.String(), `"Authorization: Bearer $`+name+`"`, k), indented(a))
	}
	made, err := q.begin(ctx, operator)
	if err != nil {
		return err
	}
	a, err := q.publish(ctx, operator)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.out, "HOOKLOG_KEY is your operator key, PARTNER_KEY the one issued above.\n"+
		"%s is on its way to %s, signed with the secret shown above. Where it stands:\n  hooklog subscriptions list --org %s --url %s\n",
		a.EventID, printable(made.subscription.URL), q.slug, operator.base)
	return err
}

// step is a call and its answer, for programs.
type step struct {
	Method string          `json:"method"`
	Path   string          `json:"path"`
	Body   json.RawMessage `json:"body"`
	Status int             `json:"status"`
	Answer json.RawMessage `json:"answer"`
}

// listed takes the steps and lists them all for a program; those taken before one that fails, too.
func (q quickstart) listed(ctx context.Context, operator *client, s show) error {
	steps := []step{}
	operator.trace = func(_ *client, k call, a answer) {
		steps = append(steps, step{k.method, k.path, k.body, a.status, a.body})
	}
	_, failed := q.begin(ctx, operator)
	if failed == nil {
		_, failed = q.publish(ctx, operator)
	}
	raw, err := encodeJSON(steps)
	if err == nil {
		err = s.raw(raw)
	}
	return errors.Join(failed, err)
}

// curl writes a call as a shell would make it. authorization is a shell word.
func curl(base, authorization string, k call) string {
	var b strings.Builder
	b.WriteString("curl -sS ")
	if k.method != http.MethodGet {
		b.WriteString("-X " + k.method + " ")
	}
	b.WriteString(quoted(base+k.path) + " -H " + authorization)
	if k.body != nil {
		b.WriteString(" -H 'Content-Type: application/json' -d " + quoted(string(k.body)))
	}
	return b.String()
}

// quoted writes a word as a shell reads it back.
func quoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// indented writes an answer for people.
func indented(a answer) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s", a.status, http.StatusText(a.status))
	var v json.RawMessage
	if json.Unmarshal(a.body, &v) == nil {
		b.WriteByte('\n')
		if err := (show{out: &b}).raw(v); err != nil {
			return b.String()
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}
