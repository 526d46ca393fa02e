package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// Exit codes of the program.
const (
	exitOK = 0
	// exitFailed: what was asked was not done, or not wholly.
	exitFailed = 1
	// exitUsage: what was asked was not understood.
	exitUsage = 2
)

// program is one run of the binary: everything it knows of the outside but files, clocks and the network.
type program struct {
	env  []string
	in   io.Reader
	out  io.Writer
	err  io.Writer
	root *cobra.Command
}

// run is main with its surroundings as arguments. It blocks until the command is done or ctx has ended and everything
// has stopped, and returns the exit code; what went wrong is told on stderr.
func run(ctx context.Context, args, env []string, stdin io.Reader, stdout, stderr io.Writer) int {
	p := &program{env: env, in: stdin, out: stdout, err: stderr}
	p.root = p.rootCommand()
	p.root.SetArgs(append([]string{}, args...)) // never nil: cobra would take the process's own
	err := p.root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	tell(stderr, err)
	var coded *exitError
	if errors.As(err, &coded) {
		return coded.code
	}
	if errors.As(err, new(*usageError)) {
		return exitUsage
	}
	return exitFailed
}

func (p *program) rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "hooklog",
		Short:         "Webhook delivery on an append-only event log",
		Long:          "Hooklog delivers webhooks. Its only truth is an append-only event log: what was accepted arrives, or is explained.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArguments,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetIn(p.in)
	root.SetOut(p.out)
	root.SetErr(p.err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.AddCommand(
		p.serveCommand(), p.demoCommand(), p.quickstartCommand(),
		p.organizationsCommand(), p.keysCommand(), p.eventTypesCommand(), p.eventsCommand(),
		p.subscriptionsCommand(), p.deliveriesCommand(), p.auditCommand(), p.simulateCommand(),
		p.projectionsCommand(), p.groupsCommand(), p.doctorCommand(), p.logCommand(), p.keysetCommand(), p.configCommand(), p.versionCommand(),
	)
	return root
}

// group makes a command that only holds others. Called without one of them, it shows its help and fails.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: noArguments, RunE: func(c *cobra.Command, _ []string) error {
		c.SetOut(c.ErrOrStderr())
		if err := c.Help(); err != nil {
			return err
		}
		return usage("%s needs one of its sub-commands", c.CommandPath())
	}}
	c.AddCommand(commands...)
	return c
}

// exitError ends the program with a code of its own.
type exitError struct {
	code int
	error
}

func (e *exitError) Unwrap() error { return e.error }

// usageError is what a person typed wrongly.
type usageError struct{ error }

func (e *usageError) Unwrap() error { return e.error }

func usage(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }

// noArguments refuses arguments: of a command with sub-commands they are misspelled ones.
func noArguments(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	if c.HasSubCommands() {
		return usage("%s has no sub-command %q; see %s --help", c.CommandPath(), args[0], c.CommandPath())
	}
	return usage("%s takes no argument, but was given %q", c.CommandPath(), args[0])
}

// arguments demands one argument for each name.
func arguments(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) < len(names) {
			return usage("%s needs %s", c.CommandPath(), names[len(args)])
		}
		if len(args) > len(names) {
			return usage("%s does not know what to do with %q", c.CommandPath(), args[len(names)])
		}
		return nil
	}
}

// tell explains to a person why the program failed.
func tell(w io.Writer, err error) {
	var refused *problem
	if errors.As(err, &refused) {
		refused.tell(w)
		return
	}
	fmt.Fprintf(w, "hooklog: %v\n", err)
}
