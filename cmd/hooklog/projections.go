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
	"time"

	"github.com/spf13/cobra"
)

const projectionsPath = "/api/v1/projections"

// projection is what the server says of one.
type projection struct {
	Name       string   `json:"name"`
	Version    int      `json:"version"`
	State      string   `json:"state"`
	Lag        float64  `json:"lag_seconds"`
	Mismatches uint64   `json:"mismatches"`
	With       []string `json:"with"`
	Rebuild    *rebuild `json:"rebuild"`
}

// rebuild is what the server says of one that runs or ran last.
type rebuild struct {
	Projections    []string `json:"projections"`
	Why            string   `json:"why"`
	State          string   `json:"state"`
	StartedAt      string   `json:"started_at"`
	EndedAt        string   `json:"ended_at"`
	Facts          uint64   `json:"facts"`
	Position       string   `json:"position"`
	Head           string   `json:"head"`
	Share          float64  `json:"share"`
	FactsPerSecond float64  `json:"facts_per_second"`
	ETA            *float64 `json:"eta_seconds"`
	Error          string   `json:"error"`
}

// running is the state of a rebuild that is not over.
const running = "running"

func (p *program) projectionsCommand() *cobra.Command {
	return group("projections", "Read models: how they stand; fold them again, compare them with the log",
		p.projectionsList(), p.projectionsRebuild(), p.projectionsCancel(), p.projectionsVerify())
}

func (p *program) projectionsList() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List the projections and how they stand", Args: noArguments}
	return p.clientCommand(c, func(ctx context.Context, c *client, _ []string, s show) error {
		return listOf(ctx, c, s, projectionsPath, "NAME VERSION STATE LAG DIFFER REBUILD", func(p projection) []string {
			return []string{p.Name, strconv.Itoa(p.Version), p.State, secondsText(p.Lag), strconv.FormatUint(p.Mismatches, 10), p.Rebuild.brief()}
		})
	})
}

// secondsText writes a number of seconds for people.
func secondsText(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	if d >= 10*time.Second {
		return d.Round(time.Second).String()
	}
	return d.Round(time.Millisecond).String()
}

// brief says in a few words how a rebuild stands; nothing of none.
func (r *rebuild) brief() string {
	switch {
	case r == nil:
		return ""
	case r.State == running:
		return r.line()
	}
	return r.State + " " + r.EndedAt
}

// line says how far a rebuild is.
func (r *rebuild) line() string {
	text := fmt.Sprintf("%5.1f %%  %d facts", 100*r.Share, r.Facts)
	if r.FactsPerSecond > 0 {
		text += fmt.Sprintf("  %.0f facts/s", r.FactsPerSecond)
	}
	if r.ETA != nil {
		text += "  " + secondsText(*r.ETA) + " left"
	}
	return text
}

func (p *program) projectionsRebuild() *cobra.Command {
	c := &cobra.Command{Use: "rebuild NAME | --all", Short: "Fold a projection again from the start of the log",
		Long: "Fold a projection again from the start of the log, beside the one that serves, and switch to it in one step. What\n" +
			"shares its rows is rebuilt together with it. Nothing is sent, nothing stops; it goes on after a restart.\n\n" +
			"The command shows how far it is until it is done. Ctrl-C ends the command, not the rebuild.",
		Example: "  hooklog projections rebuild failures\n  hooklog projections rebuild --all --wait=false"}
	all := c.Flags().Bool("all", false, "rebuild every projection")
	wait := c.Flags().Bool("wait", true, "wait until it is done and show how far it is")
	c.Args = func(c *cobra.Command, args []string) error {
		if *all {
			return noArguments(c, args)
		}
		return arguments("NAME (or --all)")(c, args)
	}
	return p.clientCommand(c, func(ctx context.Context, c *client, args []string, s show) error {
		path := projectionsPath + "/rebuild"
		if !*all {
			path = projectionsPath + "/" + url.PathEscape(args[0]) + "/rebuild"
		}
		var raw json.RawMessage
		if err := c.do(ctx, http.MethodPost, path, nil, &raw); err != nil {
			return err
		}
		var begun rebuild
		if err := json.Unmarshal(raw, &begun); err != nil {
			return fmt.Errorf("the server's answer is not what was expected: %w", err)
		}
		if !*wait {
			if s.json {
				return s.raw(raw)
			}
			return s.line("%s are folded again; hooklog projections list shows how far it is.", strings.Join(begun.Projections, ", "))
		}
		return p.followRebuild(ctx, c, begun, s)
	})
}

func (p *program) projectionsCancel() *cobra.Command {
	c := &cobra.Command{Use: "cancel NAME", Short: "End the rebuild that includes a projection; the old one serves on", Args: arguments("NAME")}
	return p.clientCommand(c, func(ctx context.Context, c *client, args []string, s show) error {
		if err := c.do(ctx, http.MethodDelete, projectionsPath+"/"+url.PathEscape(args[0])+"/rebuild", nil, nil); err != nil {
			return err
		}
		return s.line("The rebuild of %s is cancelled; what served before serves on.", args[0])
	})
}

// How a rebuild is followed.
const (
	followEvery = 200 * time.Millisecond
	// absence is how long the server may be away meanwhile: a restart goes on with the rebuild.
	absence = time.Minute
	// exitInterrupted is the exit code after Ctrl-C.
	exitInterrupted = 130
)

// followRebuild shows how far a rebuild is until it ends. It fails unless it was switched to.
func (p *program) followRebuild(ctx context.Context, c *client, begun rebuild, s show) error {
	bar := newProgressBar(p.err)
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	lastSeen := time.Now()
	for r := &begun; ; {
		bar.show(r.Share, r.line())
		if r.State != running {
			bar.end()
			return p.tellRebuild(*r, s)
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
		next, err := c.rebuildOf(ctx, begun)
		var refused *problem
		switch {
		case ctx.Err() != nil:
			bar.end()
			return &exitError{exitInterrupted, fmt.Errorf("the rebuild of %s goes on in the server: hooklog projections list shows it, hooklog projections cancel %s ends it",
				strings.Join(begun.Projections, ", "), begun.Projections[0])}
		case err == nil:
			r, lastSeen = next, time.Now()
		case errors.As(err, &refused) && refused.Status < http.StatusInternalServerError, errors.Is(err, errRebuildGone), time.Since(lastSeen) > absence:
			bar.end()
			return err
		}
	}
}

var errRebuildGone = errors.New("the server was restarted when the rebuild was over, or had another one since; hooklog projections list shows how it stands now")

// rebuildOf looks how a rebuild stands.
func (c *client) rebuildOf(ctx context.Context, begun rebuild) (*rebuild, error) {
	items, err := c.pages(ctx, projectionsPath)
	if err != nil {
		return nil, err
	}
	for _, item := range items {
		var p projection
		if err := json.Unmarshal(item, &p); err != nil {
			return nil, fmt.Errorf("the server's answer is not what was expected: %w", err)
		}
		if p.Name == begun.Projections[0] && p.Rebuild != nil && p.Rebuild.StartedAt == begun.StartedAt {
			return p.Rebuild, nil
		}
	}
	return nil, errRebuildGone
}

func (p *program) tellRebuild(r rebuild, s show) error {
	if s.json {
		raw, err := encodeJSON(r)
		if err == nil {
			err = s.raw(raw)
		}
		if err != nil {
			return err
		}
	}
	names := strings.Join(r.Projections, ", ")
	switch r.State {
	case "switched":
		return s.line("%s: folded again from %d facts, and switched to.", names, r.Facts)
	case "cancelled":
		return fmt.Errorf("the rebuild of %s was cancelled; what served before serves on", names)
	}
	return fmt.Errorf("the rebuild of %s failed; what served before serves on: %s", names, r.Error)
}
