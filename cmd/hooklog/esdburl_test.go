package main

import (
	"strings"
	"testing"
)

func TestTheConnectionStringIsShownWithoutItsPassword(t *testing.T) {
	t.Parallel()
	for given, shown := range map[string]string{
		"":                                     "",
		"esdb://127.0.0.1:2113?tls=false":      "esdb://127.0.0.1:2113?tls=false",
		"esdb+discover://ops:s3cret@log:2113":  "esdb+discover://ops:[hidden]@log:2113",
		"esdb://ops:s3c@ret@a:1,b:2,c:3?tls=1": "esdb://ops:[hidden]@a:1,b:2,c:3?tls=1",
		"s3cret":                               "[hidden]",
	} {
		for source, row := range map[string]configRow{
			"flag":        effectiveSetting(t, "esdb-url", nil, "--esdb-url", given),
			"environment": effectiveSetting(t, "esdb-url", []string{"HOOKLOG_ESDB_URL=" + given}),
		} {
			if row.Value != shown {
				t.Errorf("%q from the %s is shown as %q", given, source, row.Value)
			}
		}
		if out := succeed(t, []string{"HOOKLOG_ESDB_URL=" + given}, "config"); strings.Contains(out, "s3") {
			t.Errorf("config shows\n%s", out)
		}
	}
	fail(t, exitFailed, nil, []string{"serve", "--data", t.TempDir(), "--esdb-url", "esdb://ops:s3cret@a:b"}, "connection string")
	for _, bad := range []string{"esdb://ops:s3#cret@a:1", "esdb://ops:s3cret@a:b", "http://ops:s3cret@a:1", "esdb://ops:s3%cret@a:1"} {
		if said := hooklog(t, nil, "serve", "--data", t.TempDir(), "--esdb-url", bad); said.code != exitFailed || strings.Contains(said.err+said.out, "s3") {
			t.Errorf("serve said\n%s%s", said.out, said.err)
		}
	}
}
