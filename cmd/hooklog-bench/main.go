// Command hooklog-bench measures Hooklog from outside, beside a bare relay and a bare client loop that do the same job
// without keeping anything. The receiver, the loop, the relay and Hooklog are processes of their own; the publisher is
// this one. All speak HTTP/1.1 over kept connections on the loopback interface. Figures are printed, never judged: the
// one thing that fails the program is a lost or repeated delivery.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// options say what is measured, for how long and how large.
type options struct {
	hooklog     string
	against     string
	dir         string
	measures    []measure
	rounds      int
	seconds     float64
	gentle      float64
	brisk       float64
	connections int
	only        string
	// Sizes of the measures of scale.
	fanOut        int
	pending       int
	facts         int
	organizations int
	soak          time.Duration
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "hooklog-bench:", err)
		os.Exit(1)
	}
}

// run plays one of the roles that the program gives its own processes, or measures.
func run(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case roleReceiver:
			return serveReceiver(ctx, args[1:], in, out)
		case roleLoop:
			return runLoop(ctx, args[1:], out)
		case roleRelay:
			return serveRelay(ctx, args[1:], in, out)
		}
	}
	o, err := parseOptions(args)
	if err != nil {
		return err
	}
	return measureAll(ctx, o, out)
}

func parseOptions(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("hooklog-bench", flag.ContinueOnError)
	flags.StringVar(&o.hooklog, "hooklog", "", "`FILE` to measure; empty builds ./cmd/hooklog")
	flags.StringVar(&o.against, "against", "", "compare, compare-esdb: `FILE` of the other program")
	flags.StringVar(&o.dir, "dir", "", "`DIR` for the data, which is deleted afterwards; empty takes the system's temporary one")
	names := flags.String("measure", "speed,isolation", "`NAMES` of what is measured, one after the other:"+listMeasures()+"\n")
	flags.IntVar(&o.rounds, "rounds", 5, "`NUMBER` of interleaved rounds")
	flags.Float64Var(&o.seconds, "seconds", 4, "`SECONDS` of publishing in each part of a round")
	flags.Float64Var(&o.gentle, "gentle", 16, "speed: `SECONDS` at 50 messages a second, of relay and Hooklog each; 0 leaves it out")
	flags.Float64Var(&o.brisk, "brisk", 5, "speed, compare: `SECONDS` at 5,000 messages a second, of relay and Hooklog, or of either program in turn; 0 leaves it out")
	flags.IntVar(&o.connections, "connections", 64, "`NUMBER` of publisher connections")
	flags.StringVar(&o.only, "only", "", "speed, esdb: measure only the `PARTS` of a round whose letters are given, for profiling: a loop, b relay, c single, d batches; esdb, on a log node: e single, f batches")
	flags.IntVar(&o.fanOut, "fan-out", 10_000, "fan-out: `NUMBER` of subscriptions that get each message; a tenth of them is measured, too")
	flags.IntVar(&o.pending, "pending", 1_000_000, "storm: `NUMBER` of deliveries that wait for their retry")
	flags.IntVar(&o.facts, "facts", 10_000_000, "growth: `NUMBER` of facts in the long log; the short one has a thousandth")
	flags.IntVar(&o.organizations, "organizations", 10_000, "organizations: `NUMBER` of them, of 10 subscriptions each; a hundredth is measured, too")
	flags.DurationVar(&o.soak, "soak", 20*time.Minute, "soak: how `LONG`, in 20 windows")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if o.rounds < 1 || o.seconds <= 0 || o.connections < 1 {
		return o, errors.New("rounds, seconds and connections must be positive")
	}
	if o.fanOut < 10 || o.pending < 1000 || o.facts < 10_000 || o.organizations < 100 || o.soak < 2*time.Second {
		return o, errors.New("the least sizes are -fan-out 10, -pending 1000, -facts 10000, -organizations 100 and -soak 2s")
	}
	var err error
	o.measures, err = measuresNamed(*names)
	return o, err
}

// duration turns seconds of a flag into a duration.
func duration(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }
