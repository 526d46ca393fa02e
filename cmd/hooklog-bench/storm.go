package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/hooklog/hooklog/domain"
)

const (
	// stormReceivers is how many subscriptions wait for retries.
	stormReceivers = 100
	// stormDelay is the one delay of the schedule. Delays of less than a minute have no jitter.
	stormDelay = 59 * time.Second
	// gentleTime is how long, at most, deliveries come due at half the saturating rate; then all others do at floodRate
	// times the saturating rate, but within floodTime. Together they are less than the delay, so that all have failed when
	// the first is due.
	gentleTime = 30 * time.Second
	floodTime  = 20 * time.Second
	floodRate  = 5
	// freshRate is how many new messages a second are published meanwhile, to the same subscriptions.
	freshRate = 50
)

// storm is when the deliveries of a backlog are due: number i at its place, the first ones at half the saturating rate.
type storm struct {
	begins         time.Time
	gentle, floods int
	saturating     float64
}

// due is when the delivery i is due.
func (s storm) due(i int) time.Time {
	if i < s.gentle {
		return s.begins.Add(time.Duration(float64(i) / (s.saturating / 2) * float64(time.Second)))
	}
	return s.flood().Add(time.Duration(float64(s.floodTakes()) * float64(i-s.gentle) / float64(s.floods)))
}

// floodTakes is how long the flood takes to be due.
func (s storm) floodTakes() time.Duration {
	return min(floodTime, time.Duration(float64(s.floods)/(floodRate*s.saturating)*float64(time.Second)))
}

// flood is when more begin to be due than can be attempted.
func (s storm) flood() time.Time {
	return s.begins.Add(time.Duration(float64(s.gentle) / (s.saturating / 2) * float64(time.Second)))
}

func (s storm) size() int { return s.gentle + s.floods }

// measureStorm measures how a backlog of retries is worked off: first while less is due than can be attempted, then with
// everything due at once.
func (b *bench) measureStorm(ctx context.Context) error {
	receivers, key, err := b.startStorm(ctx)
	if err != nil {
		return err
	}
	saturating, err := b.saturating(ctx, receivers, key)
	if err != nil {
		return err
	}
	if err := b.server.stop(); err != nil {
		return err
	}
	run, err := receivers.begin(ctx, 1)
	if err != nil {
		return err
	}
	half := int(min(gentleTime.Seconds()*saturating.median/2, float64(b.pending/2)))
	s := storm{gentle: half, floods: b.pending - half, saturating: saturating.median}
	wrote := time.Now()
	if err := b.brew(ctx, &s, run); err != nil {
		return err
	}
	fmt.Fprintf(b.out, "\n%d deliveries to %d subscriptions, profile standard, schedule %v, all failed once (written by the write side in %.0f s).\n"+
		"Saturating rate before: %s deliveries/s. Due: %d at half that rate, then %d within %v. Meanwhile %d new messages/s to the\n"+
		"same subscriptions.\n", s.size(), receivers.size, stormDelay, time.Since(wrote).Seconds(), saturating.format("%.0f"), s.gentle, s.floods, s.floodTakes().Round(time.Second/10), freshRate)
	if err := b.server.start(ctx); err != nil {
		return err
	}
	if late := time.Since(s.begins); late > 0 {
		fmt.Fprintf(b.out, "The server was ready %v after the first delivery was due, which counts as its being late.\n", late)
	}
	return b.weather(ctx, s, receivers, key, run)
}

// startStorm starts the receivers and the server with one organization.
func (b *bench) startStorm(ctx context.Context) (receivers flock, key string, err error) {
	if receivers, err = startFlock(ctx, stormReceivers); err != nil {
		return receivers, "", err
	}
	b.receiver = receivers.sink
	if b.server, err = startHooklog(ctx, b.hooklog, filepath.Join(b.dir, "data")); err != nil {
		return receivers, "", err
	}
	key, err = b.server.organizeApart(ctx, slug, receivers, map[string]any{"profile": "standard", "retry_schedule": []string{stormDelay.String()}})
	return receivers, key, err
}

// saturating measures the rate at which single publishes to the receivers saturate the machine.
func (b *bench) saturating(ctx context.Context, receivers flock, key string) (spread, error) {
	p := b.server.publisher(slug, key, b.options, 1, 1)
	p.encode = spreadOver(typeOf, receivers.size)
	defer p.poster.close()
	var rates []float64
	for range b.rounds {
		f, err := measureFlow(ctx, receivers.sink, b.server.process, 1, func(run int) (int, error) {
			return p.saturate(ctx, receivers.sink, run, duration(b.seconds))
		})
		if err != nil {
			return spread{}, err
		}
		b.note("saturation", f)
		rates = append(rates, f.rate)
	}
	return spreadOf(rates), nil
}

// lead is what a server may take to start.
const lead = 5 * time.Second

// brewed is how many messages are written before their failures are.
const brewed = 10_000

// brew writes the backlog into the stopped server's log: messages, each published just before its first failure, which makes
// its delivery due in the storm. A payload's time is when its delivery is due. The storm begins when the server can have
// started: to write goes faster than to publish and deliver.
func (b *bench) brew(ctx context.Context, s *storm, run int) (err error) {
	c, err := openCorpus(ctx, b.server.dir, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close(ctx)) }()
	org, err := c.organizationNamed(slug)
	if err != nil {
		return err
	}
	began := time.Now()
	s.begins = began.Add(time.Duration(float64(s.size())/s.saturating*float64(time.Second)) + lead)
	for first := 0; first < s.size() && err == nil; first += brewed {
		err = b.brewSome(ctx, c, org, s, run, first, min(brewed, s.size()-first))
	}
	return err
}

// brewSome writes messages from first on, and then their failures.
func (b *bench) brewSome(ctx context.Context, c *corpus, org domain.OrganizationID, s *storm, run, first, n int) error {
	waiting := make([]domain.Delivery, n)
	err := c.write(ctx, n, func(ctx context.Context, p *pen, i int) (err error) {
		due := s.due(first + i)
		p.now = due.Add(-stormDelay - answerTook)
		waiting[i], err = p.publish(ctx, org, typeOf((first+i)%stormReceivers), mark{run, first + i, due.UnixNano()})
		return err
	})
	if err != nil {
		return err
	}
	return c.write(ctx, n, func(ctx context.Context, p *pen, i int) error {
		p.now = s.due(first + i).Add(-stormDelay)
		return p.conclude(ctx, waiting[i], http.StatusServiceUnavailable)
	})
}

// weather publishes new messages until all that was due has come, and tells how it went.
func (b *bench) weather(ctx context.Context, s storm, receivers flock, key string, run int) error {
	p := b.server.publisher(slug, key, b.options, 1, 1)
	p.encode = spreadOver(typeOf, receivers.size)
	defer p.poster.close()
	over, end := context.WithCancel(ctx)
	defer end()
	fresh, failed := 0, error(nil)
	var publishing sync.WaitGroup
	publishing.Go(func() {
		for over.Err() == nil && failed == nil {
			n, err := p.paceFrom(ctx, run, s.size()+fresh, freshRate, time.Second)
			fresh, failed = fresh+n, err
		}
	})
	err := receivers.drained(ctx, int64(s.size()), time.Until(s.begins)+patience)
	end()
	publishing.Wait()
	if err := errors.Join(err, failed, receivers.drained(ctx, int64(s.size()+fresh), patience)); err != nil {
		return err
	}
	return b.tellStorm(ctx, s, fresh)
}

// tellStorm prints how the storm went, from when each delivery arrived.
func (b *bench) tellStorm(ctx context.Context, s storm, fresh int) error {
	arrived, err := b.receiver.report(ctx, s.size()+fresh)
	if err != nil {
		return err
	}
	b.note("storm", figures{messages: s.size() + fresh, arrivals: arrived})
	waits, err := b.receiver.waits(ctx, s.size()+fresh)
	if err != nil {
		return err
	}
	gentle, flood, news := waits[:s.gentle], waits[s.gentle:s.size()], waits[s.size():]
	last := s.flood()
	for i, wait := range flood {
		if at := s.due(s.gentle + i).Add(time.Duration(wait) * time.Microsecond); wait != never && at.After(last) {
			last = at
		}
	}
	drain := float64(len(flood)) / last.Sub(s.flood()).Seconds()
	_, highest, err := b.server.memory()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(b.out, "\n  start minus due, while half of what can be attempted is due: %s\n"+
		"  in the flood: %s\n"+
		"  due after one that arrived later, in the flood: %s\n"+
		"  drained at %.0f deliveries/s, %.2f of the saturating rate\n"+
		"  publish to arrival of %d new messages: %s\n"+
		"  resident memory at its highest: %d MiB; %d stranded, %d twice\n",
		tellWaits(gentle), tellWaits(flood), tellWaits(s.overtaken(flood)), drain, drain/s.saturating, len(news), tellWaits(news), highest>>20, arrived.Lost, arrived.Duplicates)
	return err
}

// overtaken returns for each delivery of the flood by how much the latest one that had arrived before it was due after
// it, in microseconds: 0 for all if they arrive in the order in which they are due.
func (s storm) overtaken(flood []uint32) []uint32 {
	type arrival struct{ due, at time.Time }
	var all []arrival
	for i, wait := range flood {
		if due := s.due(s.gentle + i); wait != never {
			all = append(all, arrival{due, due.Add(time.Duration(wait) * time.Microsecond)})
		}
	}
	slices.SortFunc(all, func(a, b arrival) int { return cmp.Or(a.at.Compare(b.at), a.due.Compare(b.due)) })
	var latest time.Time
	by := make([]uint32, len(all))
	for i, a := range all {
		if a.due.After(latest) {
			latest = a.due
		}
		by[i] = uint32(latest.Sub(a.due).Microseconds())
	}
	return by
}

// tellWaits sums up waits in microseconds.
func tellWaits(waits []uint32) string {
	sorted := slices.Sorted(slices.Values(waits))
	return fmt.Sprintf("p50 %.1f ms, p99 %.1f ms, greatest %.1f ms", ms(percentile(sorted, 0.50)), ms(percentile(sorted, 0.99)), ms(percentile(sorted, 1)))
}
