package http

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"
)

func TestAWindow(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newWindows(time.Now)
		step := func(wait time.Duration, ok bool, remaining, reset int) {
			t.Helper()
			time.Sleep(wait)
			q, got := s.spend("a", 2)
			if got != ok || q.remaining != remaining || q.reset() != reset || q.limit != 2 {
				t.Errorf("allowed %v with %d left, full in %d s; want %v, %d, %d", got, q.remaining, q.reset(), ok, remaining, reset)
			}
		}
		step(0, true, 1, 60)
		step(10*time.Second+time.Millisecond, true, 0, 50)
		step(0, false, 0, 50)
		step(49*time.Second, false, 0, 1)
		step(time.Second-time.Millisecond, true, 1, 60)
		step(time.Hour, true, 1, 60)
	})
}

func TestEndedWindowsAreDropped(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newWindows(time.Now)
		for i := range 100_000 {
			s.spend(strconv.Itoa(i), 1)
			time.Sleep(time.Second)
			if len(s.open) > 1024 {
				t.Fatalf("%d windows are kept, 60 are open", len(s.open))
			}
		}
	})
}
