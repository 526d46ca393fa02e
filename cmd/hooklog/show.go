package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"text/tabwriter"
	"unicode"
)

// show prints what a client command found: as a table for people or as the server's JSON for programs.
type show struct {
	out  io.Writer
	json bool
}

// one shows a single thing as lines of name and value, or its JSON.
func (s show) one(raw json.RawMessage, lines [][2]string) error {
	if s.json {
		return s.raw(raw)
	}
	w := tabwriter.NewWriter(s.out, 0, 8, 2, ' ', 0)
	for _, line := range lines {
		if line[1] != "" {
			fmt.Fprintf(w, "%s\t%s\n", line[0], printable(line[1]))
		}
	}
	return w.Flush()
}

// list shows things as a table with a heading, or their JSON as an array.
func (s show) list(items []json.RawMessage, heading string, rows [][]string) error {
	if s.json {
		if items == nil {
			items = []json.RawMessage{}
		}
		raw, err := encodeJSON(items)
		if err != nil {
			return err
		}
		return s.raw(raw)
	}
	w := tabwriter.NewWriter(s.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, strings.Join(strings.Fields(heading), "\t"))
	for _, row := range rows {
		for i, cell := range row {
			row[i] = printable(cell)
		}
		fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	return w.Flush()
}

func (s show) raw(raw json.RawMessage) error {
	var b bytes.Buffer
	if err := json.Indent(&b, raw, "", "  "); err != nil {
		return fmt.Errorf("the server's answer is not JSON: %w", err)
	}
	b.WriteByte('\n')
	_, err := s.out.Write(b.Bytes())
	return err
}

// line says one sentence to people; programs get it by the exit code.
func (s show) line(format string, args ...any) error {
	if s.json {
		return nil
	}
	_, err := fmt.Fprintln(s.out, printable(fmt.Sprintf(format, args...)))
	return err
}

// printable keeps what a server or a partner wrote from steering the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return '\uFFFD'
		}
		return r
	}, s)
}

// pages fetches all pages of a list: {"items":[…],"next_cursor":…} until there is no next one, or a bare array.
func (c *client) pages(ctx context.Context, path string) ([]json.RawMessage, error) {
	var all []json.RawMessage
	for cursor := ""; ; {
		var raw json.RawMessage
		if err := c.do(ctx, http.MethodGet, withQuery(path, "cursor", cursor), nil, &raw); err != nil {
			return nil, err
		}
		if bytes.HasPrefix(bytes.TrimSpace(raw), []byte("[")) {
			err := json.Unmarshal(raw, &all)
			return all, err
		}
		var page struct {
			Items []json.RawMessage `json:"items"`
			Next  string            `json:"next_cursor"`
		}
		if err := json.Unmarshal(raw, &page); err != nil {
			return nil, fmt.Errorf("GET %s: the answer is not a list: %w", path, err)
		}
		all = append(all, page.Items...)
		if page.Next == "" || page.Next == cursor {
			return all, nil
		}
		cursor = page.Next
	}
}

// withQuery adds a query parameter to a path, unless its value is empty.
func withQuery(path, name, value string) string {
	if value == "" {
		return path
	}
	separator := "?"
	if strings.Contains(path, "?") {
		separator = "&"
	}
	return path + separator + name + "=" + url.QueryEscape(value)
}

// listOf fetches a list and decodes its items into rows for people.
func listOf[T any](ctx context.Context, c *client, s show, path, heading string, row func(T) []string) error {
	items, err := c.pages(ctx, path)
	if err != nil {
		return err
	}
	rows := make([][]string, len(items))
	for i, item := range items {
		var v T
		if err := json.Unmarshal(item, &v); err != nil {
			return fmt.Errorf("GET %s: item %d is not what was expected: %w", path, i, err)
		}
		rows[i] = row(v)
	}
	return s.list(items, heading, rows)
}
