package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"io"
	"net/http"
	"sync"
)

// relay takes requests into a bounded queue, from which one goroutine a connection posts on.
type relay struct {
	queue   chan *bytes.Buffer
	done    <-chan struct{}
	buffers sync.Pool
}

// ServeHTTP answers 202 once there is room for the request.
func (r *relay) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	b := r.buffers.Get().(*bytes.Buffer)
	b.Reset()
	if _, err := b.ReadFrom(req.Body); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	select {
	case r.queue <- b:
		w.WriteHeader(http.StatusAccepted)
	case <-r.done:
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

func (r *relay) work(ctx context.Context, client *poster) error {
	for {
		select {
		case b := <-r.queue:
			if _, err := client.post(ctx, b.Bytes(), http.StatusOK); err != nil {
				return err
			}
			r.buffers.Put(b)
		case <-ctx.Done():
			return nil
		}
	}
}

// relayQueue bounds what a relay holds between answering and posting on.
const relayQueue = 64

// serveRelay is the bare relay of two hops: it answers 202 and posts on; nothing is stored, nothing is logged.
func serveRelay(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	flags := flag.NewFlagSet(roleRelay, flag.ContinueOnError)
	target := flags.String("target", "", "")
	connections := flags.Int("connections", 0, "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	var told addresses
	var url string
	l, err := listen(&url)
	if err != nil {
		return err
	}
	told.Targets = []string{url}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	r := &relay{queue: make(chan *bytes.Buffer, relayQueue), done: ctx.Done()}
	r.buffers.New = func() any { return new(bytes.Buffer) }
	client := newPoster(*target, "", *connections)
	var all sync.WaitGroup
	for range *connections {
		all.Go(func() {
			if err := r.work(ctx, client); err != nil {
				cancel(err)
			}
		})
	}
	err = serve(ctx, told, []served{{l, r}}, in, out)
	cancel(err)
	all.Wait()
	if err := context.Cause(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}
