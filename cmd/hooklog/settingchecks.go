package main

import (
	"fmt"
	"net"
	"net/netip"

	"github.com/hooklog/hooklog/eventlog/embedded"
)

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
