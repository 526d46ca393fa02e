package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/spf13/cobra"
)

// subscriptionReasons is why a subscription stands as it does.
type subscriptionReasons struct {
	Status   string `json:"status"`
	Profile  string `json:"profile"`
	Disables struct {
		Consecutive int    `json:"consecutive_failures"`
		FailingFor  string `json:"failing_for"`
	} `json:"disables"`
	Failures int `json:"consecutive_failures"`
	Disabled *struct {
		Position string `json:"position"`
		At       string `json:"at"`
		Actor    string `json:"actor"`
		By       string `json:"by"`
		Reason   string `json:"reason"`
		Cause    string `json:"caused_by"`
	} `json:"disabled"`
	Counted []countedFailure `json:"failures"`
	Next    string           `json:"next_cursor"`
}

type countedFailure struct {
	Position string `json:"position"`
	At       string `json:"at"`
	Delivery string `json:"delivery_id"`
	Attempt  int    `json:"attempt"`
	Reason   string `json:"reason"`
}

func (p *program) subscriptionsExplain() *cobra.Command {
	c := &cobra.Command{Use: "explain SUBSCRIPTION", Short: "Show which failures were counted, and which fact disabled a subscription",
		Args: arguments("SUBSCRIPTION (wh_…)")}
	org, at := c.Flags().String("org", "", partnersOrganization), momentFlag(c)
	return p.clientCommand(c, func(ctx context.Context, c *client, args []string, s show) error {
		path := withQuery(webhookPath(args[0], *org, *at, "explanation"), "limit", "200")
		var raw json.RawMessage
		if err := c.do(ctx, http.MethodGet, path, nil, &raw); err != nil {
			return err
		}
		return s.reasons(raw)
	})
}

// reasons shows why a subscription stands as it does: the first 200 failures that were counted.
func (s show) reasons(raw json.RawMessage) error {
	if s.json {
		return s.raw(raw)
	}
	var r subscriptionReasons
	if err := json.Unmarshal(raw, &r); err != nil {
		return fmt.Errorf("the server's answer is no explanation: %w", err)
	}
	lines := [][2]string{{"status", r.Status}, {"profile", r.Profile}, {"failures in a row", strconv.Itoa(r.Failures)}}
	if n := r.Disables.Consecutive; n > 0 {
		lines = append(lines, [2]string{"disabled at", fmt.Sprintf("%d failures in a row", n)})
	}
	if r.Disables.FailingFor != "" {
		lines = append(lines, [2]string{"disabled after", r.Disables.FailingFor + " without a success"})
	}
	if d := r.Disabled; d != nil {
		lines = append(lines, [2]string{"disabled", d.At + " by " + d.By}, [2]string{"position", d.Position}, [2]string{"actor", d.Actor},
			[2]string{"reason", d.Reason}, [2]string{"caused by", d.Cause})
	}
	if err := s.one(raw, lines); err != nil || len(r.Counted) == 0 {
		return err
	}
	rows := make([][]string, len(r.Counted))
	for i, f := range r.Counted {
		rows[i] = []string{f.At, f.Position, f.Delivery, strconv.Itoa(f.Attempt), f.Reason}
	}
	if _, err := fmt.Fprintln(s.out); err != nil {
		return err
	}
	if err := s.list(nil, "AT POSITION DELIVERY ATTEMPT REASON", rows); err != nil {
		return err
	}
	if r.Next != "" {
		return s.line("… and more: these are the first %d", len(r.Counted))
	}
	return nil
}
