package embedded_test

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded"
)

// childDirectory makes the test binary an appender to the log in the directory that it names.
const childDirectory = "HOOKLOG_TEST_APPEND_TO"

// becomeChild appends until it is killed, if this process was started to do that, and prints what was acknowledged.
func becomeChild() {
	dir := os.Getenv(childDirectory)
	if dir == "" {
		return
	}
	l, err := embedded.Open(dir, embedded.Options{})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	run := rand.Uint64()
	for n := range 8 {
		go func() {
			for i := uint64(0); ; i++ {
				stream := fmt.Sprintf("kill-%x.%d.%d", run, n, i/5)
				events := batchOf(run+uint64(n), i)
				if a, err := l.Append(context.Background(), stream, eventlog.Any, events...); err == nil {
					os.Stdout.WriteString(acknowledgement{stream, a.Revision, events[len(events)-1].ID, len(events)}.line())
				}
			}
		}()
	}
	select {}
}

// batchOf makes 1 to 4 events whose ids tell where they come from, and whose types tell how many there are.
func batchOf(writer, i uint64) []eventlog.Event {
	events := make([]eventlog.Event, 1+i%4)
	for j := range events {
		binary.BigEndian.PutUint64(events[j].ID[:], writer)
		binary.BigEndian.PutUint64(events[j].ID[8:], i<<8|uint64(j)+1)
		events[j].Type = fmt.Sprintf("part.%d.of.%d", j, len(events))
		events[j].Data = fmt.Appendf(nil, `{"filling":"%s"}`, strings.Repeat("x", int(i*37%900)))
		events[j].Metadata = []byte(`{}`)
	}
	return events
}

// acknowledgement is what an appender was told: the last event of an append of so many.
type acknowledgement struct {
	stream   string
	revision eventlog.Revision
	id       eventlog.ID
	events   int
}

func (a acknowledgement) line() string {
	return fmt.Sprintf("%s %d %s %d\n", a.stream, a.revision, a.id, a.events)
}

func parseAcknowledgement(line string) (a acknowledgement, err error) {
	var id string
	if _, err := fmt.Sscanf(line, "%s %d %s %d\n", &a.stream, &a.revision, &id, &a.events); err != nil {
		return a, err
	}
	a.id, err = eventlog.ParseID(id)
	return a, err
}

// losses checks a log against what was acknowledged: everything there, in its place, no append torn.
func losses(ctx context.Context, l *embedded.Log, acknowledged []acknowledgement) (found []string) {
	if _, err := l.Verify(ctx); err != nil {
		found = append(found, err.Error())
	}
	type place struct {
		stream   string
		revision eventlog.Revision
	}
	held := make(map[place]eventlog.ID)
	open := 0 // events still missing of the append that the feed is in
	for e, err := range l.ReadAll(ctx, eventlog.Position{}) {
		if err != nil {
			return append(found, err.Error())
		}
		held[place{e.Stream, e.Revision}] = e.ID
		var part, of int
		if _, err := fmt.Sscanf(e.Type, "part.%d.of.%d", &part, &of); err != nil {
			return append(found, err.Error())
		}
		if open > 0 && part != of-open || open == 0 && part != 0 {
			found = append(found, fmt.Sprintf("torn at %s: part %d of %d", e.Position, part, of))
		}
		open = of - part - 1
	}
	if open > 0 {
		found = append(found, "the last append is torn")
	}
	for _, a := range acknowledged {
		if held[place{a.stream, a.revision}] != a.id {
			found = append(found, fmt.Sprintf("lost: %s revision %d", a.stream, a.revision))
		}
	}
	return found
}

func TestKilledWhileAppending(t *testing.T) {
	rounds := 4
	if os.Getenv("HOOKLOG_LONG") != "" {
		rounds = 40
	}
	dir := t.TempDir()
	var acknowledged []acknowledgement
	for range rounds {
		acknowledged = append(acknowledged, killed(t, dir)...)
		l, err := embedded.Open(dir, embedded.Options{})
		if err != nil {
			t.Fatalf("open after kill: %v", err)
		}
		if found := losses(t.Context(), l, acknowledged); len(found) > 0 {
			t.Errorf("after kill -9: %d of %d acknowledged appends: %.10q", len(found), len(acknowledged), found)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d acknowledged appends over %d kills", len(acknowledged), rounds)
}

// killed runs an appender for a while, kills it, and returns what it was told.
func killed(t *testing.T, dir string) []acknowledgement {
	t.Helper()
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childDirectory+"="+dir)
	child.Stderr = os.Stderr
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	var got []acknowledgement
	var kill sync.Once
	for lines := bufio.NewReader(out); ; {
		line, err := lines.ReadString('\n')
		if err != nil {
			break // The line that the kill cut short was not told to anybody.
		}
		a, err := parseAcknowledgement(line)
		if err != nil {
			t.Fatalf("the child said %q: %v", line, err)
		}
		got = append(got, a)
		kill.Do(func() {
			time.AfterFunc(time.Duration(20+rand.IntN(300))*time.Millisecond, func() { child.Process.Kill() })
		})
	}
	if err := child.Wait(); err == nil {
		t.Fatal("the child ended by itself")
	}
	if len(got) == 0 {
		t.Fatal("the child appended nothing")
	}
	return got
}
