package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

const (
	barWidth = 30
	// plainEvery is how often a line is written where there is no terminal.
	plainEvery = 5 * time.Second
)

// progressBar shows how far something is: a bar that moves on a terminal, a line now and then elsewhere.
type progressBar struct {
	to       io.Writer
	terminal bool
	width    int       // of what stands on the terminal
	told     time.Time // when the last plain line was written
}

func newProgressBar(to io.Writer) *progressBar { return &progressBar{to: to, terminal: isTerminal(to)} }

// show tells a share from 0 to 1 and a text.
func (b *progressBar) show(share float64, text string) {
	text = printable(text)
	if !b.terminal {
		if now := time.Now(); now.Sub(b.told) >= plainEvery {
			fmt.Fprintln(b.to, text)
			b.told = now
		}
		return
	}
	full := int(min(1, max(0, share)) * barWidth)
	line := "[" + strings.Repeat("█", full) + strings.Repeat("·", barWidth-full) + "] " + text
	fmt.Fprintf(b.to, "\r%-*s", b.width, line)
	b.width = len([]rune(line))
}

// end leaves the bar as it stands and begins a new line.
func (b *progressBar) end() {
	if b.terminal && b.width > 0 {
		fmt.Fprintln(b.to)
	}
}
