package main

import (
	"fmt"
	"strings"
	"time"
)

func checkFaults(x *examination) (all []finding) {
	for _, err := range x.faults {
		all = append(all, found(critical, fmt.Sprintf("Something could not be looked at: %v.", err),
			"hooklog log verify on the stopped log, or on a backup of it, tells whether it is sound.")...)
	}
	return all
}

func checkClock(x *examination) []finding {
	off := x.distance.Abs()
	what := fmt.Sprintf("This machine's clock is %v off the log's time.", x.distance.Round(time.Millisecond))
	switch {
	case off > 5*time.Second:
		return found(critical, what, "Put the clock right (NTP): due times and signatures follow it.")
	case off > time.Second:
		return found(warning, what, "Put the clock right (NTP).")
	}
	return nil
}

func checkParked(x *examination) (all []finding) {
	for _, g := range x.groups {
		if g.Parked > 0 {
			all = append(all, found(warning, fmt.Sprintf("%d facts are parked in the group %s: they were handed out in vain.", g.Parked, g.Name),
				"Read why in the server's log, then: hooklog groups replay "+g.Name)...)
		}
	}
	return all
}

func checkGroupsBehind(x *examination) (all []finding) {
	for _, g := range x.groups {
		if !g.Own || g.waiting < underway {
			continue
		}
		f := finding{severity: warning, found: fmt.Sprintf("The group %s is %s behind; the first has waited %v.", g.Name, g.behind(), g.waiting.Round(time.Second)),
			do: "Look what is in flight (hooklog groups list); a restart hands it out again and repeats nothing that had ended."}
		if x.live == nil {
			f.severity, f.do = note, "Start the server: it hands out what is there."
		}
		all = append(all, f)
	}
	return all
}

func checkConsumers(x *examination) (all []finding) {
	for _, g := range x.groups {
		switch {
		case x.live == nil || g.Consumers > 0:
		case g.Own:
			all = append(all, found(critical, "Nobody consumes the group "+g.Name+": nothing that is published is attempted but by the clock.",
				"Look for a jump of the clock in the server's log; a dispatcher joins again a minute after one.")...)
		default:
			all = append(all, found(note, fmt.Sprintf("Nobody consumes the group %s, which is %s behind: it is an older release's or another program's.", g.Name, g.behind()),
				"Nothing depends on it; its program, if there is one, does not run.")...)
		}
	}
	return all
}

func checkSlugs(x *examination) []finding {
	if len(x.slugs) == 0 {
		return nil
	}
	return found(warning, "Slugs that are reserved without an organization, because registering stopped half-way: "+someOf(x.slugs)+".",
		"Register them (hooklog orgs create SLUG): that goes on where it stopped. Nobody else can have them.")
}

func checkMessages(x *examination) []finding {
	if len(x.messages) == 0 {
		return nil
	}
	var ids []string
	for _, id := range x.messages {
		ids = append(ids, id.String())
	}
	return found(warning, "Events whose list of targets was never completed: "+someOf(ids)+".",
		"Replay what is parked (hooklog groups replay): whoever is handed such an event adds what is missing.")
}

// someOf lists the first few of many.
func someOf(all []string) string {
	const few = 10
	if len(all) <= few {
		return strings.Join(all, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(all[:few], ", "), len(all)-few)
}
