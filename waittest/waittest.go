// Package waittest waits in tests for what a busy machine does late.
package waittest

import (
	"errors"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long is waited at most; only a failing test takes it.
const patience = time.Minute

// Main runs the tests of a package and fails if they leave goroutines behind.
func Main(m *testing.M) {
	code := m.Run()
	if code == 0 {
		if err := Leaks(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// Leaks tells which goroutines are left once those that are about to end have ended. goleak by itself gives them less than
// half a second.
func Leaks() error {
	for end := time.Now().Add(patience); ; time.Sleep(50 * time.Millisecond) {
		if err := goleak.Find(); err == nil || time.Now().After(end) {
			return err
		}
	}
}

// Listen listens at an address at which nobody does. Where a server stood before and stands again, somebody's outgoing
// connection may have got the port meanwhile; it is waited for.
func Listen(t testing.TB, address string) net.Listener {
	t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		l, err := net.Listen("tcp", address)
		if err == nil {
			return l
		}
		if !errors.Is(err, syscall.EADDRINUSE) || time.Now().After(end) {
			t.Fatalf("listen at %s: %v", address, err)
		}
	}
}
