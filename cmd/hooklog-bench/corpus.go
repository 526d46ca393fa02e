package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hooklog/hooklog/commands"
	"github.com/hooklog/hooklog/dispatcher"
	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded"
	"github.com/hooklog/hooklog/projections"
	"github.com/hooklog/hooklog/sealing"
)

// corpus is the data of a stopped server, to which this process adds facts through the write side, as the server would:
// matched, sealed, authenticated and durable, but without HTTP and receivers.
type corpus struct {
	log  *embedded.Log
	keys *sealing.Keyset
	fold *projections.Fold
	by   commands.By
	// follows is the end of the fold's following, nil if it does not follow; acknowledges the end of the group's. stop asks
	// for both.
	follows, acknowledges chan error
	stop                  context.CancelFunc
}

// openCorpus opens a stopped server's data. With follow the read models follow what is written; without, they answer as
// they stood, and the next start of the server has the rest to fold.
func openCorpus(ctx context.Context, dir string, follow bool) (*corpus, error) {
	node, err := os.ReadFile(filepath.Join(dir, "node"))
	if err != nil {
		return nil, err
	}
	c := &corpus{by: commands.By{Actor: "node:" + strings.TrimSpace(string(node))}, acknowledges: make(chan error, 1)}
	if c.keys, err = sealing.ReadKeyset(filepath.Join(dir, "keyset.json")); err != nil {
		return nil, err
	}
	if c.log, err = embedded.Open(filepath.Join(dir, "log"), embedded.Options{ErrIfMissing: true}); err != nil {
		return nil, err
	}
	c.fold, err = projections.Open(projections.Config{Dir: filepath.Join(dir, "projections"), Feed: c.log, Streams: c.log,
		Codec: domain.NewCodec(c.keys), Keys: c.keys, ReconcileRate: -1})
	if err != nil {
		return nil, errors.Join(err, c.log.Close())
	}
	running, stop := context.WithCancel(ctx)
	c.stop = stop
	if follow {
		c.follows = make(chan error, 1)
		go func() { c.follows <- c.fold.Run(running) }()
	}
	go func() { c.acknowledges <- c.acknowledge(running) }()
	return c, nil
}

// acknowledge takes what is written from the dispatchers' group, as they would have when it was published: the server
// that starts on it has that behind it. It ends with ctx.
func (c *corpus) acknowledge(ctx context.Context) error {
	err := c.log.Consume(ctx, dispatcher.Group, pens, func(context.Context, eventlog.Handed) eventlog.Verdict { return eventlog.Ack })
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// acknowledged waits until the group has nothing left to hand out.
func (c *corpus) acknowledged(ctx context.Context, head eventlog.Position) error {
	for {
		stats, err := c.log.Stats(ctx, dispatcher.Group.Name)
		if err == nil && !head.After(stats.Checkpoint) {
			return nil
		}
		if err != nil && !errors.Is(err, eventlog.ErrNoGroup) { // it is about to be made
			return err
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

// close waits until everything that was written is acknowledged and, by what follows, folded, and releases the data.
func (c *corpus) close(ctx context.Context) error {
	head, err := c.log.Head(ctx)
	if err == nil {
		err = c.acknowledged(ctx, head)
	}
	if err == nil && c.follows != nil {
		err = c.fold.WaitFor(ctx, head)
	}
	c.stop()
	err = errors.Join(err, <-c.acknowledges)
	if c.follows != nil {
		err = errors.Join(err, <-c.follows)
	}
	return errors.Join(err, c.fold.Close(), c.log.Close())
}

// pen writes facts at times of its own. One goroutine uses it.
type pen struct {
	*corpus
	commands *commands.Commands
	now      time.Time
	data     []byte
}

// pens is how many write at once: enough for the log to sync many appends together.
const pens = 64

// write hands the numbers up to n to pens, in order.
func (c *corpus) write(ctx context.Context, n int, item func(ctx context.Context, p *pen, i int) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var all sync.WaitGroup
	for range min(n, pens) {
		p := &pen{corpus: c}
		var err error
		p.commands, err = commands.New(commands.Config{Log: c.log, Keys: c.keys, Directory: c.fold, URLs: anyURL{}, Now: func() time.Time { return p.now }})
		if err != nil {
			return err
		}
		all.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := item(ctx, p, i); err != nil {
					cancel(fmt.Errorf("write number %d: %w", i, err))
				}
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// anyURL admits every URL: receivers are on the loopback interface.
type anyURL struct{}

// CheckURL implements [commands.URLPolicy].
func (anyURL) CheckURL(context.Context, string) error { return nil }

// publish accepts a message of 500 bytes that goes to one subscription, and returns its delivery.
func (p *pen) publish(ctx context.Context, org domain.OrganizationID, eventType string, m mark) (domain.Delivery, error) {
	p.data = appendPayload(p.data[:0], m)
	published, err := p.commands.Publish(ctx, p.by, domain.Publication{Organization: org, EventType: eventType, Data: p.data})
	if err != nil {
		return domain.Delivery{}, err
	}
	matching, _ := p.fold.Match(org, eventType, "")
	if len(matching.Targets) != 1 {
		return domain.Delivery{}, fmt.Errorf("%s goes to %d subscriptions, want 1", eventType, len(matching.Targets))
	}
	to := matching.Targets[0]
	return domain.NewDelivery(domain.DeliveryOf{Message: published.Message, Subscription: to.Subscription, Organization: org,
		EventType: eventType, PublishedAt: domain.Time(p.now)}, to.Revision), nil
}

// answerTook is how long the receivers of a corpus took over a request.
const answerTook = time.Millisecond

// conclude records the next attempt of a delivery, which ended at the pen's time with an answer.
func (p *pen) conclude(ctx context.Context, known domain.Delivery, status int) error {
	policy, ok := p.fold.Policy(known.Of.Subscription)
	if !ok {
		return fmt.Errorf("%s has no policy", known.Of.Subscription)
	}
	sum := [32]byte{1: byte(known.Of.Message[15])}
	o := domain.Outcome{StartedAt: p.now.Add(-answerTook), Took: answerTook, Status: status, Address: "127.0.0.1:65535",
		BodySHA256: sum[:], Revision: known.RoundRevision}
	if status >= 300 {
		o.Reason = domain.StatusReason(status)
	}
	_, _, err := p.commands.RecordOutcome(ctx, p.by, known, o, policy, eventlog.ID{})
	return err
}

// organizationNamed finds an organization in the read models.
func (c *corpus) organizationNamed(slug string) (domain.OrganizationID, error) {
	o, ok := c.fold.OrganizationBySlug(slug)
	if !ok {
		return o.ID, fmt.Errorf("there is no organization %q", slug)
	}
	return o.ID, nil
}
