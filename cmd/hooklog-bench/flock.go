package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
)

// flock is a receiver of many subscriptions: target i answers on one of a few listeners, because what goes to one host
// is bounded, below the path /i.
type flock struct {
	*sink
	size int
}

// flockListeners are enough for all attempts that one organization may have on the wire.
const flockListeners = 16

// startFlock starts a receiver of so many subscriptions.
func startFlock(ctx context.Context, size int, args ...string) (flock, error) {
	s, err := startSink(ctx, append(args, "-listeners", strconv.Itoa(min(size, flockListeners)))...)
	return flock{s, size}, err
}

// url is where the subscription i delivers to, as the given target of each message.
func (f flock) url(i, target int) string {
	return fmt.Sprintf("%s/%d", f.Targets[i%len(f.Targets)], target)
}

// subscribeTogether makes subscriptions, several at a time. of says what the subscription i is.
func (s *server) subscribeTogether(ctx context.Context, slug string, n int, of func(i int) (url, eventType string)) error {
	const together = 16
	var failed [together]error
	var all sync.WaitGroup
	for w := range together {
		all.Go(func() {
			for i := w; i < n && failed[w] == nil; i += together {
				url, eventType := of(i)
				failed[w] = s.subscribeTo(ctx, slug, url, eventType)
			}
		})
	}
	all.Wait()
	return errors.Join(failed[:]...)
}

// typeOf is the event type that only the subscription i asks for.
func typeOf(i int) string { return fmt.Sprintf("%s_%d", eventType, i) }

// organizeApart registers an organization in which each of so many subscriptions has an event type of its own, so that a
// message goes to one of them. They get every message as its first target.
func (s *server) organizeApart(ctx context.Context, slug string, f flock, settings map[string]any) (key string, err error) {
	if key, err = s.organizeWith(ctx, slug, settings); err != nil {
		return "", err
	}
	for i := range f.size {
		if err := s.defineType(ctx, slug, typeOf(i)); err != nil {
			return "", err
		}
	}
	return key, s.subscribeTogether(ctx, slug, f.size, func(i int) (string, string) { return f.url(i, 0), typeOf(i) })
}

// spreadOver encodes messages for subscriptions with types of their own, in turn.
func spreadOver(typeOf func(int) string, subscriptions int) func(b []byte, run, first, n int, at int64) []byte {
	types := make([]string, subscriptions)
	for i := range types {
		types[i] = typeOf(i)
	}
	return func(b []byte, run, first, _ int, at int64) []byte {
		return appendMessage(b, types[first%len(types)], mark{run, first, at})
	}
}
