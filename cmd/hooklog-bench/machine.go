package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// fsyncs is how many writes of a block are synced to learn what the disk takes for one.
const (
	fsyncs    = 200
	blockSize = 4 << 10
)

// describeMachine prints what the figures depend on.
func (b *bench) describeMachine() error {
	took, err := fsyncTimes(b.dir, fsyncs, 0)
	if err != nil {
		return fmt.Errorf("measure fsync: %w", err)
	}
	_, err = fmt.Fprintf(b.out, "%s, %d cores used, %s %s/%s. fsync of 4 KiB in %s: p50 %.2f ms, p99 %.2f ms.\n"+
		"Hooklog as a user would run it: default settings, one JSON line an attempt logged to a file beside the data, receivers on\n"+
		"127.0.0.1 (--allow-insecure-targets). Everything shares the cores, publisher and receiver too.\n",
		processor(), runtime.GOMAXPROCS(0), runtime.Version(), runtime.GOOS, runtime.GOARCH, filepath.Dir(b.dir), quantile(took, 0.50), quantile(took, 0.99))
	return err
}

// processor is the name that the system gives the machine's first processor.
func processor() string {
	raw, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	for line := range strings.Lines(string(raw)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}

// fsyncTimes measures, in milliseconds, how long a small write takes to be durable in dir, with a pause before each: a disk
// that rests between them may take much longer. The writes are into a file that has its size already, as the log's are; one
// that grows takes twice as long.
func fsyncTimes(dir string, times int, pause time.Duration) (took []float64, err error) {
	f, err := os.CreateTemp(dir, "fsync-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	if _, err := f.Write(make([]byte, times*blockSize)); err != nil {
		return nil, err
	}
	if err := f.Sync(); err != nil {
		return nil, err
	}
	block := bytes.Repeat([]byte{1}, blockSize)
	for i := range times {
		time.Sleep(pause)
		began := time.Now()
		if _, err := f.WriteAt(block, int64(i*blockSize)); err != nil {
			return nil, err
		}
		if err := f.Sync(); err != nil {
			return nil, err
		}
		took = append(took, float64(time.Since(began).Nanoseconds())/1e6)
	}
	return took, nil
}
