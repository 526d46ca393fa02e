package main

import (
	"bytes"
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
		log.Info().Msg("one")
		if to.Len() > 0 {
			t.Fatal("an ordinary line was written by itself")
		}
		time.Sleep(linesWait + time.Millisecond)
		synctest.Wait()
		if got, want := to.String(), `{"level":"info","message":"one"}`+"\n"; got != want {
			t.Fatalf("after the wait got %q, want %q", got, want)
		}
		to.Reset()
		log.Info().Msg("two")
		log.Error().Msg("three")
		if got := bytes.Count(to.Bytes(), []byte("\n")); got != 2 {
			t.Fatalf("an urgent line brought %d lines, want it and the one before", got)
		}
		to.Reset()
		log.Info().Msg("four")
		if err := l.Flush(); err != nil || to.Len() == 0 {
			t.Fatalf("flushing at the end: %v, %d bytes", err, to.Len())
		}
	})
}
