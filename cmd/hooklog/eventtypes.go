package main

import (
	"context"
	"encoding/json"
	"net/http"

	"github.com/spf13/cobra"
)

// eventType is an entry of an organization's catalogue.
type eventType struct {
	Name        string          `json:"name"`
	Description string          `json:"description,omitempty"`
	Category    string          `json:"category,omitempty"`
	Example     json.RawMessage `json:"example,omitempty"`
	Schema      json.RawMessage `json:"schema,omitempty"`
	CreatedAt   string          `json:"created_at,omitempty"`
	RetiredAt   string          `json:"retired_at,omitempty"`
}

func (p *program) eventTypesCommand() *cobra.Command {
	return group("event-types", "Event types: what an organization's messages can be of", p.eventTypesDefine(), p.eventTypesList(),
		p.eventTypesSubscribers())
}

// organizationFlag is the flag that names the organization, for commands that cannot do without.
func organizationFlag(c *cobra.Command) *string {
	org := c.Flags().String("org", "", "`ORGANIZATION`, by slug or id")
	c.PreRunE = func(c *cobra.Command, _ []string) error {
		if *org == "" {
			return usage("%s needs --org ORGANIZATION", c.CommandPath())
		}
		return nil
	}
	return org
}

func (p *program) eventTypesDefine() *cobra.Command {
	c := &cobra.Command{Use: "define NAME", Short: "Add an event type to an organization's catalogue", Args: arguments("NAME"),
		Example: "  hooklog event-types define order.paid --org acme --description 'An order was paid'"}
	org := organizationFlag(c)
	description := c.Flags().String("description", "", "`SENTENCE` for people")
	category := c.Flags().String("category", "", "`CATEGORY` in the catalogue")
	return p.clientCommand(c, func(ctx context.Context, c *client, args []string, s show) error {
		var raw json.RawMessage
		ask := eventType{Name: args[0], Description: *description, Category: *category}
		if err := c.do(ctx, http.MethodPost, organizationPath(*org, "event-types"), ask, &raw); err != nil {
			return err
		}
		var t eventType
		if err := json.Unmarshal(raw, &t); err != nil {
			return err
		}
		return s.one(raw, [][2]string{{"name", t.Name}, {"category", t.Category}, {"description", t.Description}, {"created", t.CreatedAt}})
	})
}

func (p *program) eventTypesList() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List an organization's catalogue", Args: noArguments}
	org := organizationFlag(c)
	return p.clientCommand(c, func(ctx context.Context, c *client, _ []string, s show) error {
		return listOf(ctx, c, s, organizationPath(*org, "event-types"), "NAME CATEGORY DESCRIPTION RETIRED", func(t eventType) []string {
			return []string{t.Name, t.Category, t.Description, t.RetiredAt}
		})
	})
}
