package esdb

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	client "github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/hooklog/hooklog/eventlog"
)

// lagPatience is how long a node that is no leader may take to show what another node has shown.
const lagPatience = 5 * time.Second

// reading is a read that goes on where it was when its connection is lost.
type reading struct {
	log *Log
	// open begins the read where it is to go on.
	open func(context.Context, *client.Client) (*client.ReadStream, error)
	// take takes an event and says whether the reader wants more.
	take func(*client.ResolvedEvent) bool
	// seen says that there was an event.
	seen bool
}

// run reads to the end, or until take wants no more, which is no error.
func (r *reading) run(ctx context.Context) error {
	var pause backoff
	for {
		before := r.seen
		err := r.once(ctx)
		if err == nil {
			return nil
		}
		if ended := r.log.connection.ended(ctx); ended != nil {
			return ended
		}
		if !passing(err) {
			return explain(err)
		}
		if r.seen != before {
			pause.reset()
		}
		if pause.wait(ctx) != nil {
			return ctx.Err()
		}
	}
}

// once reads on one connection.
func (r *reading) once(ctx context.Context) error {
	l, err := r.log.connection.lease(ctx)
	if err != nil {
		return err
	}
	defer l.end()
	var events *client.ReadStream
	err = l.call(func(ctx context.Context, es *client.Client) (err error) {
		events, err = r.open(ctx, es)
		return err
	})
	if err != nil {
		return err
	}
	defer events.Close()
	for {
		var e *client.ResolvedEvent
		ok := false
		err := l.call(func(context.Context, *client.Client) (err error) {
			e, ok, err = next(events)
			return err
		})
		if err != nil || !ok {
			return err
		}
		r.seen = true
		if !r.take(e) {
			return nil
		}
	}
}

// Read implements [eventlog.Streams].
func (l *Log) Read(ctx context.Context, stream string, from eventlog.Revision) iter.Seq2[eventlog.Recorded, error] {
	return func(yield func(eventlog.Recorded, error) bool) {
		r := reading{log: l}
		r.open = func(ctx context.Context, es *client.Client) (*client.ReadStream, error) {
			return es.ReadStream(ctx, stream, client.ReadStreamOptions{From: client.Revision(uint64(from))}, everything)
		}
		r.take = func(e *client.ResolvedEvent) bool {
			from = eventlog.Revision(e.OriginalEvent().EventNumber) + 1
			return yield(recordedOf(e.OriginalEvent()), nil)
		}
		err := checkStream(stream)
		if err == nil {
			err = r.run(ctx)
		}
		if err != nil && !notFound(err) {
			yield(eventlog.Recorded{}, fmt.Errorf("read %s: %w", stream, err))
		}
	}
}

func checkStream(name string) error {
	if strings.HasPrefix(name, reserved) {
		return fmt.Errorf("%w: streams that begin with %s belong to EventStoreDB", eventlog.ErrInvalid, reserved)
	}
	return eventlog.CheckName("stream", name)
}

// ReadAll implements [eventlog.Feed].
func (l *Log) ReadAll(ctx context.Context, after eventlog.Position) iter.Seq2[eventlog.Recorded, error] {
	return func(yield func(eventlog.Recorded, error) bool) {
		begin := after
		r := reading{log: l}
		r.open = func(ctx context.Context, es *client.Client) (*client.ReadStream, error) {
			return es.ReadAll(ctx, client.ReadAllOptions{From: allFrom(after)}, everything)
		}
		r.take = func(e *client.ResolvedEvent) bool {
			at := positionOf(e.OriginalEvent().Position)
			if !at.After(after) { // The server reads from a position, not after it.
				return true
			}
			after = at
			return !ours(e.OriginalEvent().StreamID, e.OriginalEvent().EventType) || yield(recordedOf(e.OriginalEvent()), nil)
		}
		err := r.run(ctx)
		if !r.seen && !begin.IsZero() && l.connection.ended(ctx) == nil {
			err = errors.Join(l.checkAhead(ctx, begin), err)
		}
		if err != nil {
			yield(eventlog.Recorded{}, fmt.Errorf("read all: %w", err))
		}
	}
}

// ReadAt implements [eventlog.Feed].
func (l *Log) ReadAt(ctx context.Context, at eventlog.Position) (found eventlog.Recorded, err error) {
	none := &eventlog.NoEventError{At: at}
	err = l.connection.ended(ctx)
	if err == nil && at.IsZero() {
		return found, none
	}
	if err == nil {
		err = l.connection.use(ctx, func(ctx context.Context, es *client.Client) error {
			found, err = readAt(ctx, es, at)
			return err
		})
	}
	if status.Code(err) == codes.InvalidArgument { // EventStoreDB has no record that begins there.
		err = none
	}
	if err != nil && !errors.Is(err, none) {
		err = fmt.Errorf("read position %s: %w", at, err)
	}
	return found, err
}

// readAt reads the event that begins at a position; the server offers the next one if there is none.
func readAt(ctx context.Context, es *client.Client, at eventlog.Position) (eventlog.Recorded, error) {
	none := &eventlog.NoEventError{At: at}
	events, err := es.ReadAll(ctx, client.ReadAllOptions{From: allFrom(at)}, 1)
	if err != nil {
		return eventlog.Recorded{}, err
	}
	defer events.Close()
	e, ok, err := next(events)
	switch {
	case err != nil:
		return eventlog.Recorded{}, err
	case !ok || positionOf(e.OriginalEvent().Position) != at || !ours(e.OriginalEvent().StreamID, e.OriginalEvent().EventType):
		return eventlog.Recorded{}, none
	}
	return recordedOf(e.OriginalEvent()), nil
}

// checkAhead fails with ErrAhead if a position is past the last event of all.
func (l *Log) checkAhead(ctx context.Context, after eventlog.Position) error {
	if after.IsZero() {
		return nil
	}
	var pause backoff
	for begun := time.Now(); ; {
		var last eventlog.Position
		err := l.connection.use(ctx, func(ctx context.Context, es *client.Client) (err error) {
			last, err = lastOf(ctx, es)
			return err
		})
		switch {
		case err != nil:
			return err
		case !after.After(last):
			return nil
		case !l.followers || time.Since(begun) > lagPatience:
			return fmt.Errorf("%w: after %s, the head is %s", eventlog.ErrAhead, after, last)
		}
		if err := pause.wait(ctx); err != nil {
			return err
		}
	}
}

// Head implements [eventlog.Feed]. It looks back from the end over what is EventStoreDB's own, no further than to what it
// found before.
func (l *Log) Head(ctx context.Context) (eventlog.Position, error) {
	l.headMu.Lock()
	known := l.head
	l.headMu.Unlock()
	var head eventlog.Position
	err := l.connection.ended(ctx)
	if err == nil {
		err = l.connection.use(ctx, func(ctx context.Context, es *client.Client) (err error) {
			head, err = headOf(ctx, es, known)
			return err
		})
	}
	if err != nil {
		return eventlog.Position{}, fmt.Errorf("find the head: %w", err)
	}
	l.headMu.Lock()
	defer l.headMu.Unlock()
	l.head = head
	return head, nil
}

// Pages of the search for the head: it begins small, since the last event is nearly always ours.
const (
	firstHeadPage = 4
	lastHeadPage  = 4096
)

// headOf finds the last event that is ours; known is one such, if the log still reaches that far.
func headOf(ctx context.Context, es *client.Client, known eventlog.Position) (eventlog.Position, error) {
	var from client.AllPosition = client.End{}
	for page := uint64(firstHeadPage); ; page = min(8*page, lastHeadPage) {
		events, err := es.ReadAll(ctx, client.ReadAllOptions{Direction: client.Backwards, From: from}, page)
		if err != nil {
			return eventlog.Position{}, err
		}
		search := headSearch{known: known, fresh: from == client.AllPosition(client.End{})}
		err = search.look(events)
		events.Close()
		if err != nil || search.found || search.seen < page {
			return search.head, err
		}
		known, from = search.known, allFrom(search.at)
	}
}

// headSearch looks through one page.
type headSearch struct {
	known eventlog.Position
	fresh bool // the page begins at the end of the log
	seen  uint64
	at    eventlog.Position
	head  eventlog.Position
	found bool
}

func (s *headSearch) look(events *client.ReadStream) error {
	for {
		e, ok, err := next(events)
		if err != nil || !ok {
			return err
		}
		s.at = positionOf(e.OriginalEvent().Position)
		if s.fresh && s.seen == 0 && s.known.After(s.at) {
			s.known = eventlog.Position{} // The log is older than it was.
		}
		s.seen++
		if ours(e.OriginalEvent().StreamID, e.OriginalEvent().EventType) {
			s.head, s.found = s.at, true
			return nil
		}
		if !s.known.IsZero() && !s.at.After(s.known) {
			s.head, s.found = s.known, true
			return nil
		}
	}
}
