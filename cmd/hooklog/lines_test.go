package main

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"
)

func TestLogLinesAreGatheredAndNeverLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var to bytes.Buffer
		l := newLines(&to)
		log := zerolog.New(l)
		written := func() string {
			l.mu.Lock()
			defer l.mu.Unlock()
			defer to.Reset()
			return to.String()
		}
		log.Info().Msg("one")
		time.Sleep(linesWait - time.Millisecond)
		if got := written(); got != "" {
			t.Fatalf("an ordinary line was written by itself: %q", got)
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if got, want := written(), `{"level":"info","message":"one"}`+"\n"; got != want {
			t.Fatalf("after the wait got %q, want %q", got, want)
		}
		log.Info().Msg("two")
		log.Error().Msg("three")
		if got := strings.Count(written(), "\n"); got != 2 {
			t.Fatalf("an urgent line brought %d lines, want it and the one before", got)
		}
		log.Info().Msg("four")
		if err := l.Flush(); err != nil || written() == "" {
			t.Fatalf("flushing at the end: %v", err)
		}
	})
}
