package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func (p *program) deliveriesCommand() *cobra.Command {
	return group("deliveries", "Deliveries: list a subscription's, show the history of one, attempt one again",
		p.deliveriesList(), p.deliveriesShow(), p.deliveriesRedeliver())
}

func (p *program) deliveriesShow() *cobra.Command {
	c := &cobra.Command{Use: "show DELIVERY", Short: "Show the whole history of a delivery", Args: arguments("DELIVERY (del_…)")}
	return p.clientCommand(c, func(ctx context.Context, c *client, args []string, s show) error {
		var raw json.RawMessage
		if err := c.do(ctx, http.MethodGet, "/api/v1/deliveries/"+url.PathEscape(args[0]), nil, &raw); err != nil {
			return err
		}
		return s.delivery(raw)
	})
}

// delivery is what the server says of one, with everything that was recorded of it.
type delivery struct {
	ID             string         `json:"id"`
	SubscriptionID string         `json:"subscription_id"`
	EventID        string         `json:"event_id"`
	EventType      string         `json:"event_type"`
	Status         string         `json:"status"`
	NextAttemptAt  string         `json:"next_attempt_at"`
	CancelledBy    string         `json:"cancelled_by"`
	Ends           []deliveryEnd  `json:"ends"`
	History        []deliveryFact `json:"history"`
}

type deliveryFact struct {
	Position      string    `json:"position"`
	Type          string    `json:"type"`
	At            string    `json:"at"`
	Attempt       int       `json:"attempt"`
	NextAttemptAt string    `json:"next_attempt_at"`
	DueAt         string    `json:"due_at"`
	Dead          bool      `json:"dead"`
	Why           *delayWhy `json:"why"`
	Delay         *struct {
		Scheduled  string `json:"scheduled"`
		Jitter     string `json:"jitter"`
		RetryAfter string `json:"retry_after"`
	} `json:"delay"`
	Request *struct {
		TookMicros int64  `json:"took_us"`
		HTTPStatus int    `json:"http_status"`
		Reason     string `json:"reason"`
	} `json:"request"`
}

// delayWhy is why a wait was what it was.
type delayWhy struct {
	Profile  string   `json:"profile"`
	Schedule []string `json:"schedule"`
	From     string   `json:"schedule_from"`
	Place    int      `json:"place"`
	Wait     string   `json:"wait"`
	Granted  string   `json:"retry_after_granted"`
}

// deliveryEnd is why a round ended.
type deliveryEnd struct {
	Round int    `json:"round"`
	Why   string `json:"why"`
	By    struct {
		Position string `json:"position"`
		Type     string `json:"type"`
	} `json:"by"`
	Reason string `json:"reason"`
}

// delivery shows how a delivery stands and what happened to it, oldest first.
func (s show) delivery(raw json.RawMessage) error {
	if s.json {
		return s.raw(raw)
	}
	var d delivery
	if err := json.Unmarshal(raw, &d); err != nil {
		return fmt.Errorf("the server's answer is not a delivery: %w", err)
	}
	err := s.one(raw, [][2]string{{"delivery", d.ID}, {"event", d.EventID}, {"type", d.EventType}, {"subscription", d.SubscriptionID},
		{"status", d.Status}, {"next attempt", d.NextAttemptAt}, {"cancelled by", d.CancelledBy}})
	if err != nil {
		return err
	}
	for _, e := range d.Ends {
		if err := s.line("round %d ended: %s", e.Round, e.story()); err != nil {
			return err
		}
	}
	rows := make([][]string, len(d.History))
	for i, f := range d.History {
		rows[i] = []string{f.At, f.Position, f.name(), f.attempt(), f.story()}
	}
	if _, err := fmt.Fprintln(s.out); err != nil {
		return err
	}
	return s.list(nil, "AT POSITION FACT ATTEMPT WHAT", rows)
}

// name is the fact's type without the prefix that all have.
func (f deliveryFact) name() string { return strings.TrimPrefix(f.Type, "hooklog.") }

func (f deliveryFact) attempt() string {
	if f.Attempt == 0 {
		return "-"
	}
	return strconv.Itoa(f.Attempt)
}

// story is what came of it, in words.
func (f deliveryFact) story() string {
	var words []string
	if r := f.Request; r != nil {
		words = append(words, (time.Duration(r.TookMicros) * time.Microsecond).String())
		if r.HTTPStatus != 0 {
			words = append(words, fmt.Sprintf("answered %d", r.HTTPStatus))
		}
		if r.Reason != "" {
			words = append(words, r.Reason)
		}
	}
	switch {
	case f.Dead:
		words = append(words, "dead")
	case f.NextAttemptAt != "":
		words = append(words, "next at "+f.NextAttemptAt+f.wait())
	case f.DueAt != "":
		words = append(words, "due since "+f.DueAt)
	}
	return strings.Join(words, ", ")
}

// wait says why a delivery waits as long as it does; empty if that is not known.
func (f deliveryFact) wait() string {
	if f.Why == nil || f.Delay == nil || f.Why.Wait == "" {
		return ""
	}
	why := fmt.Sprintf(" (delay %d of %d of the %s's schedule: %s", f.Why.Place, len(f.Why.Schedule), f.Why.From, f.Delay.Scheduled)
	switch {
	case f.Why.Granted != "":
		why += fmt.Sprintf("; Retry-After %s, granted %s", f.Delay.RetryAfter, f.Why.Granted)
	case f.Delay.Jitter != "":
		why += " and jitter " + f.Delay.Jitter
	}
	return why + ")"
}

// story says why a round ended, and by which fact.
func (e deliveryEnd) story() string {
	words := e.Why + " by " + strings.TrimPrefix(e.By.Type, "hooklog.") + " at " + e.By.Position
	if e.Reason != "" {
		words += ", " + e.Reason
	}
	return words
}
