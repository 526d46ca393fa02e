package embedded

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/hooklog/hooklog/eventlog"
)

const (
	stateVersion    = 1
	stateSize       = 1 + 1 + 4*numberSize + sumSize
	metadataFlag    = 1
	tombstonedFlag  = 2
	knownStateFlags = metadataFlag | tombstonedFlag
)

// state is how a stream stands that has metadata or was tombstoned. The zero state is every other stream's.
type state struct {
	metadata   bool
	tombstoned bool
	before     uint64 // what comes before it is hidden
	maxCount   uint64
	maxAge     time.Duration
	since      uint64 // the position of the event that it follows from
}

func (s state) deleted() bool { return s.before == uint64(eventlog.TruncateAll) }

func stateKey(stream string) []byte { return append([]byte{stateSpace}, stream...) }

func encodeState(s state) []byte {
	b := append(make([]byte, 0, stateSize), stateVersion, 0)
	if s.metadata {
		b[1] |= metadataFlag
	}
	if s.tombstoned {
		b[1] |= tombstonedFlag
	}
	for _, n := range [...]uint64{s.before, s.maxCount, uint64(s.maxAge), s.since} {
		b = binary.BigEndian.AppendUint64(b, n)
	}
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func decodeState(b []byte) (state, error) {
	if len(b) != stateSize || crc32.Checksum(b[:len(b)-sumSize], castagnoli) != binary.BigEndian.Uint32(b[len(b)-sumSize:]) {
		return state{}, fmt.Errorf("%w: its size or checksum is wrong", errRecord)
	}
	if b[0] != stateVersion || b[1]&^knownStateFlags != 0 {
		return state{}, fmt.Errorf("record version %d, flags %d: this release reads version %d", b[0], b[1], stateVersion)
	}
	number := func(i int) uint64 { return binary.BigEndian.Uint64(b[2+i*numberSize:]) }
	return state{
		metadata: b[1]&metadataFlag != 0, tombstoned: b[1]&tombstonedFlag != 0,
		before: number(0), maxCount: number(1), maxAge: time.Duration(number(2)), since: number(3),
	}, nil
}

// decodeStates reads how a stream stands, and how it stood before.
func decodeStates(b []byte) (s, was state, err error) {
	if len(b) != 2*stateSize {
		return s, was, fmt.Errorf("%w of %d bytes", errRecord, len(b))
	}
	s, err = decodeState(b[:stateSize])
	if err == nil {
		was, err = decodeState(b[stateSize:])
	}
	return s, was, err
}

// wireMetadata is what of a stream's metadata concerns the log. What is not a number that fits counts as not given.
type wireMetadata struct {
	Before   json.RawMessage `json:"$tb,omitempty"`
	MaxCount json.RawMessage `json:"$maxCount,omitempty"`
	MaxAge   json.RawMessage `json:"$maxAge,omitempty"`
}

// parseMetadata reads the data of a metadata event. What is no JSON object says nothing.
func parseMetadata(data []byte) state {
	s := state{metadata: true}
	var w wireMetadata
	if json.Unmarshal(data, &w) != nil {
		return s
	}
	const maxSeconds = uint64(math.MaxInt64 / time.Second)
	s.before = min(metadataNumber(w.Before), uint64(eventlog.TruncateAll))
	s.maxCount = metadataNumber(w.MaxCount)
	s.maxAge = time.Duration(min(metadataNumber(w.MaxAge), maxSeconds)) * time.Second
	return s
}

func metadataNumber(raw json.RawMessage) uint64 {
	var n uint64
	if json.Unmarshal(raw, &n) != nil {
		return 0
	}
	return n
}

// special is what makes an append more than one: it changes how a stream stands, or is made only if another one is as
// expected.
type special struct {
	stream string // whose state changes
	// metadata is the new metadata, else the stream is tombstoned.
	metadata *state
	// deletes says that the expectation is about stream and not about that of the append.
	deletes bool
}

// specialOf tells from an append's last event what follows from it.
func specialOf(stream string, last *eventlog.Event) *special {
	if described, ok := strings.CutPrefix(stream, eventlog.MetadataPrefix); ok {
		s := parseMetadata(last.Data)
		return &special{stream: described, metadata: &s}
	}
	if last.Type == eventlog.TombstoneType {
		return &special{stream: stream}
	}
	return nil
}

// Delete implements [eventlog.Store].
func (l *Log) Delete(ctx context.Context, stream string, expected eventlog.Expected) (eventlog.Appended, error) {
	event := eventlog.Event{ID: randomID(), Type: eventlog.MetadataType, Data: truncation(uint64(eventlog.TruncateAll))}
	err := eventlog.CheckAppend(stream, expected, []eventlog.Event{event})
	if err == nil && strings.HasPrefix(stream, eventlog.MetadataPrefix) {
		err = fmt.Errorf("%w: metadata cannot be deleted", eventlog.ErrInvalid)
	}
	if err == nil && l.opts.ReadOnly {
		err = ErrReadOnly
	}
	if err = errors.Join(err, ctx.Err()); err != nil {
		return eventlog.Appended{}, err
	}
	r := newRequest(ctx, eventlog.MetadataPrefix+stream, expected, []eventlog.Event{event})
	r.special.deletes = true
	return l.request(r)
}

func truncation(before uint64) []byte { return fmt.Appendf(nil, `{"$tb":%d}`, before) }

// state is how a stream stands, what the group has decided included.
func (w *writer) state(stream string) (state, error) {
	if s, ok := w.states[stream]; ok {
		return s, nil
	}
	return w.log.storedState(stream)
}

// stated says that there may be streams with a state.
func (w *writer) stated() bool { return len(w.states) > 0 || w.log.stated.Load() }

// storedState reads how a stream stands.
func (l *Log) storedState(stream string) (state, error) {
	if !l.stated.Load() {
		return state{}, nil
	}
	v, closer, err := l.db.Get(stateKey(stream))
	if errors.Is(err, pebble.ErrNotFound) {
		return state{}, nil
	}
	if err != nil {
		return state{}, fmt.Errorf("read how %s stands: %w", stream, err)
	}
	s, was, err := decodeStates(v)
	if err = errors.Join(err, closer.Close()); err != nil {
		return state{}, fmt.Errorf("read how %s stands: %w", stream, err)
	}
	if l.opts.ReadOnly && s.since > l.tail.position() {
		return was, nil // what a crash left ahead of the log, and what cannot be put back
	}
	return s, nil
}

// expectation is what an append expects in view of how its stream stands: a deleted one may be appended to at NoStream,
// and one that has but metadata exists.
func (w *writer) expectation(r *request, actual eventlog.Expected) (eventlog.Expected, error) {
	subject := strings.TrimPrefix(r.stream, eventlog.MetadataPrefix)
	s, err := w.state(subject)
	switch {
	case err != nil:
		return 0, err
	case s.tombstoned:
		return 0, fmt.Errorf("append to %s: %w", r.stream, eventlog.ErrStreamDeleted)
	case r.special != nil && r.special.deletes:
		return eventlog.Any, w.mayDelete(r, subject, s)
	case subject != r.stream:
		return r.expected, nil
	case r.expected == eventlog.StreamExists && s.deleted():
		return 0, fmt.Errorf("append to %s: %w", r.stream, eventlog.ErrStreamDeleted)
	case r.expected == eventlog.StreamExists && s.metadata:
		return eventlog.Any, nil
	case r.expected == eventlog.NoStream && s.deleted() && w.repetition(r, actual).err != nil:
		return eventlog.Any, nil
	}
	return r.expected, nil
}

// mayDelete says whether a stream is as the one expects who deletes it.
func (w *writer) mayDelete(r *request, stream string, s state) error {
	actual, err := w.streamHead(stream)
	switch {
	case err != nil:
		return fmt.Errorf("delete %s: %w", stream, err)
	case r.expected == eventlog.StreamExists && s.deleted():
		return fmt.Errorf("delete %s: %w", stream, eventlog.ErrStreamDeleted)
	case actual == eventlog.NoStream && !s.metadata,
		!met(r.expected, actual) && (r.expected != eventlog.StreamExists || !s.metadata):
		return &eventlog.ConflictError{Stream: stream, Expected: r.expected, Actual: actual}
	}
	return nil
}

// follow notes what follows from the group's append i, which was accepted. To append to a deleted stream is to show it
// again, from the append on: a request to say so in the stream's metadata is decided next.
func (w *writer) follow(i int) {
	r := w.group[i]
	if r.special == nil && !w.stated() {
		return
	}
	subject := r.stream
	if r.special != nil {
		subject = r.special.stream
	}
	s, err := w.state(subject)
	switch {
	case err != nil:
		w.log.failure.report(err)
	case r.special == nil && s.deleted():
		event := eventlog.Event{ID: randomID(), Type: eventlog.MetadataType, Data: truncation(r.first)}
		next := newRequest(context.Background(), eventlog.MetadataPrefix+r.stream, eventlog.Any, []eventlog.Event{event})
		w.group = slices.Insert(w.group, i+1, next)
	case r.special == nil:
	case r.special.metadata != nil:
		m := r.special.metadata
		s.metadata, s.before, s.maxCount, s.maxAge = true, m.before, m.maxCount, m.maxAge
		s.since = w.head
		w.states[subject] = s
	default:
		s.tombstoned, s.since = true, w.head
		w.states[subject] = s
	}
}

// keepStates makes durable what has changed, before the events that it follows from: a state that is ahead of the log
// after a crash is put back.
func (w *writer) keepStates() error {
	if len(w.states) == 0 {
		return nil
	}
	batch := w.log.db.NewBatch()
	defer batch.Close()
	for stream, s := range w.states {
		was, err := w.log.storedState(stream)
		if err == nil {
			err = batch.Set(stateKey(stream), append(encodeState(s), encodeState(was)...), nil)
		}
		if err != nil {
			w.log.failure.report(err)
			return err
		}
	}
	w.log.stated.Store(true)
	clear(w.states)
	return w.log.commit(batch, true)
}

// findStates looks whether there is any stream with metadata, and puts back what a crash left ahead of the log.
func (l *Log) findStates() (err error) {
	batch := l.db.NewBatch()
	defer func() { err = errors.Join(err, batch.Close()) }()
	lower, upper := spaceBounds(stateSpace)
	it, err := l.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		l.stated.Store(true)
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		s, was, err := decodeStates(value)
		if err != nil {
			return fmt.Errorf("read how %s stands: %w", it.Key()[1:], err)
		}
		if s.since > l.tail.position() {
			if err := batch.Set(it.Key(), append(encodeState(was), encodeState(was)...), nil); err != nil {
				return err
			}
		}
	}
	if err := it.Error(); err != nil || batch.Empty() || l.opts.ReadOnly {
		return err
	}
	return l.commit(batch, true)
}

// shown is which events of a stream are shown.
type shown struct {
	from   uint64    // the first revision
	oldest time.Time // events from before are hidden; zero hides none
}

// shows finds out which events of a stream are shown, waiting until what says so is durable.
func (l *Log) shows(ctx context.Context, stream string) (shown, error) {
	if !l.stated.Load() {
		return shown{}, nil
	}
	state, err := l.Stream(ctx, stream)
	if err != nil {
		return shown{}, err
	}
	if state.Tombstoned {
		return shown{}, fmt.Errorf("%s: %w", stream, eventlog.ErrStreamDeleted)
	}
	s := shown{from: uint64(state.First)}
	if state.MaxAge > 0 {
		s.oldest = time.Now().Add(-state.MaxAge)
	}
	return s, nil
}

func (s shown) admits(e *eventlog.Recorded) bool { return !e.RecordedAt.Before(s.oldest) }

// Stream implements [eventlog.Store].
func (l *Log) Stream(ctx context.Context, stream string) (eventlog.StreamState, error) {
	s, last, err := l.lookUp(ctx, stream)
	if err != nil {
		return eventlog.StreamState{}, fmt.Errorf("look %s up: %w", stream, err)
	}
	if strings.HasPrefix(stream, eventlog.MetadataPrefix) {
		s.maxCount = 1
	}
	first := s.before
	if count := uint64(last + 1); s.maxCount > 0 && count > s.maxCount {
		first = max(first, count-s.maxCount)
	}
	return eventlog.StreamState{
		Last: last, HasMetadata: s.metadata, Tombstoned: s.tombstoned, First: eventlog.Revision(first),
		TruncateBefore: eventlog.Revision(s.before), MaxCount: s.maxCount, MaxAge: s.maxAge,
	}, nil
}

// lookUp finds the state and the last revision of a stream; of a stream of metadata whether the stream that it describes
// was tombstoned.
func (l *Log) lookUp(ctx context.Context, stream string) (s state, last eventlog.Expected, err error) {
	for {
		if err := ctx.Err(); err != nil {
			return s, 0, err
		}
		s, last, err = l.lookUpNow(stream)
		if err != nil || s.since <= l.tail.position() {
			return s, last, err
		}
		growth := l.tail.growth(s.since - 1)
		if growth == nil {
			continue
		}
		select { // It is not durable yet.
		case <-growth:
		case <-ctx.Done():
		case <-l.life.Done():
			return s, 0, eventlog.ErrClosed
		}
	}
}

func (l *Log) lookUpNow(stream string) (state, eventlog.Expected, error) {
	if err := l.enter(); err != nil {
		return state{}, 0, err
	}
	defer l.leave()
	subject := strings.TrimPrefix(stream, eventlog.MetadataPrefix)
	s, err := l.storedState(subject)
	if err != nil {
		return state{}, 0, err
	}
	if subject != stream {
		s = state{tombstoned: s.tombstoned, since: s.since}
	}
	revision, found, err := l.lastBefore(stream, math.MaxUint64)
	if err != nil || !found {
		return s, eventlog.NoStream, err
	}
	return s, eventlog.Exactly(eventlog.Revision(revision)), nil
}
