package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hooklog/hooklog/waittest"
)

// asProgram makes the test binary be the program itself, for tests that need a process of their own.
const asProgram = "HOOKLOG_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	waittest.Main(m)
}

// patience is how long a test waits for what takes milliseconds when all is well; only a failing test takes it.
const patience = 3 * time.Minute

// outcome is what came of one run of the program.
type outcome struct {
	code     int
	out, err string
}

// hooklog runs the program to its end. Who is told that a node is behind, as on a busy machine, comes again.
func hooklog(t *testing.T, env []string, args ...string) outcome {
	t.Helper()
	return hooklogIn(t, "", env, args...)
}

func hooklogIn(t *testing.T, stdin string, env []string, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	for {
		var out, err buffer
		code := run(ctx, args, env, strings.NewReader(stdin), &out, &err)
		if !strings.Contains(err.String(), "503 Service Unavailable: this node") || ctx.Err() != nil {
			return outcome{code, out.String(), err.String()}
		}
	}
}

// succeed runs the program and returns what it printed; it must succeed.
func succeed(t *testing.T, env []string, args ...string) string {
	t.Helper()
	o := hooklog(t, env, args...)
	if o.code != exitOK {
		t.Fatalf("hooklog %s: exit code %d\n%s", strings.Join(args, " "), o.code, o.err)
	}
	return o.out
}

// fail runs the program, which must end with the exit code and say each of the texts on stderr.
func fail(t *testing.T, code int, env, args []string, texts ...string) string {
	t.Helper()
	o := hooklog(t, env, args...)
	if o.code != code {
		t.Fatalf("hooklog %s: exit code %d, want %d\n%s%s", strings.Join(args, " "), o.code, code, o.out, o.err)
	}
	for _, text := range texts {
		if !strings.Contains(o.err, text) {
			t.Errorf("hooklog %s: stderr lacks %q:\n%s", strings.Join(args, " "), text, o.err)
		}
	}
	return o.err
}

// standing reads how a delivery stands; false while the node does not show it yet, since publishing waits for no fold.
func standing(t *testing.T, env []string, id string) (d delivery, shown bool) {
	t.Helper()
	o := hooklog(t, env, "deliveries", "show", id, "--json")
	if o.code != exitOK {
		return d, false
	}
	return decode[delivery](t, o.out), true
}

// decode reads the JSON that a command printed.
func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("decode %q: %v", text, err)
	}
	return v
}

// buffer may be written and read at the same time.
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

// eventually waits until a condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for end := time.Now().Add(patience); !holds(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}

// server is a running `hooklog serve`.
type server struct {
	data          string
	url, operator string
	log           *buffer
	stop          func() int
}

// env makes client commands speak to the server.
func (s *server) env() []string { return []string{"HOOKLOG_URL=" + s.url, "HOOKLOG_DATA=" + s.data} }

// serve runs a server on free ports and a data directory until it is ready; the test stops it.
func serve(t *testing.T, data string, args ...string) *server {
	t.Helper()
	s := &server{data: data, log: &buffer{}}
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	ended := make(chan int, 1)
	args = append([]string{"serve", "--data", data, "--listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0",
		"--allow-insecure-targets", "127.0.0.0/8", "--log-level", "debug"}, args...)
	go func() { ended <- run(ctx, args, nil, strings.NewReader(""), &buffer{}, s.log) }()
	s.stop = sync.OnceValue(func() int {
		cancel()
		return <-ended
	})
	t.Cleanup(func() { s.stop() })
	eventually(t, "the server serves", func() bool {
		select {
		case code := <-ended:
			ended <- code
			t.Fatalf("serve ended with %d:\n%s", code, s.log)
		default:
		}
		return s.ready(t)
	})
	return s
}

// ready reports whether the server has said where it listens, and is not behind its log any more.
func (s *server) ready(t *testing.T) bool {
	t.Helper()
	s.url, s.operator = s.addresses()
	return s.url != "" && statusOf(t, s.operator+"/readyz") == http.StatusOK
}

// addresses finds where the server says it listens.
func (s *server) addresses() (public, operator string) {
	for line := range strings.Lines(s.log.String()) {
		var said struct{ Message, Listen, Operators string }
		if json.Unmarshal([]byte(line), &said) == nil && said.Message == "serving" {
			return said.Listen, said.Operators
		}
	}
	return "", ""
}
