package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

// event is a message as a platform publishes it.
type event struct {
	Type       string          `json:"type"`
	Data       json.RawMessage `json:"data"`
	ID         string          `json:"id,omitempty"`
	Client     string          `json:"client,omitempty"`
	OccurredAt string          `json:"occurred_at,omitempty"`
}

// published is what the server answers to it.
type published struct {
	EventID    string `json:"event_id"`
	Position   string `json:"position"`
	Deliveries int    `json:"deliveries"`
}

func (p *program) eventsCommand() *cobra.Command {
	return group("events", "Events: publish and explain one", p.eventsPublish(), p.eventsExplain())
}

func (p *program) eventsPublish() *cobra.Command {
	var ask event
	c := &cobra.Command{Use: "publish TYPE DATA", Short: "Publish an event to an organization's subscriptions", Args: arguments("TYPE", "DATA"),
		Long: "Publish an event. DATA is a JSON object, @FILE to read it from a file, or - to read it from standard input.",
		Example: "  hooklog events publish order.paid '{\"order\":\"A-1\"}' --org acme\n" +
			"  hooklog events publish order.paid @order.json --org acme --id order-A-1-paid"}
	org := organizationFlag(c)
	c.Flags().StringVar(&ask.ID, "id", "", "your own `ID`, which makes a repetition harmless for ever")
	c.Flags().StringVar(&ask.Client, "client", "", "`FOLDER` of the organization that the event is of")
	c.Flags().StringVar(&ask.OccurredAt, "occurred-at", "", "`TIME` at which it happened (RFC 3339); now if empty")
	return p.clientCommand(c, func(ctx context.Context, c *client, args []string, s show) error {
		ask.Type = args[0]
		var err error
		if ask.Data, err = readData(args[1], p.in); err != nil {
			return err
		}
		var raw json.RawMessage
		if err := c.do(ctx, http.MethodPost, organizationPath(*org, "events"), ask, &raw); err != nil {
			return err
		}
		var a published
		if err := json.Unmarshal(raw, &a); err != nil {
			return err
		}
		return s.one(raw, [][2]string{{"event", a.EventID}, {"position", a.Position}, {"deliveries", strconv.Itoa(a.Deliveries)}})
	})
}

// readData finds the JSON that an argument gives, names a file of, or leaves to standard input.
func readData(argument string, stdin io.Reader) (json.RawMessage, error) {
	content := []byte(argument)
	var err error
	if name, ok := strings.CutPrefix(argument, "@"); ok {
		content, err = os.ReadFile(name)
	} else if argument == "-" {
		content, err = io.ReadAll(stdin)
	}
	if err != nil {
		return nil, fmt.Errorf("read the event's data: %w", err)
	}
	if !json.Valid(content) {
		return nil, usage("the event's data is not JSON")
	}
	return content, nil
}
