package main

import (
	"strings"
	"testing"
)

func TestSimulateARunningServersLogAndAStoppedOnes(t *testing.T) {
	t.Parallel()
	h := startHook(t)
	s := serve(t, t.TempDir())
	s.begin(t, "acme", h)
	env := s.env()
	s.publish(t, "acme", `{"n":1}`)
	eventually(t, "the delivery arrives", func() bool {
		asked := decode[simulation](t, succeed(t, env, "simulate", "--from", "2020-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00Z", "--json"))
		return asked.Total.Recorded.Delivered == 1
	})
	args := []string{"simulate", "--from", "2020-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00Z", "--retry-schedule", "1m, 2h", "--disable-after", "0", "--organization", "acme"}
	running := succeed(t, env, args...)
	for _, text := range []string{"1 deliveries", "retry schedule: 1m 2h; disabling: never", "median-to-success", "results: 100.0 % known", "What this rests on:", "- While a delivery"} {
		if !strings.Contains(running, text) {
			t.Errorf("simulate lacks %q:\n%s", text, running)
		}
	}
	asked := decode[simulation](t, succeed(t, env, append(args, "--json")...))
	if asked.Total.Deliveries != 1 || asked.Total.Recorded.Delivered != 1 || asked.Total.Simulated.Delivered != 1 || len(asked.Webhooks) != 1 {
		t.Errorf("asked: %+v", asked)
	}
	key, err := readOperatorKey(s.data)
	if err != nil {
		t.Fatal(err)
	}
	remote := decode[simulation](t, succeed(t, []string{"HOOKLOG_URL=" + s.url, "HOOKLOG_KEY=" + key.Reveal()}, append(args, "--json")...))
	if remote.Total.Deliveries != 1 {
		t.Errorf("without a data directory: %+v", remote)
	}
	if code := s.stop(); code != exitOK {
		t.Fatalf("serve ended with %d", code)
	}
	read := decode[simulation](t, succeed(t, env, append(args, "--json")...))
	if read.Total.Deliveries != 1 || read.Total.Recorded.Attempts != asked.Total.Recorded.Attempts || len(read.Webhooks) != 1 || read.Webhooks[0].ID != asked.Webhooks[0].ID {
		t.Errorf("read: %+v, asked: %+v", read, asked)
	}
	fail(t, exitFailed, nil, []string{"simulate", "--data", s.data, "--from", "2020-01-01T00:00:00Z", "--to", "2100-01-01T00:00:00Z", "--organization", "nobody"}, "no such organization")
}

func TestWhatCannotBeSimulated(t *testing.T) {
	t.Parallel()
	window := []string{"simulate", "--from", "2026-01-01T00:00:00Z", "--to", "2026-01-02T00:00:00Z"}
	for text, args := range map[string][]string{
		"--from":            {"simulate"},
		"--to":              {"simulate", "--from", "2026-01-01T00:00:00Z"},
		"yesterday":         {"simulate", "--from", "yesterday", "--to", "2026-01-01T00:00:00Z"},
		"later than from":   {"simulate", "--from", "2026-01-01T00:00:00Z", "--to", "2026-01-01T00:00:00Z"},
		"--retry-schedule":  append(window[:5:5], "--retry-schedule", "1m,soon"),
		"retry_schedule[0]": append(window[:5:5], "--retry-schedule", "500ms"),
		"disable_after":     append(window[:5:5], "--disable-after", "-1"),
		"takes no argument": append(window[:5:5], "acme"),
		"invalid argument":  append(window[:5:5], "--disable-after", "some"),
	} {
		fail(t, exitUsage, nil, args, text)
	}
}

func TestASimulationIsReadable(t *testing.T) {
	for seconds, want := range map[float64]string{0.00125: "1.25ms", 2.345: "2.35s", 3725.4: "1h2m5s"} {
		if got := waited(&seconds); got != want {
			t.Errorf("%v: got %s, want %s", seconds, got, want)
		}
	}
	if waited(nil) != "-" || signed(0) != "0" || signed(-3) != "-3" || signed(4) != "+4" || (founded{Known: 2, Estimated: 1}).count() != "3(1~)" {
		t.Error("numbers are not shown as they should be")
	}
	w := compared{RecordedDisabledAt: "x", SimulatedDisabledAt: "y", DisabledEstimated: true}
	if got := w.disabled(); got != "recorded,simulated~" {
		t.Errorf("got %s", got)
	}
}
