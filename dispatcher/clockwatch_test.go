package dispatcher

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

func TestAJumpOfTheClockStopsWorkForAMinute(t *testing.T) {
	for name, jump := range map[string]time.Duration{"a day ahead": 24 * time.Hour, "an hour back": -time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				var shift atomic.Int64
				w := newClockWatch(func() time.Time { return time.Now().Round(0).Add(time.Duration(shift.Load())) }, nil)
				go w.run(ctx, zerolog.Nop())
				trusted, err := w.trusted(ctx)
				if err != nil {
					t.Fatal(err)
				}
				time.Sleep(10 * time.Second)
				if trusted.Err() != nil || !w.ok() {
					t.Fatal("trust was lost without a jump")
				}
				shift.Store(int64(jump))
				time.Sleep(watchEvery + time.Millisecond)
				if trusted.Err() == nil || w.ok() {
					t.Fatal("the jump went unnoticed")
				}
				before := time.Now()
				if _, err := w.trusted(ctx); err != nil {
					t.Fatal(err)
				}
				if waited := time.Since(before); waited < distrust-2*watchEvery || !w.ok() {
					t.Fatalf("trusted again after %s", waited)
				}
			})
		})
	}
}

func TestAClockFarFromTheLogsTimeStopsWork(t *testing.T) {
	for name, far := range map[string]time.Duration{"30 s ahead": 30 * time.Second, "a day behind": -24 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, stop := context.WithCancel(t.Context())
				defer stop()
				var known atomic.Bool
				var distance atomic.Int64
				w := newClockWatch(time.Now, func() (time.Duration, bool) { return time.Duration(distance.Load()), known.Load() })
				go w.run(ctx, zerolog.Nop())
				if w.ok() {
					t.Fatal("a clock that nobody has compared is trusted")
				}
				time.AfterFunc(10*time.Second, func() { known.Store(true) })
				before := time.Now()
				trusted, err := w.trusted(ctx)
				if err != nil || time.Since(before) < 10*time.Second || time.Since(before) > 11*time.Second {
					t.Fatalf("trusted after %s: %v", time.Since(before), err)
				}
				distance.Store(int64(distanceLimit))
				time.Sleep(time.Minute)
				if trusted.Err() != nil || !w.ok() {
					t.Fatal("trust was lost at the limit")
				}
				distance.Store(int64(far))
				time.Sleep(watchEvery + time.Millisecond)
				if trusted.Err() == nil || w.ok() {
					t.Fatal("the distance went unnoticed")
				}
				time.AfterFunc(time.Hour, func() { distance.Store(0) })
				before = time.Now()
				if _, err := w.trusted(ctx); err != nil || time.Since(before) < time.Hour || !w.ok() {
					t.Fatalf("trusted again after %s: %v", time.Since(before), err)
				}
			})
		})
	}
}
