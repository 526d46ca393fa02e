package main

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// simulation is what the server says of one.
type simulation struct {
	From         string     `json:"from"`
	To           string     `json:"to"`
	Until        string     `json:"until"`
	Facts        uint64     `json:"facts"`
	Schedule     []string   `json:"retry_schedule"`
	DisableAfter *int       `json:"disable_after"`
	Total        comparison `json:"total"`
	Disabled     struct {
		Recorded  uint64 `json:"recorded"`
		Simulated uint64 `json:"simulated"`
	} `json:"disabled"`
	Webhooks    []compared `json:"webhooks"`
	More        int        `json:"more_webhooks"`
	Unlisted    uint64     `json:"unlisted"`
	Assumptions []string   `json:"assumptions"`
}

type comparison struct {
	Deliveries uint64  `json:"deliveries"`
	Saved      founded `json:"saved"`
	Lost       founded `json:"lost"`
	Undecided  uint64  `json:"undecided"`
	Extra      int64   `json:"extra_attempts"`
	Results    founded `json:"results"`
	Recorded   course  `json:"recorded"`
	Simulated  course  `json:"simulated"`
}

// founded is a count divided by how well it is founded.
type founded struct {
	Known     uint64 `json:"known"`
	Estimated uint64 `json:"estimated"`
	Unknown   uint64 `json:"unknown"`
}

type course struct {
	Attempts  uint64   `json:"attempts"`
	Delivered uint64   `json:"delivered"`
	Dead      uint64   `json:"dead"`
	Cancelled uint64   `json:"cancelled"`
	Withheld  uint64   `json:"withheld"`
	Open      uint64   `json:"open"`
	Unknown   uint64   `json:"unknown"`
	Median    *float64 `json:"median_seconds_to_success"`
	P95       *float64 `json:"p95_seconds_to_success"`
}

type compared struct {
	ID string `json:"id"`
	comparison
	RecordedDisabledAt  string `json:"recorded_disabled_at"`
	SimulatedDisabledAt string `json:"simulated_disabled_at"`
	DisabledEstimated   bool   `json:"disabled_estimated"`
}

// simulation shows the comparison in all, for each webhook, and what it rests on.
func (s show) simulation(raw json.RawMessage) error {
	if s.json {
		return s.raw(raw)
	}
	var m simulation
	if err := json.Unmarshal(raw, &m); err != nil {
		return fmt.Errorf("the server's answer is not a simulation: %w", err)
	}
	for _, step := range []func(*simulation) error{s.simulated, s.courses, s.results, s.comparedWebhooks, s.assumptions} {
		if err := step(&m); err != nil {
			return err
		}
	}
	return nil
}

// simulated says what was replayed.
func (s show) simulated(m *simulation) error {
	schedule, after := "as recorded", "as recorded"
	if m.Schedule != nil {
		schedule = strings.Join(m.Schedule, " ")
	}
	if m.DisableAfter != nil {
		after = fmt.Sprintf("after %d failures in a row", *m.DisableAfter)
		if *m.DisableAfter == 0 {
			after = "never by a number of failures"
		}
	}
	until := m.Until
	if until == "" {
		until = "its end: the log holds nothing there"
	}
	if err := s.line("%d deliveries that began from %s to %s, followed until %s (%d facts)", m.Total.Deliveries, m.From, m.To, until, m.Facts); err != nil {
		return err
	}
	if err := s.line("retry schedule: %s; disabling: %s", schedule, after); err != nil {
		return err
	}
	return s.line("")
}

// courses puts the totals side by side.
func (s show) courses(m *simulation) error {
	r, t := m.Total.Recorded, m.Total.Simulated
	number := func(name string, recorded, simulated uint64) []string {
		return []string{name, strconv.FormatUint(recorded, 10), strconv.FormatUint(simulated, 10), signed(int64(simulated) - int64(recorded))}
	}
	rows := [][]string{
		number("attempts", r.Attempts, t.Attempts), number("delivered", r.Delivered, t.Delivered), number("dead", r.Dead, t.Dead),
		number("cancelled", r.Cancelled, t.Cancelled), number("withheld", r.Withheld, t.Withheld), number("open", r.Open, t.Open),
		{"unknown", "-", strconv.FormatUint(t.Unknown, 10), ""},
		{"median-to-success", waited(r.Median), waited(t.Median), ""}, {"p95-to-success", waited(r.P95), waited(t.P95), ""},
		number("webhooks-disabled", m.Disabled.Recorded, m.Disabled.Simulated),
	}
	return s.list(nil, "IN-ALL RECORDED SIMULATED DIFFERENCE", rows)
}

// results says what was saved and lost, and how well that is founded.
func (s show) results(m *simulation) error {
	t := &m.Total
	all := float64(max(1, t.Deliveries)) / 100
	if err := s.line(""); err != nil {
		return err
	}
	if err := s.line("saved %s, lost %s, undecided %d", t.Saved.count(), t.Lost.count(), t.Undecided); err != nil {
		return err
	}
	if m.Unlisted > 0 {
		if err := s.line("%d withheld deliveries are listed nowhere and not part of this", m.Unlisted); err != nil {
			return err
		}
	}
	return s.line("results: %.1f %% known, %.1f %% estimated, %.1f %% unknown", float64(t.Results.Known)/all,
		float64(t.Results.Estimated)/all, float64(t.Results.Unknown)/all)
}

func (s show) comparedWebhooks(m *simulation) error {
	if len(m.Webhooks) == 0 {
		return nil
	}
	if err := s.line(""); err != nil {
		return err
	}
	rows := make([][]string, len(m.Webhooks))
	for i := range m.Webhooks {
		w := &m.Webhooks[i]
		rows[i] = []string{w.ID, fmt.Sprint(w.Deliveries), w.Saved.count(), w.Lost.count(), fmt.Sprint(w.Undecided), signed(w.Extra),
			fmt.Sprintf("%d→%d", w.Recorded.Delivered, w.Simulated.Delivered), waited(w.Recorded.Median) + "→" + waited(w.Simulated.Median),
			waited(w.Recorded.P95) + "→" + waited(w.Simulated.P95), w.disabled(), fmt.Sprintf("%d/%d/%d", w.Results.Known, w.Results.Estimated, w.Results.Unknown)}
	}
	err := s.list(nil, "WEBHOOK DELIVERIES SAVED LOST UNDECIDED ATTEMPTS DELIVERED MEDIAN P95 DISABLED KNOWN/ESTIMATED/UNKNOWN", rows)
	if err == nil && m.More > 0 {
		err = s.line("and %d webhooks that differ less", m.More)
	}
	return err
}

func (s show) assumptions(m *simulation) error {
	for _, heading := range []string{"", "What this rests on:"} {
		if err := s.line("%s", heading); err != nil {
			return err
		}
	}
	for _, sentence := range m.Assumptions {
		if err := s.line("- %s", sentence); err != nil {
			return err
		}
	}
	return nil
}

// count is the number with the part of it that is not known.
func (f founded) count() string {
	if f.Estimated == 0 {
		return strconv.FormatUint(f.Known, 10)
	}
	return fmt.Sprintf("%d(%d~)", f.Known+f.Estimated, f.Estimated)
}

// disabled says in which course failures disabled the webhook.
func (w *compared) disabled() string {
	simulated := "simulated"
	if w.DisabledEstimated {
		simulated += "~"
	}
	switch recorded, played := w.RecordedDisabledAt != "", w.SimulatedDisabledAt != ""; {
	case recorded && played:
		return "recorded," + simulated
	case recorded:
		return "recorded"
	case played:
		return simulated
	}
	return "-"
}

func signed(n int64) string {
	if n == 0 {
		return "0"
	}
	return fmt.Sprintf("%+d", n)
}

// waited shows seconds as a duration.
func waited(seconds *float64) string {
	if seconds == nil {
		return "-"
	}
	d := time.Duration(*seconds * float64(time.Second))
	switch {
	case d >= time.Minute:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(10 * time.Microsecond).String()
}
