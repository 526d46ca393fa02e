package embedded

import (
	"context"

	"github.com/hooklog/hooklog/eventlog"
)

var _ eventlog.Pipeline = (*Log)(nil)

// InOrder implements [eventlog.Pipeline].
func (l *Log) InOrder() bool { return true }

// AppendLater implements [eventlog.Pipeline]. Many appends share one sync.
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
