package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// process is a child of this one.
type process struct {
	name  string
	cmd   *exec.Cmd
	input io.Closer
	// ended is closed once the process has ended; err is its result then.
	ended chan struct{}
	err   error
}

// startRole starts this program again in one of its roles and waits until it tells its addresses.
func startRole(ctx context.Context, role string, args ...string) (*process, addresses, error) {
	var told addresses
	program, err := os.Executable()
	if err != nil {
		return nil, told, err
	}
	cmd := exec.CommandContext(ctx, program, append([]string{role}, args...)...)
	cmd.Stderr = os.Stderr
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, told, err
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, told, err
	}
	if err := cmd.Start(); err != nil {
		return nil, told, err
	}
	line, err := bufio.NewReader(output).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &told)
	}
	p := watch(role, cmd, input)
	if err != nil {
		return nil, told, errors.Join(fmt.Errorf("start the %s: %w", role, err), p.stop())
	}
	return p, told, nil
}

func watch(name string, cmd *exec.Cmd, input io.Closer) *process {
	p := &process{name: name, cmd: cmd, input: input, ended: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.ended)
	}()
	return p
}

// stop ends a process in good order: by the end of its input, else by a signal; after a minute it is killed.
func (p *process) stop() error {
	var err error
	if p.input != nil {
		err = p.input.Close()
	} else {
		err = p.cmd.Process.Signal(syscall.SIGTERM)
	}
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	select {
	case <-p.ended:
	case <-time.After(patience):
		err = errors.Join(err, fmt.Errorf("the %s did not stop within %v", p.name, patience), p.cmd.Process.Kill())
		<-p.ended
	}
	if p.err != nil {
		err = errors.Join(err, fmt.Errorf("the %s ended with: %w", p.name, p.err))
	}
	return err
}

// ticks is how many units of /proc's CPU times a second has on every Linux.
const ticks = 100

// cpu is the user and system time that the process has used so far, in steps of 10 ms.
func (p *process) cpu() (time.Duration, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("read the CPU time of the %s (this needs Linux): %w", p.name, err)
	}
	_, rest, _ := strings.Cut(string(raw), ") ") // The name before may hold anything.
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return 0, fmt.Errorf("/proc/%d/stat is not as expected", p.cmd.Process.Pid)
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * (time.Second / ticks), errors.Join(err1, err2)
}

// restful is how much of a processor a process at rest uses at most.
const restful = 0.05

// rest waits until the process is at rest for a second.
func (p *process) rest(ctx context.Context) error {
	for began := time.Now(); time.Since(began) < patience; {
		before, err := p.cpu()
		if err != nil {
			return err
		}
		if err := pause(ctx, time.Second); err != nil {
			return err
		}
		after, err := p.cpu()
		if err != nil || (after-before).Seconds() <= restful {
			return err
		}
	}
	return fmt.Errorf("the %s did not come to rest within %v", p.name, patience)
}

// memory is the resident size of the process now and at its highest, in bytes.
func (p *process) memory() (now, highest int64, err error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		return 0, 0, fmt.Errorf("read the memory of the %s (this needs Linux): %w", p.name, err)
	}
	for line := range strings.Lines(string(raw)) {
		name, value, _ := strings.Cut(line, ":")
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch {
		case name == "VmRSS" && err == nil:
			now = kib << 10
		case name == "VmHWM" && err == nil:
			highest = kib << 10
		}
	}
	return now, highest, nil
}

// descriptors counts what the process has open, and how much of it is files.
func (p *process) descriptors() (all, files int, err error) {
	dir := fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid)
	open, err := os.ReadDir(dir)
	for _, d := range open {
		to, err := os.Readlink(filepath.Join(dir, d.Name()))
		if err == nil && strings.HasPrefix(to, "/") { // It may have been closed meanwhile.
			files++
		}
	}
	return len(open), files, err
}
