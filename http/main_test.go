package http_test

import (
	"flag"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/hooklog/hooklog/waittest"
)

func TestMain(m *testing.M) {
	// A check of a property is a whole service with a history; more of them with HOOKLOG_LONG or -rapid.checks.
	if os.Getenv("HOOKLOG_LONG") == "" {
		if err := flag.Set("rapid.checks", "30"); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	http.DefaultClient.CloseIdleConnections()
	if err := waittest.Leaks(); code == 0 && err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		code = 1
	}
	if missing := theDescription().unproduced(); wholeRun() && len(missing) > 0 {
		os.Stderr.WriteString("no test is answered so, as http/openapi describes:\n" + strings.Join(missing, "\n") + "\n")
		code = 1
	}
	os.Exit(code)
}

// wholeRun reports whether all tests were asked for.
func wholeRun() bool {
	for _, limit := range []string{"test.run", "test.skip", "test.list", "test.fuzz"} {
		if flag.Lookup(limit).Value.String() != "" {
			return false
		}
	}
	return true
}
