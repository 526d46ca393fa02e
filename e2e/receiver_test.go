package e2e_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

// request is one delivery attempt as the receiver saw it, whole.
type request struct {
	at     time.Time
	path   string
	header http.Header
	body   []byte
	event  string
	answer int
}

// receiver keeps every request in order and answers as it is told.
type receiver struct {
	*httptest.Server
	// answer chooses the status; nil answers 200.
	answer func(event string, n int) int
	// slim keeps counts alone, for tests with very many requests.
	slim bool

	mu        sync.Mutex
	requests  []request
	counts    map[string]int // requests by event
	successes map[string]int
	paths     map[string]int // requests by path
}

// newReceiver starts one that lives as long as the test.
func newReceiver(t *testing.T, answer func(event string, n int) int) *receiver {
	t.Helper()
	r := &receiver{answer: answer, counts: map[string]int{}, successes: map[string]int{}, paths: map[string]int{}}
	r.Server = httptest.NewServer(r)
	t.Cleanup(func() {
		r.CloseClientConnections()
		r.Close()
	})
	return r
}

// ServeHTTP keeps a request once its whole body is here.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return
	}
	var envelope struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal(body, &envelope); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	event := envelope.ID
	if id := req.Header.Get("webhook-id"); id != "" {
		event = id
	}
	w.WriteHeader(r.keep(request{at: time.Now(), path: req.URL.Path, header: req.Header, body: body, event: event}))
}

func (r *receiver) keep(q request) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counts[q.event]++
	r.paths[q.path]++
	q.answer = http.StatusOK
	if r.answer != nil {
		q.answer = r.answer(q.event, r.counts[q.event])
	}
	if q.answer/100 == 2 {
		r.successes[q.event]++
	}
	if !r.slim {
		r.requests = append(r.requests, q)
	}
	return q.answer
}

// of returns the requests of one event in the order they came.
func (r *receiver) of(event string) []request {
	r.mu.Lock()
	defer r.mu.Unlock()
	var some []request
	for _, q := range r.requests {
		if q.event == event {
			some = append(some, q)
		}
	}
	return some
}

// count is how many requests of an event came.
func (r *receiver) count(event string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts[event]
}

// snapshot copies the number of requests of each event.
func (r *receiver) snapshot() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make(map[string]int, len(r.counts))
	for event, n := range r.counts {
		all[event] = n
	}
	return all
}

// succeeded reports whether an event was ever answered with 2xx.
func (r *receiver) succeeded(event string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.successes[event] > 0
}
