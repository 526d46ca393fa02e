package esdbserver

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/hooklog/hooklog/eventlog"
)

// parkAgain is how long a group waits before it tries again to park a message.
const parkAgain = time.Second

// parking is a message on its way to the stream of parked messages.
type parking struct {
	message *message
	reason  string
}

// parkedStream holds links to the messages that a group has set aside.
func (k groupKey) parkedStream() string { return "$persistentsubscription-" + k.String() + "-parked" }

// park sets a message aside. It is finished once it lies in the stream of parked messages.
func (g *group) park(m *message, reason string) {
	g.toPark = append(g.toPark, parking{m, reason})
	select {
	case g.parking <- struct{}{}:
	default:
	}
}

// parkAll writes what is to be parked, until the group ends. What is not parked then is handed out again after a restart.
func (g *group) parkAll() {
	for {
		select {
		case <-g.parking:
		case <-g.life.Done():
			return
		}
		g.mu.Lock()
		batch := g.toPark
		g.toPark = nil
		g.mu.Unlock()
		for _, p := range batch {
			if !g.parkOne(p) {
				return
			}
		}
	}
}

// parkOne tries until it succeeds; false if the group ends first.
func (g *group) parkOne(p parking) bool {
	link, err := parkedLink(p, time.Now())
	for {
		if err == nil {
			_, err = g.server.config.Log.Append(g.life, g.key.parkedStream(), eventlog.Any, link)
		}
		if err == nil {
			break
		}
		if g.life.Err() != nil {
			return false
		}
		g.server.config.Logger.Error().Err(err).Str("group", g.key.String()).Msg("a message could not be parked; trying again")
		select {
		case <-time.After(parkAgain):
			err = nil
		case <-g.life.Done():
			return false
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.finish(p.message)
	return true
}

func parkedLink(p parking, now time.Time) (eventlog.Event, error) {
	target := p.message.event
	if target == nil {
		target = p.message.link
	}
	metadata, err := json.Marshal(struct {
		Added  time.Time `json:"added"`
		Reason string    `json:"reason"`
		Number int64     `json:"subscriptionEventNumber"`
	}{now.UTC(), p.reason, p.message.place})
	return eventlog.Event{ID: randomID(), Type: linkType, Data: linkTo(target), Metadata: metadata, Opaque: true}, err
}

// replay puts the parked messages before number stopAt of their stream back to be handed out. It goes on in the
// background; one that is asked for meanwhile does nothing.
func (g *group) replay(stopAt uint64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.replaying || g.life.Err() != nil {
		return
	}
	g.replaying = true
	g.running.Go(func() {
		err := g.replayUpTo(stopAt)
		g.mu.Lock()
		g.replaying = false
		g.mu.Unlock()
		if err != nil && g.life.Err() == nil {
			g.server.config.Logger.Error().Err(err).Str("group", g.key.String()).Msg("replay the parked messages")
		}
	})
}

func (g *group) replayUpTo(stopAt uint64) error {
	stream := g.key.parkedStream()
	g.mu.Lock()
	from := eventlog.Revision(g.replayedTo + 1)
	g.mu.Unlock()
	state, err := g.server.config.Log.Stream(g.life, stream)
	if err != nil || state.Last == eventlog.NoStream {
		return err
	}
	links := resolver{log: g.server.config.Log, resolve: true}
	for e, err := range g.server.config.Log.Read(g.life, stream, from) {
		if err != nil {
			return err
		}
		if uint64(e.Revision) >= stopAt || eventlog.Exactly(e.Revision) > state.Last {
			break // What is parked while the replay goes on waits for the next one.
		}
		f, err := links.follow(g.life, &e)
		if err == nil {
			err = g.offerAgain(g.life, f)
		}
		if err != nil {
			return fmt.Errorf("number %d: %w", e.Revision, err)
		}
	}
	return nil
}

// offerAgain adds a parked message to the retries once there is room for it. One whose event is gone is passed over.
func (g *group) offerAgain(ctx context.Context, f found) error {
	for !g.acceptAgain(f) {
		select {
		case <-g.replayRoom:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

func (g *group) acceptAgain(f found) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	number := int64(f.link.Revision)
	if f.event == nil {
		g.replayedTo = number
		g.replayed.pass(number)
		return true
	}
	if len(g.retries) >= maxBuffered || g.waiting > 0 && g.bytes+f.size() > maxBufferedBytes {
		return false
	}
	g.replayedTo = number
	g.waiting++
	g.bytes += f.size()
	g.retries.add(&message{found: f, id: f.link.ID, place: number, replay: g.replayed.begin(number)})
	g.dispatch()
	return true
}

// parkedCount is how many messages are parked and not being replayed.
func (g *group) parkedCount(ctx context.Context) (int64, error) {
	state, err := g.server.config.Log.Stream(ctx, g.key.parkedStream())
	if err != nil || state.Last == eventlog.NoStream {
		return 0, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return int64(state.Last) - g.replayedTo, nil
}

// parkedGone is the number of the last parked message that was replayed and finished before; nowhere if there is none.
func (s *Server) parkedGone(ctx context.Context, key groupKey) (int64, error) {
	state, err := s.config.Log.Stream(ctx, key.parkedStream())
	switch {
	case err != nil:
		return 0, err
	case state.Deleted():
		return int64(state.Last), nil
	}
	return int64(state.TruncateBefore) - 1, nil
}

// truncateParked hides the parked messages before a number: they were replayed and finished.
func (g *group) truncateParked(ctx context.Context, before int64) error {
	about := eventlog.Event{ID: randomID(), Type: eventlog.MetadataType, Data: fmt.Appendf(nil, `{"$tb":%d}`, before)}
	if _, err := g.server.config.Log.Append(ctx, eventlog.MetadataPrefix+g.key.parkedStream(), eventlog.Any, about); err != nil {
		return fmt.Errorf("truncate the parked messages of group %s: %w", g.key, err)
	}
	return nil
}

// deleteParked hides all parked messages of a group that is removed.
func (s *Server) deleteParked(ctx context.Context, key groupKey) error {
	_, err := s.config.Log.Delete(ctx, key.parkedStream(), eventlog.Any)
	if errors.Is(err, eventlog.ErrRevisionConflict) {
		return nil // Nothing was ever parked.
	}
	return err
}
