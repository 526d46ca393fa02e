package http_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	httpd "github.com/hooklog/hooklog/http"
)

// platform is a house with an organization that takes messages, and a key to publish with.
func platform(t *testing.T, change ...func(*httpd.Config)) (*house, string) {
	h := build(t, change...)
	h.organization("acme")
	h.eventType("acme", "order.paid")
	return h, h.platformKey()
}

// TestPublishingOne holds the row publish.position.
func TestPublishingOne(t *testing.T) {
	t.Parallel()
	h, key := platform(t)
	partner := h.partnerKey("acme")
	h.webhook(partner, `["order.paid"]`)
	h.webhook(partner, `["*"]`)
	h.webhook(partner, `[]`)
	a := h.want(202, "POST", events, key, ` { "data" : {"a" : [1, 2]} , "type" : "order\u002epaid" , "client":"müller", "occurred_at":"2026-01-30T14:30:00+01:00" } `)
	if a.json(t, "deliveries") != 2.0 {
		t.Errorf("deliveries: %s", a.body)
	}
	if a.text(t, "position") != a.header.Get("Hooklog-Position") || a.text(t, "position") == "" {
		t.Errorf("position %s, header %s", a.body, a.header.Get("Hooklog-Position"))
	}
	if id := a.text(t, "event_id"); !strings.HasPrefix(id, "evt_") || len(id) != 40 {
		t.Errorf("event_id %s", id)
	}
}

// TestARepetitionIsAnsweredWithTheFirstResult holds the row publish.once.
func TestARepetitionIsAnsweredWithTheFirstResult(t *testing.T) {
	t.Parallel()
	h, key := platform(t)
	first := h.want(202, "POST", events, key, `{"type":"order.paid","data":{"n":1e2},"id":"o:1"}`)
	again := h.want(202, "POST", events, key, `{"id":"o:1","type":"order.paid","data":{ "n": 100 }}`)
	if first.body != again.body {
		t.Errorf("first %s, then %s", first.body, again.body)
	}
}

func TestTheLargestMessage(t *testing.T) {
	t.Parallel()
	h, key := platform(t)
	data := `{"a":"` + strings.Repeat("x", 256<<10-8) + `"}`
	h.want(202, "POST", events, key, `{"type":"order.paid","data":`+data+`}`)
	h.want(413, "POST", events, key, `{"type":"order.paid","data":`+data[:len(data)-2]+`x"}}`)
}

// TestAnArray holds the row publish.many.
func TestAnArray(t *testing.T) {
	t.Parallel()
	h, key := platform(t)
	var items []string
	for i := range 1000 {
		items = append(items, fmt.Sprintf(`{"type":"order.paid","data":{"n":%d},"id":"n%d"}`, i, i%400))
	}
	items[3] = `{"type":"order.lost","data":{}}`
	items[4] = `7`
	items[5] = `{"type":"order.paid","data":{"a":"` + strings.Repeat("x", 256<<10) + `"}}`
	items[6] = `{"type":"order.paid","data":{"a":"` + strings.Repeat("x", 330<<10) + `"}}`
	items[7] = `{"type":"order.paid","data":{"a":}}`
	a := h.want(200, "POST", events, key, "["+strings.Join(items, " , ")+"]")
	var results []result
	h.must(json.Unmarshal([]byte(a.body), &results))
	if len(results) != 1000 {
		t.Fatalf("%d results", len(results))
	}
	want := map[int]int{3: 422, 4: 422, 5: 413, 6: 413, 7: 422}
	for i, r := range results {
		status := 202
		if i >= 400 {
			status = 409 // the first with that id won, whatever was faster
		}
		if i >= 400 && want[i%400] != 0 {
			status = 202 // there the first was refused
			if i >= 800 {
				status = 409
			}
		}
		if want[i] != 0 {
			status = want[i]
		}
		if r.Status != status {
			t.Errorf("item %d: %+v, want %d", i, r, status)
		}
		if accepted := r.Event != "" && r.Position != ""; accepted != (status == 202) {
			t.Errorf("item %d: %+v", i, r)
		}
	}
	if a.header.Get("Hooklog-Position") == "" {
		t.Error("no position")
	}
}

type result struct {
	Status   int    `json:"status"`
	Event    string `json:"event_id"`
	Position string `json:"position"`
	Detail   string `json:"detail"`
}

// stream is a request whose body is written line by line.
type stream struct {
	t      *testing.T
	in     *io.PipeWriter
	resp   *http.Response
	out    *bufio.Reader
	cancel context.CancelFunc
}

func (h *house) stream(t *testing.T, key, first string) *stream {
	t.Helper()
	out, in := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, "POST", h.url+events, out)
	h.must(err)
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", "application/x-ndjson")
	go func() { _, _ = io.WriteString(in, first) }() // a request that fails shows below
	resp, err := h.client.Do(r)
	h.must(err)
	s := &stream{t, in, resp, bufio.NewReader(resp.Body), cancel}
	t.Cleanup(func() { cancel(); in.Close(); resp.Body.Close() })
	return s
}

func (s *stream) send(lines string) {
	s.t.Helper()
	if _, err := io.WriteString(s.in, lines); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stream) result() result {
	s.t.Helper()
	line, err := s.out.ReadBytes('\n')
	if err != nil {
		s.t.Fatalf("read a result: %v", err)
	}
	var r result
	if err := json.Unmarshal(line, &r); err != nil {
		s.t.Fatalf("%v: %s", err, line)
	}
	return r
}

const line = `{"type":"order.paid","data":{}}` + "\n"

// TestLinesAreAnsweredWhileTheyAreSent holds the row publish.lines.
func TestLinesAreAnsweredWhileTheyAreSent(t *testing.T) {
	t.Parallel()
	h, key := platform(t)
	s := h.stream(t, key, line)
	if got := s.resp.Header.Get("Content-Type"); s.resp.StatusCode != 200 || got != "application/x-ndjson" {
		t.Fatalf("%d %s", s.resp.StatusCode, got)
	}
	for i := range 50 {
		if r := s.result(); r.Status != 202 {
			t.Fatalf("line %d: %+v", i, r)
		}
		s.send("\r\n \n" + line)
	}
	last := s.result()
	h.must(s.in.Close())
	if rest, err := io.ReadAll(s.out); err != nil || len(rest) > 0 {
		t.Errorf("after the last result: %q, %v", rest, err)
	}
	if got := s.resp.Trailer.Get("Hooklog-Position"); got != last.Position {
		t.Errorf("trailer %q, last position %q", got, last.Position)
	}
}

func TestLinesKeepTheirOrder(t *testing.T) {
	t.Parallel()
	h, key := platform(t)
	var body strings.Builder
	want := map[int]int{}
	for i := range 3000 {
		switch i % 10 {
		case 3:
			body.WriteString("no json\n")
			want[i] = 422
		case 5:
			body.WriteString(`{"type":"order.paid","data":{"i":` + fmt.Sprint(i) + `},"id":"same"}` + "\n")
			want[i] = 409
		case 7:
			if i > 500 {
				body.WriteString(line)
				continue
			}
			body.WriteString(`{"type":"order.paid","data":{"x":"` + strings.Repeat("x", 400<<10) + `"}}` + "\n")
			want[i] = 413
		default:
			body.WriteString(line)
		}
	}
	want[5] = 202
	a := h.want(200, "POST", events, key, strings.TrimSuffix(body.String(), "\n"), "Content-Type", "application/x-ndjson; charset=utf-8")
	lines := strings.Split(strings.TrimSuffix(a.body, "\n"), "\n")
	if len(lines) != 3000 {
		t.Fatalf("%d results", len(lines))
	}
	for i, l := range lines {
		var r result
		h.must(json.Unmarshal([]byte(l), &r))
		if status := max(202, want[i]); r.Status != status {
			t.Errorf("line %d: %+v, want %d", i, r, status)
		}
	}
}

func TestNoLines(t *testing.T) {
	t.Parallel()
	h, key := platform(t)
	if a := h.want(200, "POST", events, key, "", "Content-Type", "application/x-ndjson"); a.body != "" {
		t.Errorf("got %q", a.body)
	}
}

// TestABrokenStreamPublishesNoHalfLine: what a caller did not finish sending is not published, even if it is a message.
func TestABrokenStreamPublishesNoHalfLine(t *testing.T) {
	t.Parallel()
	h, key := platform(t)
	s := h.stream(t, key, line)
	if r := s.result(); r.Status != 202 {
		t.Fatalf("got %+v", r)
	}
	before := h.facts()
	s.send(strings.TrimSuffix(line, "\n"))
	s.cancel()
	for deadline := time.Now().Add(time.Minute); !strings.Contains(h.logged.String(), "answer cut off"); {
		if time.Now().After(deadline) {
			t.Fatalf("the stream was not ended: %s", h.logged.String())
		}
		time.Sleep(5 * time.Millisecond)
	}
	if after := h.facts(); after != before {
		t.Errorf("%d facts were recorded after the caller broke off", after-before)
	}
}

func TestAStreamEndsWhenTheNodeStops(t *testing.T) {
	t.Parallel()
	var stopping atomic.Bool
	h, key := platform(t, func(c *httpd.Config) { c.Stopping = stopping.Load })
	s := h.stream(t, key, line)
	if r := s.result(); r.Status != 202 {
		t.Fatalf("got %+v", r)
	}
	stopping.Store(true)
	s.send(line) // whoever waits for it takes it still
	if r := s.result(); r.Status != 202 {
		t.Fatalf("got %+v", r)
	}
	if _, err := io.ReadAll(s.out); err == nil {
		t.Error("the answer ended as if it were whole")
	}
}
