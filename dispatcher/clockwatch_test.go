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
				w := newClockWatch(func() time.Time { return time.Now().Round(0).Add(time.Duration(shift.Load())) })
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
