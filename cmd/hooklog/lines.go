package main

import (
	"io"
	"sync"
	"time"

	"github.com/rs/zerolog"
)

// How log lines are gathered. A process that is killed loses what it logged within linesWait.
const (
	linesWait = 100 * time.Millisecond
	linesSize = 32 << 10
)

// lines gathers log lines, so that a line an attempt does not cost a system call an attempt. Warnings and worse are
// written at once, with what was gathered before them; everything else soon.
type lines struct {
	mu     sync.Mutex
	to     io.Writer
	buffer []byte
	timer  *time.Timer // runs while there is something in the buffer
}

func newLines(to io.Writer) *lines { return &lines{to: to} }

// Write writes a line of unknown level at once.
func (l *lines) Write(line []byte) (int, error) { return l.WriteLevel(zerolog.NoLevel, line) }

// WriteLevel gathers a line, or writes it with those before it if its level is urgent.
func (l *lines) WriteLevel(level zerolog.Level, line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buffer = append(l.buffer, line...)
	if level >= zerolog.WarnLevel || len(l.buffer) >= linesSize {
		return len(line), l.flush()
	}
	if l.timer == nil {
		l.timer = time.AfterFunc(linesWait, func() { l.Flush() })
	}
	return len(line), nil
}

// Flush writes what was gathered.
func (l *lines) Flush() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.flush()
}

func (l *lines) flush() error {
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	if len(l.buffer) == 0 {
		return nil
	}
	_, err := l.to.Write(l.buffer)
	l.buffer = l.buffer[:0]
	return err
}
