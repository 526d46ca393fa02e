package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/hooklog/hooklog/webhook"
)

// receiver is the demo's small receiver: it verifies what arrives as any receiver should, and tells about it.
type receiver struct {
	profile *webhook.Profile
	server  *http.Server
	address string

	mu sync.Mutex
	// secrets are those of the subscriptions; a receiver is told its own when it subscribes.
	secrets []string
	// fail is how many more requests to each path are answered 503.
	fail map[string]int

	// arrivals has room for 64; an arrival that nobody looks at any more is dropped.
	arrivals chan arrival
	// served is closed when the server's goroutine has ended.
	served chan struct{}
}

// arrival is one request as the receiver judged it.
type arrival struct {
	path      string
	eventID   string
	eventType string
	body      []byte
	signature string
	status    int
	// err says why the signature is not good; nil if it is.
	err error
	at  time.Time
}

// startReceiver serves on a free port of loopback until stop is called.
func startReceiver(profile *webhook.Profile) (*receiver, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &receiver{profile: profile, address: "http://" + listener.Addr().String(), fail: map[string]int{}, arrivals: make(chan arrival, 64), served: make(chan struct{})}
	r.server = &http.Server{Handler: r, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second}
	go func() {
		defer close(r.served)
		if err := r.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			r.tell(arrival{err: err, at: time.Now()})
		}
	}()
	return r, nil
}

// stop ends the receiver and waits for the requests under way.
func (r *receiver) stop(ctx context.Context) error {
	err := r.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, r.server.Close())
	}
	<-r.served
	return err
}

func (r *receiver) trust(secret string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.secrets = append(r.secrets, secret)
}

// failNext makes the receiver answer 503 to the next n requests to a path.
func (r *receiver) failNext(path string, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fail[path] = n
}

// ServeHTTP verifies the signature before it looks at anything else.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, 1<<20))
	if err != nil {
		http.Error(w, "cannot read the body", http.StatusBadRequest)
		return
	}
	a := arrival{path: req.URL.Path, body: body, at: time.Now(), signature: req.Header.Get("X-VC-Signature")}
	a.status, a.err = r.judge(req, body)
	var envelope struct {
		ID    string `json:"id"`
		Event string `json:"event"`
	}
	if a.err == nil {
		a.err = json.Unmarshal(body, &envelope)
	}
	a.eventID, a.eventType = envelope.ID, envelope.Event
	r.tell(a)
	w.WriteHeader(a.status)
}

// judge says whether the signature is good and what is answered.
func (r *receiver) judge(req *http.Request, body []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.profile.Verify(r.secrets, req.Header, body, time.Now(), webhook.DefaultTolerance); err != nil {
		return http.StatusUnauthorized, err
	}
	if r.fail[req.URL.Path] > 0 {
		r.fail[req.URL.Path]--
		return http.StatusServiceUnavailable, nil
	}
	return http.StatusOK, nil
}

func (r *receiver) tell(a arrival) {
	select {
	case r.arrivals <- a:
	default:
	}
}
