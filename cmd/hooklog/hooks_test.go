package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/sealing"
)

// hook is a receiver of the tests: it answers what it is told to and keeps what it got.
type hook struct {
	url string
	// answer is the body of every answer that is no success.
	answer string

	mu       sync.Mutex
	answers  []int // statuses of the next requests; 200 once they are used up
	received []received
	// hang, unless nil, holds every request until it is closed.
	hang chan struct{}
}

type received struct {
	header http.Header
	body   []byte
}

func startHook(t *testing.T) *hook {
	t.Helper()
	h := &hook{}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	h.url = s.URL + "/hook"
	return h
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	status, hang := h.take(received{r.Header.Clone(), body})
	if hang != nil {
		<-hang
	}
	w.WriteHeader(status)
	if status != http.StatusOK {
		_, _ = io.WriteString(w, h.answer) // the sender may have hung up
	}
}

func (h *hook) take(r received) (status int, hang chan struct{}) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.received = append(h.received, r)
	status = http.StatusOK
	if len(h.answers) > 0 {
		status, h.answers = h.answers[0], h.answers[1:]
	}
	return status, h.hang
}

func (h *hook) got() []received {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.received[:len(h.received):len(h.received)]
}

func (h *hook) answerNext(statuses ...int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answers = append(h.answers, statuses...)
}

// clientOf is a client of the server with a key; "" is the operator key of its data directory.
func (s *server) clientOf(t *testing.T, key string) *client {
	t.Helper()
	c, err := newClient(&settings{url: s.url, data: s.data, key: sealing.NewSecret(key)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.http.CloseIdleConnections)
	return c
}

// begin registers an organization with a subscription of the hook to order.paid, as quickstart does.
func (s *server) begin(t *testing.T, slug string, h *hook, schedule ...string) started {
	t.Helper()
	q := quickstart{slug: slug, name: slug, eventType: "order.paid", target: h.url, retrySchedule: schedule}
	made, err := q.begin(t.Context(), s.clientOf(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	return made
}

// publish publishes an event of type order.paid. Who is told to come again comes again.
func (s *server) publish(t *testing.T, slug, data string) (p published) {
	t.Helper()
	c := s.clientOf(t, "")
	eventually(t, "the server is not busy", func() bool {
		err := c.do(context.WithoutCancel(t.Context()), http.MethodPost, organizationPath(slug, "events"),
			event{Type: "order.paid", Data: json.RawMessage(data)}, &p)
		if err != nil && !isBusy(err) {
			t.Fatal(err)
		}
		return err == nil
	})
	return p
}

// isBusy reports whether a call was refused for now: nothing was promised.
func isBusy(err error) bool {
	var p *problem
	return errors.As(err, &p) && p.Status == http.StatusServiceUnavailable
}

// deliveryID is the id of the delivery of an event to a subscription.
func deliveryID(t *testing.T, eventID, subscriptionID string) string {
	t.Helper()
	m, err := domain.ParseMessageID(eventID)
	if err != nil {
		t.Fatal(err)
	}
	s, err := domain.ParseSubscriptionID(subscriptionID)
	if err != nil {
		t.Fatal(err)
	}
	return domain.DeriveDeliveryID(m, s).String()
}
