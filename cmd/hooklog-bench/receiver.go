package main

import (
	"bytes"
	"context"
	"encoding/binary"
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

// receiver answers 200 to everything, at once unless it is told to be bad, and counts.
type receiver struct {
	// hang is how long it takes over every request. drips says that it answers one byte a second, without an end.
	hang  time.Duration
	drips bool
	failing
	now atomic.Pointer[tally]
	// late counts what came for measurements that were over.
	late    atomic.Int64
	buffers sync.Pool
}

// failing is a receiver's failing: of so many messages it answers the first request of one with 500, and takes the next.
type failing struct {
	every int
	mu    sync.Mutex
	// waiting are the messages that have failed and not come again.
	waiting map[mark]struct{}
}

// fails reports whether a message's request is to be answered with 500, and whether it is the one after that.
func (x *failing) fails(m mark) (fails, again bool) {
	if x.every == 0 || m.seq%x.every != 0 {
		return false, false
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if _, again = x.waiting[m]; again {
		delete(x.waiting, m)
		return false, true
	}
	x.waiting[m] = struct{}{}
	return true, false
}

func (x *failing) count() int {
	x.mu.Lock()
	defer x.mu.Unlock()
	return len(x.waiting)
}

// serveReceiver serves until its input ends. Target i is the listener i, or the path /i below any of them.
func serveReceiver(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	flags := flag.NewFlagSet(roleReceiver, flag.ContinueOnError)
	listeners := flags.Int("listeners", 1, "")
	hang := flags.Duration("hang", 0, "")
	drips := flags.Bool("drip", false, "")
	failEvery := flags.Int("fail-every", 0, "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	r := &receiver{hang: *hang, drips: *drips, failing: failing{every: *failEvery, waiting: map[mark]struct{}{}}}
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
	if r.drips {
		drip(w, req)
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
	w.WriteHeader(r.take(b.Bytes(), target))
}

// take counts what came to a target, and returns the status of the answer.
func (r *receiver) take(body []byte, target int) int {
	m, ok := findMark(body)
	if !ok {
		r.now.Load().strangers.Add(1)
		return http.StatusOK
	}
	fails, again := r.fails(m)
	if !again {
		r.now.Load().count(m, target, time.Now().UnixNano())
	}
	if fails {
		return http.StatusInternalServerError
	}
	return http.StatusOK
}

// drip answers one byte a second until the other side has had enough.
func drip(w http.ResponseWriter, req *http.Request) {
	slowly := http.NewResponseController(w)
	for req.Context().Err() == nil {
		if _, err := w.Write([]byte{'.'}); err != nil || slowly.Flush() != nil {
			return
		}
		if pause(req.Context(), time.Second) != nil {
			return
		}
	}
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
	mux.HandleFunc("GET /waits", func(w http.ResponseWriter, req *http.Request) {
		messages, err := strconv.Atoi(req.FormValue("messages"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if err := binary.Write(w, binary.LittleEndian, r.now.Load().waits(messages)); err != nil {
			panic(http.ErrAbortHandler)
		}
	})
	mux.HandleFunc("GET /failing", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, r.count())
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
