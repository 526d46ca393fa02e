package http_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/oklog/ulid/v2"
	"github.com/rs/zerolog"

	"github.com/hooklog/hooklog/commands"
	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded"
	httpd "github.com/hooklog/hooklog/http"
	"github.com/hooklog/hooklog/projections"
	"github.com/hooklog/hooklog/sealing"
)

// house is a whole service but for its dispatcher: a log in memory, the write side, the read side and the API behind a
// real listener.
type house struct {
	testing.TB
	log      *embedded.Log
	commands *commands.Commands
	fold     *projections.Fold
	lag      *lagging
	api      *httpd.API
	url      string
	client   *http.Client
	logged   *lockedBuffer
	operator string
	broken   *breakable
	keys     *sealing.Keyset
	codec    *domain.Codec
	// stopFolding lets the read side stand still.
	stopFolding func()
	folds       atomic.Bool
}

// by is who acts where a test goes past the API.
var by = commands.By{Actor: "cli"}

// build puts a house together; change may alter the API's settings first.
func build(t testing.TB, change ...func(*httpd.Config)) *house {
	t.Helper()
	return buildIn(t, vfs.NewMem(), "", change...)
}

// buildIn is build with the log and the read models below a directory of a file system.
func buildIn(t testing.TB, fs vfs.FS, dir string, change ...func(*httpd.Config)) *house {
	t.Helper()
	h := &house{TB: t, logged: &lockedBuffer{}}
	var err error
	h.log, err = embedded.Open(fs.PathJoin(dir, "log"), embedded.Options{FS: fs, Fatal: func(err error) { t.Errorf("the log failed: %v", err) }})
	h.must(err)
	h.keys, err = sealing.NewKeyset()
	h.must(err)
	h.codec = domain.NewCodec(h.keys)
	h.fold, err = projections.Open(projections.Config{Dir: fs.PathJoin(dir, "fold"), FS: fs, Feed: h.log, Streams: h.log, Codec: h.codec, Keys: h.keys})
	h.must(err)
	h.run()
	h.lag = &lagging{Fold: h.fold}
	h.broken = &breakable{Streams: h.log}
	h.commands, err = commands.New(commands.Config{Log: h.broken, Keys: h.keys, Codec: h.codec, Directory: h.fold, URLs: urls{}})
	h.must(err)
	config := httpd.Config{Commands: h.commands, Fold: h.fold, Positions: positions{h.fold}, Readiness: h.lag,
		Node: "node:0123456789abcdef", Groups: &oneGroup{}, Backups: &backupsTold{}, Doctor: healthy{},
		Logger:      zerolog.New(h.logged),
		Unavailable: func(err error) bool { return errors.Is(err, eventlog.ErrNoSpace) }}
	for _, c := range change {
		c(&config)
	}
	h.api, err = httpd.New(config)
	h.must(err)
	server := httptest.NewUnstartedServer(nil)
	server.Config = httpd.NewServer("", h.api)
	server.Start()
	h.url, h.client = server.URL, &http.Client{Transport: witness{h}}
	t.Cleanup(func() {
		server.Close()
		h.stopFolding()
		h.must(h.fold.Close())
		h.must(h.log.Close())
	})
	token, err := commands.NewOperatorToken()
	h.must(err)
	at, err := h.commands.IssueOperator(t.Context(), by, token)
	h.must(err)
	h.operator = token.Reveal()
	h.must(h.fold.WaitFor(t.Context(), at))
	for h.fold.Lag() > 0 { // It is proven to be current soon.
		time.Sleep(time.Millisecond)
	}
	return h
}

// run lets the fold follow the log until stopFolding is called, which may be called twice.
func (h *house) run() {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		if err := h.fold.Run(ctx); err != nil {
			h.Errorf("the fold ended: %v", err)
		}
	}()
	h.folds.Store(true)
	h.stopFolding = func() { h.folds.Store(false); cancel(); <-ended }
}

// lagging is a fold that can be told to be behind.
type lagging struct {
	*projections.Fold
	by atomic.Int64
}

// Lag is what was set, if something was.
func (l *lagging) Lag() time.Duration {
	if by := l.by.Load(); by > 0 {
		return time.Duration(by)
	}
	return l.Fold.Lag()
}

func (h *house) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

// answer is what the API answered.
type answer struct {
	status int
	header http.Header
	body   string
}

// json reads a member of a JSON answer, such as "rate_limit.reset" or "items.0.id".
func (a answer) json(t testing.TB, path string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("not JSON: %v: %s", err, a.body)
	}
	for _, part := range strings.Split(path, ".") {
		switch in := v.(type) {
		case map[string]any:
			v = in[part]
		case []any:
			var i int
			if _, err := fmt.Sscan(part, &i); err != nil || i >= len(in) {
				t.Fatalf("no %s in %s", path, a.body)
			}
			v = in[i]
		default:
			t.Fatalf("no %s in %s", path, a.body)
		}
	}
	return v
}

func (a answer) text(t testing.TB, path string) string {
	t.Helper()
	s, ok := a.json(t, path).(string)
	if !ok {
		t.Fatalf("%s is no string in %s", path, a.body)
	}
	return s
}

// call makes a request. headers are name, value, name, value; an empty value takes a header away.
func (h *house) call(method, path, key, body string, headers ...string) answer {
	h.Helper()
	r, err := http.NewRequestWithContext(h.Context(), method, h.url+path, strings.NewReader(body))
	h.must(err)
	if key != "" {
		r.Header.Set("Authorization", "Bearer "+key)
	}
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i+1] == "" {
			r.Header.Del(headers[i])
		} else {
			r.Header.Set(headers[i], headers[i+1])
		}
	}
	return h.do(r)
}

func (h *house) do(r *http.Request) answer {
	h.Helper()
	resp, err := h.client.Do(r)
	h.must(err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	h.must(err)
	// The API waits for the read side no longer than two seconds, which is not long on a busy machine.
	if at, err := eventlog.ParsePosition(resp.Header.Get("Hooklog-Position")); err == nil && h.folds.Load() {
		h.must(h.fold.WaitFor(h.Context(), at))
	}
	return answer{resp.StatusCode, resp.Header, string(b)}
}

// want makes a request that must be answered with a status.
func (h *house) want(status int, method, path, key, body string, headers ...string) answer {
	h.Helper()
	a := h.call(method, path, key, body, headers...)
	if a.status != status {
		h.Fatalf("%s %s: %d %s, want %d", method, path, a.status, a.body, status)
	}
	return a
}

// organization registers one.
func (h *house) organization(slug string) string {
	h.Helper()
	return h.want(201, "POST", "/api/v1/organizations", h.operator, `{"slug":"`+slug+`","name":"`+slug+`"}`).text(h, "id")
}

// partnerKey issues a key with the scope to manage webhooks.
func (h *house) partnerKey(slug string) string {
	h.Helper()
	return h.key("/api/v1/organizations/"+slug+"/keys", `{"scopes":["webhooks:manage"],"mode":"test"}`)
}

// platformKey issues a key with the scope to publish.
func (h *house) platformKey() string {
	h.Helper()
	return h.key("/api/v1/keys", `{"scopes":["events:publish"],"mode":"live"}`)
}

func (h *house) key(path, body string) string {
	h.Helper()
	return h.want(201, "POST", path, h.operator, body).text(h, "key")
}

// eventType defines one.
func (h *house) eventType(slug, name string) {
	h.Helper()
	h.want(201, "POST", "/api/v1/organizations/"+slug+"/event-types", h.operator, `{"name":"`+name+`"}`)
}

// webhook creates a subscription and returns its id and secret.
func (h *house) webhook(key, events string) (id, secret string) {
	h.Helper()
	a := h.want(201, "POST", "/api/v1/partner/webhooks", key, `{"url":"https://example.com/hook","events":`+events+`}`)
	return a.text(h, "id"), a.text(h, "secret")
}

// facts counts what the log holds.
func (h *house) facts() int {
	h.Helper()
	n := 0
	for _, err := range h.log.ReadAll(h.Context(), eventlog.Position{}) {
		h.must(err)
		n++
	}
	return n
}

// record appends a fact to the end of a stream, past every command, and waits until it is folded.
func (h *house) record(stream string, f domain.Fact, m domain.Meta) {
	h.Helper()
	expected, next := eventlog.NoStream, uint64(0)
	for r, err := range h.log.Read(h.Context(), stream, 0) {
		h.must(err)
		expected, next = eventlog.Exactly(r.Revision), uint64(r.Revision)+1
	}
	id := eventlog.ID(domain.LayOut(ulid.Make()))
	e, err := h.codec.Encode(domain.Place{Stream: stream, ID: id, Revision: next}, f, m)
	h.must(err)
	a, err := h.log.Append(h.Context(), stream, expected, eventlog.Event{ID: id, Type: e.Type, Data: e.Data, Metadata: e.Metadata})
	h.must(err)
	h.must(h.fold.WaitFor(h.Context(), a.Position))
}

// urls refuses what the egress guard would, as far as these tests go.
type urls struct{}

func (urls) CheckURL(_ context.Context, raw string) error {
	if !strings.HasPrefix(raw, "https://") {
		return domain.Refuse(domain.Invalid, "webhook url rejected: not https")
	}
	return nil
}

// positions joins the API with the fold, as cmd/hooklog does.
type positions struct{ fold *projections.Fold }

func (p positions) WaitForPosition(ctx context.Context, position string) error {
	at, err := eventlog.ParsePosition(position)
	if err != nil {
		return domain.Refuse(domain.BadCursor, "not a position")
	}
	return p.fold.WaitFor(ctx, at)
}

// breakable is a log that can be told to fail.
type breakable struct {
	eventlog.Streams
	err, reading atomic.Pointer[error]
}

// fail lets every append fail with err; none fails with nil.
func (b *breakable) fail(err error) { b.err.Store(&err) }

// failReads lets every read of a stream fail.
func (b *breakable) failReads(err error) { b.reading.Store(&err) }

func (b *breakable) Read(ctx context.Context, stream string, from eventlog.Revision) iter.Seq2[eventlog.Recorded, error] {
	if err := b.reading.Load(); err != nil {
		return func(yield func(eventlog.Recorded, error) bool) { yield(eventlog.Recorded{}, *err) }
	}
	return b.Streams.Read(ctx, stream, from)
}

func (b *breakable) Append(ctx context.Context, stream string, expected eventlog.Expected, events ...eventlog.Event) (eventlog.Appended, error) {
	if err := b.err.Load(); err != nil && *err != nil {
		return eventlog.Appended{}, *err
	}
	return b.Streams.Append(ctx, stream, expected, events...)
}

// clock is a time that tests move on.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time           { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) forward(by time.Duration) { c.ahead.Add(int64(by)) }

// still returns a time that nothing but the test moves on: on a busy machine, too, no second passes between two requests.
func (c *clock) still() func() time.Time {
	began := time.Now()
	return func() time.Time { return began.Add(time.Duration(c.ahead.Load())) }
}

// lockedBuffer is a buffer that many may write to.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

// Write appends.
func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
