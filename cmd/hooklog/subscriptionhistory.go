package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// subscriptionChange is one fact of a subscription's history.
type subscriptionChange struct {
	Position string `json:"position"`
	Type     string `json:"type"`
	At       string `json:"at"`
	Actor    string `json:"actor"`
	Request  string `json:"request_id"`
	Reason   string `json:"reason"`
	Changes  []struct {
		Member string `json:"member"`
		Before any    `json:"before"`
		After  any    `json:"after"`
		Kept   string `json:"kept"`
	} `json:"changes"`
}

func (p *program) subscriptionsHistory() *cobra.Command {
	c := &cobra.Command{Use: "history SUBSCRIPTION", Short: "Show every change of a subscription, newest first; of a deleted one, too",
		Args: arguments("SUBSCRIPTION (wh_…)")}
	org := c.Flags().String("org", "", partnersOrganization)
	return p.clientCommand(c, func(ctx context.Context, c *client, args []string, s show) error {
		return listOf(ctx, c, s, webhookPath(args[0], *org, "", "history"), "AT POSITION FACT BY REQUEST WHAT", func(f subscriptionChange) []string {
			return []string{f.At, f.Position, strings.TrimPrefix(f.Type, "hooklog."), dashed(f.Actor), dashed(f.Request), f.story()}
		})
	})
}

func dashed(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// story tells the changes in one line.
func (f subscriptionChange) story() string {
	var words []string
	if f.Reason != "" {
		words = append(words, f.Reason)
	}
	for _, c := range f.Changes {
		if c.Kept != "" {
			words = append(words, c.Member+" "+c.Kept)
			continue
		}
		words = append(words, fmt.Sprintf("%s: %s → %s", c.Member, spelled(c.Before), spelled(c.After)))
	}
	return strings.Join(words, "; ")
}

// spelled is a member's value for people; what is not set is a dash.
func spelled(v any) string {
	switch v := v.(type) {
	case nil:
		return "-"
	case string:
		return v
	case []any:
		parts := make([]string, len(v))
		for i, part := range v {
			parts[i] = spelled(part)
		}
		return "[" + strings.Join(parts, " ") + "]"
	}
	return fmt.Sprint(v)
}
