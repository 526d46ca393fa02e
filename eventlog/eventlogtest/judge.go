package eventlogtest

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
)

// Verdict is what a rule found.
type Verdict struct {
	Rule string
	// Failures is empty if the rule holds.
	Failures []string
}

// Judge runs the rules one after the other without failing t, and tells which were broken.
func Judge(t testing.TB, b Backend) []Verdict {
	var verdicts []Verdict
	for _, rule := range Rules(b) {
		verdicts = append(verdicts, rule.Judge(t, b))
	}
	return verdicts
}

// Judge runs one rule without failing t.
func (r Rule) Judge(t testing.TB, b Backend) Verdict {
	rec := newRecorder(t)
	rec.run(func() { r.Check(rec, b) })
	return Verdict{Rule: r.Name, Failures: rec.failures}
}

// recorder is a testing.TB that writes failures down. Everything that a rule or a backend may call and that would fail
// or end the real test is overridden.
type recorder struct {
	testing.TB
	ctx    context.Context
	cancel context.CancelFunc

	mu       sync.Mutex
	failures []string
	cleanups []func()
}

func newRecorder(t testing.TB) *recorder {
	r := &recorder{TB: t}
	r.ctx, r.cancel = context.WithCancel(t.Context())
	return r
}

// run calls f on a goroutine of its own, which FailNow may end, and cleans up.
func (r *recorder) run(f func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer r.clean()
		f()
	}()
	<-done
}

func (r *recorder) clean() {
	r.cancel()
	for len(r.cleanups) > 0 {
		last := r.cleanups[len(r.cleanups)-1]
		r.cleanups = r.cleanups[:len(r.cleanups)-1]
		last()
	}
}

func (r *recorder) fail(message string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, message)
}

func (r *recorder) Cleanup(f func())         { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Context() context.Context { return r.ctx }
func (r *recorder) Fail()                    { r.fail("failed") }
func (r *recorder) FailNow()                 { r.fail("failed"); runtime.Goexit() }
func (r *recorder) Error(args ...any)        { r.fail(fmt.Sprint(args...)) }
func (r *recorder) Fatal(args ...any)        { r.fail(fmt.Sprint(args...)); runtime.Goexit() }
func (r *recorder) Logf(string, ...any)      {}
func (r *recorder) Log(...any)               {}

func (r *recorder) Errorf(format string, args ...any) { r.fail(fmt.Sprintf(format, args...)) }

func (r *recorder) Fatalf(format string, args ...any) {
	r.fail(fmt.Sprintf(format, args...))
	runtime.Goexit()
}

func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.failures) > 0
}
