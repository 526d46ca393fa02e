package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// momentFlag lets a command ask about the past.
func momentFlag(c *cobra.Command) *string {
	return c.Flags().String("at", "", "`MOMENT` to ask about, a time (RFC 3339) or a position of the log; now if empty")
}

// webhookPath is the path of a subscription of an organization, or of something that belongs to it.
func webhookPath(id, org, at string, more ...string) string {
	path := "/api/v1/webhooks/" + url.PathEscape(id)
	for _, m := range more {
		path += "/" + m
	}
	return withQuery(withQuery(path, "organization", org), "at", at)
}

const partnersOrganization = "`ORGANIZATION`, by slug or id; a partner key has its own"

// managedSubscription is what the management API says of one.
type managedSubscription struct {
	ID            string   `json:"id"`
	URL           string   `json:"url"`
	Events        []string `json:"events"`
	Clients       []string `json:"clients"`
	Name          string   `json:"name"`
	RetrySchedule []string `json:"retry_schedule"`
	Timeout       string   `json:"timeout"`
	RateLimit     string   `json:"rate_limit"`
	HeaderNames   []string `json:"header_names"`
	Email         string   `json:"email"`
	Status        string   `json:"status"`
	DisabledBy    string   `json:"disabled_by"`
	DisabledAt    string   `json:"disabled_at"`
	Failures      int      `json:"consecutive_failures"`
	CreatedAt     string   `json:"created_at"`
	Recent        []struct {
		ID        string `json:"id"`
		EventID   string `json:"event_id"`
		EventType string `json:"event_type"`
		Status    string `json:"status"`
		Code      int    `json:"response_code"`
		Timestamp string `json:"timestamp"`
	} `json:"recent_deliveries"`
}

func (p *program) subscriptionsShow() *cobra.Command {
	c := &cobra.Command{Use: "show SUBSCRIPTION", Short: "Show a subscription with its latest deliveries, now or as of a moment",
		Args: arguments("SUBSCRIPTION (wh_…)")}
	org, at := c.Flags().String("org", "", partnersOrganization), momentFlag(c)
	return p.clientCommand(c, func(ctx context.Context, c *client, args []string, s show) error {
		var raw json.RawMessage
		if err := c.do(ctx, http.MethodGet, webhookPath(args[0], *org, *at), nil, &raw); err != nil {
			return err
		}
		return s.subscription(raw)
	})
}

func (s show) subscription(raw json.RawMessage) error {
	if s.json {
		return s.raw(raw)
	}
	var w managedSubscription
	if err := json.Unmarshal(raw, &w); err != nil {
		return fmt.Errorf("the server's answer is not a subscription: %w", err)
	}
	err := s.one(raw, [][2]string{{"subscription", w.ID}, {"name", w.Name}, {"url", w.URL}, {"events", strings.Join(w.Events, " ")},
		{"clients", strings.Join(w.Clients, " ")}, {"retry schedule", strings.Join(w.RetrySchedule, " ")}, {"timeout", w.Timeout},
		{"rate limit", w.RateLimit}, {"headers", strings.Join(w.HeaderNames, " ")}, {"email", w.Email},
		{"status", w.Status}, {"disabled by", w.DisabledBy}, {"disabled at", w.DisabledAt}, {"failures in a row", strconv.Itoa(w.Failures)},
		{"created", w.CreatedAt}})
	if err != nil || len(w.Recent) == 0 {
		return err
	}
	rows := make([][]string, len(w.Recent))
	for i, d := range w.Recent {
		rows[i] = []string{d.Timestamp, d.ID, d.EventType, d.Status, number0(d.Code)}
	}
	if _, err := fmt.Fprintln(s.out); err != nil {
		return err
	}
	return s.list(nil, "AT DELIVERY TYPE STATUS ANSWER", rows)
}

// number0 shows a number; nothing to show is a dash.
func number0(n int) string {
	if n == 0 {
		return "-"
	}
	return strconv.Itoa(n)
}
