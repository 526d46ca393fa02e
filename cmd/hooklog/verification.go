package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/spf13/cobra"
)

// verifyTimeout bounds how long the command waits for a server to fold a projection again.
const verifyTimeout = 6 * time.Hour

// verification is what the server says of comparing a projection with the log.
type verification struct {
	Name        string       `json:"name"`
	Position    string       `json:"position"`
	Facts       uint64       `json:"facts"`
	Rows        uint64       `json:"rows"`
	Differences []difference `json:"differences"`
	More        uint64       `json:"more"`
	TookMS      int64        `json:"took_ms"`
}

// difference is a row that is not what folding gives; null where there is none.
type difference struct {
	Projection string          `json:"projection"`
	Key        string          `json:"key"`
	Live       json.RawMessage `json:"live"`
	Again      json.RawMessage `json:"again"`
}

func (p *program) projectionsVerify() *cobra.Command {
	c := &cobra.Command{Use: "verify NAME", Short: "Fold a projection again and tell each row that differs", Args: arguments("NAME"),
		Long: "Fold a projection again from the start of the log, beside the one that serves, and compare both row by row.\n" +
			"Nothing is changed: hooklog projections rebuild puts right what differs. Exit code 1 if anything does."}
	limit := c.Flags().Int("limit", 50, "`NUMBER` of differences to show, at most 200")
	return p.clientCommand(c, func(ctx context.Context, c *client, args []string, s show) error {
		c.http.Timeout = verifyTimeout
		if !s.json {
			fmt.Fprintf(p.err, "Folding %s again; this takes as long as a rebuild.\n", printable(args[0]))
		}
		var raw json.RawMessage
		path := fmt.Sprintf("%s/%s/verify?limit=%d", projectionsPath, url.PathEscape(args[0]), *limit)
		if err := c.do(ctx, http.MethodPost, path, nil, &raw); err != nil {
			return err
		}
		var v verification
		if err := json.Unmarshal(raw, &v); err != nil {
			return fmt.Errorf("the server's answer is not what was expected: %w", err)
		}
		if s.json {
			if err := s.raw(raw); err != nil {
				return err
			}
		} else {
			v.write(s.out)
		}
		return v.verdict()
	})
}

// write tells a person what differs.
func (v verification) write(w io.Writer) {
	for _, d := range v.Differences {
		fmt.Fprintf(w, "%s  %s\n", printable(d.Projection), printable(d.Key))
		for _, line := range d.lines() {
			fmt.Fprintf(w, "  %s\n", printable(line))
		}
	}
	took := (time.Duration(v.TookMS) * time.Millisecond).String()
	fmt.Fprintf(w, "%s: %d facts folded again up to position %s, %d rows compared in %s, %d differ.\n",
		printable(v.Name), v.Facts, printable(v.Position), v.Rows, took, v.count())
}

func (v verification) count() uint64 { return uint64(len(v.Differences)) + v.More }

func (v verification) verdict() error {
	if n := v.count(); n > 0 {
		return fmt.Errorf("%d rows of %s are not what the log says; hooklog projections rebuild %s puts them right", n, v.Name, v.Name)
	}
	return nil
}

// lines are what differs: of two objects only the members that do.
func (d difference) lines() []string {
	switch {
	case absent(d.Live):
		return []string{"is missing; the log says " + compactJSON(d.Again)}
	case absent(d.Again):
		return []string{"should not be there: " + compactJSON(d.Live)}
	}
	var live, again map[string]json.RawMessage
	if json.Unmarshal(d.Live, &live) != nil || json.Unmarshal(d.Again, &again) != nil {
		return []string{"is " + compactJSON(d.Live), "the log says " + compactJSON(d.Again)}
	}
	names := maps.Clone(live)
	maps.Copy(names, again)
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if a, b := compactJSON(live[name]), compactJSON(again[name]); a != b {
			lines = append(lines, fmt.Sprintf("%s is %s; the log says %s", name, a, b))
		}
	}
	if len(lines) == 0 { // only the order of the members differs
		lines = []string{"is " + compactJSON(d.Live), "the log says " + compactJSON(d.Again)}
	}
	return lines
}

func absent(raw json.RawMessage) bool { return len(raw) == 0 || string(raw) == "null" }

// compactJSON writes a value on one line; "nothing" for none.
func compactJSON(raw json.RawMessage) string {
	if len(raw) == 0 {
		return "nothing"
	}
	var b bytes.Buffer
	if json.Compact(&b, raw) != nil {
		return string(raw)
	}
	return b.String()
}
