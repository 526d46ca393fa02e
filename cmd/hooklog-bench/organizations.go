package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"text/tabwriter"
	"time"

	"github.com/hooklog/hooklog/commands"
	"github.com/hooklog/hooklog/domain"
)

const (
	// subscriptionsEach is how many subscriptions an organization has, each with an event type of its own.
	subscriptionsEach = 10
	// fewerOrganizations is how many times fewer organizations are compared with.
	fewerOrganizations = 100
	// matchings is how many messages are matched in a round one after the other, coldMatchings how many with other work
	// between them, which leaves coldBytes of other memory in the processor's caches.
	matchings     = 20_000
	coldMatchings = 1_000
	coldBytes     = 16 << 20
)

// population is the data of a server with many organizations.
type population struct {
	*server
	organizations int
	ids           []domain.OrganizationID
	warm, cold    matched
}

// matched are the percentiles of the rounds, in microseconds.
type matched struct{ p50, p99 []float64 }

func (m *matched) add(took []float64) {
	m.p50, m.p99 = append(m.p50, quantile(took, 0.50)), append(m.p99, quantile(took, 0.99))
}

func (m *matched) String() string {
	return spreadOf(m.p50).format("%.2f") + "\t" + spreadOf(m.p99).format("%.2f")
}

func (x *population) subscriptions() int { return x.organizations * subscriptionsEach }

// measureOrganizations compares many organizations with few.
func (b *bench) measureOrganizations(ctx context.Context) error {
	few := &population{organizations: b.organizations / fewerOrganizations}
	many := &population{organizations: b.organizations}
	empty, err := b.restMemory(ctx)
	if err != nil {
		return err
	}
	for _, x := range []*population{few, many} {
		if err := b.populate(ctx, x); err != nil {
			return fmt.Errorf("write %d organizations: %w", x.organizations, err)
		}
	}
	if err := b.matchInTurn(ctx, few, many); err != nil {
		return err
	}
	fmt.Fprintf(b.out, "\nOrganizations of %d subscriptions, written by the write side. Matching: a message to one subscription of any organization, in\n"+
		"the read models alone, %d rounds, in turn; µs. Warm: %d one after the other; cold: %d with %d MiB of other memory gone through\n"+
		"before each. Starting: from exec to /readyz 200, %d times. Resident memory after it, above a server without any (%d MiB).\n\n",
		subscriptionsEach, b.rounds, matchings, coldMatchings, coldBytes>>20, starts, empty>>20)
	w := tabwriter.NewWriter(b.out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "subscriptions\tmatching warm, p50\tp99\tcold, p50\tp99\tstart, s\tMiB\tKiB for 1,000 subscriptions")
	for _, x := range []*population{few, many} {
		if err := x.tell(ctx, w, empty); err != nil {
			return err
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(b.out, "\n  p99 with many to few: warm %s ×, cold %s ×\n",
		quotients(many.warm.p99, few.warm.p99).format("%.2f"), quotients(many.cold.p99, few.cold.p99).format("%.2f"))
	return err
}

// restMemory is what a server without organizations takes.
func (b *bench) restMemory(ctx context.Context) (int64, error) {
	s, err := startHooklog(ctx, b.hooklog, filepath.Join(b.dir, "empty"))
	if err != nil {
		return 0, err
	}
	now, _, err := s.memory()
	return now, errors.Join(err, s.stop())
}

// populate makes a server's data and folds it.
func (b *bench) populate(ctx context.Context, x *population) (err error) {
	if x.server, err = startHooklog(ctx, b.hooklog, filepath.Join(b.dir, fmt.Sprintf("organizations-%d", x.organizations))); err != nil {
		return err
	}
	if err := x.stop(); err != nil {
		return err
	}
	c, err := openCorpus(ctx, x.dir, true)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.close(ctx)) }()
	x.ids = make([]domain.OrganizationID, x.organizations)
	return c.write(ctx, x.organizations, func(ctx context.Context, p *pen, i int) (err error) {
		p.now = time.Now()
		x.ids[i], err = p.register(ctx, fmt.Sprintf("organization-%d", i))
		return err
	})
}

// register adds an organization with its event types and subscriptions.
func (p *pen) register(ctx context.Context, slug string) (domain.OrganizationID, error) {
	o, _, err := p.commands.RegisterOrganization(ctx, p.by, slug, "standard", domain.OrganizationSettings{Name: slug})
	if err != nil {
		return o.ID, err
	}
	for i := range subscriptionsEach {
		if _, _, err := p.commands.DefineEventType(ctx, p.by, o.ID, typeOf(i), domain.EventTypeSettings{}); err != nil {
			return o.ID, err
		}
		_, _, _, err := p.commands.CreateSubscription(ctx, p.by, o.ID, commands.NewSubscription{
			URL: fmt.Sprintf("http://127.0.0.1:9/%s/%d", slug, i), Events: []string{typeOf(i)}})
		if err != nil {
			return o.ID, err
		}
	}
	return o.ID, nil
}

// matchInTurn measures matching in the read models of both.
func (b *bench) matchInTurn(ctx context.Context, both ...*population) (err error) {
	var open []*corpus
	defer func() {
		for _, c := range open {
			err = errors.Join(err, c.close(ctx))
		}
	}()
	for _, x := range both {
		c, err := openCorpus(ctx, x.dir, false)
		if err != nil {
			return err
		}
		open = append(open, c)
	}
	for range b.rounds {
		for i, x := range both {
			if err := x.match(open[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// match times single matchings, each of a message to one subscription of any organization.
func (x *population) match(c *corpus) error {
	warm, err := x.matchings(c, matchings, nil)
	if err != nil {
		return err
	}
	cold, err := x.matchings(c, coldMatchings, make([]byte, coldBytes))
	x.warm.add(warm)
	x.cold.add(cold)
	return err
}

// matchings are n matchings, in microseconds, before each of which all of other is gone through.
func (x *population) matchings(c *corpus, n int, other []byte) (took []float64, err error) {
	const line = 64 // bytes that a processor reads at once
	for range n {
		for i := 0; i < len(other); i += line {
			other[i]++
		}
		org, name := x.ids[rand.IntN(len(x.ids))], typeOf(rand.IntN(subscriptionsEach))
		began := time.Now()
		m, _ := c.fold.Match(org, name, "")
		took = append(took, micros(time.Since(began)))
		if len(m.Targets) != 1 {
			return nil, fmt.Errorf("a message was matched with %d subscriptions, want 1", len(m.Targets))
		}
	}
	return took, nil
}

// tell measures starting, and prints a line.
func (x *population) tell(ctx context.Context, w *tabwriter.Writer, empty int64) error {
	var start []float64
	var memory int64
	for range starts {
		began := time.Now()
		if err := x.start(ctx); err != nil {
			return err
		}
		start = append(start, time.Since(began).Seconds())
		now, _, err := x.memory()
		if err = errors.Join(err, x.stop()); err != nil {
			return err
		}
		memory = max(memory, now-empty)
	}
	_, err := fmt.Fprintf(w, "%d\t%v\t%v\t%s\t%d\t%d\n", x.subscriptions(), &x.warm, &x.cold,
		spreadOf(start).format("%.2f"), memory>>20, memory*1000/int64(x.subscriptions())>>10)
	return err
}
