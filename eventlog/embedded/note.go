package embedded

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"iter"

	"github.com/cockroachdb/pebble/v2"
	"github.com/hooklog/hooklog/eventlog"
)

func noteKey(name string) []byte { return append([]byte{noteSpace}, name...) }

// Note implements [eventlog.Notes].
func (l *Log) Note(ctx context.Context, name string, content []byte) error {
	if err := errors.Join(eventlog.CheckNote(name, content), ctx.Err()); err != nil {
		return err
	}
	if l.opts.ReadOnly {
		return ErrReadOnly
	}
	if err := l.enter(); err != nil {
		return err
	}
	defer l.leave()
	batch := l.db.NewBatch()
	defer batch.Close()
	var err error
	if content == nil {
		err = batch.Delete(noteKey(name), nil)
	} else {
		value := binary.BigEndian.AppendUint32(append([]byte(nil), content...), crc32.Checksum(content, castagnoli))
		err = batch.Set(noteKey(name), value, nil)
	}
	if err == nil {
		err = l.commit(batch, true)
	}
	if err != nil {
		return fmt.Errorf("keep the note %s: %w", name, err)
	}
	return nil
}

// Notes implements [eventlog.Notes].
func (l *Log) Notes(ctx context.Context, prefix string) iter.Seq2[eventlog.Noted, error] {
	return func(yield func(eventlog.Noted, error) bool) {
		notes, err := l.notes(ctx, prefix)
		if err != nil {
			yield(eventlog.Noted{}, fmt.Errorf("read the notes %s: %w", prefix, err))
			return
		}
		for _, n := range notes {
			if !yield(n, nil) {
				return
			}
		}
	}
}

func (l *Log) notes(ctx context.Context, prefix string) (notes []eventlog.Noted, err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if err := l.enter(); err != nil {
		return nil, err
	}
	defer l.leave()
	lower := noteKey(prefix)
	_, upper := spaceBounds(noteSpace)
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok && bytes.HasPrefix(it.Key(), lower); ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return nil, err
		}
		content, err := decodeNote(value)
		if err != nil {
			return nil, fmt.Errorf("note %s: %w", it.Key()[1:], err)
		}
		notes = append(notes, eventlog.Noted{Name: string(it.Key()[1:]), Content: content})
	}
	return notes, it.Error()
}

func randomID() (id eventlog.ID) {
	rand.Read(id[:]) // It never fails.
	return id
}

// decodeNote copies the content out of what is stored.
func decodeNote(value []byte) ([]byte, error) {
	if len(value) < sumSize {
		return nil, fmt.Errorf("%w of %d bytes", errRecord, len(value))
	}
	content := value[:len(value)-sumSize]
	if crc32.Checksum(content, castagnoli) != binary.BigEndian.Uint32(value[len(content):]) {
		return nil, fmt.Errorf("%w: its checksum is wrong", errRecord)
	}
	return append([]byte{}, content...), nil
}
