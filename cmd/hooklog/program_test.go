package main

import (
	"strings"
	"testing"
)

func TestWhatIsNotUnderstoodIsAUsageError(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"srve"}, `no sub-command "srve"`},
		{[]string{"keys"}, "needs one of its sub-commands"},
		{[]string{"keys", "isue"}, `no sub-command "isue"`},
		{[]string{"serve", "now"}, `takes no argument, but was given "now"`},
		{[]string{"serve", "--lisen", "x"}, "unknown flag: --lisen"},
		{[]string{"deliveries", "show"}, "needs DELIVERY"},
		{[]string{"keys", "revoke", "a", "b"}, `does not know what to do with "b"`},
		{[]string{"orgs", "list", "--url", "ftp://x"}, "URL must look like"},
		{[]string{"events", "publish", "a.b", "--org", "acme"}, "needs DATA"},
		{[]string{"events", "publish", "a.b", "{", "--org", "acme"}, "not JSON"},
	} {
		fail(t, exitUsage, []string{"HOOKLOG_KEY=k"}, c.args, c.says)
	}
}

func TestARequiredFlagIsDemanded(t *testing.T) {
	t.Parallel()
	fail(t, exitUsage, nil, []string{"event-types", "list"}, "needs --org")
}

func TestHelpVersionAndCompletion(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		says []string
	}{
		{[]string{"--help"}, []string{"serve", "demo", "quickstart", "orgs", "keys", "event-types", "events", "subscriptions", "deliveries", "log", "keyset", "config", "version", "completion"}},
		{nil, []string{"Usage:"}},
		{[]string{"serve", "--help"}, []string{"--listen ADDRESS", "--allow-insecure-targets CIDR", "(default 127.0.0.1:8080)"}},
		{[]string{"version"}, []string{"hooklog ", "go1."}},
		{[]string{"version", "--json"}, []string{`"version": "`, `"go": "go1.`}},
		{[]string{"completion", "bash"}, []string{"__start_hooklog"}},
		{[]string{"__complete", "log", ""}, []string{"verify", "dump", "backup"}},
	} {
		out := succeed(t, nil, c.args...)
		for _, text := range c.says {
			if !strings.Contains(out, text) {
				t.Errorf("hooklog %v lacks %q:\n%s", c.args, text, out)
			}
		}
	}
}
