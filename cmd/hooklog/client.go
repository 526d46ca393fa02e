package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/hooklog/hooklog/sealing"
)

const (
	// clientTimeout bounds one call of a client command.
	clientTimeout = 30 * time.Second
	// maxAnswer bounds the answer that a client command reads.
	maxAnswer = 64 << 20
	// operatorKeyFile is where, in the data directory, the first serve leaves the operator key.
	operatorKeyFile = "operator.key"
)

// client speaks to a running server for a command.
type client struct {
	base *url.URL
	key  sealing.Secret
	http *http.Client
	// position is what the last write answered; a read that sends it sees that write, on any node.
	position string
	// trace is told of every call and its answer, if it is set.
	trace func(*client, call, answer)
}

// call is a request as a person would describe it.
type call struct {
	method, path string
	body         []byte
}

// answer is what came back.
type answer struct {
	status int
	body   []byte
}

// newClient takes the server's address and the key from the settings; the key of a data directory is the last resort.
func newClient(s *settings) (*client, error) {
	base, err := parseServerURL(s.url)
	if err != nil {
		return nil, err
	}
	key := s.key
	if key.IsZero() {
		if key, err = readOperatorKey(s.data); err != nil {
			return nil, err
		}
	}
	if key.IsZero() {
		return nil, fmt.Errorf("no API key: set HOOKLOG_KEY, or name the server's data directory with --data (there is no %s)",
			filepath.Join(s.data, operatorKeyFile))
	}
	return &client{base: base, key: key, http: newHTTPClient()}, nil
}

func newHTTPClient() *http.Client {
	return &http.Client{Timeout: clientTimeout, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse // the key is for the server that was named
	}}
}

func parseServerURL(raw string) (*url.URL, error) {
	base, err := url.Parse(raw)
	if err != nil || base.Host == "" || base.Scheme != "http" && base.Scheme != "https" || base.User != nil {
		return nil, usage("the server's URL must look like http://127.0.0.1:8080")
	}
	base.Path = strings.TrimSuffix(base.Path, "/")
	base.RawQuery, base.Fragment = "", ""
	return base, nil
}

// do makes one call. in, unless nil, is sent as JSON; out, unless nil, is what the answer is decoded into. An answer
// that is no success is a *problem.
func (c *client) do(ctx context.Context, method, path string, in, out any) error {
	k := call{method: method, path: path}
	if in != nil {
		body, err := encodeJSON(in)
		if err != nil {
			return fmt.Errorf("encode the request: %w", err)
		}
		k.body = body
	}
	a, err := c.send(ctx, k)
	if err != nil {
		return err
	}
	if c.trace != nil {
		c.trace(c, k, a)
	}
	if a.status < 200 || a.status > 299 {
		return readProblem(a)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(a.body, out); err != nil {
		return fmt.Errorf("%s %s: the answer is not what was expected: %w", method, path, err)
	}
	return nil
}

func (c *client) send(ctx context.Context, k call) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, k.method, c.base.String()+k.path, bytes.NewReader(k.body))
	if err != nil {
		return answer{}, fmt.Errorf("%s %s: %w", k.method, k.path, err)
	}
	req.Header.Set("Authorization", "Bearer "+c.key.Reveal())
	req.Header.Set("User-Agent", "hooklog-cli")
	if k.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if c.position != "" && k.method == http.MethodGet {
		req.Header.Set(positionHeader, c.position)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return answer{}, c.explain(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return answer{}, fmt.Errorf("read the server's answer: %w", err)
	}
	if p := resp.Header.Get(positionHeader); p != "" {
		c.position = p
	}
	return answer{resp.StatusCode, body}, nil
}

// positionHeader carries the place in the log that a write reached, or that a read wants to see.
const positionHeader = "Hooklog-Position"

// explain says which server could not be reached.
func (c *client) explain(err error) error {
	var failed *url.Error
	if errors.As(err, &failed) {
		err = failed.Err
	}
	return fmt.Errorf("no answer from the server at %s: %w", c.base, err)
}

// encodeJSON writes JSON without escaping <, > and &.
func encodeJSON(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// clientCommand gives a command the flags that all client commands share; act does its work.
func (p *program) clientCommand(c *cobra.Command, act func(ctx context.Context, c *client, args []string, show show) error) *cobra.Command {
	cfg, asJSON := clientFlags(c, ofClient)
	c.RunE = func(c *cobra.Command, args []string) error {
		if err := cfg.load(c.Flags(), p.env); err != nil {
			return err
		}
		cl, err := newClient(&cfg.settings)
		if err != nil {
			return err
		}
		return act(c.Context(), cl, args, show{out: p.out, json: *asJSON})
	}
	return c
}

func clientFlags(c *cobra.Command, use use) (*configuration, *bool) {
	asJSON := new(bool)
	c.Flags().BoolVar(asJSON, "json", false, "print the server's answer as JSON, for programs")
	return configure(c, use), asJSON
}
