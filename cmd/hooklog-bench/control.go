package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// sink is a receiver process as the publisher knows it.
type sink struct {
	*process
	addresses
	run int
}

// startSink starts a receiver.
func startSink(ctx context.Context, args ...string) (*sink, error) {
	p, told, err := startRole(ctx, roleReceiver, args...)
	if err != nil {
		return nil, err
	}
	return &sink{process: p, addresses: told}, nil
}

// begin starts counting a new measurement with so many targets and returns its number.
func (s *sink) begin(ctx context.Context, targets int) (int, error) {
	s.run++
	_, err := s.ask(ctx, http.MethodPost, fmt.Sprintf("/begin?run=%d&targets=%d", s.run, targets))
	return s.run, err
}

// arrived is how many different deliveries have come.
func (s *sink) arrived(ctx context.Context) (int64, error) { return s.number(ctx, "/arrived") }

// late is how many deliveries came after their measurement had been reported.
func (s *sink) late(ctx context.Context) (int64, error) { return s.number(ctx, "/late") }

// failing is how many messages were failed and have not come again.
func (s *sink) failing(ctx context.Context) (int64, error) { return s.number(ctx, "/failing") }

// waits are how long so many messages of the measurement took to arrive, in microseconds.
func (s *sink) waits(ctx context.Context, messages int) ([]uint32, error) {
	raw, err := s.ask(ctx, http.MethodGet, fmt.Sprintf("/waits?messages=%d", messages))
	if err != nil {
		return nil, err
	}
	waits := make([]uint32, len(raw)/4)
	_, err = binary.Decode(raw, binary.LittleEndian, waits)
	return waits, err
}

func (s *sink) number(ctx context.Context, path string) (int64, error) {
	raw, err := s.ask(ctx, http.MethodGet, path)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(string(raw), 10, 64)
}

// report sums up the measurement of which so many messages were accepted.
func (s *sink) report(ctx context.Context, messages int) (a arrivals, err error) {
	raw, err := s.ask(ctx, http.MethodGet, fmt.Sprintf("/report?messages=%d", messages))
	if err != nil {
		return a, err
	}
	return a, json.Unmarshal(raw, &a)
}

// drained waits until so many deliveries have come, or none has come for a while: then something is lost.
func (s *sink) drained(ctx context.Context, want int64, patience time.Duration) error {
	before, since := int64(-1), time.Now()
	for {
		n, err := s.arrived(ctx)
		if err != nil || n >= want {
			return err
		}
		if n != before {
			before, since = n, time.Now()
		} else if time.Since(since) > patience {
			return nil
		}
		if err := pause(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

func (s *sink) ask(ctx context.Context, method, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.Control+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, raw)
	}
	return raw, err
}

// pause waits, unless ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
