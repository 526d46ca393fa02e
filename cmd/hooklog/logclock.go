package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"sync"
	"time"

	"github.com/rs/zerolog"

	"github.com/hooklog/hooklog/eventlog"
)

// How a node's clock is compared with the log's time. An append lies between two readings of the clock, so the log's time of
// its last event tells the distance but for the time that the append took.
const (
	// compareEvery is how often an append is looked at.
	compareEvery = 5 * time.Second
	// compareWidth is how long an append may take that tells something.
	compareWidth = 2 * time.Second
	// probeEvery is how often a node appends something for the comparison alone, while it knows no distance or a great one.
	probeEvery = 15 * time.Second
	probeSoon  = time.Second
	// probeWorthy is the distance at which it does.
	probeWorthy = 4 * time.Second
	// probePrefix begins the streams of such events, which are no facts: everybody passes them over.
	probePrefix = "hl_clock-"
	probeType   = "clock.Compared"
)

// clockReading is a moment on both clocks: wall as the node believes, mono to tell how much later.
type clockReading struct{ wall, mono time.Time }

// logClock compares a node's clock with the time of a log that other machines keep.
type logClock struct {
	log  eventlog.Log
	wall func() time.Time
	// seen holds the last append that is worth a look; capacity 1.
	seen   chan comparedAppend
	logger zerolog.Logger

	mu     sync.Mutex
	known  bool
	offset time.Duration // when it was measured
	at     clockReading  // when that was
}

type comparedAppend struct {
	begun, ended clockReading
	position     eventlog.Position
}

func newLogClock(log eventlog.Log, wall func() time.Time, logger zerolog.Logger) *logClock {
	return &logClock{log: log, wall: wall, seen: make(chan comparedAppend, 1), logger: logger}
}

func (c *logClock) read() clockReading { return clockReading{c.wall(), time.Now()} }

// source is what asks for the distance; nil where there is nothing to compare.
func (c *logClock) source() func() (time.Duration, bool) {
	if c == nil {
		return nil
	}
	return c.distance
}

// distance is the node's clock minus the log's time: as measured last, and what the clock has been put forward or back since.
func (c *logClock) distance() (time.Duration, bool) {
	now := c.read()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.offset + now.wall.Sub(c.at.wall) - now.mono.Sub(c.at.mono), c.known
}

// saw is told of every append; it keeps one now and then.
func (c *logClock) saw(begun clockReading, at eventlog.Position) {
	ended := c.read()
	c.mu.Lock()
	due := !c.known || ended.mono.Sub(c.at.mono) >= compareEvery
	c.mu.Unlock()
	if !due || ended.mono.Sub(begun.mono) > compareWidth {
		return
	}
	select {
	case c.seen <- comparedAppend{begun, ended, at}:
	default:
	}
}

// run compares until ctx ends.
func (c *logClock) run(ctx context.Context, actor string) error {
	probe := time.NewTimer(0)
	defer probe.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case a := <-c.seen:
			if err := c.compare(ctx, a); err != nil && ctx.Err() == nil {
				c.logger.Warn().Err(err).Msg("this node's clock could not be compared with the log's time")
			}
		case <-probe.C:
			probe.Reset(c.probe(ctx, actor))
		}
	}
}

// compare takes the measure of an append. A distance that the append's own duration explains is none.
func (c *logClock) compare(ctx context.Context, a comparedAppend) error {
	ctx, cancel := context.WithTimeout(ctx, probeEvery)
	defer cancel()
	e, err := c.log.ReadAt(ctx, a.position)
	if err != nil {
		return fmt.Errorf("read what was appended: %w", err)
	}
	least, most := a.begun.wall.Sub(e.RecordedAt), a.ended.wall.Sub(e.RecordedAt)
	offset := time.Duration(0)
	switch {
	case least > 0:
		offset = least
	case most < 0:
		offset = most
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if wide := a.ended.mono.Sub(a.begun.mono) > compareWidth; wide && offset == 0 && c.known {
		return nil // It tells nothing. Of a node that knows nothing else the best is believed.
	}
	c.known, c.offset, c.at = true, offset, a.ended
	return nil
}

// probe appends something if nothing else tells the distance, and returns when to look again.
func (c *logClock) probe(ctx context.Context, actor string) time.Duration {
	d, known := c.distance()
	if known && d.Abs() < probeWorthy {
		return probeEvery
	}
	probing, cancel := context.WithTimeout(ctx, probeEvery)
	defer cancel()
	begun := c.read()
	var id eventlog.ID
	rand.Read(id[:]) // It never fails.
	a, err := c.log.Append(probing, probePrefix+actor, eventlog.Any, eventlog.Event{ID: id, Type: probeType,
		Data: []byte(`{}`), Metadata: fmt.Appendf(nil, `{"actor":%q}`, actor)})
	if err != nil {
		if ctx.Err() == nil {
			c.logger.Warn().Err(err).Msg("this node's clock could not be compared with the log's time")
		}
		return probeSoon
	}
	took := time.Since(begun.mono)
	if err := c.compare(ctx, comparedAppend{begun, c.read(), a.Position}); err != nil && ctx.Err() == nil {
		c.logger.Warn().Err(err).Msg("this node's clock could not be compared with the log's time")
	}
	if took > compareWidth {
		return probeSoon
	}
	return probeEvery
}
