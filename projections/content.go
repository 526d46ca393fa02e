package projections

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/sealing"
)

// A filter asks for a message's data, which is sealed. Who published it has judged by the data; its judgement is taken
// over, unless the message must be matched again because it had not seen all subscription facts before the message. Only
// then, and only where somebody who asks for the type has a filter, the data is opened here.
//
// A fold stays determined by the log alone: the data key is in the log before the message, and whoever folds has the
// keyset. Where the key is gone, or does not open the data, what was recorded of the message stands, corrections
// included, so such a message neither stops the fold nor loses a target that was recorded.

// DataKeys opens the data keys that the log holds. *sealing.Keyset is one.
type DataKeys interface {
	OpenDataKey(org string, wrapped []byte) (*sealing.DataKey, error)
}

// contents opens the data of messages. It may be used by several folds at once.
type contents struct {
	keys    DataKeys
	streams eventlog.Streams
	codec   *domain.Codec
	mu      sync.Mutex
	opened  map[domain.OrganizationID]*sealing.DataKey
}

// maxOpened is how many data keys are kept; when there are more all are forgotten.
const maxOpened = 1 << 12

// errUnreadable means that a message's data can never be opened here.
var errUnreadable = errors.New("the data cannot be opened")

// open returns the canonical data of a message. It fails with errUnreadable if that cannot be had, and with another error
// if the log cannot be read at present.
func (x *contents) open(ctx context.Context, id domain.MessageID, f *domain.MessagePublished) ([]byte, error) {
	key, err := x.key(ctx, f.Organization)
	if err != nil {
		return nil, fmt.Errorf("open the data of %s: %w", id, err)
	}
	data, err := key.Open(f.Payload, []byte(id.String()))
	if err != nil {
		return nil, fmt.Errorf("open the data of %s: %w: %w", id, errUnreadable, err)
	}
	return data, nil
}

func (x *contents) key(ctx context.Context, org domain.OrganizationID) (*sealing.DataKey, error) {
	x.mu.Lock()
	key := x.opened[org]
	x.mu.Unlock()
	if key != nil {
		return key, nil
	}
	key, err := x.read(ctx, org)
	if err != nil {
		return nil, err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.opened == nil || len(x.opened) >= maxOpened {
		x.opened = map[domain.OrganizationID]*sealing.DataKey{}
	}
	x.opened[org] = key
	return key, nil
}

// read finds the data key in its stream.
func (x *contents) read(ctx context.Context, org domain.OrganizationID) (*sealing.DataKey, error) {
	if x.keys == nil {
		return nil, errUnreadable
	}
	stream := domain.DataKeyStream(org)
	for r, err := range x.streams.Read(ctx, stream, 0) {
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", stream, err)
		}
		f, _, err := x.codec.Decode(placeOf(&r), r.Type, r.Data, r.Metadata)
		if err != nil {
			continue // the fold itself counts and reports it
		}
		if made, ok := f.(*domain.DataKeyMade); ok {
			key, err := x.keys.OpenDataKey(org.String(), made.Wrapped)
			if err != nil {
				return nil, fmt.Errorf("%w: %w", errUnreadable, err)
			}
			return key, nil
		}
	}
	return nil, errUnreadable
}

// How long folding waits for a log that cannot be read at present, before it ends and the next start goes on.
const (
	contentPatience = 30 * time.Second
	contentPause    = 100 * time.Millisecond
)

// openPatiently is open for a fold, which must not decide differently because of an outage.
func (x *contents) openPatiently(id domain.MessageID, f *domain.MessagePublished) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), contentPatience)
	defer cancel()
	for {
		data, err := x.open(ctx, id, f)
		if err == nil || errors.Is(err, errUnreadable) {
			return data, err
		}
		select {
		case <-ctx.Done():
			return nil, err
		case <-time.After(contentPause):
		}
	}
}

// filtered judges a message's targets by its data. known is false if that cannot be read.
func (x *contents) filtered(m domain.Matching, id domain.MessageID, f *domain.MessagePublished) (right domain.Matching, known bool, err error) {
	if !m.ReadsData() {
		return m, true, nil
	}
	data, err := x.openPatiently(id, f)
	if errors.Is(err, errUnreadable) {
		return m, false, nil
	}
	if err != nil {
		return m, false, fmt.Errorf("%w: %w", errContent, err)
	}
	return m.Filter(data), true, nil
}

// errContent means that the log could not be read while folding; what was folded before is committed.
var errContent = errors.New("the log cannot be read")
