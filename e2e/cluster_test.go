package e2e_test

import (
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// logNode is a log alone, in a process of its own.
type logNode struct {
	data, address string
	logs          *buffer
	cmd           *exec.Cmd
	ended         chan struct{}
}

// newLogNode starts an insecure log node on a data directory; it is killed when the test ends.
func newLogNode(t *testing.T, data string) *logNode {
	t.Helper()
	n := &logNode{data: data, address: freeAddress(t), logs: &buffer{}}
	t.Cleanup(func() { n.kill(t) })
	n.start(t)
	return n
}

func (n *logNode) url() string { return "esdb://" + n.address + "?tls=false" }

// start runs the program and waits until somebody listens.
func (n *logNode) start(t *testing.T) {
	t.Helper()
	n.cmd = exec.Command(program, "log", "serve", "--data", n.data, "--esdb-listen", n.address, "--insecure", "--log-format", "json")
	n.cmd.Stderr = n.logs
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) {
		cmd.Wait() // How it ended is told by what it logged.
		close(ended)
	}(n.cmd, n.ended)
	eventually(t, "the log node listens", func() bool {
		select {
		case <-n.ended:
			t.Fatalf("the log node ended: %s", n.logs)
		default:
		}
		c, err := net.Dial("tcp", n.address)
		if err != nil {
			return false
		}
		return c.Close() == nil
	})
}

func (n *logNode) kill(t *testing.T) {
	t.Helper()
	if err := n.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Error(err)
	}
	<-n.ended
}

// cluster are servers on one log node, with one keyset.
type cluster struct {
	log    *logNode
	keyset string
	nodes  []*server
	// wires are what lies between each node and the log.
	wires []*wireTo
}

// newCluster starts a log node and servers on it. Each reaches the log through a wire that can be cut.
func newCluster(t *testing.T, size int) *cluster {
	t.Helper()
	dir := t.TempDir()
	c := &cluster{log: newLogNode(t, filepath.Join(dir, "log")), keyset: filepath.Join(dir, "keyset.json")}
	if out, complaint, code := run(t, "keyset", "new", c.keyset); code != 0 {
		t.Fatalf("keyset new: %s%s", out, complaint)
	}
	for i := range size {
		w := newWire(t, c.log.address)
		key := ""
		if i > 0 {
			key = c.nodes[0].key
		}
		c.wires = append(c.wires, w)
		c.nodes = append(c.nodes, newNodeOn(t, filepath.Join(dir, "node"+string(rune('a'+i))), "esdb://"+w.address()+"?tls=false", c.keyset, key))
	}
	return c
}

// newNodeOn starts a server on a log that others may stand on. An empty key is found in its data directory.
func newNodeOn(t *testing.T, data, url, keyset, key string) *server {
	t.Helper()
	s := &server{data: data, listen: freeAddress(t), operator: freeAddress(t), logs: &buffer{}, key: key,
		args: []string{"--esdb-url", url, "--keyset", keyset}}
	t.Cleanup(func() {
		s.kill(t)
		if t.Failed() {
			log := s.logs.String()
			t.Logf("the end of the log of %s:\n%s", data, log[max(0, len(log)-4000):])
		}
	})
	s.start(t)
	return s
}

// dump stops the whole cluster and reads its log.
func (c *cluster) dump(t *testing.T) ledger {
	t.Helper()
	for _, n := range c.nodes {
		n.stop(t)
	}
	c.log.kill(t)
	return dumpOf(t, c.log.data, c.keyset)
}

// wireTo passes connections on to an address until it is cut.
type wireTo struct {
	listener net.Listener
	to       string
	// silent wires pass nothing on and say nothing; cut ones close everything.
	silent, cut atomic.Bool

	mu    sync.Mutex
	conns map[net.Conn]bool
}

func newWire(t *testing.T, to string) *wireTo {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &wireTo{listener: l, to: to, conns: map[net.Conn]bool{}}
	t.Cleanup(func() {
		l.Close()
		w.closeAll()
	})
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go w.pass(c)
		}
	}()
	return w
}

func (w *wireTo) address() string { return w.listener.Addr().String() }

// sever closes all connections and takes no other until it is mended.
func (w *wireTo) sever() {
	w.cut.Store(true)
	w.closeAll()
}

func (w *wireTo) mend() {
	w.cut.Store(false)
	w.silent.Store(false)
	w.closeAll() // what had stalled would miss what was swallowed
}

func (w *wireTo) closeAll() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for c := range w.conns {
		c.Close()
	}
	clear(w.conns)
}

func (w *wireTo) keep(c net.Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conns[c] = true
}

func (w *wireTo) pass(in net.Conn) {
	defer in.Close()
	if w.cut.Load() {
		return
	}
	w.keep(in)
	out, err := net.DialTimeout("tcp", w.to, time.Second)
	if err != nil {
		return
	}
	defer out.Close()
	w.keep(out)
	go w.copy(in, out)
	w.copy(out, in)
}

// copy passes nothing on any more once it has swallowed something: no network lets what comes later take its place.
func (w *wireTo) copy(to, from net.Conn) {
	defer to.Close()
	b := make([]byte, 64<<10)
	for swallowed := false; ; {
		n, err := from.Read(b)
		swallowed = swallowed || w.silent.Load()
		if err == nil && !swallowed {
			_, err = to.Write(b[:n])
		}
		if err != nil || errors.Is(err, io.EOF) {
			return
		}
	}
}
