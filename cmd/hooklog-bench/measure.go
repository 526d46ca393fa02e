package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// measure is something that the program measures.
type measure struct {
	// name is what -measure calls it.
	name, what string
	run        func(*bench, context.Context) error
}

// measures are all there are. `make bench` runs the first two, `make bench-scale` those from fan-out on.
var measures = []measure{
	{"speed", "deliveries/s, CPU and latency beside a bare relay and a bare loop", (*bench).measureSpeed},
	{"isolation", "what receivers that hang or drip do to the others of their organization", (*bench).measureIsolation},
	{"isolation-apart", "what receivers that hang do to another organization's", (*bench).measureIsolationApart},
	{"compare", "two programs at the same time, under the same load: what a delivery costs either; then their latency, in turns", (*bench).measureCompare},
	{"compare-esdb", "the same with a log node for each, through EventStoreDB's protocol", (*bench).measureCompareESDB},
	{"rebuild", "what rebuilding all read models does to deliveries", (*bench).measureRebuild},
	{"esdb", "Hooklog on a log node, through EventStoreDB's protocol, beside Hooklog on its own log", (*bench).measureESDB},
	{"fan-out", "one message to many subscriptions", (*bench).measureFanOut},
	{"storm", "a backlog of retries that comes due", (*bench).measureStorm},
	{"growth", "what a long log costs: requests, start, folding all again, disk", (*bench).measureGrowth},
	{"organizations", "matching, start and memory with many organizations", (*bench).measureOrganizations},
	{"soak", "what changes while it runs for long", (*bench).measureSoak},
}

// measuresNamed finds measures by a list of names.
func measuresNamed(list string) (found []measure, err error) {
	for name := range strings.SplitSeq(list, ",") {
		i := slices.IndexFunc(measures, func(m measure) bool { return m.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no measure %q; there are%s", name, listMeasures())
		}
		found = append(found, measures[i])
	}
	return found, nil
}

func listMeasures() string {
	var text strings.Builder
	for _, m := range measures {
		fmt.Fprintf(&text, "\n%s\t%s", m.name, m.what)
	}
	return text.String()
}

// measureAll runs the measures that the options name, one after the other, each with processes and data of its own.
func measureAll(ctx context.Context, o options, out io.Writer) error {
	for i, m := range o.measures {
		if i > 0 {
			fmt.Fprintf(out, "\n%s\n\n", strings.Repeat("─", 100))
		}
		fmt.Fprintf(out, "%s: %s.\n", m.name, m.what)
		if err := measureOne(ctx, o, out, m); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	return nil
}

// measureOne runs one measure in a directory of its own, which it deletes, and ends whatever it started.
func measureOne(ctx context.Context, o options, out io.Writer, m measure) (err error) {
	b := &bench{options: o, out: out}
	if b.dir, err = os.MkdirTemp(o.dir, "hooklog-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	if err := b.describeMachine(); err != nil {
		return err
	}
	if b.hooklog == "" {
		if b.hooklog, err = buildHooklog(ctx, b.dir); err != nil {
			return err
		}
	}
	err = m.run(b, ctx)
	return errors.Join(err, b.stop(), b.verdict())
}
