package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// Roles of the program's own processes: its first argument.
const (
	roleReceiver = "receiver"
	roleLoop     = "loop"
	roleRelay    = "relay"
)

// addresses is what a serving process prints, as one line, once it can be reached.
type addresses struct {
	// Targets are base URLs; a receiver has one for each listener.
	Targets []string `json:"targets"`
	// Control is where a receiver is asked what came.
	Control string `json:"control,omitempty"`
}

// receiver answers 200 to everything, at once or after a while, and counts.
type receiver struct {
	hang time.Duration
	now  atomic.Pointer[tally]
	// late counts what came for measurements that were over.
	late    atomic.Int64
	buffers sync.Pool
}

// serveReceiver serves until its input ends. Target i is the listener i, or the path /i below any of them.
func serveReceiver(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	flags := flag.NewFlagSet(roleReceiver, flag.ContinueOnError)
	listeners := flags.Int("listeners", 1, "")
	hang := flags.Duration("hang", 0, "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	r := &receiver{hang: *hang}
	r.now.Store(newTally(0, 0, 1))
	r.buffers.New = func() any { return new(bytes.Buffer) }
	var told addresses
	control, err := listen(&told.Control)
	if err != nil {
		return err
	}
	servers := []served{{control, r.control()}}
	for range *listeners {
		var url string
		l, err := listen(&url)
		if err != nil {
			return err
		}
		told.Targets = append(told.Targets, url)
		servers = append(servers, served{l, r})
	}
	return serve(ctx, told, servers, in, out)
}

// ServeHTTP counts one delivery.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	b := r.buffers.Get().(*bytes.Buffer)
	defer r.buffers.Put(b)
	b.Reset()
	if _, err := b.ReadFrom(req.Body); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	if r.hang > 0 {
		select {
		case <-time.After(r.hang):
		case <-req.Context().Done():
			return
		}
	}
	target, _ := strconv.Atoi(req.URL.Path[1:])
	t := r.now.Load()
	if m, ok := findMark(b.Bytes()); ok {
		t.count(m, target, time.Now().UnixNano())
	} else {
		t.strangers.Add(1)
	}
	w.WriteHeader(http.StatusOK)
}

func (r *receiver) control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /begin", func(w http.ResponseWriter, req *http.Request) {
		run, err1 := strconv.Atoi(req.FormValue("run"))
		targets, err2 := strconv.Atoi(req.FormValue("targets"))
		if err := errors.Join(err1, err2); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		before := r.now.Swap(newTally(run, maxMessages/targets, targets))
		r.late.Add(before.strangers.Load())
	})
	mux.HandleFunc("GET /arrived", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, r.now.Load().arrived.Load())
	})
	mux.HandleFunc("GET /report", func(w http.ResponseWriter, req *http.Request) {
		messages, err := strconv.Atoi(req.FormValue("messages"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		writeJSON(w, r.now.Load().report(messages))
	})
	mux.HandleFunc("GET /late", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, r.late.Load()+r.now.Load().strangers.Load())
	})
	return mux
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(v); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// listen opens a loopback port and writes its URL to url.
func listen(url *string) (net.Listener, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	*url = "http://" + l.Addr().String()
	return l, nil
}

// served is a listener with who answers on it.
type served struct {
	listener net.Listener
	handler  http.Handler
}

// serve prints where it can be reached, and serves until ctx or its input ends: a child whose parent died must not stay.
func serve(ctx context.Context, told addresses, servers []served, in io.Reader, out io.Writer) error {
	if err := json.NewEncoder(out).Encode(told); err != nil {
		return err
	}
	failed := make(chan error, len(servers))
	for _, s := range servers {
		server := &http.Server{Handler: s.handler}
		defer server.Close()
		go func() { failed <- server.Serve(s.listener) }()
	}
	ended := make(chan error, 1)
	go func() {
		_, err := io.Copy(io.Discard, in)
		ended <- err
	}()
	select {
	case err := <-failed:
		return err
	case err := <-ended:
		return err
	case <-ctx.Done():
		return nil
	}
}
