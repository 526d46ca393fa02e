package main

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
