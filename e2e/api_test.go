package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
)

// client makes every call with a deadline, so that a server that hangs fails its test.
var client = &http.Client{Timeout: patience, Transport: &http.Transport{MaxIdleConnsPerHost: 64},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

// reply is an answer of the server.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// positionHeader is where a write stands in the log, and what a read wants to see.
const positionHeader = "Hooklog-Position"

// as makes one request with a key. A body that is a string is sent as it is, anything else as JSON. What is read shows what
// was written before.
func (s *server) as(key, method, path string, in any) (reply, error) {
	var body []byte
	switch in := in.(type) {
	case nil:
	case string:
		body = []byte(in)
	default:
		var err error
		if body, err = json.Marshal(in); err != nil {
			return reply{}, err
		}
	}
	req, err := http.NewRequest(method, "http://"+s.listen+path, bytes.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	req.Header.Set("Authorization", "Bearer "+key)
	if in != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if at, _ := s.wrote.Load().(string); at != "" && method == http.MethodGet {
		req.Header.Set(positionHeader, at)
	}
	resp, err := client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	if at := resp.Header.Get(positionHeader); at != "" {
		s.wrote.Store(at)
	}
	answer, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, answer}, err
}

// asked makes a request and demands a status. Who is told to come again comes again: on a busy machine a node may be behind.
func (s *server) asked(t *testing.T, key string, want int, method, path string, in any) (r reply) {
	t.Helper()
	eventually(t, "the server is not busy", func() bool {
		var err error
		if r, err = s.as(key, method, path, in); err != nil {
			t.Fatalf("%s %s: %v", method, path, err)
		}
		return r.status != http.StatusServiceUnavailable || want == r.status
	})
	if r.status != want {
		t.Fatalf("%s %s: got %d, want %d: %s", method, path, r.status, want, r.body)
	}
	return r
}

// must makes a request as the operator, demands a status and decodes the answer into out, unless that is nil.
func (s *server) must(t *testing.T, want int, method, path string, in, out any) {
	t.Helper()
	s.mustAs(t, s.key, want, method, path, in, out)
}

func (s *server) mustAs(t *testing.T, key string, want int, method, path string, in, out any) {
	t.Helper()
	r := s.asked(t, key, want, method, path, in)
	if out == nil {
		return
	}
	if err := json.Unmarshal(r.body, out); err != nil {
		t.Fatalf("%s %s: %v: %s", method, path, err, r.body)
	}
}

// organization is one with the event type thing.happened and a key of each kind.
type organization struct {
	*server
	slug                       string
	partner, platform, auditor string
}

const thing = "thing.happened"

// organize registers an organization. A schedule of nil leaves the profile's.
func (s *server) organize(t *testing.T, slug, profile string, schedule []string, timeout string) organization {
	t.Helper()
	ask := map[string]any{"slug": slug, "name": slug, "profile": profile}
	if schedule != nil {
		ask["retry_schedule"] = schedule
	}
	if timeout != "" {
		ask["timeout"] = timeout
	}
	s.must(t, http.StatusCreated, "POST", "/api/v1/organizations", ask, nil)
	o := organization{server: s, slug: slug}
	s.must(t, http.StatusCreated, "POST", o.path("/event-types"), map[string]any{"name": thing}, nil)
	var key struct {
		Key string `json:"key"`
	}
	s.must(t, http.StatusCreated, "POST", o.path("/keys"),
		map[string]any{"scopes": []string{"webhooks:manage"}, "mode": "test", "rate_limit_per_minute": 100_000}, &key)
	o.partner = key.Key
	for scope, into := range map[string]*string{"events:publish": &o.platform, "audit:read": &o.auditor} {
		s.must(t, http.StatusCreated, "POST", "/api/v1/keys", map[string]any{"scopes": []string{scope}, "mode": "live"}, &key)
		*into = key.Key
	}
	return o
}

func (o organization) path(rest string) string { return "/api/v1/organizations/" + o.slug + rest }

// webhook is a subscription as the partner sees it.
type webhook struct {
	ID                  string  `json:"id"`
	Active              bool    `json:"active"`
	AutoDisabledAt      *string `json:"auto_disabled_at"`
	ConsecutiveFailures int     `json:"consecutive_failures"`
	Secret              string  `json:"secret"`
}

// subscribe subscribes a URL to thing.happened, or to other events.
func (o organization) subscribe(t *testing.T, url string, events ...string) webhook {
	t.Helper()
	if events == nil {
		events = []string{thing}
	}
	var w webhook
	o.mustAs(t, o.partner, http.StatusCreated, "POST", "/api/v1/partner/webhooks", map[string]any{"url": url, "events": events}, &w)
	return w
}

// webhook finds a subscription in the partner's list.
func (o organization) webhook(t *testing.T, id string) webhook {
	t.Helper()
	var all []webhook
	o.mustAs(t, o.partner, http.StatusOK, "GET", "/api/v1/partner/webhooks", nil, &all)
	for _, w := range all {
		if w.ID == id {
			return w
		}
	}
	t.Fatalf("webhook %s is not in the list of %d", id, len(all))
	return webhook{}
}

// published is the answer to an accepted message.
type published struct {
	EventID    string `json:"event_id"`
	Deliveries int    `json:"deliveries"`
}

// publish publishes data, given as JSON text, and demands that it is accepted.
func (o organization) publish(t *testing.T, data string) published {
	t.Helper()
	var p published
	o.mustAs(t, o.platform, http.StatusAccepted, "POST", o.path("/events"), fmt.Sprintf(`{"type":%q,"data":%s}`, thing, data), &p)
	return p
}

// failure is a row of a subscription's failures.
type failure struct {
	ID             string `json:"id"`
	SubscriptionID string `json:"subscription_id"`
	EventType      string `json:"event_type"`
	EventID        string `json:"event_id"`
	Status         string `json:"status"`
	Attempts       int    `json:"attempts"`
	HTTPStatus     *int   `json:"http_status"`
	Reason         string `json:"reason"`
	CreatedAt      string `json:"created_at"`
}

// failures fetches one page.
func (o organization) failures(t *testing.T, webhook string, limit int, cursor string) (page []failure, next string) {
	t.Helper()
	path := fmt.Sprintf("/api/v1/partner/webhooks/%s/failures?limit=%d", webhook, limit)
	if cursor != "" {
		path += "&cursor=" + cursor
	}
	var answer struct {
		Items []failure `json:"items"`
		Next  *string   `json:"next_cursor"`
	}
	o.mustAs(t, o.partner, http.StatusOK, "GET", path, nil, &answer)
	if answer.Next != nil {
		next = *answer.Next
	}
	return answer.Items, next
}

// delivery is one as the server tells of it.
type delivery struct {
	ID             string `json:"id"`
	SubscriptionID string `json:"subscription_id"`
	EventID        string `json:"event_id"`
	Status         string `json:"status"`
	Attempts       int    `json:"attempts"`
}

// delivery asks for the history of one as an auditor.
func (o organization) delivery(t *testing.T, id string) delivery {
	t.Helper()
	var d delivery
	o.mustAs(t, o.auditor, http.StatusOK, "GET", "/api/v1/deliveries/"+id, nil, &d)
	return d
}

// explanation tells who gets an event and who does not.
type explanation struct {
	Deliveries []delivery `json:"deliveries"`
	Withheld   []struct {
		SubscriptionID string `json:"subscription_id"`
		Why            string `json:"why"`
	} `json:"withheld"`
}

// explain asks who gets an event.
func (o organization) explain(t *testing.T, event string) explanation {
	t.Helper()
	var e explanation
	o.mustAs(t, o.platform, http.StatusOK, "GET", o.path("/events/"+event), nil, &e)
	return e
}

// to finds the delivery to a subscription; its zero value if there is none.
func (e explanation) to(webhook string) delivery {
	for _, d := range e.Deliveries {
		if d.SubscriptionID == webhook {
			return d
		}
	}
	return delivery{}
}

// problem is an error answer.
type problem struct {
	Type, Title, Detail string
	Status              int
	RequestID           string `json:"request_id"`
}

// refuses makes a request and demands a problem of the given status.
func (s *server) refuses(t *testing.T, key string, want int, method, path string, in any) problem {
	t.Helper()
	return refused(t, s.asked(t, key, want, method, path, in), want)
}

// refused demands a problem of the given status.
func refused(t *testing.T, r reply, want int) problem {
	t.Helper()
	var p problem
	if err := json.Unmarshal(r.body, &p); err != nil {
		t.Fatalf("status %d, and its body is no JSON: %v: %.200s", r.status, err, r.body)
	}
	if r.status != want || p.Status != want || !strings.HasPrefix(r.header.Get("Content-Type"), "application/problem+json") ||
		p.Type == "" || p.Title == "" || p.RequestID == "" {
		t.Errorf("got %d (%s), want a whole problem of %d: %s", r.status, r.header.Get("Content-Type"), want, r.body)
	}
	return p
}
