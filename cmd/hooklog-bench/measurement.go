package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"time"
)

const (
	// patience is how long nothing may arrive before what is missing counts as lost.
	patience = time.Minute
	// settling is what a service is given to write down the last outcomes before its CPU time is read.
	settling = 300 * time.Millisecond
)

// figures are of one part of one round.
type figures struct {
	messages int
	arrivals
	// rate is deliveries a second, from the first publish to the last arrival.
	rate float64
	// service, publisher and receiver are CPU time per delivery of these processes, user and system.
	service, publisher, receiver time.Duration
	// log is CPU time per delivery of the log node, where there is one.
	log time.Duration
}

// meter reads the CPU time of the processes that take part.
type meter struct{ service, receiver *process }

// spent is CPU time so far.
type spent struct{ service, receiver, publisher time.Duration }

func (m meter) read() (s spent, err error) {
	if m.service != nil {
		if s.service, err = m.service.cpu(); err != nil {
			return s, err
		}
	}
	if s.receiver, err = m.receiver.cpu(); err != nil {
		return s, err
	}
	s.publisher, err = ownCPU()
	return s, err
}

// measureFlow publishes by publish, waits until everything has come, and reads the figures.
func measureFlow(ctx context.Context, s *sink, service *process, targets int, publish func(run int) (int, error)) (f figures, err error) {
	run, err := s.begin(ctx, targets)
	if err != nil {
		return f, err
	}
	m := meter{service, s.process}
	before, err := m.read()
	if err != nil {
		return f, err
	}
	began := time.Now()
	if f.messages, err = publish(run); err != nil {
		return f, err
	}
	if err := s.drained(ctx, int64(f.messages*targets), patience); err != nil {
		return f, err
	}
	if err := pause(ctx, settling); err != nil {
		return f, err
	}
	after, err := m.read()
	if err != nil {
		return f, err
	}
	if f.arrivals, err = s.report(ctx, f.messages); err != nil {
		return f, err
	}
	return f.since(began, before, after), nil
}

// since fills in what is per second and per delivery.
func (f figures) since(began time.Time, before, after spent) figures {
	n := time.Duration(max(1, f.Arrived))
	f.rate = float64(f.Arrived) / (float64(f.Last-began.UnixNano()) / 1e9)
	f.service = (after.service - before.service) / n
	f.publisher = (after.publisher - before.publisher) / n
	f.receiver = (after.receiver - before.receiver) / n
	return f
}

// measureLoop runs the bare loop in a process of its own, which is also the publisher.
func measureLoop(ctx context.Context, s *sink, o options) (f figures, err error) {
	run, err := s.begin(ctx, 1)
	if err != nil {
		return f, err
	}
	m := meter{receiver: s.process}
	before, err := m.read()
	if err != nil {
		return f, err
	}
	program, err := os.Executable()
	if err != nil {
		return f, err
	}
	cmd := exec.CommandContext(ctx, program, roleLoop, "-target", s.Targets[0]+"/0", "-run", strconv.Itoa(run),
		"-connections", strconv.Itoa(o.connections), "-for", duration(o.seconds).String())
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return f, fmt.Errorf("the bare loop: %w", err)
	}
	var l looped
	if err := json.Unmarshal(out, &l); err != nil {
		return f, fmt.Errorf("the bare loop: %w", err)
	}
	after, err := m.read()
	if err != nil {
		return f, err
	}
	f.messages = l.Sent
	if f.arrivals, err = s.report(ctx, f.messages); err != nil {
		return f, err
	}
	after.service, before.service = time.Duration(l.CPU), 0
	f = f.since(time.Unix(0, l.Began), before, after)
	f.publisher = 0 // This process only waited.
	return f, nil
}
