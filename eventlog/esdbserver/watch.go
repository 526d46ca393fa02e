package esdbserver

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/hooklog/hooklog/eventlog"
)

// watch tells those who follow a stream that it has grown, with one subscription to the whole log for all of them.
type watch struct {
	mu       sync.Mutex
	byStream map[string]map[chan struct{}]struct{}
}

func newWatch() *watch { return &watch{byStream: make(map[string]map[chan struct{}]struct{})} }

// add returns a channel of capacity 1 that gets a value whenever the stream may have grown, and what to call when
// nobody waits any more. Read the stream after add and before waiting.
func (w *watch) add(stream string) (<-chan struct{}, func()) {
	grown := make(chan struct{}, 1)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.byStream[stream] == nil {
		w.byStream[stream] = make(map[chan struct{}]struct{})
	}
	w.byStream[stream][grown] = struct{}{}
	return grown, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.byStream[stream], grown)
		if len(w.byStream[stream]) == 0 {
			delete(w.byStream, stream)
		}
	}
}

func (w *watch) receive(_ context.Context, b eventlog.Batch) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.byStream) == 0 {
		return nil
	}
	for i := range b.Events {
		for grown := range w.byStream[b.Events[i].Stream] {
			select {
			case grown <- struct{}{}:
			default:
			}
		}
	}
	return nil
}

// run watches until ctx ends.
func (w *watch) run(ctx context.Context, log eventlog.Feed) error {
	head, err := log.Head(ctx)
	if err == nil {
		err = log.Subscribe(ctx, head, w.receive)
	}
	if ctx.Err() != nil || errors.Is(err, eventlog.ErrClosed) {
		return nil
	}
	return fmt.Errorf("watch the log: %w", err)
}
