package commands

import (
	"context"
	"errors"
	"slices"
	"testing"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

func TestReadingTheHistoryIsRecorded(t *testing.T) {
	w := newWorld(t)
	f := &domain.AuditRead{Form: "csv", AuditFilter: domain.AuditFilter{Types: []string{"hooklog.KeyIssued.v1"}, Newest: true}}
	for n := 1; n <= 3; n++ {
		at, err := w.RecordAuditRead(w.ctx, by, "live_auditor", f)
		w.must(err)
		recorded := w.recorded()
		if len(recorded) != n || recorded[n-1].Position != at || recorded[n-1].Stream != "hl_audit-live_auditor" {
			t.Fatalf("after reading %d times: %+v", n, recorded)
		}
	}
	for _, got := range w.stream(domain.AuditStream("live_auditor")) {
		read, ok := got.(*domain.AuditRead)
		if !ok || read.Form != "csv" || !read.Newest || !slices.Equal(read.Types, f.Types) {
			t.Errorf("recorded %+v", got)
		}
	}
}

// full is a log that takes nothing.
type full struct{ eventlog.Streams }

func (full) Append(context.Context, string, eventlog.Expected, ...eventlog.Event) (eventlog.Appended, error) {
	return eventlog.Appended{}, eventlog.ErrNoSpace
}

func TestAReadingThatCannotBeRecordedFails(t *testing.T) {
	w := newWorld(t)
	if _, err := w.another(full{w.log}).RecordAuditRead(w.ctx, by, "live_auditor", &domain.AuditRead{Form: "json"}); !errors.Is(err, eventlog.ErrNoSpace) {
		t.Errorf("got %v, want ErrNoSpace", err)
	}
}
