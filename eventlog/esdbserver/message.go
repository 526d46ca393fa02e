package esdbserver

import (
	"slices"
	"time"

	"github.com/hooklog/hooklog/eventlog"
)

// message is an event that a group has to get handled.
type message struct {
	found
	id       eventlog.ID // what consumers answer by
	place    int64
	slot     *slot // in the group's progress; nil for what was parked
	replay   *slot // among what was parked, else nil
	retries  int
	consumer *consumer // in whose hands it is
	due      time.Time // when it is taken from them
}

// replayed says that the message was parked before. It comes after all that is retried.
func (m *message) replayed() bool { return m.replay != nil }

// source is the stream that the message's event is in.
func (m *message) source() string {
	if m.event != nil {
		return m.event.Stream
	}
	return m.link.Stream
}

// retryQueue holds what has to be handed out again, in the order of places, what was parked at the end.
type retryQueue []*message

func (q *retryQueue) add(m *message) {
	at, _ := slices.BinarySearchFunc(*q, m, func(a, b *message) int {
		switch {
		case a.replayed() != b.replayed():
			if a.replayed() {
				return 1
			}
			return -1
		case a.replayed(), a.place <= b.place:
			return -1
		}
		return 1
	})
	*q = slices.Insert(*q, at, m)
}
