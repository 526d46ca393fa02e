package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/hooklog/hooklog/webhook"
)

const (
	// demoPatience is how long the demo waits for something that takes milliseconds when all is well.
	demoPatience = 20 * time.Second
	goodPath     = "/webhooks"
	flakyPath    = "/flaky"
)

// demo shows the whole service on one machine: it is told what to print to and where the service runs.
type demo struct {
	out      io.Writer
	operator *client
	receiver *receiver
	begun    time.Time
}

func (p *program) demoCommand() *cobra.Command {
	c := &cobra.Command{Use: "demo", Short: "Watch signed deliveries arrive: service, log and receiver in one process", Args: noArguments,
		Long: "Start Hooklog on a temporary log, with a small receiver that verifies signatures, and show a delivery that\n" +
			"arrives and one that fails at first and is retried. Then stay up for your own calls, until Ctrl-C.\n" +
			"The demo may deliver to this machine (127.0.0.0/8, ::1), also over plain http."}
	once := c.Flags().Bool("once", false, "end after the deliveries; fail unless both were verified")
	cfg := configure(c, ofServer)
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := cfg.load(c.Flags(), p.env); err != nil {
			return err
		}
		return p.demo(c.Context(), cfg, *once)
	}
	return c
}

// demo runs a node as serve does, and plays the partner and the platform beside it.
func (p *program) demo(ctx context.Context, cfg *configuration, once bool) (err error) {
	begun := time.Now()
	logger, err := demoLogger(cfg, p.err)
	if err != nil {
		return err
	}
	remove, err := cfg.forDemo()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	n, err := openNode(ctx, &cfg.settings, logger)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, n.close()) }()

	running, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 1)
	go func() { ended <- n.run(running) }()
	played := p.playDemo(running, n, begun, once)
	stop()
	err = errors.Join(played, <-ended)
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return nil // a person ended it
	}
	return err
}

// demoLogger keeps the demo's output calm unless somebody asked for more.
func demoLogger(cfg *configuration, w io.Writer) (zerolog.Logger, error) {
	if !cfg.given("log-level") {
		cfg.logLevel = "error"
	}
	return newLogger(&cfg.settings, w)
}

// forDemo puts free ports, a temporary directory and loopback targets where nobody chose others. remove undoes it.
func (cfg *configuration) forDemo() (remove func() error, err error) {
	if !cfg.given("listen") {
		cfg.listen = "127.0.0.1:0"
	}
	if !cfg.given("operator-listen") {
		cfg.operatorListen = "127.0.0.1:0"
	}
	cfg.allowInsecure = append(cfg.allowInsecure, netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"))
	if cfg.given("data") {
		return func() error { return nil }, nil
	}
	if cfg.data, err = os.MkdirTemp("", "hooklog-demo-"); err != nil {
		return nil, fmt.Errorf("make a directory for the demo: %w", err)
	}
	return func() error { return os.RemoveAll(cfg.data) }, nil
}

func (p *program) playDemo(ctx context.Context, n *node, begun time.Time, once bool) (err error) {
	receiver, err := startReceiver(webhook.Default())
	if err != nil {
		return fmt.Errorf("start the demo's receiver: %w", err)
	}
	defer func() {
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		err = errors.Join(err, receiver.stop(stopping))
	}()
	key, err := readOperatorKey(n.settings.data)
	if err != nil {
		return err
	}
	base, err := parseServerURL(n.publicURL())
	if err != nil {
		return err
	}
	d := &demo{out: p.out, receiver: receiver, begun: begun, operator: &client{base: base, key: key, http: newHTTPClient()}}
	d.say("Hooklog demo: the whole service on a log in %s, and a receiver beside it.", n.settings.data)
	d.say("  API        %s\n  operators  %s/metrics  /healthz  /readyz\n  receiver   %s", base, n.operatorURL(), receiver.address)
	return d.play(ctx, once)
}

func (d *demo) say(format string, args ...any) { fmt.Fprintf(d.out, format+"\n", args...) }

// play shows both deliveries and then stays, unless it is to show them once.
func (d *demo) play(ctx context.Context, once bool) error {
	good, s, err := d.showDelivery(ctx)
	if err != nil {
		return err
	}
	if err := d.showRetry(ctx, good.slug+"-flaky"); err != nil {
		return err
	}
	if once {
		d.say("\nBoth deliveries were verified.")
		return nil
	}
	if err := d.showCalls(ctx, good, s); err != nil {
		return err
	}
	return d.watch(ctx)
}

// begin registers an organization under the first free name: a data directory may have seen a demo before.
func (d *demo) begin(ctx context.Context, q quickstart) (quickstart, started, error) {
	slug := q.slug
	for i := 2; ; i++ {
		s, err := q.begin(ctx, d.operator)
		var refused *problem
		if !errors.As(err, &refused) || refused.Status != http.StatusConflict || i > 1000 {
			return q, s, err
		}
		q.slug = fmt.Sprintf("%s-%d", slug, i)
	}
}

// showDelivery shows a delivery that arrives at once.
func (d *demo) showDelivery(ctx context.Context) (quickstart, started, error) {
	q := quickstart{slug: "acme", name: "Acme Inc.", eventType: "order.paid", target: d.receiver.address + goodPath}
	q, s, err := d.begin(ctx, q)
	if err != nil {
		return q, s, err
	}
	d.say("\n1. Organization %s is registered, has a key, and subscribes %s to %s.", q.slug, s.subscription.URL, q.eventType)
	d.receiver.trust(s.subscription.Secret)
	from := time.Now()
	sent, err := q.publish(ctx, d.operator)
	if err != nil {
		return q, s, err
	}
	d.say("   published   %s, %d delivery", sent.EventID, sent.Deliveries)
	a, err := d.await(ctx, sent.EventID)
	if err != nil {
		return q, s, err
	}
	d.say("   received    %s", a.body)
	d.say("   verified    %s", a.signature)
	d.say("   %s after publishing, %s after the start.", rounded(a.at.Sub(from)), rounded(a.at.Sub(d.begun)))
	return q, s, nil
}

// showRetry shows a delivery whose first attempt the receiver answers with 503.
func (d *demo) showRetry(ctx context.Context, slug string) error {
	q := quickstart{slug: slug, name: "Acme, on a bad day", eventType: "order.paid", target: d.receiver.address + flakyPath,
		retrySchedule: []string{"2s", "4s", "8s"}}
	q, s, err := d.begin(ctx, q)
	if err != nil {
		return err
	}
	d.receiver.trust(s.subscription.Secret)
	d.receiver.failNext(flakyPath, 1)
	d.say("\n2. Organization %s retries after 2, 4 and 8 seconds; its receiver is about to fail once.", q.slug)
	sent, err := q.publish(ctx, d.operator)
	if err != nil {
		return err
	}
	d.say("   published   %s", sent.EventID)
	first, err := d.await(ctx, sent.EventID)
	if err != nil {
		return err
	}
	if first.status != http.StatusServiceUnavailable {
		return fmt.Errorf("the first attempt was answered %d, want 503", first.status)
	}
	d.say("   attempt 1   verified %s…, answered 503", first.signature[:min(19, len(first.signature))])
	second, err := d.await(ctx, sent.EventID)
	if err != nil {
		return err
	}
	if second.status != http.StatusOK {
		return fmt.Errorf("the second attempt was answered %d, want 200", second.status)
	}
	d.say("   attempt 2   verified %s…, answered 200, %s later: the same event, signed anew", second.signature[:min(19, len(second.signature))], rounded(second.at.Sub(first.at)))
	return nil
}

// await waits for the next request with an event; every request on the way must have a good signature.
func (d *demo) await(ctx context.Context, eventID string) (arrival, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, demoPatience, errors.New("nothing arrived at the receiver"))
	defer cancel()
	for {
		select {
		case a := <-d.receiver.arrivals:
			if a.err != nil {
				return a, fmt.Errorf("the receiver does not accept what arrived: %w", a.err)
			}
			if a.eventID == eventID {
				return a, nil
			}
		case <-ctx.Done():
			return arrival{}, context.Cause(ctx)
		}
	}
}

// showCalls prints calls that work as they are pasted.
func (d *demo) showCalls(ctx context.Context, q quickstart, s started) error {
	var platform apiKey
	ask := newKey{Scopes: []string{"events:publish", "audit:read"}, Mode: "test", Organizations: []string{s.organization.ID}}
	if err := d.operator.do(ctx, http.MethodPost, keysPath(""), ask, &platform); err != nil {
		return err
	}
	sent, err := q.publish(ctx, d.operator)
	if err != nil {
		return err
	}
	if _, err := d.await(ctx, sent.EventID); err != nil {
		return err
	}
	base := d.operator.base.String()
	partner := func(method, path string, body string) string {
		return d.pasteable(base, s.partner.key.Reveal(), method, path, body)
	}
	asPlatform := func(method, path string, body string) string {
		return d.pasteable(base, platform.Key, method, path, body)
	}
	body, err := encodeJSON(event{Type: q.eventType, Data: []byte(quickData)})
	if err != nil {
		return err
	}
	secret, err := encodeJSON(map[string]string{"secret": s.subscription.Secret})
	if err != nil {
		return err
	}
	d.say("\n3. Yours now. Paste any of these; what arrives at the receiver is shown below.")
	for _, line := range [...]struct{ about, call string }{
		{"publish an event", asPlatform(http.MethodPost, organizationPath(q.slug, "events"), string(body))},
		{"who gets it, who does not, and why", asPlatform(http.MethodGet, organizationPath(q.slug, "events", sent.EventID), "")},
		{"who am I", partner(http.MethodGet, "/api/v1/partner/me", "")},
		{"my subscriptions", partner(http.MethodGet, webhooksPath, "")},
		{"send me a test", partner(http.MethodPost, webhooksPath+"/"+s.subscription.ID+"/test", string(secret))},
		{"what failed", partner(http.MethodGet, webhooksPath+"/"+s.subscription.ID+"/failures", "")},
	} {
		d.say("\n# %s\n%s", line.about, line.call)
	}
	d.say("\nCtrl-C ends the demo and removes its log.\n")
	return nil
}

func (d *demo) pasteable(base, key, method, path, body string) string {
	k := call{method: method, path: path}
	if body != "" {
		k.body = []byte(body)
	}
	return curl(base, quoted("Authorization: Bearer "+key), k)
}

// watch tells what arrives until a person has seen enough.
func (d *demo) watch(ctx context.Context) error {
	for {
		select {
		case a := <-d.receiver.arrivals:
			if a.err != nil {
				d.say("%s  refused   %s", a.at.Format(time.TimeOnly), printable(a.err.Error()))
				continue
			}
			d.say("%s  verified  %s  %s", a.at.Format(time.TimeOnly), printable(a.eventType), printable(string(a.body)))
		case <-ctx.Done():
			return nil
		}
	}
}

// rounded is a duration as people read it.
func rounded(d time.Duration) string {
	if d < time.Second {
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}
