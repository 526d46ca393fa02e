package esdb

import (
	"context"
	"fmt"

	"github.com/hooklog/hooklog/eventlog"
)

// searchWindow is how many events that are not ours the server may pass over before it tells where it is.
const searchWindow = 1024

// Subscribe implements [eventlog.Feed].
func (l *Log) Subscribe(ctx context.Context, after eventlog.Position, receive func(context.Context, eventlog.Batch) error) error {
	s := subscription{log: l, after: after, receive: receive}
	var pause backoff
	for {
		before := s.after
		err := s.follow(ctx)
		if s.refused {
			return err
		}
		if ended := l.connection.ended(ctx); ended != nil {
			return ended
		}
		if !passing(err) {
			return fmt.Errorf("subscribe: %w", explain(err))
		}
		l.logger.Debug().Err(err).Msg("a subscription was cut off; subscribing again")
		if err := s.dead(ctx); err != nil {
			return err
		}
		if s.after != before {
			pause.reset()
		}
		if pause.wait(ctx) != nil {
			return ctx.Err()
		}
	}
}

// subscription is one call of Subscribe.
type subscription struct {
	log     *Log
	after   eventlog.Position // the last event that was handed over
	live    bool              // as last told
	receive func(context.Context, eventlog.Batch) error
	refused bool // the receiver has failed
}

// dead tells that the subscription is not live.
func (s *subscription) dead(ctx context.Context) error {
	if !s.live {
		return nil
	}
	return s.hand(ctx, eventlog.Batch{})
}

func (s *subscription) hand(ctx context.Context, b eventlog.Batch) error {
	s.live = b.Live
	if err := s.receive(ctx, b); err != nil {
		s.refused = true
		return err
	}
	if n := len(b.Events); n > 0 {
		s.after = b.Events[n-1].Position
	}
	return nil
}

// follow hands over what comes on one connection.
func (s *subscription) follow(ctx context.Context) error {
	if err := s.log.checkAhead(ctx, s.after); err != nil {
		return err
	}
	g, err := s.log.connection.get(ctx)
	if err != nil {
		return err
	}
	f, err := g.follow(ctx, s.after)
	if err != nil {
		return err
	}
	defer f.end()
	gathered, done := newGathering(s.live), make(chan struct{})
	defer func() { <-done }()
	defer f.cancel()
	go func() {
		defer close(done)
		gathered.end(s.log.receiveAll(f, s.after, gathered))
	}()
	for {
		b, err := gathered.take(ctx, s.live)
		if err != nil {
			return err
		}
		if err := s.hand(ctx, b); err != nil {
			return err
		}
	}
}

// receiveAll gathers what a subscription gets until it ends, and returns why.
func (l *Log) receiveAll(f *following, after eventlog.Position, to *gathering) error {
	for {
		got, err := f.next()
		if err != nil {
			return err
		}
		switch got.kind {
		case caughtUp:
			to.setLive(true)
		case fellBehind:
			to.setLive(false)
		case shownEvent:
			e := &got.event
			if e.Stream == "" {
				return fmt.Errorf("%w: a subscription got no event", errUnexpected)
			}
			if ours(e.Stream, e.Type) && e.Position.After(after) {
				after = e.Position
				l.held.known(&e.Event)
				if err := to.add(f.ctx, *e); err != nil {
					return err
				}
			}
		}
	}
}
