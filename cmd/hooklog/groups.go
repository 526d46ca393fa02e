package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"github.com/spf13/cobra"
)

const groupsPath = "/api/v1/groups"

// consumerGroup is what the server says of one.
type consumerGroup struct {
	Name       string  `json:"name"`
	Own        bool    `json:"own"`
	Checkpoint string  `json:"checkpoint"`
	LastKnown  string  `json:"last_known"`
	Behind     *uint64 `json:"behind"`
	InFlight   int     `json:"in_flight"`
	Parked     int     `json:"parked"`
	Consumers  int     `json:"consumers"`
}

func (p *program) groupsCommand() *cobra.Command {
	return group("groups", "Consumer groups of the log: how they stand, and what they set aside", p.groupsList(), p.groupsReplay())
}

func (p *program) groupsList() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List the consumer groups", Args: noArguments,
		Long: "List all consumer groups that the log keeps, those of other programs too. BEHIND counts the facts after the\n" +
			"checkpoint, which is stored once a second; PARKED are facts that were handed out in vain and set aside."}
	return p.clientCommand(c, func(ctx context.Context, c *client, _ []string, s show) error {
		return listOf(ctx, c, s, groupsPath, "NAME OWN CHECKPOINT LAST-KNOWN BEHIND IN-FLIGHT PARKED CONSUMERS", func(g consumerGroup) []string {
			behind := "unknown"
			if g.Behind != nil {
				behind = strconv.FormatUint(*g.Behind, 10)
			}
			return []string{g.Name, yesNo(g.Own), g.Checkpoint, g.LastKnown, behind,
				strconv.Itoa(g.InFlight), strconv.Itoa(g.Parked), strconv.Itoa(g.Consumers)}
		})
	})
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

func (p *program) groupsReplay() *cobra.Command {
	c := &cobra.Command{Use: "replay NAME", Short: "Hand out again what a group has set aside", Args: arguments("NAME"),
		Long: "Put the parked facts of a consumer group back to be handed out again. Nothing that has ended is sent again: every\n" +
			"delivery is looked at before a request is made."}
	return p.clientCommand(c, func(ctx context.Context, c *client, args []string, s show) error {
		var raw json.RawMessage
		if err := c.do(ctx, http.MethodPost, groupsPath+"/"+url.PathEscape(args[0])+"/replay-parked", nil, &raw); err != nil {
			return err
		}
		if s.json {
			return s.raw(raw)
		}
		var done struct {
			Replayed int `json:"replayed"`
		}
		if err := json.Unmarshal(raw, &done); err != nil {
			return err
		}
		return s.line("%d parked facts of %s are handed out again.", done.Replayed, args[0])
	})
}
