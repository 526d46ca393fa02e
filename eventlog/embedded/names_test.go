package embedded_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded"
)

func TestGroupsAndStreamsAreListed(t *testing.T) {
	t.Parallel()
	l, err := embedded.Open("log", embedded.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	for _, stream := range []string{"b-2", "a-1", "b-1", "b\x00-0", "b", "c-1"} {
		if _, err := l.Append(t.Context(), stream, eventlog.NoStream, benchEvent(1), benchEvent(2)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"second-v1", "first-v1"} {
		ctx, leave := context.WithCancel(t.Context())
		g := eventlog.Group{Name: name, TypePrefixes: []string{"x"}, MessageTimeout: time.Minute}
		left := make(chan error, 1)
		go func() {
			left <- l.Consume(ctx, g, 1, func(context.Context, eventlog.Handed) eventlog.Verdict { return eventlog.Ack })
		}()
		for s, err := l.Stats(t.Context(), name); err != nil || s.Consumers == 0; s, err = l.Stats(t.Context(), name) {
			if t.Context().Err() != nil || err != nil && !errors.Is(err, eventlog.ErrNoGroup) {
				t.Fatalf("nobody consumes %s: %v", name, err)
			}
			time.Sleep(time.Millisecond)
		}
		leave()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
	}
	names, err := l.GroupNames(t.Context())
	if want := []string{"first-v1", "second-v1"}; err != nil || !slices.Equal(names, want) {
		t.Errorf("groups %q, %v; want %q", names, err, want)
	}
	for prefix, want := range map[string][]string{
		"":   {"a-1", "b", "b-1", "b-2", "b\x00-0", "c-1"},
		"b-": {"b-1", "b-2"}, "b": {"b", "b-1", "b-2", "b\x00-0"}, "b\x00": {"b\x00-0"}, "d": nil,
	} {
		var got []string
		for name, err := range l.StreamNames(t.Context(), prefix) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, name)
		}
		slices.Sort(got)
		if slices.Sort(want); !slices.Equal(got, want) {
			t.Errorf("streams of %q: %q, want %q", prefix, got, want)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := l.GroupNames(t.Context()); !errors.Is(err, eventlog.ErrClosed) {
		t.Errorf("groups of a closed log: %v", err)
	}
	for _, err := range l.StreamNames(t.Context(), "") {
		if !errors.Is(err, eventlog.ErrClosed) {
			t.Errorf("streams of a closed log: %v", err)
		}
	}
}
