package main

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// subscriptionFlags are those that create and update share.
type subscriptionFlags struct {
	url, name, description, email, timeout, rateLimit string
	events, clients, headers, schedule                []string
	enabled                                           bool
}

func (f *subscriptionFlags) add(flags *pflag.FlagSet) {
	flags.StringSliceVar(&f.events, "events", nil, "`TYPE,…` to subscribe to; a.* and * match many")
	flags.StringVar(&f.name, "name", "", "`NAME` for people")
	flags.StringVar(&f.description, "description", "", "`TEXT` for people")
	flags.StringVar(&f.email, "email", "", "`ADDRESS` that notices go to")
	flags.StringSliceVar(&f.clients, "clients", nil, "`FOLDER,…` whose events are delivered; all if empty")
	flags.StringArrayVar(&f.headers, "header", nil, "`NAME: VALUE` sent with every attempt; without a value, the header is taken away")
	flags.StringSliceVar(&f.schedule, "retry-schedule", nil, "`DURATION,…` before each retry; the organization's if empty")
	flags.StringVar(&f.timeout, "timeout", "", "`DURATION` of an attempt; the organization's if empty")
	flags.StringVar(&f.rateLimit, "max-rate", "", "`RATE` of attempts, such as 10/s or 600/m; none if empty")
	flags.BoolVar(&f.enabled, "enabled", true, "whether events are delivered")
}

// body holds what was given. An empty text or list takes a member away.
func (f *subscriptionFlags) body(flags *pflag.FlagSet) map[string]any {
	body := map[string]any{}
	texts := map[string]struct {
		member, value string
	}{"name": {"name", f.name}, "description": {"description", f.description}, "email": {"email", f.email},
		"timeout": {"timeout", f.timeout}, "max-rate": {"rate_limit", f.rateLimit}}
	lists := map[string]struct {
		member string
		value  []string
	}{"events": {"events", f.events}, "clients": {"clients", f.clients}, "retry-schedule": {"retry_schedule", f.schedule}}
	flags.Visit(func(given *pflag.Flag) {
		if t, ok := texts[given.Name]; ok {
			body[t.member] = orNull(t.value, t.value == "")
		}
		if l, ok := lists[given.Name]; ok {
			body[l.member] = orNull(l.value, len(l.value) == 0)
		}
		switch given.Name {
		case "enabled":
			body["enabled"] = f.enabled
		case "header":
			body["headers"] = headersOf(f.headers)
		}
	})
	return body
}

func orNull(value any, empty bool) any {
	if empty {
		return nil
	}
	return value
}

func headersOf(lines []string) map[string]any {
	headers := map[string]any{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		headers[strings.TrimSpace(name)] = orNull(value, value == "")
	}
	return headers
}

func (p *program) subscriptionsCreate() *cobra.Command {
	var f subscriptionFlags
	c := &cobra.Command{Use: "create URL", Short: "Subscribe a URL; the secret is shown this once", Args: arguments("URL"),
		Example: "  hooklog subscriptions create https://example.com/hook --org acme --events 'order.*' --header 'Authorization: Bearer x'"}
	org := c.Flags().String("org", "", partnersOrganization)
	f.add(c.Flags())
	secret := c.Flags().String("secret-file", "", "`FILE` with a signing secret of your own; made by the server if empty")
	return p.clientCommand(c, func(ctx context.Context, cl *client, args []string, s show) error {
		body := f.body(c.Flags())
		body["url"] = args[0]
		for name, value := range body {
			if value == nil {
				delete(body, name)
			}
		}
		if *secret != "" {
			own, err := readSecretFile(*secret)
			if err != nil {
				return err
			}
			body["secret"] = own
		}
		return cl.webhookCall(ctx, s, http.MethodPost, withQuery("/api/v1/webhooks", "organization", *org), body)
	})
}

// webhookCall makes a call that is answered with a subscription, and shows it with its secret if that was made now.
func (c *client) webhookCall(ctx context.Context, s show, method, path string, body any) error {
	var raw json.RawMessage
	if err := c.do(ctx, method, path, body, &raw); err != nil {
		return err
	}
	var w struct {
		Secret string `json:"secret"`
	}
	if err := json.Unmarshal(raw, &w); err != nil {
		return err
	}
	if w.Secret != "" && !s.json {
		if err := s.one(raw, [][2]string{{"secret", w.Secret}, {"", "(shown this once)"}}); err != nil {
			return err
		}
	}
	return s.subscription(raw)
}

func (p *program) subscriptionsUpdate() *cobra.Command {
	var f subscriptionFlags
	c := &cobra.Command{Use: "update SUBSCRIPTION", Short: "Change what is named by flags; an empty value takes it away",
		Args: arguments("SUBSCRIPTION (wh_…)"), Example: "  hooklog subscriptions update wh_… --org acme --max-rate 10/s --timeout ''"}
	org := c.Flags().String("org", "", partnersOrganization)
	f.add(c.Flags())
	c.Flags().StringVar(&f.url, "url-to", "", "`URL` to deliver to from now on")
	return p.clientCommand(c, func(ctx context.Context, cl *client, args []string, s show) error {
		body := f.body(c.Flags())
		if f.url != "" {
			body["url"] = f.url
		}
		return cl.webhookCall(ctx, s, http.MethodPatch, webhookPath(args[0], *org, ""), body)
	})
}

// subscriptionsToggle makes the enable and disable commands.
func (p *program) subscriptionsToggle(use, short string, enabled bool) *cobra.Command {
	c := &cobra.Command{Use: use + " SUBSCRIPTION", Short: short, Args: arguments("SUBSCRIPTION (wh_…)")}
	org := c.Flags().String("org", "", partnersOrganization)
	return p.clientCommand(c, func(ctx context.Context, c *client, args []string, s show) error {
		return c.webhookCall(ctx, s, http.MethodPatch, webhookPath(args[0], *org, ""), map[string]any{"enabled": enabled})
	})
}

func (p *program) subscriptionsDelete() *cobra.Command {
	c := &cobra.Command{Use: "delete SUBSCRIPTION", Short: "End a subscription; pending deliveries are cancelled", Args: arguments("SUBSCRIPTION (wh_…)")}
	org := c.Flags().String("org", "", partnersOrganization)
	return p.clientCommand(c, func(ctx context.Context, c *client, args []string, s show) error {
		if err := c.do(ctx, http.MethodDelete, webhookPath(args[0], *org, ""), nil, nil); err != nil {
			return err
		}
		return s.line("%s is deleted.", args[0])
	})
}

func (p *program) subscriptionsTest() *cobra.Command {
	c := &cobra.Command{Use: "test SUBSCRIPTION", Short: "Send a test event to a subscription alone", Args: arguments("SUBSCRIPTION (wh_…)")}
	org := c.Flags().String("org", "", partnersOrganization)
	return p.clientCommand(c, func(ctx context.Context, c *client, args []string, s show) error {
		var raw json.RawMessage
		if err := c.do(ctx, http.MethodPost, webhookPath(args[0], *org, "", "test"), nil, &raw); err != nil {
			return err
		}
		var a published
		if err := json.Unmarshal(raw, &a); err != nil {
			return err
		}
		return s.one(raw, [][2]string{{"event", a.EventID}})
	})
}

func (p *program) subscriptionsRotate() *cobra.Command {
	c := &cobra.Command{Use: "rotate-secret SUBSCRIPTION", Short: "Give a subscription a new secret, shown this once", Args: arguments("SUBSCRIPTION (wh_…)")}
	org := c.Flags().String("org", "", partnersOrganization)
	overlap := c.Flags().String("overlap", "", "`DURATION` for which the old secret stays good, 24h if empty; 0s switches at once")
	return p.clientCommand(c, func(ctx context.Context, c *client, args []string, s show) error {
		ask := struct {
			Overlap string `json:"overlap,omitempty"`
		}{*overlap}
		return c.webhookCall(ctx, s, http.MethodPost, webhookPath(args[0], *org, "", "rotate-secret"), ask)
	})
}
