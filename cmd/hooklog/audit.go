package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
)

func (p *program) auditCommand() *cobra.Command {
	return group("audit", "The facts of the log: list or export them", p.auditFacts(), p.auditExport())
}

// auditFilter is which facts are asked for, as flags.
type auditFilter struct {
	organization, subscription, event, delivery, from, to string
	types                                                 []string
	newest                                                bool
}

func (f *auditFilter) flags(c *cobra.Command) {
	c.Flags().StringVar(&f.organization, "organization", "", "only facts of this organization (slug or id)")
	c.Flags().StringVar(&f.subscription, "subscription", "", "only facts of this webhook and its deliveries (wh_…)")
	c.Flags().StringVar(&f.event, "event", "", "only facts of this event and its deliveries (evt_…)")
	c.Flags().StringVar(&f.delivery, "delivery", "", "only facts of this delivery (del_…)")
	c.Flags().StringSliceVar(&f.types, "type", nil, "only facts of these types, as hooklog.AttemptFailed.v1")
	c.Flags().StringVar(&f.from, "from", "", "only facts of this time and later (RFC 3339)")
	c.Flags().StringVar(&f.to, "to", "", "only facts before this time (RFC 3339)")
	c.Flags().BoolVar(&f.newest, "newest", false, "the newest first")
}

// path is the route with the filter as its query.
func (f *auditFilter) path() string {
	q := url.Values{}
	for name, value := range map[string]string{"organization": f.organization, "subscription": f.subscription, "event": f.event,
		"delivery": f.delivery, "from": f.from, "to": f.to, "type": strings.Join(f.types, ",")} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if f.newest {
		q.Set("order", "newest")
	}
	return "/api/v1/audit/facts?" + q.Encode()
}

func (p *program) auditFacts() *cobra.Command {
	c := &cobra.Command{Use: "facts", Short: "List facts, the oldest first", Args: noArguments,
		Example: "  hooklog audit facts --newest --organization acme --type hooklog.AttemptFailed.v1"}
	var f auditFilter
	f.flags(c)
	limit := c.Flags().Int("limit", 50, "how many at most")
	return p.clientCommand(c, func(ctx context.Context, c *client, _ []string, s show) error {
		if *limit < 1 {
			return usage("--limit must be at least 1")
		}
		return c.listFacts(ctx, s, f.path(), *limit)
	})
}

// listedFact is what is shown of a fact to people.
type listedFact struct {
	At           string `json:"at"`
	Position     string `json:"position"`
	Type         string `json:"type"`
	Organization string `json:"organization_id"`
	Stream       string `json:"stream"`
	Actor        string `json:"actor"`
}

// listFacts fetches as many pages as it takes.
func (c *client) listFacts(ctx context.Context, s show, path string, limit int) error {
	var items []json.RawMessage
	var rows [][]string
	for cursor := ""; len(items) < limit; {
		var page struct {
			Items []json.RawMessage `json:"items"`
			Next  string            `json:"next_cursor"`
		}
		next := withQuery(withQuery(path, "limit", strconv.Itoa(min(limit-len(items), 200))), "cursor", cursor)
		if err := c.do(ctx, http.MethodGet, next, nil, &page); err != nil {
			return err
		}
		for _, item := range page.Items {
			var f listedFact
			if err := json.Unmarshal(item, &f); err != nil {
				return fmt.Errorf("the server's answer is not a fact: %w", err)
			}
			items = append(items, item)
			rows = append(rows, []string{f.At, f.Position, strings.TrimPrefix(f.Type, "hooklog."), f.Stream, f.Actor})
		}
		if cursor = page.Next; cursor == "" {
			break
		}
	}
	return s.list(items, "AT POSITION FACT STREAM ACTOR", rows)
}

func (p *program) auditExport() *cobra.Command {
	c := &cobra.Command{Use: "export", Short: "Export facts to a file and check its digest", Args: noArguments,
		Long: "Export facts to a file. What arrived is held against the digest that the server ends with. An export that broke\n" +
			"off is taken up where it was with --resume and the same filter, and ends with the digest of the whole.",
		Example: "  hooklog audit export --format ndjson --out facts.ndjson --to 2026-06-01T00:00:00Z"}
	var f auditFilter
	f.flags(c)
	format := c.Flags().String("format", "ndjson", "ndjson or csv")
	out := c.Flags().String("out", "", "the file, which must not be there yet")
	resume := c.Flags().Bool("resume", false, "go on with a file that is there")
	return p.clientCommand(c, func(ctx context.Context, c *client, _ []string, s show) error {
		form, ok := exportFormats[*format]
		if !ok {
			return usage("--format must be ndjson or csv")
		}
		if *out == "" {
			return usage("%s needs --out FILE", "hooklog audit export")
		}
		e, err := openExport(*out, form, *resume)
		if err != nil {
			return err
		}
		err = e.fetch(ctx, c, f.path())
		if err = errors.Join(err, e.file.Close()); err != nil {
			return err
		}
		return s.line("%d facts up to position %s, sha256 %s", e.facts, e.last.ToPosition, e.last.SHA256)
	})
}
