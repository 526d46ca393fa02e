package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
)

// How much is appended at once: what follows itself in one stream, or with one sync.
const (
	runEvents    = 256
	runBytes     = 256 << 10
	laterAppends = 512
)

// copied says what a copy holds.
type copied struct {
	Facts   uint64 `json:"facts"`
	Copied  uint64 `json:"copied"`
	Found   uint64 `json:"found"`
	LeftOut uint64 `json:"left_out"`
	SHA256  string `json:"sha256"`
}

// copying is one run of `log copy`.
type copying struct {
	from, to   eventlog.Log
	everything bool
	bar        *progressBar
	head       eventlog.Position // of the source when the run began: what comes later is for another run
	made       copied
}

// errOtherCopy means that what is to be a copy holds something else.
var errOtherCopy = errors.New("the copy holds something else than the source; take an empty one")

func (c *copying) run(ctx context.Context) (copied, error) {
	var err error
	if c.head, err = c.from.Head(ctx); err != nil {
		return c.made, fmt.Errorf("read what is copied: %w", err)
	}
	source, err := c.transfer(ctx)
	if err != nil {
		return c.made, err
	}
	target, err := c.digestOf(ctx)
	if err != nil {
		return c.made, err
	}
	c.made.Facts, c.made.SHA256 = source.facts, source.sum()
	if source.facts != target.facts || source.sum() != target.sum() {
		return c.made, fmt.Errorf("%w: %d facts with sha256 %s were read from the source, %d with %s from the copy",
			errOtherCopy, source.facts, source.sum(), target.facts, target.sum())
	}
	return c.made, nil
}

// transfer reads the source, compares what the copy holds already and appends the rest.
func (c *copying) transfer(ctx context.Context) (*logDigest, error) {
	digest := newLogDigest()
	there, stop := iter.Pull2(c.of(c.to.ReadAll(ctx, eventlog.Position{}), nil))
	defer stop()
	out := newCopier(ctx, c.to)
	for e, err := range c.of(c.from.ReadAll(ctx, eventlog.Position{}), &c.made.LeftOut) {
		if err != nil {
			return nil, errors.Join(fmt.Errorf("read what is copied: %w", err), out.finish())
		}
		if e.Position.After(c.head) {
			break
		}
		digest.add(&e)
		held, err, more := there()
		switch {
		case more && err != nil:
			return nil, fmt.Errorf("read the copy: %w", err)
		case more && !sameFact(&e, &held):
			return nil, fmt.Errorf("%w: fact %d is revision %d of %s there and revision %d of %s here, or differs in what it says",
				errOtherCopy, digest.facts, held.Revision, held.Stream, e.Revision, e.Stream)
		case more:
			c.made.Found++
			c.tell("comparing", &e, digest.facts)
			continue
		}
		if err := out.add(e); err != nil {
			return nil, errors.Join(err, out.finish())
		}
		c.made.Copied++
		c.tell("copying", &e, digest.facts)
	}
	if err := out.finish(); err != nil {
		return nil, err
	}
	if _, err, more := there(); more {
		return nil, errors.Join(fmt.Errorf("%w: it has more facts than the source's %d", errOtherCopy, digest.facts), err)
	}
	return digest, nil
}

// digestOf reads the copy from its beginning.
func (c *copying) digestOf(ctx context.Context) (*logDigest, error) {
	head, err := c.to.Head(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the copy: %w", err)
	}
	c.head = head
	digest := newLogDigest()
	for e, err := range c.of(c.to.ReadAll(ctx, eventlog.Position{}), nil) {
		if err != nil {
			return nil, fmt.Errorf("read the copy: %w", err)
		}
		digest.add(&e)
		c.tell("verifying", &e, digest.facts)
	}
	return digest, nil
}

// of leaves out what is not copied, and counts it.
func (c *copying) of(all iter.Seq2[eventlog.Recorded, error], leftOut *uint64) iter.Seq2[eventlog.Recorded, error] {
	return func(yield func(eventlog.Recorded, error) bool) {
		for e, err := range all {
			if err == nil && !c.wanted(&e) {
				if leftOut != nil {
					*leftOut++
				}
				continue
			}
			if !yield(e, err) {
				return
			}
		}
	}
}

func (c *copying) wanted(e *eventlog.Recorded) bool {
	const systems = "$" // EventStoreDB's own
	if strings.HasPrefix(e.Stream, systems) || strings.HasPrefix(e.Type, systems) {
		return false
	}
	return c.everything || strings.HasPrefix(e.Stream, domain.StreamPrefix)
}

func (c *copying) tell(doing string, e *eventlog.Recorded, facts uint64) {
	if facts%64 == 0 {
		share := shareOf(e.Position, c.head)
		c.bar.show(share, fmt.Sprintf("%s %d facts, %.0f%%", doing, facts, 100*share))
	}
}

// shareOf is how far a position is on the way to the head, for people alone: positions of some logs are places in a file.
func shareOf(at, head eventlog.Position) float64 {
	high, low := at.Halves()
	ofHigh, ofLow := head.Halves()
	if ofHigh == 0 {
		high, ofHigh = low, ofLow
	}
	return float64(high) / float64(max(ofHigh, 1))
}

// copier appends events in the order in which they are added, each at the revision that it has.
type copier struct {
	ctx   context.Context
	to    eventlog.Streams
	later *laterAppender // nil where each append is waited for
	run   []eventlog.Event
	bytes int
	first eventlog.Recorded // of the run
}

// laterAppender hands over many appends before it waits for the first.
type laterAppender struct {
	log   eventlog.Pipeline
	waits []func() error
}

func newCopier(ctx context.Context, to eventlog.Streams) *copier {
	c := &copier{ctx: ctx, to: to}
	if log, ok := to.(eventlog.Pipeline); ok && log.InOrder() {
		c.later = &laterAppender{log: log}
	}
	return c
}

// add takes an event; it is appended with those that follow it in its stream.
func (c *copier) add(e eventlog.Recorded) error {
	size := len(e.Type) + len(e.Data) + len(e.Metadata)
	follows := len(c.run) > 0 && e.Stream == c.first.Stream && e.Revision == c.first.Revision+eventlog.Revision(len(c.run))
	if !follows || len(c.run) == runEvents || c.bytes+size > runBytes {
		if err := c.flush(); err != nil {
			return err
		}
		c.first = e
	}
	c.run = append(c.run, e.Event)
	c.bytes += size
	return nil
}

func (c *copier) flush() error {
	if len(c.run) == 0 {
		return nil
	}
	run, first := c.run, c.first
	c.run, c.bytes = nil, 0
	expected := eventlog.NoStream
	if first.Revision > 0 {
		expected = eventlog.Exactly(first.Revision - 1)
	}
	if c.later == nil {
		_, err := c.to.Append(c.ctx, first.Stream, expected, run...)
		return explainCopy(&first, err)
	}
	wait, err := c.later.log.AppendLater(c.ctx, first.Stream, expected, run...)
	if err != nil {
		return explainCopy(&first, err)
	}
	return c.later.add(func() error {
		_, err := wait()
		return explainCopy(&first, err)
	})
}

// add remembers an append, and waits for the older half of them if there are many.
func (l *laterAppender) add(wait func() error) error {
	l.waits = append(l.waits, wait)
	if len(l.waits) < laterAppends {
		return nil
	}
	return l.wait(laterAppends / 2)
}

func (l *laterAppender) wait(n int) error {
	var err error
	for _, wait := range l.waits[:n] {
		err = errors.Join(err, wait())
	}
	l.waits = append(l.waits[:0:0], l.waits[n:]...)
	return err
}

// finish appends what is left and waits for everything.
func (c *copier) finish() error {
	err := c.flush()
	if c.later != nil {
		err = errors.Join(err, c.later.wait(len(c.later.waits)))
	}
	return err
}

func explainCopy(first *eventlog.Recorded, err error) error {
	if err == nil {
		return nil
	}
	var conflict *eventlog.ConflictError
	if !errors.As(err, &conflict) {
		return fmt.Errorf("copy revision %d of %s: %w", first.Revision, first.Stream, err)
	}
	return fmt.Errorf("revision %d of %s cannot have the same revision in the copy, without which Hooklog takes it for forged: "+
		"earlier events of this stream are gone from the source (truncated and scavenged), or the copy is written to by others: %w", first.Revision, first.Stream, err)
}
