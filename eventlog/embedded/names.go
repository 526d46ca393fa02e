package embedded

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/cockroachdb/pebble/v2"
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

// namesAtOnce is how many names are read before they are handed on.
const namesAtOnce = 1000

// StreamNames yields the names of the streams that begin with a prefix, each once. It reads one key a stream, so it costs
// nothing of how long they are. Streams that begin meanwhile may be missing. An error ends the sequence.
func (l *Log) StreamNames(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		// A name is escaped in keys; the prefix is spelled without the two bytes that end one.
		from := appendName([]byte{indexSpace}, prefix)
		from = from[:len(from)-2]
		for more := true; more; {
			names, next, err := l.someStreams(ctx, prefix, from)
			if err != nil {
				yield("", fmt.Errorf("list the streams of %q: %w", prefix, err))
				return
			}
			for _, name := range names {
				if !yield(name, nil) {
					return
				}
			}
			from, more = next, next != nil
		}
	}
}

// someStreams reads names from a key on. next is where to go on, nil at the end.
func (l *Log) someStreams(ctx context.Context, prefix string, from []byte) (names []string, next []byte, err error) {
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if err := l.enter(); err != nil {
		return nil, nil, err
	}
	defer l.leave()
	head := l.tail.position()
	_, upper := spaceBounds(indexSpace)
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: from, UpperBound: upper})
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; {
		name, durable, err := streamAt(it, head)
		if err != nil || !strings.HasPrefix(name, prefix) {
			return names, nil, err
		}
		if durable {
			names = append(names, name)
		}
		_, past := namedBounds(indexSpace, name)
		if len(names) == namesAtOnce {
			return names, past, nil
		}
		ok = it.SeekGE(past)
	}
	return names, nil, it.Error()
}

// streamAt reads the stream's name from its first entry in the index, and whether that leads to a durable event.
func streamAt(it *pebble.Iterator, head uint64) (name string, durable bool, err error) {
	name, _, err = parseNamedKey(it.Key())
	if err != nil {
		return "", false, err
	}
	value, err := it.ValueAndErr()
	if err != nil {
		return "", false, err
	}
	if len(value) != numberSize {
		return "", false, fmt.Errorf("index of a stream: %w", errRecord)
	}
	return name, binary.BigEndian.Uint64(value) <= head, nil
}
