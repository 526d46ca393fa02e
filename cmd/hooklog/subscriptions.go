package main

import (
	"context"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// subscription is what the partner API says of one; it calls it a webhook.
type subscription struct {
	ID                  string   `json:"id"`
	OrganizationID      string   `json:"organization_id"`
	URL                 string   `json:"url"`
	Events              []string `json:"events"`
	Active              bool     `json:"active"`
	AutoDisabledAt      string   `json:"auto_disabled_at"`
	ConsecutiveFailures int      `json:"consecutive_failures"`
	CreatedAt           string   `json:"created_at"`
	Secret              string   `json:"secret"`
}

// state is the subscription's state in a word.
func (s subscription) state() string {
	switch {
	case s.Active:
		return "active"
	case s.AutoDisabledAt != "":
		return "disabled by failures"
	}
	return "disabled"
}

const webhooksPath = "/api/v1/partner/webhooks"

func (p *program) subscriptionsCommand() *cobra.Command {
	return group("subscriptions", "Subscriptions: create, list, show, change, recover and explain an organization's",
		p.subscriptionsCreate(), p.subscriptionsList(), p.subscriptionsShow(), p.subscriptionsUpdate(),
		p.subscriptionsToggle("enable", "Start a disabled subscription again, with no failures counted", true),
		p.subscriptionsToggle("disable", "Stop a subscription; pending deliveries are cancelled", false),
		p.subscriptionsDelete(), p.subscriptionsTest(), p.subscriptionsRotate(), p.subscriptionsRecover(), p.subscriptionsRecovery(),
		p.subscriptionsHistory(), p.subscriptionsExplain())
}

func (p *program) subscriptionsList() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List an organization's subscriptions, newest first", Args: noArguments}
	org := c.Flags().String("org", "", "`ORGANIZATION`, by slug or id; a partner key has its own")
	return p.clientCommand(c, func(ctx context.Context, c *client, _ []string, s show) error {
		path := withQuery(webhooksPath, "organization", *org)
		return listOf(ctx, c, s, path, "ID STATE FAILURES URL EVENTS CREATED", func(w subscription) []string {
			return []string{w.ID, w.state(), strconv.Itoa(w.ConsecutiveFailures), w.URL, strings.Join(w.Events, ","), w.CreatedAt}
		})
	})
}
