package e2e_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
)

// ledger is what `hooklog log dump` says about deliveries.
type ledger struct {
	messages   map[string]int       // targets of each message, by the event's id
	deliveries map[string]*recorded // those with an attempt, by their id
	byEvent    map[string]*recorded // one of each event: all, where there is one subscription
	facts      map[string]int       // facts of each type
	actors     map[string]int       // attempts recorded by each node
}

// recorded is one delivery in the log.
type recorded struct {
	id, message string
	attempts    int
	ends        map[int]int // ends of each round
	delivered   bool
	dead        bool
}

func (r *recorded) ended() bool { return r != nil && (r.delivered || r.dead) }

// open reports whether an event that somebody gets has a delivery without an end.
func (l ledger) open(event string) bool { return l.messages[event] > 0 && !l.byEvent[event].ended() }

// dumped is the part of a fact that is looked at here.
type dumped struct {
	Stream, Type string
	Data         struct {
		Message string
		Round   int
		Attempt int
		Extra   bool
		Dead    bool
		Targets []json.RawMessage
	}
	Metadata struct{ Actor string }
}

// dump reads the log of the stopped server, and demands that it verifies.
func (s *server) dump(t *testing.T) ledger {
	t.Helper()
	return dumpOf(t, s.data, filepath.Join(s.data, "keyset.json"))
}

// dumpOf reads the stopped log of a data directory.
func dumpOf(t *testing.T, data, keyset string) ledger {
	t.Helper()
	if out, complaint, code := run(t, "log", "verify", "--data", data, "--keyset", keyset); code != 0 {
		t.Fatalf("log verify failed with %d: %s%s", code, out, complaint)
	}
	out, complaint, code := run(t, "log", "dump", "--data", data)
	if code != 0 {
		t.Fatalf("log dump failed with %d: %s", code, complaint)
	}
	l := ledger{map[string]int{}, map[string]*recorded{}, map[string]*recorded{}, map[string]int{}, map[string]int{}}
	for line := range strings.Lines(out) {
		var f dumped
		if err := json.Unmarshal([]byte(line), &f); err != nil {
			t.Fatalf("log dump printed %v: %s", err, line)
		}
		l.add(t, f)
	}
	return l
}

func (l ledger) add(t *testing.T, f dumped) {
	t.Helper()
	l.facts[f.Type]++
	category, id, _ := strings.Cut(f.Stream, "-")
	switch {
	case category == "hl_message":
		l.messages[id] += len(f.Data.Targets)
	case f.Type == "hooklog.AttemptSucceeded.v1", f.Type == "hooklog.AttemptFailed.v1":
		d := l.deliveries[id]
		if d == nil {
			d = &recorded{id: id, message: f.Data.Message, ends: map[int]int{}}
			l.deliveries[id], l.byEvent[d.message] = d, d
		}
		d.add(t, f)
		l.actors[f.Metadata.Actor]++
	}
}

func (r *recorded) add(t *testing.T, f dumped) {
	t.Helper()
	r.attempts++
	if f.Data.Attempt != r.attempts {
		t.Errorf("delivery %s: attempt %d is recorded as number %d", r.id, r.attempts, f.Data.Attempt)
	}
	succeeded := f.Type == "hooklog.AttemptSucceeded.v1"
	if f.Data.Extra || !succeeded && !f.Data.Dead {
		return
	}
	r.ends[f.Data.Round]++
	r.delivered, r.dead = r.delivered || succeeded, r.dead || f.Data.Dead
	if r.ends[f.Data.Round] > 1 {
		t.Errorf("delivery %s has two ends in round %d", r.id, f.Data.Round)
	}
}

// summary is for the test's log.
func (l ledger) summary() string {
	delivered, dead, attempts := 0, 0, 0
	for _, d := range l.deliveries {
		attempts += d.attempts
		if d.delivered {
			delivered++
		}
		if d.dead {
			dead++
		}
	}
	return fmt.Sprintf("%d messages, %d delivered, %d dead, %d attempts", len(l.messages), delivered, dead, attempts)
}
