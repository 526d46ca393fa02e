package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/google/uuid"
)

// forger writes to a log through EventStoreDB's own client, without the keyset.
type forger struct {
	*esdb.Client
	forged int
}

func newForger(t *testing.T, url string) *forger {
	t.Helper()
	settings, err := esdb.ParseConnectionString(url)
	if err != nil {
		t.Fatal(err)
	}
	settings.Logger = esdb.NoopLogging()
	c, err := esdb.NewClient(settings)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &forger{Client: c}
}

// facts reads all facts of a type.
func (f *forger) facts(t *testing.T, typ string) (all []*esdb.RecordedEvent) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	events, err := f.ReadAll(ctx, esdb.ReadAllOptions{}, 1<<40)
	if err != nil {
		t.Fatal(err)
	}
	defer events.Close()
	for {
		e, err := events.Recv()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if e.Event.EventType == typ {
			all = append(all, e.Event)
		}
	}
}

// only returns the one fact of a type whose data holds a text.
func (f *forger) only(t *testing.T, typ, text string) *esdb.RecordedEvent {
	t.Helper()
	var found *esdb.RecordedEvent
	for _, e := range f.facts(t, typ) {
		if strings.Contains(e.StreamID+string(e.Data), text) {
			found = e
		}
	}
	if found == nil {
		t.Fatalf("no %s holds %q", typ, text)
	}
	return found
}

// write appends a copy of a fact with another stream, id or data, where those are not empty.
func (f *forger) write(t *testing.T, e *esdb.RecordedEvent, stream string, id uuid.UUID, data []byte) {
	t.Helper()
	if stream == "" {
		stream = e.StreamID
	}
	if id == uuid.Nil {
		id = e.EventID
	}
	if data == nil {
		data = e.Data
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	// StreamExists and Any recognise an id that was appended a moment ago, so the forger says at which revision.
	var expected esdb.ExpectedRevision = esdb.NoStream{}
	last, err := f.ReadStream(ctx, stream, esdb.ReadStreamOptions{Direction: esdb.Backwards, From: esdb.End{}}, 1)
	if err == nil {
		if e, err := last.Recv(); err == nil {
			expected = esdb.Revision(e.Event.EventNumber)
		}
		last.Close()
	}
	_, err = f.AppendToStream(ctx, stream, esdb.AppendToStreamOptions{ExpectedRevision: expected},
		esdb.EventData{EventID: id, EventType: e.EventType, ContentType: esdb.ContentTypeJson, Data: data, Metadata: e.UserMetadata})
	if err != nil {
		t.Fatalf("forge %s on %s: %v", e.EventType, stream, err)
	}
	f.forged++
}

// robbed is what a forger attacks, and what may not change by it.
type robbed struct {
	organization
	good, evil  *receiver
	webhook     webhook
	event       published
	partnerID   string
	revoked     string // a key
	revokedID   string
	redelivered string // a delivery
	list        string
}

const privileged = "/api/v1/keys"

func newRobbed(t *testing.T) *robbed {
	t.Helper()
	r := &robbed{good: newReceiver(t, nil), evil: newReceiver(t, nil)}
	r.organization = newServer(t).organize(t, "robbed", "vantageclaw", nil, "")
	r.webhook = r.subscribe(t, r.good.URL+"/hook")
	r.event = r.publish(t, `{"n":1}`)
	eventually(t, "it arrives", func() bool { return r.good.count(r.event.EventID) == 1 })
	var key struct {
		KeyID string `json:"key_id"`
		Key   string `json:"key"`
	}
	r.must(t, http.StatusCreated, "POST", r.path("/keys"), map[string]any{"scopes": []string{"webhooks:manage"}, "mode": "test"}, &key)
	r.revoked, r.revokedID = key.Key, key.KeyID
	r.must(t, http.StatusNoContent, "DELETE", r.path("/keys/"+key.KeyID), nil, nil)
	var me struct {
		KeyID string `json:"key_id"`
	}
	r.mustAs(t, r.partner, http.StatusOK, "GET", "/api/v1/partner/me", nil, &me)
	r.partnerID = me.KeyID
	eventually(t, "its end is recorded", func() bool { return r.explain(t, r.event.EventID).to(r.webhook.ID).Status == "success" })
	r.redelivered = r.explain(t, r.event.EventID).to(r.webhook.ID).ID
	r.mustAs(t, r.partner, http.StatusAccepted, "POST", "/api/v1/deliveries/"+r.redelivered+"/redeliver", nil, nil)
	eventually(t, "it arrives again", func() bool { return r.good.count(r.event.EventID) == 2 })
	eventually(t, "that is recorded", func() bool { return r.delivery(t, r.redelivered).Attempts == 2 })
	r.list = r.webhooks(t, r.server)
	r.stop(t)
	return r
}

func (r *robbed) webhooks(t *testing.T, s *server) string {
	t.Helper()
	var list json.RawMessage
	s.mustAs(t, r.partner, http.StatusOK, "GET", "/api/v1/partner/webhooks", nil, &list)
	return string(list)
}

// attack forges what gives power or speaks for a platform.
func (r *robbed) attack(t *testing.T, f *forger) {
	t.Helper()
	// A key: more power for one that is known, the same under another id, and one that was revoked, issued again.
	key := f.only(t, "hooklog.KeyIssued.v1", r.partnerID)
	operator := bytes.Replace(key.Data, []byte(`"webhooks:manage"`), []byte(`"operator"`), 1)
	if bytes.Equal(operator, key.Data) {
		t.Fatalf("no scope in %s", key.Data)
	}
	f.write(t, key, "", uuid.New(), operator)
	f.write(t, key, "hl_key-live_forged", uuid.New(), bytes.ReplaceAll(operator, []byte(r.partnerID), []byte("live_forged")))
	f.write(t, f.only(t, "hooklog.KeyIssued.v1", r.revokedID), "", uuid.Nil, nil)
	// A message: once more, under another id, and with other targets for the one that is there.
	message := f.only(t, "hooklog.MessagePublished.v1", r.event.EventID)
	f.write(t, message, "", uuid.Nil, nil)
	other := "evt_" + uuid.NewString()
	f.write(t, message, "hl_message-"+other, uuid.New(), bytes.ReplaceAll(message.Data, []byte(r.event.EventID), []byte(other)))
	correction := *message
	correction.EventType = "hooklog.TargetsCorrected.v1"
	f.write(t, &correction, "", uuid.New(), nil)
	// A URL: the subscription made anew elsewhere, and a change of it.
	made := f.only(t, "hooklog.SubscriptionCreated.v1", r.webhook.ID)
	elsewhere := bytes.ReplaceAll(made.Data, []byte(r.good.URL), []byte(r.evil.URL))
	if bytes.Equal(elsewhere, made.Data) {
		t.Fatalf("no URL in %s", made.Data)
	}
	f.write(t, made, "", uuid.Nil, elsewhere)
	f.write(t, made, "hl_subscription-wh_"+uuid.NewString(), uuid.Nil, elsewhere)
	change := *made
	change.EventType = "hooklog.SubscriptionChanged.v1"
	f.write(t, &change, "", uuid.New(), fmt.Appendf(nil, `{"url":%q}`, r.evil.URL+"/hook"))
	// A redelivery, repeated.
	f.write(t, f.only(t, "hooklog.RedeliveryRequested.v1", r.redelivered), "", uuid.Nil, nil)
}

// unharmed demands that nothing has changed, and that the forgeries are counted and told.
func (r *robbed) unharmed(t *testing.T, s *server, forged int) {
	t.Helper()
	eventually(t, "the forgeries are counted", func() bool {
		return metricOf(t, s, `hooklog_projection_skipped_total{reason="forged"}`)+metricOf(t, s, `hooklog_projection_skipped_total{reason="misplaced"}`) >= float64(forged)
	})
	if metricOf(t, s, `hooklog_projection_skipped_total{reason="forged"}`) == 0 {
		t.Error("nothing is counted as forged")
	}
	if got := r.webhooks(t, s); got != r.list {
		t.Errorf("the webhooks are %s\nand were %s", got, r.list)
	}
	for what, key := range map[string]struct {
		key, path string
		status    int
	}{
		"the revoked key": {r.revoked, "/api/v1/partner/me", 401}, "the key of no scope": {r.partner, privileged, 403},
		"the forged key": {strings.Replace(r.partner, r.partnerID, "live_forged", 1), "/api/v1/partner/me", 401},
	} {
		t.Log(what)
		s.refuses(t, key.key, key.status, "GET", key.path, nil)
	}
	p := r.at(s).publish(t, `{"after":"the attack"}`)
	eventually(t, "what is published afterwards arrives", func() bool { return r.good.count(p.EventID) == 1 })
	time.Sleep(time.Second) // for what must not come
	if n := r.good.count(r.event.EventID); n != 2 || len(r.evil.snapshot()) != 0 {
		t.Errorf("the receiver got the event %d times, another %v", n, r.evil.snapshot())
	}
	if !strings.Contains(s.logs.String(), "an event was passed over") {
		t.Error("the forgeries are not logged")
	}
	out, _, _ := run(t, "doctor", "--data", r.data, "--url", "http://"+s.listen)
	if !strings.Contains(out, "forged") && !strings.Contains(out, "MAC") {
		t.Errorf("doctor says nothing of it: %s", out)
	}
}

// metricOf reads a number of a node; 0 if it is not there.
func metricOf(t *testing.T, s *server, name string) (value float64) {
	t.Helper()
	resp, err := http.Get("http://" + s.operator + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	page, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(page)) {
		if text, found := strings.CutPrefix(line, name+" "); found {
			if _, err := fmt.Sscan(text, &value); err != nil {
				t.Fatal(err)
			}
		}
	}
	return value
}

// README, "What it promises": writing to the log is not enough to change anything that gives power or speaks for a platform.
func TestWhoWritesToTheLogGainsNothing(t *testing.T) {
	t.Parallel()
	r := newRobbed(t)
	node := newLogNode(t, r.data)
	over := newNodeOn(t, filepath.Join(t.TempDir(), "node"), node.url(), filepath.Join(r.data, "keyset.json"), r.key)
	f := newForger(t, node.url())
	r.attack(t, f)
	t.Logf("%d forgeries", f.forged)
	r.unharmed(t, over, f.forged)
	over.stop(t)
	fresh := newNodeOn(t, filepath.Join(t.TempDir(), "fresh"), node.url(), filepath.Join(r.data, "keyset.json"), r.key)
	r.unharmed(t, fresh, f.forged)
	fresh.stop(t)
	node.kill(t)
	r.start(t) // on its own log again, into which the forgeries were written
	r.unharmed(t, r.server, f.forged)
}
