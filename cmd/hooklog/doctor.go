package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/hooklog/hooklog/eventlog/embedded"
	httpd "github.com/hooklog/hooklog/http"
)

// doctorTimeout bounds how long the command waits for a server to examine itself.
const doctorTimeout = time.Hour

// Exit codes of doctor by what it found, beside those of every command.
const (
	exitWarning  = 3
	exitCritical = 4
)

// Doctor lets a node examine itself.
func (n *node) Doctor(ctx context.Context, deep bool) (httpd.Diagnosis, error) {
	x := n.examine(ctx, deep, time.Now())
	if err := ctx.Err(); err != nil {
		return httpd.Diagnosis{}, fmt.Errorf("examine the node: %w", err)
	}
	return httpd.Diagnosis{Checks: len(checks), Findings: x.diagnose().told()}, nil
}

// diagnosis is what doctor tells: where it looked, and what it found.
type diagnosis struct {
	Subject  string          `json:"subject"`
	Checks   int             `json:"checks"`
	Findings []httpd.Finding `json:"findings"`
}

func (p *program) doctorCommand() *cobra.Command {
	var deep bool
	c := &cobra.Command{Use: "doctor", Short: "Look for what is wrong, and say what to do", Args: noArguments,
		Long: "Examine a server that runs, through its API, or the data directory of one that does not: settings, keyset, files, disk,\n" +
			"clock, backups, lag, projections, groups, and what was left half-done. Each finding says what to do. Nothing is changed.\n\n" +
			"With --url (or HOOKLOG_URL) that server is asked; without, the server that has the data directory open, or nobody:\n" +
			"then the log is read, and no server can start meanwhile.\n\n" +
			"Exit codes: 0 nothing but notes, 3 warnings, 4 something critical, 1 nothing could be examined."}
	cfg, asJSON := clientFlags(c, ofServer|ofStore|ofClient)
	c.Flags().BoolVar(&deep, "deep", false, "read the whole log for events whose list of targets is incomplete; this takes some seconds a million facts")
	c.RunE = func(c *cobra.Command, _ []string) error {
		found, err := p.examine(c.Context(), c, cfg, deep)
		if err != nil {
			return err
		}
		return p.tellDiagnosis(found, *asJSON)
	}
	return c
}

// examine finds out whom to ask, and asks.
func (p *program) examine(ctx context.Context, c *cobra.Command, cfg *configuration, deep bool) (diagnosis, error) {
	if err := cfg.load(c.Flags(), p.env); err != nil {
		return diagnosis{Subject: "the settings", Checks: 1, Findings: findings{{check: "settings.valid", severity: critical,
			found: fmt.Sprintf("The settings cannot be used: %v.", err), do: "Correct them; hooklog config shows where each comes from."}}.told()}, nil
	}
	s := &cfg.settings
	if cfg.given("url") || !s.esdbURL.IsZero() {
		return examineServer(ctx, s, deep)
	}
	log, err := openStopped(s, zerolog.Nop(), true)
	switch {
	case errors.Is(err, embedded.ErrLocked):
		return examineServer(ctx, s, deep)
	case err != nil:
		return diagnosis{Subject: s.data, Checks: 1, Findings: findings{{check: "log.opens", severity: critical,
			found: fmt.Sprintf("The log cannot be opened: %v.", err), do: "Is --data the data directory? Else restore a backup; hooklog log verify tells more."}}.told()}, nil
	}
	x := examineStopped(ctx, s, log, deep, time.Now())
	x.strangers = cfg.strangers
	if err := errors.Join(ctx.Err(), log.Close()); err != nil {
		return diagnosis{}, err
	}
	return diagnosis{Subject: s.data, Checks: len(checks), Findings: x.diagnose().told()}, nil
}

// examineServer lets a running server examine itself. That it does not answer is a finding, too.
func examineServer(ctx context.Context, s *settings, deep bool) (diagnosis, error) {
	c, err := newClient(s)
	if err != nil {
		return diagnosis{}, err
	}
	c.http.Timeout = doctorTimeout
	path := "/api/v1/doctor"
	if deep {
		path += "?deep=true"
	}
	var told struct {
		Node string `json:"node"`
		diagnosis
	}
	err = c.do(ctx, http.MethodGet, path, nil, &told)
	var refused *problem
	switch {
	case errors.As(err, &refused):
		return diagnosis{}, err
	case err != nil:
		return diagnosis{Subject: c.base.String(), Checks: 1, Findings: findings{{check: "server.answers", severity: critical,
			found: fmt.Sprintf("The log is open in another process, or --url names a server, and: %v.", err),
			do:    "Is --url right? Does the process hang, or is it another command that has the log open?"}}.told()}, nil
	}
	told.Subject = told.Node + " at " + c.base.String()
	return told.diagnosis, nil
}

func (p *program) tellDiagnosis(d diagnosis, asJSON bool) error {
	all := make(findings, len(d.Findings))
	for i, f := range d.Findings {
		all[i] = finding{f.Check, parseSeverity(f.Severity), f.Found, f.Do}
	}
	if asJSON {
		raw, err := json.Marshal(d)
		if err == nil {
			err = show{out: p.out}.raw(raw)
		}
		if err != nil {
			return err
		}
	} else {
		all.write(p.out)
		fmt.Fprintf(p.out, "Examined %s: %d checks, %d findings.\n", printable(d.Subject), d.Checks, len(all))
	}
	switch all.worst() {
	case critical:
		return &exitError{exitCritical, errors.New("something critical was found")}
	case warning:
		return &exitError{exitWarning, errors.New("there are warnings")}
	}
	return nil
}
