package main

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestPressureRefusesAtItsLimits(t *testing.T) {
	t.Parallel()
	const mega = 1 << 20
	for _, c := range []struct {
		about               string
		waiting, maxBacklog int
		free                uint64
		err                 error
		says                string
		retry               time.Duration
	}{
		{"room for more", 10, 10, mega, nil, "", 0},
		{"one too many wait", 11, 10, mega, nil, "11 deliveries wait", backlogRetry},
		{"no bound of the backlog", 1 << 30, 0, mega, nil, "", 0},
		{"one byte short", 0, 10, mega - 1, nil, "short of space", diskRetry},
		{"a file system that does not tell", 0, 10, 0, fmt.Errorf("free: %w", errors.ErrUnsupported), "", 0},
		{"a disk that cannot be asked", 0, 10, mega, errors.New("gone"), "cannot be told", diskRetry},
	} {
		p := &pressure{backlog: func() int { return c.waiting }, maxBacklog: c.maxBacklog,
			free: func() (uint64, error) { return c.free, c.err }, minFree: mega}
		reason, retry, refuse := p.Refuse()
		if refuse != (c.says != "") || !strings.Contains(reason, c.says) || retry != c.retry {
			t.Errorf("%s: got %q, %s, %v; want %q, %s", c.about, reason, retry, refuse, c.says, c.retry)
		}
	}
}

func TestPressureIsAskedAnewOnlyAfterAWhile(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		waiting, asked := 0, 0
		p := &pressure{backlog: func() int { asked++; return waiting }, maxBacklog: 1, free: func() (uint64, error) { return 1, nil }}
		refused := func() bool { _, _, r := p.Refuse(); return r }
		for range 100 {
			if refused() {
				t.Fatal("refused without pressure")
			}
		}
		waiting = 2
		time.Sleep(pressureInterval)
		if !refused() || asked != 2 {
			t.Errorf("asked %d times, want 2; the second answer must refuse", asked)
		}
		waiting = 0
		time.Sleep(pressureInterval)
		if refused() {
			t.Error("still refused after the pressure went")
		}
	})
}

func TestPublishingIsRefusedWhenTheDiskIsShort(t *testing.T) {
	t.Parallel()
	h := startHook(t)
	s := serve(t, t.TempDir(), "--min-free", "1000000GiB")
	s.begin(t, "acme", h)
	fail(t, exitFailed, s.env(), []string{"events", "publish", "order.paid", "{}", "--org", "acme"}, "503", "short of space")
	s.stop()
	if dump := succeed(t, nil, "log", "dump", "--data", s.data); strings.Contains(dump, "MessagePublished") {
		t.Errorf("the refused event was recorded:\n%s", dump)
	}
}
