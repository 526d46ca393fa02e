package e2e_test

import (
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"
)

// managed is a webhook as the management API shows it.
type managed struct {
	ID         string `json:"id"`
	Status     string `json:"status"`
	Secret     string `json:"secret"`
	Deliveries []struct {
		ID, Status string
	} `json:"recent_deliveries"`
}

// recovery is how far one has come.
type recovery struct {
	ID          string `json:"id"`
	Status      string `json:"status"`
	Deliveries  int    `json:"deliveries"`
	Redelivered int    `json:"redelivered"`
	PassedOver  int    `json:"passed_over"`
}

// listed is a page of a webhook's deliveries.
type listed struct {
	Items []struct {
		ID       string `json:"id"`
		EventID  string `json:"event_id"`
		Status   string `json:"status"`
		Attempts []struct {
			Code   int    `json:"response_code"`
			Reason string `json:"reason"`
			Answer string `json:"answer"`
		} `json:"attempts"`
	} `json:"items"`
	Next *string `json:"next_cursor"`
}

// manage makes a request as the partner.
func (o organization) manage(t *testing.T, want int, method, path string, in, out any) {
	t.Helper()
	o.mustAs(t, o.partner, want, method, "/api/v1"+path, in, out)
}

// everyDelivery walks over all pages.
func (o organization) everyDelivery(t *testing.T, webhook, query string) (all listed) {
	t.Helper()
	for cursor := ""; ; {
		var page listed
		o.manage(t, http.StatusOK, "GET", "/webhooks/"+webhook+"/deliveries?limit=200&cursor="+cursor+query, nil, &page)
		all.Items = append(all.Items, page.Items...)
		if page.Next == nil {
			return all
		}
		cursor = *page.Next
	}
}

// The whole of what an owner manages, from outside; and a recovery during which the server is killed: it goes on after
// the start, and each delivery of it is sent once, but for one request a kill may cost.
func TestWebhooksAreManagedAndRecoveredOverAKill(t *testing.T) {
	t.Parallel()
	var good atomic.Bool
	hook := newReceiver(t, func(string, int) int {
		if good.Load() {
			return http.StatusOK
		}
		return http.StatusGone
	})
	s := newServer(t, "--recovery-rate", "50")
	o := s.organize(t, "claw", "clawbook", nil, "")
	began := time.Now().UTC()
	var w managed
	o.manage(t, http.StatusCreated, "POST", "/webhooks", map[string]any{"url": hook.URL + "/in", "events": []string{thing}, "secret": "eight or more",
		"headers": map[string]string{"X-Api-Key": "k-1", "Authorization": "Bearer b"}, "name": "One", "rate_limit": "2000/s"}, &w)
	if w.Status != "active" || w.Secret != "" {
		t.Errorf("created %+v", w)
	}

	const messages = 200
	for n := range messages {
		o.publish(t, fmt.Sprintf(`{"n":%d}`, n))
	}
	dead := func() int { return len(o.everyDelivery(t, w.ID, "&status=dead_letter").Items) }
	eventually(t, "all deliveries are dead", func() bool { return dead() == messages })
	first := o.everyDelivery(t, w.ID, "").Items[0]
	if len(first.Attempts) != 1 || first.Attempts[0].Code != http.StatusGone || first.Attempts[0].Reason != "http_410" {
		t.Errorf("listed %+v", first)
	}
	sent := hook.of(first.EventID)[0]
	if sent.header.Get("X-Api-Key") != "k-1" || sent.header.Get("Authorization") != "Bearer b" {
		t.Errorf("headers %v", sent.header)
	}

	good.Store(true)
	o.manage(t, http.StatusAccepted, "POST", "/deliveries/"+first.ID+"/redeliver", nil, nil)
	eventually(t, "the redelivery has succeeded", func() bool { return dead() == messages-1 })

	var rec recovery
	span := map[string]any{"from": began, "to": time.Now().UTC().Add(time.Hour), "dry_run": true}
	o.manage(t, http.StatusOK, "POST", "/webhooks/"+w.ID+"/recover", span, &rec)
	if rec.Deliveries != messages-1 {
		t.Errorf("%d are to be recovered", rec.Deliveries)
	}
	delete(span, "dry_run")
	before := hook.snapshot()
	o.manage(t, http.StatusAccepted, "POST", "/webhooks/"+w.ID+"/recover", span, &rec)
	seen := func() (n int) {
		for event, count := range hook.snapshot() {
			if count > before[event] {
				n++
			}
		}
		return n
	}
	const kills = 2
	for k := range kills {
		eventually(t, "the recovery is under way", func() bool { return seen() >= 10+k*40 })
		s.kill(t)
		s.start(t)
	}
	progress := "/webhooks/" + w.ID + "/recoveries/" + rec.ID
	eventually(t, "the recovery is done", func() bool {
		o.manage(t, http.StatusOK, "GET", progress, nil, &rec)
		return rec.Status == "done"
	})
	if rec.Redelivered != messages-1 || rec.PassedOver != 0 {
		t.Errorf("recovered %+v", rec)
	}
	eventually(t, "everything has arrived", func() bool { return len(o.everyDelivery(t, w.ID, "&status=success").Items) == messages })
	for _, d := range o.everyDelivery(t, w.ID, "").Items {
		requests, recorded := hook.count(d.EventID), len(d.Attempts)
		if requests < 2 || requests-recorded > kills || recorded != 2 {
			t.Errorf("%s: %d requests, %d attempts", d.ID, requests, recorded)
		}
	}
	o.manageTheRest(t, w, hook)
}

// manageTheRest changes, tests, rotates, disables and deletes.
func (o organization) manageTheRest(t *testing.T, w managed, hook *receiver) {
	t.Helper()
	path := "/webhooks/" + w.ID
	o.manage(t, http.StatusOK, "PATCH", path, map[string]any{"enabled": false, "headers": map[string]any{"Authorization": nil}}, &w)
	if w.Status != "disabled" {
		t.Errorf("disabled: %+v", w)
	}
	o.manage(t, http.StatusConflict, "POST", path+"/test", nil, nil)
	o.manage(t, http.StatusOK, "PATCH", path, map[string]any{"enabled": true}, &w)
	var rotated managed
	o.manage(t, http.StatusOK, "POST", path+"/rotate-secret", map[string]any{"overlap": "0s"}, &rotated)
	if rotated.Secret == "" {
		t.Errorf("rotated: %+v", rotated)
	}
	var test published
	o.manage(t, http.StatusAccepted, "POST", path+"/test", nil, &test)
	eventually(t, "the test arrives", func() bool { return hook.count(test.EventID) == 1 })
	if q := hook.of(test.EventID)[0]; q.header.Get("Authorization") != "" || q.header.Get("X-Api-Key") != "k-1" {
		t.Errorf("headers of the test: %v", q.header)
	}
	var types listed
	o.manage(t, http.StatusOK, "GET", "/event-types?limit=200", nil, &types)
	var meta struct{ Profile string }
	o.manage(t, http.StatusOK, "GET", "/meta", nil, &meta)
	if len(types.Items) != 15 || meta.Profile != "clawbook" {
		t.Errorf("%d types, profile %q", len(types.Items), meta.Profile)
	}
	o.manage(t, http.StatusNoContent, "DELETE", path, nil, nil)
	o.manage(t, http.StatusNotFound, "GET", path, nil, nil)
}
