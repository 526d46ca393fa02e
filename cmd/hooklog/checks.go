package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/hooklog/hooklog/eventlog/embedded"
	"github.com/hooklog/hooklog/projections"
	"github.com/hooklog/hooklog/sealing"
)

// check is one thing that doctor looks at. It is pure: what it looks at was gathered before.
type check struct {
	name string
	look func(x *examination) []finding
}

// checks are all that doctor looks at. Each has a test that provokes it.
var checks = []check{
	{"settings.unknown", checkUnknownSettings},
	{"settings.insecure-targets", checkInsecureTargets},
	{"settings.listen", checkPublicListener},
	{"settings.operator-listen", checkOperatorListener},
	{"settings.log-level", checkLogLevel},
	{"settings.min-free", checkMinFree},
	{"settings.max-backlog", checkMaxBacklog},
	{"keyset.present", checkKeysetPresent},
	{"keyset.opens", checkKeysetOpens},
	{"files.private", checkPrivateFiles},
	{"files.leftovers", checkLeftovers},
	{"log.readable", checkFaults},
	{"disk.free", checkFreeSpace},
	{"disk.growth", checkGrowth},
	{"clock.distance", checkClock},
	{"backups.age", checkBackupAge},
	{"backups.left", checkBackupsLeft},
	{"groups.parked", checkParked},
	{"groups.behind", checkGroupsBehind},
	{"groups.consumers", checkConsumers},
	{"orphans.slugs", checkSlugs},
	{"orphans.messages", checkMessages},
	{"fold.lag", checkLag},
	{"fold.skipped", checkSkipped},
	{"projections.differ", checkMismatches},
	{"projections.rebuild", checkRebuilds},
	{"projections.leftovers", checkProjectionLeftovers},
	{"deliveries.overdue", checkOverdue},
	{"deliveries.backlog", checkBacklog},
}

// diagnose lets every check look.
func (x *examination) diagnose() findings {
	var all findings
	for _, c := range checks {
		for _, f := range c.look(x) {
			f.check = c.name
			all = append(all, f)
		}
	}
	all.sort()
	return all
}

// found makes the one finding of a check.
func found(s severity, what, do string) []finding {
	return []finding{{severity: s, found: what, do: do}}
}

func checkUnknownSettings(x *examination) (all []finding) {
	for _, name := range x.strangers {
		all = append(all, found(warning, name+" looks like a setting and is none: it has no effect.", "Correct its name (hooklog config lists them all) or remove it.")...)
	}
	return all
}

func checkInsecureTargets(x *examination) []finding {
	if len(x.settings.allowInsecure) == 0 {
		return nil
	}
	return found(warning, fmt.Sprintf("Deliveries may go to %v, also over plain http.", x.settings.allowInsecure),
		"Remove --allow-insecure-targets: it is for development only, and lets a partner reach what is in those networks.")
}

func checkPublicListener(x *examination) []finding {
	if !openToOthers(x.settings.listen) {
		return nil
	}
	return found(note, "The public listener "+x.settings.listen+" speaks plain http to other machines.",
		"Put a proxy before it that speaks https: keys go over this connection.")
}

func checkOperatorListener(x *examination) []finding {
	if !openToOthers(x.settings.operatorListen) {
		return nil
	}
	if x.settings.pprof {
		return found(critical, "The operator listener "+x.settings.operatorListen+" offers memory profiles to other machines without a key.",
			"Remove --pprof or bind --operator-listen to a loopback address: a profile of memory may hold secrets.")
	}
	return found(warning, "The operator listener "+x.settings.operatorListen+" answers other machines without a key.",
		"Bind --operator-listen to a loopback or private address, or see to it that only your monitoring reaches it.")
}

// openToOthers reports whether other machines may reach a listener, as far as its address tells.
func openToOthers(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return host != "localhost" && (err != nil || !ip.IsLoopback())
}

func checkLogLevel(x *examination) []finding {
	switch x.settings.logLevel {
	case "trace", "debug":
		return found(warning, "The log level is "+x.settings.logLevel+": every request is a line.", "Set --log-level info, unless you are looking for something.")
	case "warn", "error":
		return found(note, "The log level is "+x.settings.logLevel+": attempts leave no line.", "Set --log-level info for one line an attempt.")
	}
	return nil
}

func checkMinFree(x *examination) []finding {
	if x.settings.minFree >= embedded.DefaultMinFree {
		return nil
	}
	return found(warning, fmt.Sprintf("--min-free is %s, less than the %s that the log keeps for itself: what was accepted may find no room for its outcomes.",
		aboutBytes(x.settings.minFree), aboutBytes(uint64(embedded.DefaultMinFree))), "Set --min-free to 256MiB or more.")
}

func checkMaxBacklog(x *examination) []finding {
	if x.settings.maxBacklog > 0 {
		return nil
	}
	return found(note, "--max-backlog is 0: publishing is never refused for deliveries that wait.", "Set a bound, so that publishers hear of a jam before the disk does.")
}

func checkKeysetPresent(x *examination) []finding {
	path := x.settings.keysetPath()
	switch {
	case x.keyset == nil:
		return nil
	case errors.Is(x.keyset, fs.ErrNotExist):
		return found(critical, "The keyset "+path+" is missing: nothing that is sealed in the log can be opened, and no server starts.",
			"Put your copy of it there, or name it with --keyset.")
	case errors.Is(x.keyset, sealing.ErrKeysetExposed):
		return found(critical, "The keyset "+path+" may be read by group or others; no server starts with it.",
			"chmod 600 "+path+"; if others could read it, rotate it (hooklog keyset rotate) and rotate the subscriptions' secrets.")
	}
	return found(critical, fmt.Sprintf("The keyset cannot be read: %v.", x.keyset), "Put your copy of it there, or name it with --keyset.")
}

func checkKeysetOpens(x *examination) []finding {
	if x.probe == nil {
		return nil
	}
	return found(critical, fmt.Sprintf("The keyset %s does not open this log: %v.", x.settings.keysetPath(), x.probe),
		"Find the keyset that was made with this log and name it with --keyset.")
}

func checkPrivateFiles(x *examination) (all []finding) {
	for _, f := range x.exposed {
		s, want := critical, "600"
		if f.path == x.settings.data {
			s, want = warning, "700"
		}
		all = append(all, found(s, fmt.Sprintf("%s has mode %04o: others of this machine may read it.", f.path, f.mode), "chmod "+want+" "+f.path)...)
	}
	return all
}

func checkLeftovers(x *examination) []finding {
	if len(x.leftovers) == 0 {
		return nil
	}
	return found(note, "Files that a stopped write left behind: "+strings.Join(x.leftovers, ", ")+".", "Delete them; nothing reads them.")
}

func checkFaults(x *examination) (all []finding) {
	for _, err := range x.faults {
		all = append(all, found(critical, fmt.Sprintf("Something could not be looked at: %v.", err),
			"hooklog log verify on the stopped log, or on a backup of it, tells whether it is sound.")...)
	}
	return all
}

func checkFreeSpace(x *examination) []finding {
	if !x.freeKnown {
		return nil
	}
	what := fmt.Sprintf("%s of disk are free; below %s publishing is refused.", aboutBytes(x.free), aboutBytes(x.settings.minFree))
	do := "Make room: move backups out of the data directory, or enlarge the disk. The log itself cannot be shortened."
	switch {
	case x.free < x.settings.minFree:
		return found(critical, what, do)
	case x.free < 2*x.settings.minFree:
		return found(warning, what, do)
	}
	return nil
}

func checkGrowth(x *examination) []finding {
	if !x.freeKnown || x.growth <= 0 || x.free <= x.settings.minFree {
		return nil
	}
	left := float64(x.free-x.settings.minFree) / x.growth // days
	what := fmt.Sprintf("The log grows by %s a day: publishing would be refused in %.1f days.", aboutBytes(uint64(x.growth)), left)
	switch {
	case left < 2:
		return found(critical, what, "Enlarge the disk now.")
	case left < 14:
		return found(warning, what, "Plan for a larger disk.")
	}
	return nil
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

// backupsWanted is how old the last backup may be.
const backupsWanted = 7 * day

func checkBackupAge(x *examination) []finding {
	if x.facts == 0 || !x.settings.esdbURL.IsZero() { // EventStoreDB is backed up with its own means.
		return nil
	}
	do := "hooklog log backup DIR, from a timer; keep the keyset elsewhere."
	if x.lastSaved.IsZero() {
		return found(note, "This log was never backed up from here.", do)
	}
	if age := x.now.Sub(x.lastSaved); age > backupsWanted {
		return found(warning, fmt.Sprintf("The last backup is %.0f days old.", age.Hours()/24), do)
	}
	return nil
}

func checkBackupsLeft(x *examination) []finding {
	if len(x.backups) == 0 {
		return nil
	}
	return found(warning, fmt.Sprintf("Backups lie in %s, on the log's own disk: %s.", filepath.Clean(x.settings.backupsDir()), strings.Join(x.backups, ", ")),
		"Move them elsewhere or delete them, unless one is being made right now: each keeps the space of what the log has since written anew.")
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
