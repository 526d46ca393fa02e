package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// eventOutcome is what became of an event for one subscription.
type eventOutcome struct {
	Subscription string `json:"subscription_id"`
	Delivery     string `json:"id"`
	Status       string `json:"status"`
	Attempts     int    `json:"attempts"`
	EndedAt      string `json:"ended_at"`
	EndedBy      string `json:"ended_by"`
	CancelledBy  string `json:"cancelled_by"`
	Why          string `json:"why"`
	Last         *struct {
		At     string `json:"at"`
		Status int    `json:"http_status"`
		Reason string `json:"reason"`
	} `json:"last_attempt"`
}

// explainedEvent is a page of what became of an event.
type explainedEvent struct {
	ID          string            `json:"event_id"`
	Type        string            `json:"type"`
	Client      string            `json:"client"`
	PublishedAt string            `json:"published_at"`
	Position    string            `json:"position"`
	NotAsking   int               `json:"not_asking"`
	Deliveries  []json.RawMessage `json:"deliveries"`
	Withheld    []json.RawMessage `json:"withheld"`
	Next        string            `json:"next_cursor"`
}

func (p *program) eventsExplain() *cobra.Command {
	c := &cobra.Command{Use: "explain EVENT", Short: "Show who asked for an event and what became of it", Args: arguments("EVENT (evt_…)"),
		Long: "Show who gets an event, what became of each delivery, and who asked for its type and gets nothing, and why.\n" +
			"With --at it is matched as of that moment instead of its own place in the log."}
	org, at := organizationFlag(c), momentFlag(c)
	return p.clientCommand(c, func(ctx context.Context, c *client, args []string, s show) error {
		path := withQuery(withQuery(organizationPath(*org, "events", args[0]), "at", *at), "limit", "200")
		var whole explainedEvent
		for cursor := ""; ; {
			var page explainedEvent
			if err := c.do(ctx, http.MethodGet, withQuery(path, "cursor", cursor), nil, &page); err != nil {
				return err
			}
			page.Deliveries, page.Withheld = append(whole.Deliveries, page.Deliveries...), append(whole.Withheld, page.Withheld...)
			if whole = page; page.Next == "" || page.Next == cursor {
				return s.event(whole)
			}
			cursor = page.Next
		}
	})
}

func (s show) event(e explainedEvent) error {
	raw, err := encodeJSON(e)
	if err != nil {
		return err
	}
	if s.json {
		return s.raw(raw)
	}
	err = s.one(raw, [][2]string{{"event", e.ID}, {"type", e.Type}, {"client", e.Client}, {"published", e.PublishedAt}, {"position", e.Position},
		{"not asking", strconv.Itoa(e.NotAsking)}})
	if err != nil {
		return err
	}
	var rows [][]string
	for _, item := range append(e.Deliveries[:len(e.Deliveries):len(e.Deliveries)], e.Withheld...) {
		var o eventOutcome
		if err := json.Unmarshal(item, &o); err != nil {
			return fmt.Errorf("the server's answer is no explanation: %w", err)
		}
		rows = append(rows, o.row())
	}
	if len(rows) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(s.out); err != nil {
		return err
	}
	return s.list(nil, "SUBSCRIPTION DELIVERY STATUS ATTEMPTS WHAT", rows)
}

func (o eventOutcome) row() []string {
	if o.Why != "" {
		return []string{o.Subscription, "-", "withheld", "-", o.Why}
	}
	var words []string
	if o.Last != nil {
		words = append(words, "last at "+o.Last.At)
		if o.Last.Status != 0 {
			words = append(words, fmt.Sprintf("answered %d", o.Last.Status))
		}
		if o.Last.Reason != "" {
			words = append(words, o.Last.Reason)
		}
	}
	for _, w := range []string{o.EndedBy, o.CancelledBy} {
		if w != "" {
			words = append(words, w)
		}
	}
	return []string{o.Subscription, o.Delivery, o.Status, strconv.Itoa(o.Attempts), dashed(strings.Join(words, ", "))}
}

// eventGetter is a subscription that asks for an event type.
type eventGetter struct {
	Subscription string   `json:"subscription_id"`
	URL          string   `json:"url"`
	Asks         []string `json:"asks"`
	Why          string   `json:"why"`
}

func (p *program) eventTypesSubscribers() *cobra.Command {
	c := &cobra.Command{Use: "subscribers TYPE", Short: "Show who would get an event of a type, who would not, and why", Args: arguments("TYPE")}
	org, at := organizationFlag(c), momentFlag(c)
	folder := c.Flags().String("client", "", "`FOLDER` of the organization that the event would be of")
	return p.clientCommand(c, func(ctx context.Context, c *client, args []string, s show) error {
		path := withQuery(organizationPath(*org, "event-types", args[0], "subscribers"), "client", *folder)
		items, err := c.getters(ctx, withQuery(withQuery(path, "at", *at), "limit", "200"))
		if err != nil {
			return err
		}
		rows := make([][]string, len(items))
		for i, item := range items {
			var g eventGetter
			if err := json.Unmarshal(item, &g); err != nil {
				return fmt.Errorf("item %d is not what was expected: %w", i, err)
			}
			rows[i] = []string{g.Subscription, strings.Join(g.Asks, ","), dashed(g.Why), g.URL}
		}
		return s.list(items, "SUBSCRIPTION ASKS WITHHELD URL", rows)
	})
}

// getters fetches all pages of who asks for an event type.
func (c *client) getters(ctx context.Context, path string) (all []json.RawMessage, err error) {
	for cursor := ""; ; {
		var page struct {
			Subscribers []json.RawMessage `json:"subscribers"`
			Withheld    []json.RawMessage `json:"withheld"`
			Next        string            `json:"next_cursor"`
		}
		if err := c.do(ctx, http.MethodGet, withQuery(path, "cursor", cursor), nil, &page); err != nil {
			return nil, err
		}
		all = append(append(all, page.Subscribers...), page.Withheld...)
		if page.Next == "" || page.Next == cursor {
			return all, nil
		}
		cursor = page.Next
	}
}
