package embedded

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync/atomic"
	"time"

	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded/segment"
)

// What one group of appends holds at most. groupAppends of MaxAppend would be too much, so the bytes end a group too.
const (
	groupAppends = 1024
	groupBytes   = 4 << 20
)

// request is an append on its way through the writer.
type request struct {
	ctx      context.Context
	stream   string
	expected eventlog.Expected
	events   []eventlog.Event
	one      [1]eventlog.Event // where events lie if there is one
	size     int               // of their records
	special  *special          // nil for an append without further consequences

	// What the writer decided. It is sent to done once the group is durable.
	outcome outcome
	first   uint64 // revision of events[0], if accepted
	place   uint64 // position of events[0]; 0 if not accepted
	done    chan outcome
}

type outcome struct {
	appended eventlog.Appended
	err      error
}

// Append implements [eventlog.Streams].
func (l *Log) Append(ctx context.Context, stream string, expected eventlog.Expected, events ...eventlog.Event) (eventlog.Appended, error) {
	if err := l.mayAppend(ctx, stream, expected, events); err != nil {
		return eventlog.Appended{}, err
	}
	return l.request(newRequest(ctx, stream, expected, events))
}

func (l *Log) mayAppend(ctx context.Context, stream string, expected eventlog.Expected, events []eventlog.Event) error {
	if err := eventlog.CheckAppend(stream, expected, events); err != nil {
		return err
	}
	if l.opts.ReadOnly {
		return ErrReadOnly
	}
	return ctx.Err()
}

func newRequest(ctx context.Context, stream string, expected eventlog.Expected, events []eventlog.Event) *request {
	r := &request{ctx: ctx, stream: stream, expected: expected, done: make(chan outcome, 1)}
	r.events = append(r.one[:0], events...)
	for i := range r.events {
		e := &r.events[i]
		e.Data, e.Metadata = slices.Clip(e.Data), slices.Clip(e.Metadata)
		r.size += recordSize(stream, e)
	}
	r.special = specialOf(stream, &events[len(events)-1])
	return r
}

// request hands a request over to the writer and waits for its outcome.
func (l *Log) request(r *request) (eventlog.Appended, error) {
	if err := l.hand(r); err != nil {
		return eventlog.Appended{}, err
	}
	return l.await(r)
}

func (l *Log) hand(r *request) error {
	select {
	case l.writer.requests <- r:
		return nil
	case <-r.ctx.Done():
		return r.ctx.Err()
	case <-l.life.Done():
		return eventlog.ErrClosed
	}
}

func (l *Log) await(r *request) (eventlog.Appended, error) {
	select {
	case o := <-r.done:
		return o.appended, o.err
	case <-r.ctx.Done():
		return eventlog.Appended{}, errors.Join(r.ctx.Err(), eventlog.ErrUnknownOutcome)
	case <-l.writer.done:
	}
	select {
	case o := <-r.done:
		return o.appended, o.err
	default:
		return eventlog.Appended{}, eventlog.ErrClosed // It came after the writer's last look.
	}
}

// writer turns requests into groups of appends, each one batch and one sync. All but requests, done and counts is owned
// by the goroutine of run.
type writer struct {
	log      *Log
	requests chan *request
	done     chan struct{} // closed when run has returned
	counts   counts

	head  uint64
	heads *heads
	// states are those that the group which is being decided has changed.
	states  map[string]state
	space   space
	group   []*request
	records *segment.Group // what of the group is accepted
}

func newWriter(l *Log) *writer {
	return &writer{
		log:      l,
		requests: make(chan *request, groupAppends),
		done:     make(chan struct{}),
		head:     l.tail.position(),
		records:  l.records.NewGroup(),
		heads:    newHeads(),
		states:   make(map[string]state),
		space:    space{fs: l.opts.FS, dir: l.dir, least: l.opts.MinFree},
	}
}

func (w *writer) run() {
	defer close(w.done)
	for {
		select {
		case r := <-w.requests:
			w.gather(r)
			w.write()
		case <-w.log.life.Done():
			w.refuse()
			return
		}
	}
}

// refuse answers what was handed over but not begun when the log was closed.
func (w *writer) refuse() {
	for {
		select {
		case r := <-w.requests:
			r.done <- outcome{err: eventlog.ErrClosed}
		default:
			return
		}
	}
}

// gather collects a group. It yields before it closes the group, so that appenders who are about to run can join: on few
// cores that makes groups several times larger and costs nothing when nobody comes.
func (w *writer) gather(first *request) {
	clear(w.group)
	w.group = append(w.group[:0], first)
	size := first.size
	for range 3 {
		for len(w.group) < groupAppends && size < groupBytes {
			r, ok := w.waiting()
			if !ok {
				break
			}
			w.group = append(w.group, r)
			size += r.size
		}
		runtime.Gosched()
	}
}

func (w *writer) waiting() (*request, bool) {
	select {
	case r := <-w.requests:
		return r, true
	default:
		return nil, false
	}
}

// write decides every append of the group in order, makes the accepted ones durable and visible, and only then answers.
func (w *writer) write() {
	now := time.Now().UnixNano()
	head := w.head
	w.records.Begin(head + 1)
	w.heads.begin()
	size := 0
	for i := 0; i < len(w.group); i++ { // The group may grow.
		r := w.group[i]
		w.decide(r)
		if r.place != 0 {
			w.put(r, now)
			size += r.size
			w.follow(i)
		}
	}
	if w.records.Records() == 0 {
		w.answer(nil)
		return
	}
	err := w.commit()
	w.count(w.records.Records(), size)
	w.space.used(w.records.Size())
	if err == nil {
		w.log.tail.publish(w.stretch(head+1, w.records.Records(), size, now))
	}
	w.answer(err)
}

// commit makes the accepted appends durable. It reports every error as fatal before it returns it.
func (w *writer) commit() error {
	if err := errors.Join(w.log.failure.err(), w.keepStates()); err != nil {
		return err
	}
	if err := w.log.records.Append(w.records); err != nil {
		w.log.failure.report(fmt.Errorf("write to the log: %w", err))
	}
	return w.log.failure.err()
}

// decide accepts an append by giving it a place, or fills its outcome.
func (w *writer) decide(r *request) {
	if err := errors.Join(r.ctx.Err(), w.log.failure.err()); err != nil {
		r.outcome.err = err
		return
	}
	actual, err := w.streamHead(r.stream)
	if err != nil {
		r.outcome.err = fmt.Errorf("append to %s: %w", r.stream, err)
		return
	}
	expected := r.expected
	if r.special != nil || w.stated() {
		if expected, err = w.expectation(r, actual); err != nil {
			r.outcome.err = err
			return
		}
	}
	if !met(expected, actual) {
		r.outcome = w.repetition(r, actual)
		return
	}
	if uint64(actual+1)+uint64(len(r.events)) > math.MaxUint32 {
		r.outcome.err = fmt.Errorf("append to %s: a stream holds at most %d events: %w", r.stream, uint32(math.MaxUint32), eventlog.ErrInvalid)
		return
	}
	if err := w.space.enough(r.size); err != nil {
		r.outcome.err = fmt.Errorf("append to %s: %w", r.stream, err)
		return
	}
	r.first = uint64(actual + 1)
	r.place = w.head + 1
	w.head += uint64(len(r.events))
	last := r.first + uint64(len(r.events)) - 1
	w.heads.touch(r.stream, eventlog.Exactly(eventlog.Revision(last)))
	r.outcome.appended = eventlog.Appended{Revision: eventlog.Revision(last), Position: eventlog.PositionOf(0, w.head)}
}

func met(expected, actual eventlog.Expected) bool {
	switch expected {
	case eventlog.Any:
		return true
	case eventlog.StreamExists:
		return actual != eventlog.NoStream
	}
	return expected == actual
}

func (w *writer) put(r *request, now int64) {
	for i := range r.events {
		e := &r.events[i]
		position, revision := r.place+uint64(i), r.first+uint64(i)
		h := header{recordedAt: now, revision: revision, left: uint32(len(r.events) - 1 - i)}
		record, err := w.records.Add(r.stream, revision, recordSize(r.stream, e))
		if err != nil { // The port's limits are far below, and decide refused what is past the last revision.
			panic(err)
		}
		putRecord(record, position, h, r.stream, e)
	}
}

// stretch is the group as readers see it.
func (w *writer) stretch(first uint64, events, size int, now int64) stretch {
	s := stretch{first: first, events: make([]eventlog.Recorded, 0, events), bytes: size}
	for _, r := range w.group {
		if r.place == 0 {
			continue
		}
		for i := range r.events {
			h := header{recordedAt: now, revision: r.first + uint64(i)}
			s.events = append(s.events, recorded(r.events[i], r.stream, r.place+uint64(i), h))
		}
	}
	return s
}

// answer tells every appender. After a failed write nobody knows what the disk holds.
func (w *writer) answer(err error) {
	for _, r := range w.group {
		if err != nil {
			r.outcome = outcome{err: errors.Join(eventlog.ErrUnknownOutcome, err)}
		}
		r.done <- r.outcome
	}
}

// streamHead is the last revision of a stream, the accepted appends of this group included, or NoStream.
func (w *writer) streamHead(stream string) (eventlog.Expected, error) {
	if head, ok := w.heads.get(stream); ok {
		return head, nil
	}
	revision, found, err := w.log.records.Last(stream)
	if err != nil || !found {
		return eventlog.NoStream, err
	}
	head := eventlog.Exactly(eventlog.Revision(revision))
	w.heads.keep(stream, head)
	return head, nil
}

// repetition answers an append whose expectation is not met: with where its events are, if they are exactly those that
// follow what was expected, else with a conflict.
func (w *writer) repetition(r *request, actual eventlog.Expected) outcome {
	conflict := outcome{err: &eventlog.ConflictError{Stream: r.stream, Expected: r.expected, Actual: actual}}
	last := r.expected + eventlog.Expected(len(r.events))
	if r.expected == eventlog.StreamExists || last > actual {
		return conflict
	}
	var position uint64
	for i := range r.events {
		at, id, err := w.find(r.stream, uint64(r.expected+1)+uint64(i))
		if err != nil {
			return outcome{err: fmt.Errorf("append to %s: compare with revision %d: %w", r.stream, r.expected+1+eventlog.Expected(i), err)}
		}
		if id != r.events[i].ID {
			return conflict
		}
		position = at
	}
	return outcome{appended: eventlog.Appended{Revision: eventlog.Revision(last), Position: eventlog.PositionOf(0, position)}}
}

// find looks an event up in the group that is being decided, or else in the store.
func (w *writer) find(stream string, revision uint64) (position uint64, id eventlog.ID, err error) {
	for _, r := range w.group {
		if r.place != 0 && r.stream == stream && revision >= r.first && revision-r.first < uint64(len(r.events)) {
			return r.place + revision - r.first, r.events[revision-r.first].ID, nil
		}
	}
	position, found, err := w.log.records.Find(stream, revision)
	if err == nil && !found {
		err = fmt.Errorf("%w: the index misses it", errRecord)
	}
	if err != nil {
		return 0, eventlog.ID{}, err
	}
	e, err := w.log.record(position)
	return position, e.ID, err
}

// counts are what Metrics tells.
type counts struct{ appends, events, groups, syncs, bytes atomic.Uint64 }

func (w *writer) count(events, size int) {
	appends := 0
	for _, r := range w.group {
		if r.place != 0 {
			appends++
		}
	}
	w.counts.appends.Add(uint64(appends))
	w.counts.events.Add(uint64(events))
	w.counts.groups.Add(1)
	w.counts.bytes.Add(uint64(size))
	if !w.log.opts.NoSync {
		w.counts.syncs.Add(1)
	}
}
