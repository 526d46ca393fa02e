package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/pprof/profile"
	"golang.org/x/sync/errgroup"
)

// stage is a part of what a delivery costs the Hooklog process.
type stage struct {
	name, what string
	// of are beginnings of names of functions: the stage has their time, and that of all they call that is no other stage's.
	of []string
	// late says that the stage works for the others, too, and has only what is none of theirs.
	late bool
}

const (
	module       = "github.com/hooklog/hooklog/"
	inCommands   = module + "commands.(*Commands)."
	inDispatcher = module + "dispatcher."
	inEmbedded   = module + "eventlog/embedded."
)

// stages are all of them, in the order of a delivery's way. What is no stage's by any of its callers is the runtime's.
var stages = []stage{
	{name: "serve", what: "the HTTP server: reading requests, writing answers", of: []string{"net/http.(*conn)", "net/http.(*connReader)"}},
	{name: "accept", what: "route, key, quota, body", of: []string{module + "http.", "github.com/gorilla/mux."}},
	{name: "publish", what: "judge, match, seal, encode", of: []string{inCommands + "PublishLater", inCommands + "publish"}},
	{name: "append", what: "hand to the writer, write, sync, answer", of: []string{inEmbedded + "(*writer)", inEmbedded + "(*Log).Append",
		inEmbedded + "(*Log).await", module + "eventlog/embedded/segment.(*Store).Append"}},
	{name: "hand-over", what: "group, lane, slot", of: []string{inEmbedded + "(*group", inEmbedded + "(*consumer)",
		inDispatcher + "(*Dispatcher)", inDispatcher + "(*lanes)"}},
	{name: "sign", what: "open, envelope, sign", of: []string{inDispatcher + "(*Dispatcher).prepare"}},
	{name: "send", what: "connection, request, answer", of: []string{module + "dispatcher/egress."}},
	{name: "record", what: "decide and encode the outcome, log line, metrics", of: []string{inCommands + "RecordOutcomeLater",
		inDispatcher + "(*Dispatcher).record", inDispatcher + "(*Dispatcher).outcome", inDispatcher + "(*Dispatcher).settle"}},
	{name: "project", what: "fold, read models", of: []string{module + "projections.(*Fold).Run", module + "projections.(*projector)"}},
	{name: "store", what: "flushes and compactions of the read models", of: []string{"github.com/cockroachdb/pebble/"}, late: true},
	{name: "runtime", what: "collecting garbage, scheduling, what is left"},
}

// stageOf finds the stage of a stack, whose functions are listed from the innermost one on: that of the innermost function
// that is of one, of a late one only where there is no other.
func stageOf(stack []string) int {
	for _, late := range []bool{false, true} {
		for _, name := range stack {
			if i := stageNamed(name, late); i >= 0 {
				return i
			}
		}
	}
	return len(stages) - 1
}

// stageNamed finds the stage that has the longest beginning of a function's name; -1 if there is none.
func stageNamed(function string, late bool) int {
	found, longest := -1, 0
	for i, s := range stages {
		for _, beginning := range s.of {
			if s.late == late && len(beginning) > longest && strings.HasPrefix(function, beginning) {
				found, longest = i, len(beginning)
			}
		}
	}
	return found
}

// cost is CPU time, and how much of it went to system calls and to allocation.
type cost struct{ all, system, allocation int64 }

// costs adds up a CPU profile by stage.
func costs(p *profile.Profile) []cost {
	byStage := make([]cost, len(stages))
	last := len(p.SampleType) - 1 // nanoseconds
	for _, s := range p.Sample {
		stack := functionsOf(s)
		c := &byStage[stageOf(stack)]
		c.all += s.Value[last]
		switch {
		case len(stack) > 0 && strings.HasPrefix(stack[0], "internal/runtime/syscall/"):
			c.system += s.Value[last]
		case isAllocation(stack):
			c.allocation += s.Value[last]
		}
	}
	return byStage
}

// functionsOf lists the functions of a sample from the innermost one on.
func functionsOf(s *profile.Sample) (names []string) {
	for _, at := range s.Location {
		for _, line := range at.Line {
			if line.Function != nil {
				names = append(names, line.Function.Name)
			}
		}
	}
	return names
}

func isAllocation(stack []string) bool {
	for _, name := range stack {
		if strings.HasPrefix(name, "runtime.mallocgc") || strings.HasPrefix(name, "runtime.growslice") {
			return true
		}
	}
	return false
}

// measureStages runs a part once more while the server's CPU is profiled, and prints what each stage costs a delivery.
func (b *bench) measureStages(ctx context.Context, p *part) error {
	var f figures
	var taken *profile.Profile
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		f, err = p.measure(ctx)
		return err
	})
	g.Go(func() (err error) {
		taken, err = b.server.profileCPU(ctx, max(time.Second, duration(b.seconds)))
		return err
	})
	if err := g.Wait(); err != nil {
		return fmt.Errorf("the stages of %s: %w", p.name, err)
	}
	b.note(p.name+", profiled", f)
	return printStages(b.out, p, f, costs(taken))
}

// profileCPU profiles the server for whole seconds.
func (s *server) profileCPU(ctx context.Context, length time.Duration) (*profile.Profile, error) {
	resp, err := s.look(ctx, fmt.Sprintf("/debug/pprof/profile?seconds=%d", int(length.Seconds())))
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("profile the server: %s", resp.Status)
	}
	return profile.Parse(resp.Body)
}

func printStages(out io.Writer, p *part, f figures, byStage []cost) error {
	var whole cost
	for _, c := range byStage {
		whole.all, whole.system, whole.allocation = whole.all+c.all, whole.system+c.system, whole.allocation+c.allocation
	}
	share := func(spent int64) float64 { return float64(spent) / float64(max(1, whole.all)) * serviceOf(f) }
	fmt.Fprintf(out, "\nWhere the CPU of (%s) %s goes, by a profile of one more run; µs a delivery:\n", p.letter, p.name)
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(w, "  stage\tall\tsystem calls\tallocation\t")
	line := func(name, what string, c cost) {
		fmt.Fprintf(w, "  %s\t%.1f\t%.1f\t%.1f\t%s\n", name, share(c.all), share(c.system), share(c.allocation), what)
	}
	for i, s := range stages {
		line(s.name, s.what, byStage[i])
	}
	line("together", "", whole)
	return w.Flush()
}
