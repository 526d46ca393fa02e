package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/hooklog/hooklog/sealing"
)

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
