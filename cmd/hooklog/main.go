// Command hooklog is the whole of Hooklog in one binary: the service (serve), a demonstration of it that needs nothing
// else (demo), a client of a running service (orgs, keys, events, …) and the tools of its log and keyset. This package
// is the composition root: it reads the settings, joins the other packages and leaves every decision to them.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// Once asked to stop, signals are the system's again: the second one ends the process at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}
