package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/hooklog/hooklog/eventlog/embedded"
	"github.com/hooklog/hooklog/eventlog/esdbserver"
	"github.com/hooklog/hooklog/waittest"
)

// logNode is EventStoreDB's protocol over an embedded log in memory.
type logNode struct {
	t       *testing.T
	fs      vfs.FS
	address string
	stop    func()
}

func startLogNode(t *testing.T) *logNode {
	t.Helper()
	n := &logNode{t: t, fs: vfs.NewMem(), address: "127.0.0.1:0"}
	n.start()
	t.Cleanup(func() { n.stop() })
	return n
}

func (n *logNode) start() {
	n.t.Helper()
	log, err := embedded.Open("log", embedded.Options{FS: n.fs})
	if err != nil {
		n.t.Fatal(err)
	}
	s, err := esdbserver.New(esdbserver.Config{Log: log, Insecure: true})
	if err != nil {
		n.t.Fatal(err)
	}
	listener := waittest.Listen(n.t, n.address)
	n.address = listener.Addr().String()
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx, listener) }()
	n.stop = func() {
		cancel()
		if err := errors.Join(<-served, log.Close()); err != nil {
			n.t.Errorf("stop the log node: %v", err)
		}
		n.stop = func() {}
	}
}

func (n *logNode) url() string { return "esdb://" + n.address + "?tls=false" }

// serveProcess runs a server in a process of its own, which kill ends at once.
func serveProcess(t *testing.T, data string, args ...string) (s *server, kill func()) {
	t.Helper()
	s = &server{data: data, log: &buffer{}}
	args = append([]string{"serve", "--data", data, "--listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0",
		"--allow-insecure-targets", "127.0.0.0/8"}, args...)
	c := exec.CommandContext(context.WithoutCancel(t.Context()), os.Args[0], args...)
	c.Env = append(os.Environ(), asProgram+"=1")
	c.Stderr = s.log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := false
	kill = func() {
		if !ended {
			ended = true
			c.Process.Kill() // It cannot fail: nobody has waited for it.
			c.Wait()         // It says that it was killed.
		}
	}
	t.Cleanup(kill)
	eventually(t, "the server serves", func() bool { return s.ready(t) })
	return s, kill
}

// arrivals counts the requests that hold each number.
func arrivals(h *hook, n int) []int {
	counts := make([]int, n)
	for _, r := range h.got() {
		for i := range counts {
			if bytes.Contains(r.body, fmt.Appendf(nil, `{"n":%d}`, i)) {
				counts[i]++
			}
		}
	}
	return counts
}

// reconnected is a node that has connected to its log more than once.
var reconnected = regexp.MustCompile(`(?m)^hooklog_log_connections_total ([2-9]|\d\d+)$`)

func TestNodesOnEventStoreDBTakeOver(t *testing.T) {
	t.Parallel()
	h, log := startHook(t), startLogNode(t)
	dir := t.TempDir()
	keyset := filepath.Join(dir, "keyset.json")
	fail(t, exitFailed, nil, []string{"serve", "--data", filepath.Join(dir, "none"), "--esdb-url", log.url()}, "hooklog keyset new", "--keyset")
	succeed(t, nil, "keyset", "new", keyset)

	first, kill := serveProcess(t, filepath.Join(dir, "first"), "--esdb-url", log.url(), "--keyset", keyset)
	first.begin(t, "acme", h, "1s", "1s", "1s")
	number := 0
	publish := func(s *server) {
		t.Helper()
		s.publish(t, "acme", fmt.Sprintf(`{"n":%d}`, number))
		number++
	}
	arrived := func() bool {
		for _, n := range arrivals(h, number) {
			if n == 0 {
				return false
			}
		}
		return true
	}
	for range 5 {
		publish(first)
	}
	eventually(t, "what the first node was told arrives", arrived)
	eventually(t, "that is recorded", func() bool {
		return strings.Contains(fetch(t, first.operator+"/metrics"), `hooklog_attempts_total{outcome="succeeded"} 5`)
	})
	h.mu.Lock()
	h.hang = make(chan struct{})
	h.mu.Unlock()
	publish(first)
	eventually(t, "the sixth is on the wire", arrived)
	kill()
	h.mu.Lock()
	close(h.hang)
	h.hang = nil
	h.mu.Unlock()

	second := serve(t, filepath.Join(dir, "second"), "--esdb-url", log.url(), "--keyset", keyset)
	second.data = first.data // where the operator key is
	eventually(t, "the second node takes over what the first was at", func() bool { return arrivals(h, number)[5] == 2 })
	publish(second)
	eventually(t, "what the second node is told arrives", arrived)

	log.stop()
	log.start()
	eventually(t, "the second node has the log again", func() bool { return statusOf(t, second.operator+"/readyz") == 200 })
	for range 5 {
		publish(second)
	}
	eventually(t, "what was published after the log came back arrives", arrived)
	for i, n := range arrivals(h, number) {
		if i != 5 && n != 1 {
			t.Errorf("event %d arrived %d times", i, n)
		}
	}
	if status := statusOf(t, second.operator+"/readyz"); status != 200 {
		t.Errorf("readyz answers %d", status)
	}
	page := fetch(t, second.operator+"/metrics")
	if !reconnected.MatchString(page) || strings.Contains(page, "hooklog_group_behind{") {
		t.Error("the metrics of a node on EventStoreDB are not those of its log")
	}
	if code := second.stop(); code != exitOK {
		t.Errorf("the second node ended with %d:\n%s", code, second.log)
	}
}
