package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"
)

func (p *program) deliveriesCommand() *cobra.Command {
	return group("deliveries", "Deliveries: the history of one", p.deliveriesShow())
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

// delivery shows the history of one.
func (s show) delivery(raw json.RawMessage) error { return s.raw(raw) }
