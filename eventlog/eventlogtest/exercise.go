// Package eventlogtest says what the log port means, as tests that judge any backend. [Exercise] runs them; [Judge]
// runs them where a failure is a result and not the end of a test.
package eventlogtest

import (
	"context"
	"testing"
	"time"

	"github.com/hooklog/hooklog/eventlog"
)

// Backend is what a suite needs to know about a log.
type Backend struct {
	// Open returns a fresh, empty log. Whoever opens it closes it, by t.Cleanup; the suite may close it before.
	Open func(testing.TB) eventlog.Log
	// Reopen closes a log that Open returned and opens what it has kept. It is nil for a log that keeps nothing or
	// cannot be restarted, which Features.NoRestart must then explain.
	Reopen func(testing.TB, eventlog.Log) eventlog.Log
	// Features declares how the log differs.
	Features Features
}

// Features are the differences between backends that the port allows. The zero value promises everything.
type Features struct {
	// NoRestart says why there is no Reopen.
	NoRestart string
	// ReservedDollar says that names beginning with "$" belong to the log itself.
	ReservedDollar bool
	// TypesCountTwice says that a type counts two bytes for each of its UTF-16 units towards MaxAppend.
	TypesCountTwice bool
	// ReplayForgotten says that a restart ends a replay: what was not finished by then is parked again.
	ReplayForgotten bool
	// SharedFeed says that the log may hold events of others: it is not empty at first, and the feed shows more than
	// what a rule appended.
	SharedFeed bool
	// Store says that the logs are an [eventlog.Store], and judges them as one.
	Store bool
	// MessageTimeout is the shortest timeout that the log's clock can keep; 0 means 200 ms.
	MessageTimeout time.Duration
	// Patience is how long the suite waits for what must happen; 0 means a minute. It is never waited out in success.
	Patience time.Duration
}

// Rule is one promise of the port.
type Rule struct {
	Name  string
	check func(*run)
	// restarts says that the rule needs Reopen.
	restarts bool
}

// Rules returns the rules that apply to a backend.
func Rules(b Backend) []Rule {
	var applicable []Rule
	sets := [][]Rule{appendRules(), repetitionRules(), nameRules(), readRules(), subscribeRules(), groupRules(), closeRules()}
	if b.Features.Store {
		sets = append(sets, storeRules())
	}
	for _, set := range sets {
		for _, r := range set {
			if r.restarts && b.Reopen == nil {
				continue
			}
			applicable = append(applicable, r)
		}
	}
	return applicable
}

// Exercise runs every rule as a parallel subtest.
func Exercise(t *testing.T, b Backend) {
	if b.Reopen == nil && b.Features.NoRestart == "" {
		t.Fatal("a backend without Reopen must say why in Features.NoRestart")
	}
	if b.Reopen == nil {
		t.Logf("not restarted: %s", b.Features.NoRestart)
	}
	for _, rule := range Rules(b) {
		t.Run(rule.Name, func(t *testing.T) {
			t.Parallel()
			rule.Check(t, b)
		})
	}
}

// Check runs one rule.
func (r Rule) Check(t testing.TB, b Backend) {
	x := &run{TB: t, backend: b, log: b.Open(t)}
	x.patience = b.Features.Patience
	if x.patience == 0 {
		x.patience = time.Minute
	}
	x.timeout = b.Features.MessageTimeout
	if x.timeout == 0 {
		x.timeout = 200 * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*x.patience)
	defer cancel()
	x.ctx = ctx
	start, err := x.log.Head(ctx)
	if err != nil {
		t.Fatalf("head of a fresh log: %v", err)
	}
	x.start = start
	r.check(x)
}
