// Command hooklog is the whole of Hooklog in one binary: the service (serve), a demonstration of it that needs nothing
// else (demo), a client of a running service (orgs, keys, events, …) and the tools of its log and keyset. This package
// is the composition root: it reads the settings, joins the other packages and leaves every decision to them.
package main

import (
	"context"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

func main() {
	giveDiskItsPlace()
	collectLater()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// Once asked to stop, signals are the system's again: the second one ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}

// giveDiskItsPlace lets one thread more run Go code than there are processors, unless GOMAXPROCS says how many shall. The writer
// of the log waits for the disk most of the time, and keeps its place while it does, until the runtime notices: on two
// processors that left one for everything else.
func giveDiskItsPlace() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1)
	}
}
