package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
)

// apiKey is what the server says of a key; Key, the whole of it, only when it is issued or rotated.
type apiKey struct {
	KeyID     string   `json:"key_id"`
	Key       string   `json:"key"`
	Scopes    []string `json:"scopes"`
	Mode      string   `json:"mode"`
	RateLimit int      `json:"rate_limit_per_minute"`
	CreatedAt string   `json:"created_at"`
	ExpiresAt string   `json:"expires_at"`
	RevokedAt string   `json:"revoked_at"`
}

// newKey asks for a key.
type newKey struct {
	Scopes        []string `json:"scopes"`
	Mode          string   `json:"mode,omitempty"`
	RateLimit     int      `json:"rate_limit_per_minute,omitempty"`
	ExpiresAt     string   `json:"expires_at,omitempty"`
	Organizations []string `json:"organizations,omitempty"`
}

func (p *program) keysCommand() *cobra.Command {
	return group("keys", "API keys: issue, list, rotate and revoke them", p.keysIssue(), p.keysList(), p.keysRotate(), p.keysRevoke())
}

// keysPath is where an organization's keys are, or, without one, those of platforms, auditors and operators.
func keysPath(org string, more ...string) string {
	path := "/api/v1/keys"
	if org != "" {
		path = organizationPath(org, "keys")
	}
	for _, m := range more {
		path += "/" + url.PathEscape(m)
	}
	return path
}

const keyOwnerHelp = "`ORGANIZATION` whose partner key it is, by slug or id; without it, a platform, auditor or operator key"

func (p *program) keysIssue() *cobra.Command {
	var ask newKey
	var recovering bool
	c := &cobra.Command{Use: "issue", Short: "Issue a key, shown this once",
		Long: "Issue a key. The whole key is shown this once and stored nowhere.\n\n" +
			"With --recover the command opens the log of the data directory itself, with the keyset, and issues a new\n" +
			"operator key: the way back in when every operator key is lost. The server must be stopped.",
		Example: "  hooklog keys issue --org acme --scopes webhooks:manage\n" +
			"  hooklog keys issue --scopes events:publish\n" +
			"  hooklog keys issue --recover --data data",
		Args: noArguments}
	org := c.Flags().String("org", "", keyOwnerHelp)
	c.Flags().StringSliceVar(&ask.Scopes, "scopes", nil, "`SCOPE,…`: webhooks:manage for partners; events:publish, audit:read, payloads:read or operator for others")
	c.Flags().StringVar(&ask.Mode, "mode", "live", "`MODE`, a label in the key's id: test or live")
	c.Flags().IntVar(&ask.RateLimit, "rate-limit", 0, "`REQUESTS` a minute, instead of the default")
	c.Flags().StringVar(&ask.ExpiresAt, "expires-at", "", "`TIME` at which the key ends (RFC 3339)")
	c.Flags().StringSliceVar(&ask.Organizations, "organizations", nil, "`ORGANIZATION,…` to which a platform or auditor key is limited")
	c.Flags().BoolVar(&recovering, "recover", false, "issue an operator key in a stopped log")
	cfg, asJSON := clientFlags(c, ofClient|ofStore)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := cfg.load(c.Flags(), p.env); err != nil {
			return err
		}
		s := show{out: p.out, json: *asJSON}
		if recovering {
			return p.recoverKey(c.Context(), &cfg.settings, s)
		}
		cl, err := newClient(&cfg.settings)
		if err != nil {
			return err
		}
		if ask.Scopes == nil {
			ask.Scopes = []string{} // the server says what it thinks of that
		}
		var raw json.RawMessage
		if err := cl.do(c.Context(), http.MethodPost, keysPath(*org), ask, &raw); err != nil {
			return err
		}
		return s.key(raw)
	}
	return c
}

// key shows a key that was just made, whole.
func (s show) key(raw json.RawMessage) error {
	var k apiKey
	if err := json.Unmarshal(raw, &k); err != nil {
		return err
	}
	return s.one(raw, [][2]string{{"key", k.Key}, {"", "(shown this once)"}, {"key id", k.KeyID},
		{"scopes", strings.Join(k.Scopes, " ")}, {"created", k.CreatedAt}, {"expires", k.ExpiresAt}})
}

func (p *program) keysList() *cobra.Command {
	c := &cobra.Command{Use: "list", Short: "List keys", Args: noArguments}
	org := c.Flags().String("org", "", "`ORGANIZATION` whose partner keys are listed, by slug or id; without it, all other keys")
	return p.clientCommand(c, func(ctx context.Context, c *client, _ []string, s show) error {
		return listOf(ctx, c, s, keysPath(*org), "KEY-ID SCOPES CREATED EXPIRES REVOKED", func(k apiKey) []string {
			return []string{k.KeyID, strings.Join(k.Scopes, ","), k.CreatedAt, k.ExpiresAt, k.RevokedAt}
		})
	})
}

func (p *program) keysRotate() *cobra.Command {
	c := &cobra.Command{Use: "rotate KEY-ID", Short: "Give a key a new secret, shown this once", Args: arguments("KEY-ID")}
	org := c.Flags().String("org", "", keyOwnerHelp)
	overlap := c.Flags().String("overlap", "", "`DURATION` for which the old secret stays good, such as 24h")
	return p.clientCommand(c, func(ctx context.Context, c *client, args []string, s show) error {
		ask := struct {
			Overlap string `json:"overlap,omitempty"`
		}{*overlap}
		var raw json.RawMessage
		if err := c.do(ctx, http.MethodPost, keysPath(*org, args[0], "rotate"), ask, &raw); err != nil {
			return err
		}
		return s.key(raw)
	})
}

func (p *program) keysRevoke() *cobra.Command {
	c := &cobra.Command{Use: "revoke KEY-ID", Short: "End a key", Args: arguments("KEY-ID")}
	org := c.Flags().String("org", "", keyOwnerHelp)
	return p.clientCommand(c, func(ctx context.Context, c *client, args []string, s show) error {
		if err := c.do(ctx, http.MethodDelete, keysPath(*org, args[0]), nil, nil); err != nil {
			return err
		}
		return s.line("%s is revoked.", args[0])
	})
}
