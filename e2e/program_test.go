package e2e_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// program is the built binary; TestMain sets it once.
var program string

// long says that the long variants of the tests are wanted.
var long = os.Getenv("HOOKLOG_LONG") == "1"

func TestMain(m *testing.M) { os.Exit(buildAndRun(m)) }

func buildAndRun(m *testing.M) int {
	dir, err := os.MkdirTemp("", "hooklog-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	// One test runs the program as another user.
	if err := os.Chmod(dir, 0o755); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	program = filepath.Join(dir, "hooklog")
	if out, err := exec.Command("go", "build", "-o", program, "github.com/hooklog/hooklog/cmd/hooklog").CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build hooklog: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// patience is how long the tests wait for something that must happen. It is no promise about speed.
const patience = 3 * time.Minute

// buffer collects what a process says.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// server is a Hooklog process on a data directory.
type server struct {
	data, listen, operator string
	args                   []string
	key                    string
	logs                   *buffer
	wrote                  atomic.Value // the position of the last write, a string

	cmd   *exec.Cmd
	ended chan struct{}
	err   error
}

// newServer starts a server on a new data directory; it is killed when the test ends.
func newServer(t *testing.T, args ...string) *server {
	t.Helper()
	return newServerIn(t, filepath.Join(t.TempDir(), "data"), args...)
}

func newServerIn(t *testing.T, data string, args ...string) *server {
	t.Helper()
	s := &server{data: data, listen: freeAddress(t), operator: freeAddress(t), args: args, logs: &buffer{}}
	t.Cleanup(func() {
		s.kill(t)
		if t.Failed() {
			log := s.logs.String()
			t.Logf("the end of the server's log:\n%s", log[max(0, len(log)-4000):])
		}
	})
	s.start(t)
	return s
}

// freeAddress finds an address at which nobody listens. It stays free while nobody of the test does: its port is below those
// that systems hand out by themselves, and the same port of another loopback address, where there are several, is kept as a
// sign to all other tests.
func freeAddress(t *testing.T) string {
	t.Helper()
	for range 1000 {
		port := 10_000 + rand.IntN(20_000)
		address := fmt.Sprintf("127.0.0.1:%d", port)
		sign, err := net.Listen("tcp", fmt.Sprintf("127.0.0.77:%d", port))
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err == nil {
			t.Cleanup(func() { sign.Close() })
		}
		if l, err := net.Listen("tcp", address); err == nil {
			l.Close()
			return address
		}
	}
	t.Fatal("no port is free")
	return ""
}

// start runs the program and waits until it is ready.
func (s *server) start(t *testing.T) {
	t.Helper()
	s.launch(t)
	eventually(t, "the server is ready", func() bool {
		select {
		case <-s.ended:
			t.Fatalf("the server ended before it was ready: %v\n%s", s.err, s.logs)
		default:
		}
		resp, err := http.Get("http://" + s.operator + "/readyz")
		if err != nil {
			return false
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	if s.key != "" {
		return
	}
	key, err := os.ReadFile(filepath.Join(s.data, "operator.key"))
	if err != nil {
		t.Fatal(err)
	}
	s.key = strings.TrimSpace(string(key))
}

func (s *server) launch(t *testing.T) {
	t.Helper()
	args := append([]string{"serve", "--data", s.data, "--listen", s.listen, "--operator-listen", s.operator,
		"--allow-insecure-targets", "127.0.0.0/8", "--log-format", "json", "--stop-grace", "2s"}, s.args...)
	s.cmd = exec.Command(program, args...)
	s.cmd.Stderr = s.logs
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) {
		s.err = cmd.Wait()
		close(ended)
	}(s.cmd, s.ended)
}

// kill ends the server at once, as a power switch would end it.
func (s *server) kill(t *testing.T) {
	t.Helper()
	if s.cmd == nil {
		return
	}
	if err := s.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	<-s.ended
}

// stop ends the server in good order and demands that it says so.
func (s *server) stop(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatalf("stop the server: %v (ended with %v)", err, s.err)
	}
	select {
	case <-s.ended:
	case <-time.After(patience):
		t.Fatal("the server did not stop")
	}
	if s.err != nil {
		t.Fatalf("the server stopped with: %v", s.err)
	}
}

// run runs another command of the program and returns what it said and its exit code.
func run(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	return runAs(t, nil, args...)
}

func runAs(t *testing.T, user *syscall.Credential, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if user != nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: user}
		cmd.Dir = "/"
	}
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run hooklog %s: %v", strings.Join(args, " "), err)
	}
	return out.String(), complaint.String(), cmd.ProcessState.ExitCode()
}

// eventually waits until something holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if holds() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited %v in vain: %s", patience, what)
		}
	}
}

// memory is the highest resident size of the server so far in bytes; 0 where the system does not tell.
func (s *server) memory(t *testing.T) int64 {
	t.Helper()
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0
	}
	var kib int64
	for line := range strings.Lines(string(raw)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			if _, err := fmt.Sscan(rest, &kib); err != nil {
				t.Fatal(err)
			}
		}
	}
	return kib << 10
}
