package http_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// attemptsRecorded appends attempts of one delivery until the log holds a number of facts.
func (h *house) attemptsRecorded(facts int) {
	h.Helper()
	const together = 500
	of := domain.DeliveryOf{Message: domain.MessageID{1}, Subscription: domain.SubscriptionID{2}, Organization: domain.OrganizationID{3},
		EventType: "order.paid", PublishedAt: time.Unix(1_800_000_000, 0).UTC()}
	stream := domain.DeliveryStream(of.ID())
	for n := 0; n < facts; n += together {
		events := make([]eventlog.Event, min(together, facts-n))
		for i := range events {
			at := domain.Place{Stream: stream, ID: [16]byte{1, byte((n + i) >> 16), byte((n + i) >> 8), byte(n + i)}, Revision: uint64(n + i)}
			e, err := h.codec.Encode(at, &domain.AttemptFailed{Attempt: domain.Attempt{DeliveryOf: of, Round: 1, Number: n + i + 1,
				StartedAt: of.PublishedAt, Status: 500}, Reason: "http_500"}, domain.Meta{At: of.PublishedAt, Actor: "node:a"})
			h.must(err)
			events[i] = eventlog.Event{ID: at.ID, Type: e.Type, Data: e.Data, Metadata: e.Metadata}
		}
		_, err := h.log.Append(h.Context(), stream, eventlog.Exactly(eventlog.Revision(n-1)), events...)
		h.must(err)
	}
	h.settle()
}

// used is how much memory is held after a collection.
func used() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// TestAnExportOfAMillionFactsTakesNoMemory reads an export as it comes and looks at the memory held meanwhile: it must not
// grow with what was exported. Not parallel: the memory is the process's.
func TestAnExportOfAMillionFactsTakesNoMemory(t *testing.T) {
	facts := 40_000
	if os.Getenv("HOOKLOG_LONG") != "" {
		facts = 1_000_000
	}
	h := buildIn(t, vfs.Default, t.TempDir()) // on disk, so that what the stores hold is not counted
	h.attemptsRecorded(facts)
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", h.url+auditPath+"?type=hooklog.AttemptFailed.v1", nil)
	h.must(err)
	r.Header.Set("Authorization", "Bearer "+h.operator)
	r.Header.Set("Accept", "application/x-ndjson")
	resp, err := http.DefaultClient.Do(r)
	h.must(err)
	defer resp.Body.Close()

	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	rows, last := 0, ""
	var first, most, bytes uint64
	for lines.Scan() {
		last = lines.Text()
		bytes += uint64(len(last))
		if !strings.HasPrefix(last, `{"row":"fact"`) {
			continue
		}
		if rows++; rows%(facts/8) != 1 {
			continue
		}
		if now := used(); first == 0 {
			first = now
		} else {
			most = max(most, now)
		}
	}
	h.must(lines.Err())
	if rows != facts || !strings.Contains(last, fmt.Sprintf(`"row":"end","facts":%d,`, facts)) {
		t.Errorf("%d rows of %d came; the last line is %s", rows, facts, last)
	}
	t.Logf("%d rows, %d MiB; memory held: %d MiB at the first row, at most %d MiB later", rows, bytes>>20, first>>20, most>>20)
	// The stores work in the background meanwhile, and tests before this one leave what is yet to be collected.
	room := max(16<<20, bytes/10)
	if most > first+room {
		t.Errorf("memory grew from %d to %d bytes while %d bytes were exported", first, most, bytes)
	}
}
