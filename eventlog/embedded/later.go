package embedded

import (
	"context"

	"github.com/hooklog/hooklog/eventlog"
)

// AppendLater hands an append over without waiting for it. Appends that one goroutine hands over are made in that order,
// many of them with one sync. The function that it returns waits for what came of the append, as Append does, and is
// called once. An append that fails does not keep those behind it from being made.
func (l *Log) AppendLater(ctx context.Context, stream string, expected eventlog.Expected, events ...eventlog.Event) (wait func() (eventlog.Appended, error), err error) {
	if err := l.mayAppend(ctx, stream, expected, events); err != nil {
		return nil, err
	}
	r := newRequest(ctx, stream, expected, events)
	if err := l.hand(r); err != nil {
		return nil, err
	}
	return func() (eventlog.Appended, error) { return l.await(r) }, nil
}
