package main

import (
	"context"
	"encoding/json"
	"flag"
	"io"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// looped is what the loop prints when it is done.
type looped struct {
	Sent int `json:"sent"`
	// Began is in nanoseconds since 1970.
	Began int64 `json:"began"`
	// CPU is the user and system time of the process in nanoseconds.
	CPU int64 `json:"cpu"`
}

// runLoop is the bare client loop: every connection posts the next payload as soon as the last one was answered.
func runLoop(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet(roleLoop, flag.ContinueOnError)
	target := flags.String("target", "", "")
	run := flags.Int("run", 0, "")
	connections := flags.Int("connections", 0, "")
	length := flags.Duration("for", 0, "")
	if err := flags.Parse(args); err != nil {
		return err
	}
	client := newPoster(*target, "", *connections)
	before, err := ownCPU()
	if err != nil {
		return err
	}
	began := time.Now()
	sent, err := loop(ctx, client, *run, *connections, began.Add(*length))
	if err != nil {
		return err
	}
	after, err := ownCPU()
	if err != nil {
		return err
	}
	return json.NewEncoder(out).Encode(looped{Sent: sent, Began: began.UnixNano(), CPU: int64(after - before)})
}

// loop posts until the time is over and returns how many payloads were sent.
func loop(ctx context.Context, client *poster, run, connections int, until time.Time) (int, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var all sync.WaitGroup
	for range connections {
		all.Go(func() {
			var body []byte
			for more := true; more; more = ctx.Err() == nil && time.Now().Before(until) { // once at least, however late it is
				seq := next.Add(1) - 1
				body = appendPayload(body[:0], mark{run, int(seq), time.Now().UnixNano()})
				if _, err := client.post(ctx, body, 200); err != nil {
					cancel(err)
				}
			}
		})
	}
	all.Wait()
	return int(next.Load()), context.Cause(ctx)
}

// ownCPU is the user and system time this process has used.
func ownCPU() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, err
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}
