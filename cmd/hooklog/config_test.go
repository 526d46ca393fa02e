package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

type configRow struct{ Name, Value, Source, Environment string }

// settingsFile writes a settings file.
func settingsFile(t *testing.T, lines ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hooklog.toml")
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// effectiveSettings asks `hooklog config` for one setting.
func effectiveSetting(t *testing.T, name string, env []string, args ...string) configRow {
	t.Helper()
	rows := decode[[]configRow](t, succeed(t, env, append([]string{"config", "--json"}, args...)...))
	i := slices.IndexFunc(rows, func(r configRow) bool { return r.Name == name })
	if i < 0 {
		t.Fatalf("config lacks %s", name)
	}
	return rows[i]
}

func TestFlagsWinOverEnvironmentOverFileOverDefault(t *testing.T) {
	t.Parallel()
	file := settingsFile(t, `listen = "10.0.0.1:1"`, `max-backlog = 7`, `pprof = true`, `allow-insecure-targets = ["10.0.0.0/8", "127.0.0.1/8"]`)
	env := []string{"HOOKLOG_LISTEN=10.0.0.2:2"}
	for _, c := range []struct {
		about, name string
		env, args   []string
		want        configRow
	}{
		{"default", "listen", nil, nil, configRow{Value: "127.0.0.1:8080", Source: "default"}},
		{"file", "listen", nil, []string{"--config", file}, configRow{Value: "10.0.0.1:1", Source: "file"}},
		{"file named by the environment", "listen", []string{"HOOKLOG_CONFIG=" + file}, nil, configRow{Value: "10.0.0.1:1", Source: "file"}},
		{"environment over file", "listen", env, []string{"--config", file}, configRow{Value: "10.0.0.2:2", Source: "environment"}},
		{"flag over both", "listen", env, []string{"--config", file, "--listen", "10.0.0.3:3"}, configRow{Value: "10.0.0.3:3", Source: "flag"}},
		{"an empty variable is none", "listen", []string{"HOOKLOG_LISTEN="}, []string{"--config", file}, configRow{Value: "10.0.0.1:1", Source: "file"}},
		{"the last variable of a name", "listen", []string{"HOOKLOG_LISTEN=a:1", "HOOKLOG_LISTEN=b:2"}, nil, configRow{Value: "b:2", Source: "environment"}},
		{"a number in the file", "max-backlog", nil, []string{"--config", file}, configRow{Value: "7", Source: "file"}},
		{"true in the file", "pprof", nil, []string{"--config", file}, configRow{Value: "true", Source: "file"}},
		{"a bare flag", "pprof", nil, []string{"--pprof"}, configRow{Value: "true", Source: "flag"}},
		{"a flag that takes back what the file says", "pprof", nil, []string{"--config", file, "--pprof=false"}, configRow{Value: "false", Source: "flag"}},
		{"a list in the file, masked", "allow-insecure-targets", nil, []string{"--config", file}, configRow{Value: "10.0.0.0/8,127.0.0.0/8", Source: "file"}},
		{"a flag replaces a list", "allow-insecure-targets", nil, []string{"--config", file, "--allow-insecure-targets", "::1/128"}, configRow{Value: "::1/128", Source: "flag"}},
		{"a size", "min-free", []string{"HOOKLOG_MIN_FREE=1048576"}, nil, configRow{Value: "1MiB", Source: "environment"}},
		{"a duration", "stop-grace", []string{"HOOKLOG_STOP_GRACE=90s"}, nil, configRow{Value: "1m30s", Source: "environment"}},
	} {
		got := effectiveSetting(t, c.name, c.env, c.args...)
		if got.Value != c.want.Value || got.Source != c.want.Source {
			t.Errorf("%s: got %s from %s, want %s from %s", c.about, got.Value, got.Source, c.want.Value, c.want.Source)
		}
	}
}

func TestBadSettingsAreRefusedByName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		about     string
		env, args []string
		says      []string
	}{
		{"unknown in the file", nil, []string{"--config", settingsFile(t, `listne = "x"`)}, []string{`no setting "listne"`}},
		{"a table in the file", nil, []string{"--config", settingsFile(t, `[listen]`, `x = 1`)}, []string{"listen: must be"}},
		{"not TOML", nil, []string{"--config", settingsFile(t, `listen = `)}, []string{"line 1 is not TOML"}},
		{"bad number", []string{"HOOKLOG_MAX_IN_FLIGHT=0"}, nil, []string{"HOOKLOG_MAX_IN_FLIGHT", "whole number from 1"}},
		{"bad network", nil, []string{"--allow-insecure-targets", "localhost"}, []string{"--allow-insecure-targets", "not a network"}},
		{"bad duration", []string{"HOOKLOG_STOP_GRACE=15"}, nil, []string{"HOOKLOG_STOP_GRACE", "must be a duration"}},
		{"bad level", nil, []string{"--log-level", "loud"}, []string{"--log-level", "must be one of"}},
		{"bad size in the file", nil, []string{"--config", settingsFile(t, `min-free = "lots"`)}, []string{"min-free", "must be a size"}},
	} {
		t.Log(c.about)
		fail(t, exitUsage, c.env, append([]string{"config"}, c.args...), c.says...)
	}
	fail(t, exitFailed, nil, []string{"config", "--config", "/nowhere/hooklog.toml"}, "read the settings", "/nowhere/hooklog.toml")
}

func TestConfigHidesSecrets(t *testing.T) {
	t.Parallel()
	const secret = "hlk_live_operator.verysecretverysecretverysecretverysecret1"
	file := settingsFile(t, `key = "`+secret+`"`)
	for _, c := range []struct{ env, args []string }{
		{[]string{"HOOKLOG_KEY=" + secret}, nil},
		{nil, []string{"--config", file}},
		{nil, []string{"--config", file, "--json"}},
		// A file that cannot be read is not quoted either.
		{nil, []string{"--config", settingsFile(t, `key = "`+secret+`" x`)}},
		{nil, []string{"--config", settingsFile(t, `[key]`, `a = "`+secret+`"`)}},
	} {
		o := hooklog(t, c.env, append([]string{"config"}, c.args...)...)
		if strings.Contains(o.out+o.err, "verysecret") {
			t.Errorf("config %v shows the key:\n%s%s", c.args, o.out, o.err)
		}
		if o.code == exitOK && !strings.Contains(o.out, hiddenText) {
			t.Errorf("config %v does not say that there is a key:\n%s", c.args, o.out)
		}
	}
	fail(t, exitUsage, nil, []string{"config", "--key", secret}, "unknown flag")
}

func TestConfigPrintsAFileThatReadsBack(t *testing.T) {
	t.Parallel()
	first := succeed(t, []string{"HOOKLOG_KEY=secret", `HOOKLOG_DATA=/a "b"\c`}, "config", "--allow-insecure-targets", "127.0.0.0/8,::1/128", "--pprof", "--min-free", "3GiB")
	second := succeed(t, nil, "config", "--config", settingsFile(t, first))
	values := func(text string) (lines []string) {
		for line := range strings.Lines(text) {
			if setting, _, found := strings.Cut(line, " # "); found && !strings.HasPrefix(line, "key") && !strings.HasPrefix(line, "#") {
				lines = append(lines, strings.TrimSpace(setting))
			}
		}
		return lines
	}
	if got, want := values(second), values(first); !slices.Equal(got, want) {
		t.Errorf("read back\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if len(values(first)) < 15 {
		t.Errorf("config shows only\n%s", first)
	}
}

func TestAStrangeVariableIsTold(t *testing.T) {
	t.Parallel()
	o := hooklog(t, []string{"HOOKLOG_LISTNE=x"}, "config")
	if o.code != exitOK || !strings.Contains(o.err, "HOOKLOG_LISTNE is no setting") {
		t.Errorf("exit code %d, stderr %q", o.code, o.err)
	}
}
