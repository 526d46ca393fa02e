package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

// organizationPath begins the paths of what belongs to an organization, named by slug or id.
func organizationPath(ref string, more ...string) string {
	path := "/api/v1/organizations/" + url.PathEscape(ref)
	for _, m := range more {
		path += "/" + url.PathEscape(m)
	}
	return path
}

// organization is what the server says of one.
type organization struct {
	ID            string   `json:"id"`
	Slug          string   `json:"slug"`
	Name          string   `json:"name"`
	Profile       string   `json:"profile"`
	RetrySchedule []string `json:"retry_schedule,omitempty"`
	Timeout       string   `json:"timeout,omitempty"`
	CreatedAt     string   `json:"created_at,omitempty"`
	ClosedAt      string   `json:"closed_at,omitempty"`
}

// newOrganization asks for an organization to be registered.
type newOrganization struct {
	Slug          string   `json:"slug"`
	Name          string   `json:"name"`
	Profile       string   `json:"profile"`
	RetrySchedule []string `json:"retry_schedule,omitempty"`
	Timeout       string   `json:"timeout,omitempty"`
}

func (p *program) organizationsCommand() *cobra.Command {
	return group("orgs", "Organizations: register and list them", p.organizationsCreate(), p.organizationsList())
}

func (p *program) organizationsCreate() *cobra.Command {
	var ask newOrganization
	c := &cobra.Command{Use: "create SLUG", Short: "Register an organization", Args: arguments("SLUG"),
		Example: "  hooklog orgs create acme --name 'Acme Inc.'"}
	c.Flags().StringVar(&ask.Name, "name", "", "`NAME` for people; the slug if empty")
	c.Flags().StringVar(&ask.Profile, "profile", "vantageclaw", "wire `PROFILE`: vantageclaw, clawbook, vantagekit, vntana or standard")
	c.Flags().StringSliceVar(&ask.RetrySchedule, "retry-schedule", nil, "`DELAY,…` between attempts, instead of the profile's")
	c.Flags().StringVar(&ask.Timeout, "timeout", "", "`DURATION` of an attempt, instead of the profile's")
	return p.clientCommand(c, func(ctx context.Context, c *client, args []string, s show) error {
		ask.Slug = args[0]
		if ask.Name == "" {
			ask.Name = ask.Slug
		}
		var raw json.RawMessage
		if err := c.do(ctx, http.MethodPost, "/api/v1/organizations", ask, &raw); err != nil {
			return err
		}
		var o organization
		if err := json.Unmarshal(raw, &o); err != nil {
			return err
		}
		return s.one(raw, [][2]string{{"id", o.ID}, {"slug", o.Slug}, {"name", o.Name}, {"profile", o.Profile},
			{"retry schedule", strings.Join(o.RetrySchedule, " ")}, {"timeout", o.Timeout}, {"created", o.CreatedAt}})
	})
}

func (p *program) organizationsList() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List the organizations", Args: noArguments}
	return p.clientCommand(c, func(ctx context.Context, c *client, _ []string, s show) error {
		return listOf(ctx, c, s, "/api/v1/organizations", "ID SLUG NAME PROFILE CREATED CLOSED", func(o organization) []string {
			return []string{o.ID, o.Slug, o.Name, o.Profile, o.CreatedAt, o.ClosedAt}
		})
	})
}
