package embedded

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"github.com/hooklog/hooklog/eventlog"
)

// GroupNames returns the names of all consumer groups that the log keeps, in order: those that nobody consumes too.
func (l *Log) GroupNames(ctx context.Context) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := l.enter(); err != nil {
		return nil, err
	}
	defer l.leave()
	names, err := l.groupNames()
	if err != nil {
		return nil, fmt.Errorf("list the consumer groups: %w", err)
	}
	return names, nil
}

func (l *Log) groupNames() (names []string, err error) {
	lower, upper := spaceBounds(groupSpace)
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		names = append(names, string(it.Key()[1:]))
	}
	return names, it.Error()
}

// StreamNames yields the names of the streams that begin with a prefix, each once, in the order in which they began. It
// reads the whole log. Streams that begin meanwhile may be missing. An error ends the sequence.
func (l *Log) StreamNames(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for e, err := range l.ReadAll(ctx, eventlog.Position{}) {
			if err != nil {
				yield("", fmt.Errorf("list the streams of %q: %w", prefix, err))
				return
			}
			if e.Revision == 0 && strings.HasPrefix(e.Stream, prefix) && !yield(e.Stream, nil) {
				return
			}
		}
	}
}
