package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/hooklog/hooklog/commands"
	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog/embedded"
	httpd "github.com/hooklog/hooklog/http"
	"github.com/hooklog/hooklog/projections"
)

// simulationTimeout bounds how long the command waits for a server that reads its whole log.
const simulationTimeout = time.Hour

// simulationAsked is what the flags of `simulate` say, in the form in which the API takes it.
type simulationAsked struct {
	From         time.Time         `json:"from"`
	To           time.Time         `json:"to"`
	Schedule     []domain.Duration `json:"retry_schedule,omitempty"`
	DisableAfter *int              `json:"disable_after,omitempty"`
	Organization string            `json:"organization,omitempty"`
	Subscription string            `json:"subscription,omitempty"`
}

func (p *program) simulateCommand() *cobra.Command {
	c := &cobra.Command{Use: "simulate", Short: "Replay recorded deliveries under another policy: what would have been saved or lost", Args: noArguments,
		Long: "Replay the deliveries that began in a window of the past under another retry schedule, or another number of failures\n" +
			"that disables, beside what really happened. What is not named stays as it was. Nothing is recorded or sent.\n\n" +
			"The log in the data directory is read, if it is there and no server has it open; else the server is asked, and so it is\n" +
			"where --url is named and --data is not."}
	cfg, asJSON := clientFlags(c, ofStore|ofClient)
	var from, to, schedule string
	var after int
	var asked simulationAsked
	flags := c.Flags()
	flags.StringVar(&from, "from", "", "`TIME` from which on deliveries count, as 2026-01-30T14:30:00Z")
	flags.StringVar(&to, "to", "", "`TIME` before which they count")
	flags.StringVar(&schedule, "retry-schedule", "", "`DELAYS` between attempts, as 1m,5m,30m; 1 to 20 of 1s to 168h")
	flags.IntVar(&after, "disable-after", 0, "`NUMBER` of failed attempts in a row that disables a subscription; 0 for never")
	flags.StringVar(&asked.Organization, "organization", "", "only the subscriptions of this `ORGANIZATION` (slug or id)")
	flags.StringVar(&asked.Subscription, "subscription", "", "only this `SUBSCRIPTION` (wh_…)")
	c.RunE = func(c *cobra.Command, _ []string) error {
		if err := cfg.load(flags, p.env); err != nil {
			return err
		}
		if flags.Changed("disable-after") {
			asked.DisableAfter = &after
		}
		if err := asked.parse(from, to, schedule, flags.Changed("retry-schedule")); err != nil {
			return err
		}
		raw, err := p.simulate(c.Context(), cfg, asked)
		if err != nil {
			return err
		}
		return show{out: p.out, json: *asJSON}.simulation(raw)
	}
	return c
}

// parse reads the flags that are more than text or number, and holds all of them against the rules.
func (a *simulationAsked) parse(from, to, schedule string, scheduled bool) error {
	for _, t := range []struct {
		flag, text string
		to         *time.Time
	}{{"from", from, &a.From}, {"to", to, &a.To}} {
		if t.text == "" {
			return usage("--%s is needed", t.flag)
		}
		var err error
		if *t.to, err = time.Parse(time.RFC3339, t.text); err != nil {
			return usage("--%s: %q is no time such as 2026-01-30T14:30:00Z", t.flag, t.text)
		}
	}
	if scheduled {
		for text := range strings.SplitSeq(schedule, ",") {
			var d domain.Duration
			if err := d.UnmarshalText([]byte(strings.TrimSpace(text))); err != nil {
				return usage("--retry-schedule: %w", err)
			}
			a.Schedule = append(a.Schedule, d)
		}
	}
	if err := a.request().Check(); err != nil {
		return usage("%w", err)
	}
	return nil
}

func (a *simulationAsked) request() domain.SimulationRequest {
	return domain.SimulationRequest{From: a.From, To: a.To, Schedule: a.Schedule, DisableAfter: a.DisableAfter}
}

// simulate reads the stopped log, or lets the server do it that has it open. Either way the answer is the same JSON.
func (p *program) simulate(ctx context.Context, cfg *configuration, asked simulationAsked) (raw json.RawMessage, err error) {
	if cfg.given("url") && !cfg.given("data") {
		return simulateRunning(ctx, &cfg.settings, asked)
	}
	logger, err := newLogger(&cfg.settings, p.err)
	if err != nil {
		return nil, err
	}
	log, err := openStopped(&cfg.settings, logger.Level(atLeastWarn(logger.GetLevel())), true)
	if errors.Is(err, embedded.ErrLocked) || errors.Is(err, embedded.ErrMissing) {
		return simulateRunning(ctx, &cfg.settings, asked)
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	return simulateStopped(ctx, log, &cfg.settings, logger, asked)
}

func simulateRunning(ctx context.Context, s *settings, asked simulationAsked) (raw json.RawMessage, err error) {
	c, err := newClient(s)
	if err != nil {
		return nil, err
	}
	c.http.Timeout = simulationTimeout
	err = c.do(ctx, http.MethodPost, "/api/v1/simulations", asked, &raw)
	return raw, err
}

func simulateStopped(ctx context.Context, log *embedded.Log, s *settings, logger zerolog.Logger, asked simulationAsked) (json.RawMessage, error) {
	keys, err := openKeyset(s, logger, false)
	if err != nil {
		return nil, err
	}
	c, err := commands.New(commands.Config{Log: log, Keys: keys, Directory: noDirectory{}, URLs: noURLs{}})
	if err != nil {
		return nil, err
	}
	request, err := httpd.LimitSimulation(ctx, c, asked.request(), asked.Organization, asked.Subscription)
	if err != nil {
		return nil, err
	}
	report, err := projections.Simulate(ctx, log, domain.NewCodec(keys), request)
	if err != nil {
		return nil, err
	}
	return encodeJSON(httpd.ShowSimulation(report))
}
