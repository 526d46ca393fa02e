package esdbserver

import (
	"context"
	"time"

	"github.com/hooklog/hooklog/eventlog"
)

// readAgain is how long a group waits before it reads on after an error.
const readAgain = time.Second

// read feeds the buffer until the group ends.
func (g *group) read() {
	for g.life.Err() == nil {
		err := g.readOn()
		if g.life.Err() != nil {
			return
		}
		g.server.config.Logger.Error().Err(err).Str("group", g.key.String()).Msg("a persistent subscription cannot read and tries again")
		select {
		case <-time.After(readAgain):
		case <-g.life.Done():
		}
	}
}

func (g *group) readOn() error {
	g.mu.Lock()
	after := g.known
	g.mu.Unlock()
	if g.key.all() {
		return g.readAll(after)
	}
	return g.readStream(after)
}

func (g *group) readAll(after int64) error {
	return g.server.config.Log.Subscribe(g.life, before(uint64(after+1)), func(ctx context.Context, b eventlog.Batch) error {
		for i := range b.Events {
			e := &b.Events[i]
			if err := g.offer(ctx, e, int64(position(e.Position)), !hidden(e) && g.filter.admits(e)); err != nil {
				return err
			}
		}
		g.setLive(b.Live)
		return nil
	})
}

func (g *group) readStream(after int64) error {
	grown, done := g.server.watch.add(g.key.stream)
	defer done()
	for {
		for e, err := range g.server.config.Log.Read(g.life, g.key.stream, eventlog.Revision(after+1)) {
			if err != nil {
				return err
			}
			if err := g.offer(g.life, &e, int64(e.Revision), true); err != nil {
				return err
			}
			after = int64(e.Revision)
		}
		g.setLive(true)
		select {
		case <-grown:
		case <-g.life.Done():
			return g.life.Err()
		}
	}
}

func (g *group) setLive(live bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.live = live
}

// offer adds an event to the buffer once there is room for it, or passes it over if it is not wanted.
func (g *group) offer(ctx context.Context, e *eventlog.Recorded, place int64, wanted bool) error {
	f := found{event: e}
	if wanted {
		var err error
		f, err = resolver{log: g.server.config.Log, resolve: g.resolves()}.follow(ctx, e)
		if err != nil {
			return err
		}
	}
	for !g.accept(f, place, wanted && f.event != nil) {
		select {
		case <-g.room:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (g *group) resolves() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.settings.ResolveLinks
}

// accept is offer without waiting; false if there is no room.
func (g *group) accept(f found, place int64, wanted bool) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !wanted {
		g.known = place
		g.progress.pass(place)
		g.checkpointIfMany()
		return true
	}
	if len(g.progress.slots) >= maxUnfinished || len(g.buffer) >= min(int(g.settings.HistoryBuffer), maxBuffered) || g.waiting > 0 && g.bytes+f.size() > maxBufferedBytes {
		g.live = false
		return false
	}
	g.known = place
	g.waiting++
	g.bytes += f.size()
	g.buffer = append(g.buffer, &message{found: f, id: f.original().ID, place: place, slot: g.progress.begin(place)})
	g.dispatch()
	return true
}
