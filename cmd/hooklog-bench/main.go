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

// options say what is measured and for how long.
type options struct {
	hooklog     string
	dir         string
	rounds      int
	seconds     float64
	gentle      float64
	brisk       float64
	facts       int
	connections int
	isolation   bool
	rebuild     bool
	esdb        bool
	only        string
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
	if o.isolation {
		return measureIsolation(ctx, o, out)
	}
	if o.rebuild {
		return measureRebuild(ctx, o, out)
	}
	if o.esdb {
		return measureESDB(ctx, o, out)
	}
	return measure(ctx, o, out)
}

func parseOptions(args []string) (options, error) {
	var o options
	flags := flag.NewFlagSet("hooklog-bench", flag.ContinueOnError)
	flags.StringVar(&o.hooklog, "hooklog", "", "`FILE` to measure; empty builds ./cmd/hooklog")
	flags.StringVar(&o.dir, "dir", "", "`DIR` for the data, which is deleted afterwards; empty takes the system's temporary one")
	flags.IntVar(&o.rounds, "rounds", 3, "`NUMBER` of interleaved rounds")
	flags.Float64Var(&o.seconds, "seconds", 5, "`SECONDS` of publishing in each part of a round")
	flags.Float64Var(&o.gentle, "gentle", 16, "`SECONDS` at 50 messages a second, of relay and Hooklog each; 0 leaves it out")
	flags.Float64Var(&o.brisk, "brisk", 5, "`SECONDS` at 5,000 messages a second, of relay and Hooklog each; 0 leaves it out")
	flags.IntVar(&o.facts, "facts", 1_000_000, "`NUMBER` of facts in the log at which starting is measured; 0 leaves it out")
	flags.IntVar(&o.connections, "connections", 64, "`NUMBER` of publisher connections")
	flags.BoolVar(&o.isolation, "isolation", false, "measure what receivers that hang do to those that do not, instead")
	flags.BoolVar(&o.rebuild, "rebuild", false, "measure what rebuilding all read models does to deliveries, instead")
	flags.BoolVar(&o.esdb, "esdb", false, "measure Hooklog on a log node, through EventStoreDB's protocol, beside Hooklog on its own log, instead")
	flags.StringVar(&o.only, "only", "", "measure only the `PARTS` of a round whose letters are given, for profiling: a loop, b relay, c single, d batches")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if flags.NArg() > 0 {
		return o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	}
	if o.rounds < 1 || o.seconds <= 0 || o.connections < 1 {
		return o, errors.New("rounds, seconds and connections must be positive")
	}
	return o, nil
}

// duration turns seconds of a flag into a duration.
func duration(seconds float64) time.Duration { return time.Duration(seconds * float64(time.Second)) }
