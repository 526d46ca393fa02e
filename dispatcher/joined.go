package dispatcher

import (
	"context"
	"time"
)

// The group of a new log is created at its head as it is then, so what is published before is left to the clock, which
// gives first attempts a grace of minutes. Whoever starts a node therefore waits for Joined before it accepts messages.

// How often the group is looked for: soon at first, since it is usually there at once.
const (
	joinedFirst = time.Millisecond
	joinedLast  = time.Second
)

// Joined is closed once the group exists, so that what is published from then on is handed out without delay.
func (d *Dispatcher) Joined() <-chan struct{} { return d.joined }

// awaitGroup closes joined when the group exists.
func (d *Dispatcher) awaitGroup(ctx context.Context) {
	for wait := joinedFirst; ; wait = min(2*wait, joinedLast) {
		if _, err := d.Groups.Stats(ctx, Group.Name); err == nil {
			close(d.joined)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(wait):
		}
	}
}
