package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// recovery is what the server says of one.
type recovery struct {
	ID          string `json:"id"`
	Status      string `json:"status"`
	StoppedBy   string `json:"stopped_by"`
	Deliveries  int    `json:"deliveries"`
	Redelivered int    `json:"redelivered"`
	PassedOver  int    `json:"passed_over"`
	CreatedAt   string `json:"created_at"`
	EndedAt     string `json:"ended_at"`
}

func (p *program) subscriptionsRecover() *cobra.Command {
	ask := struct {
		From   string `json:"from"`
		To     string `json:"to"`
		Status string `json:"status,omitempty"`
		DryRun bool   `json:"dry_run,omitempty"`
	}{}
	c := &cobra.Command{Use: "recover SUBSCRIPTION", Short: "Redeliver all that was published in a range of time and ended without success",
		Args:    arguments("SUBSCRIPTION (wh_…)"),
		Example: "  hooklog subscriptions recover wh_… --org acme --from 2026-05-23T00:00:00Z --to 2026-05-24T00:00:00Z --dry-run"}
	org := c.Flags().String("org", "", partnersOrganization)
	c.Flags().StringVar(&ask.From, "from", "", "`TIME` from which on (RFC 3339)")
	c.Flags().StringVar(&ask.To, "to", "", "`TIME` up to which (RFC 3339)")
	c.Flags().StringVar(&ask.Status, "status", "", "`STATUS` of what is redelivered: dead_letter, cancelled or success; the first two if empty")
	c.Flags().BoolVar(&ask.DryRun, "dry-run", false, "only count")
	return p.clientCommand(c, func(ctx context.Context, c *client, args []string, s show) error {
		var raw json.RawMessage
		if err := c.do(ctx, http.MethodPost, webhookPath(args[0], *org, "", "recover"), ask, &raw); err != nil {
			return err
		}
		var r recovery
		if err := json.Unmarshal(raw, &r); err != nil {
			return err
		}
		return s.one(raw, [][2]string{{"recovery", r.ID}, {"deliveries", strconv.Itoa(r.Deliveries)}})
	})
}

func (p *program) subscriptionsRecovery() *cobra.Command {
	c := &cobra.Command{Use: "recovery SUBSCRIPTION RECOVERY", Short: "Show how far a recovery has come", Args: arguments("SUBSCRIPTION (wh_…)", "RECOVERY (rec_…)")}
	org := c.Flags().String("org", "", partnersOrganization)
	return p.clientCommand(c, func(ctx context.Context, c *client, args []string, s show) error {
		var raw json.RawMessage
		if err := c.do(ctx, http.MethodGet, webhookPath(args[0], *org, "", "recoveries", url.PathEscape(args[1])), nil, &raw); err != nil {
			return err
		}
		var r recovery
		if err := json.Unmarshal(raw, &r); err != nil {
			return err
		}
		return s.one(raw, [][2]string{{"recovery", r.ID}, {"status", r.Status}, {"stopped by", r.StoppedBy}, {"deliveries", strconv.Itoa(r.Deliveries)},
			{"redelivered", strconv.Itoa(r.Redelivered)}, {"passed over", strconv.Itoa(r.PassedOver)}, {"asked for", r.CreatedAt}, {"ended", r.EndedAt}})
	})
}

// listedDelivery is a delivery in a subscription's list.
type listedDelivery struct {
	ID           string `json:"id"`
	EventID      string `json:"event_id"`
	EventType    string `json:"event_type"`
	Status       string `json:"status"`
	ResponseCode int    `json:"response_code"`
	Timestamp    string `json:"timestamp"`
	Attempts     []struct {
		Reason string `json:"reason"`
	} `json:"attempts"`
}

// reason is why the last attempt failed, if it did.
func (d listedDelivery) reason() string {
	if len(d.Attempts) == 0 {
		return ""
	}
	return d.Attempts[len(d.Attempts)-1].Reason
}

func (p *program) deliveriesList() *cobra.Command {
	c := &cobra.Command{Use: "list SUBSCRIPTION", Short: "List a subscription's deliveries, newest first", Args: arguments("SUBSCRIPTION (wh_…)")}
	org := c.Flags().String("org", "", partnersOrganization)
	filters := map[string]*string{
		"status":     c.Flags().String("status", "", "`STATUS`: pending, failed, success, dead_letter or cancelled"),
		"event_type": c.Flags().String("event-type", "", "`TYPE` of event"),
		"from":       c.Flags().String("from", "", "`TIME` of publishing from which on (RFC 3339)"),
		"to":         c.Flags().String("to", "", "`TIME` of publishing up to which (RFC 3339)"),
	}
	return p.clientCommand(c, func(ctx context.Context, c *client, args []string, s show) error {
		path := webhookPath(args[0], *org, "", "deliveries")
		for name, value := range filters {
			path = withQuery(path, name, *value)
		}
		return listOf(ctx, c, s, path, "AT DELIVERY EVENT TYPE STATUS ATTEMPTS CODE REASON", func(d listedDelivery) []string {
			return []string{d.Timestamp, d.ID, d.EventID, d.EventType, d.Status, strconv.Itoa(len(d.Attempts)), number0(d.ResponseCode), d.reason()}
		})
	})
}

func (p *program) deliveriesRedeliver() *cobra.Command {
	c := &cobra.Command{Use: "redeliver DELIVERY", Short: "Attempt a delivery that has ended again", Args: arguments("DELIVERY (del_…)")}
	org := c.Flags().String("org", "", partnersOrganization)
	return p.clientCommand(c, func(ctx context.Context, c *client, args []string, s show) error {
		var raw json.RawMessage
		path := withQuery("/api/v1/deliveries/"+url.PathEscape(args[0])+"/redeliver", "organization", *org)
		if err := c.do(ctx, http.MethodPost, path, nil, &raw); err != nil {
			return err
		}
		var a struct {
			ID    string `json:"id"`
			Round int    `json:"round"`
		}
		if err := json.Unmarshal(raw, &a); err != nil {
			return err
		}
		return s.one(raw, [][2]string{{"delivery", a.ID}, {"round", strconv.Itoa(a.Round)}})
	})
}

// readSecretFile reads a secret without the line break that editors add.
func readSecretFile(name string) (string, error) {
	content, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("read the secret: %w", err)
	}
	return strings.TrimRight(string(content), "\r\n"), nil
}
