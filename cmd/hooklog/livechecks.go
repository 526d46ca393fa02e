package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hooklog/hooklog/projections"
)

func checkLag(x *examination) []finding {
	if x.live == nil || x.live.live && x.live.lag < 2*time.Second {
		return nil
	}
	s, what := warning, fmt.Sprintf("The read models are %v behind the log.", x.live.lag.Round(time.Millisecond))
	if x.live.lag > 10*time.Second {
		s, what = critical, what+" The node is unready and answers 503."
	}
	return found(s, what, "hooklog projections list shows whether they catch up; if they stand still, the server's log says at which fact.")
}

func checkSkipped(x *examination) (all []finding) {
	if x.live == nil {
		return nil
	}
	for _, reason := range skipReasons {
		n := x.live.skipped[reason]
		switch {
		case n == 0:
		case reason == "foreign":
			all = append(all, found(note, fmt.Sprintf("%d events of other programs were passed over.", n), "Nothing, if others are meant to share this log.")...)
		default:
			all = append(all, found(critical, fmt.Sprintf("%d %s facts were passed over: Hooklog did not write them as they stand.", n, reason),
				"The server's log names stream and position. Find out who can write to the log; hooklog log verify counts them.")...)
		}
	}
	return all
}

func checkMismatches(x *examination) (all []finding) {
	if x.live == nil {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(x.live.mismatches)) {
		if n := x.live.mismatches[name]; n > 0 {
			all = append(all, found(critical, fmt.Sprintf("%d rows of %s were found to be other than the log says.", n, name),
				"hooklog projections verify "+name+" shows them, hooklog projections rebuild "+name+" puts them right. Please report it.")...)
		}
	}
	return all
}

func checkRebuilds(x *examination) (all []finding) {
	if x.live == nil {
		return nil
	}
	told := map[time.Time]bool{} // one rebuild is told once, whatever it includes
	for _, p := range x.live.projections {
		r := p.Rebuild
		if r == nil || told[r.StartedAt] {
			continue
		}
		told[r.StartedAt] = true
		names := strings.Join(r.Names, ", ")
		switch r.State {
		case projections.RebuildRunning:
			all = append(all, found(note, fmt.Sprintf("%s are being rebuilt (%s): %.0f %% at %.0f facts/s.", names, r.Why, 100*r.Share, r.FactsPerSecond),
				"Nothing: the old rows serve until it is done. hooklog projections list follows it.")...)
		case projections.RebuildFailed:
			all = append(all, found(warning, fmt.Sprintf("The rebuild of %s failed: %s.", names, r.Error), "The old rows serve on. Read the server's log, then ask for it again.")...)
		}
	}
	return all
}

func checkProjectionLeftovers(x *examination) []finding {
	if x.live == nil || len(x.live.leftovers) == 0 {
		return nil
	}
	return found(note, "A rebuild left rows behind that nobody reads: "+strings.Join(x.live.leftovers, ", ")+".", "They are dropped at the next start or rebuild.")
}

func checkOverdue(x *examination) []finding {
	if x.live == nil || x.live.dueFor < underway {
		return nil
	}
	return found(warning, fmt.Sprintf("A delivery without an end has been due for %v.", x.live.dueFor.Round(time.Second)),
		"One receiver that takes less than it gets holds up its own deliveries only; if nothing is attempted at all, look at the clock and the group.")
}

func checkBacklog(x *examination) []finding {
	if x.live == nil || x.settings.maxBacklog == 0 || x.live.unsent*5 < x.settings.maxBacklog*4 {
		return nil
	}
	s := warning
	if x.live.unsent > x.settings.maxBacklog {
		s = critical
	}
	return found(s, fmt.Sprintf("%d deliveries wait for their first attempt; past %d publishing is refused.", x.live.unsent, x.settings.maxBacklog),
		"Find out which receivers are slow, publish more slowly, or raise --max-backlog.")
}
