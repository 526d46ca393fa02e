package main

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/rs/zerolog"

	"github.com/hooklog/hooklog/domain"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded"
)

// publishing publishes on several connections until it is stopped, and knows what was acknowledged so far.
type publishing struct {
	mu           sync.Mutex
	acknowledged []string
	over         atomic.Bool
	all          sync.WaitGroup
}

func (s *server) keepPublishing(t *testing.T, slug string) *publishing {
	p := &publishing{}
	c := s.clientOf(t, "")
	for range 4 {
		one := *c
		p.all.Go(func() {
			for !p.over.Load() {
				var got published
				err := one.do(context.WithoutCancel(t.Context()), http.MethodPost, organizationPath(slug, "events"),
					event{Type: "order.paid", Data: json.RawMessage(`{"under":"load"}`)}, &got)
				if isBusy(err) {
					continue
				}
				if err != nil {
					t.Errorf("publish: %v", err)
					return
				}
				p.mu.Lock()
				p.acknowledged = append(p.acknowledged, got.EventID)
				p.mu.Unlock()
			}
		})
	}
	return p
}

func (p *publishing) sofar() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.acknowledged[:len(p.acknowledged):len(p.acknowledged)]
}

func (p *publishing) stop() {
	p.over.Store(true)
	p.all.Wait()
}

func copyTo(t *testing.T, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestABackupOfARunningServerIsRestored(t *testing.T) {
	t.Parallel()
	h := startHook(t)
	s := serve(t, t.TempDir())
	s.begin(t, "acme", h)
	load := s.keepPublishing(t, "acme")
	defer load.stop()
	eventually(t, "there is something to lose", func() bool { return len(load.sofar()) > 200 })

	restored := t.TempDir()
	before := load.sofar()
	made := decode[backup](t, succeed(t, s.env(), "log", "backup", filepath.Join(restored, "log"), "--json"))
	if made.Position == "" || made.Bytes == 0 || made.Directory != filepath.Join(restored, "log") {
		t.Errorf("log backup answered %+v", made)
	}
	if left, err := backupsIn(filepath.Join(s.data, "backups")); err != nil || len(left) > 0 {
		t.Errorf("left in the data directory: %q, %v", left, err)
	}
	fail(t, exitFailed, s.env(), []string{"log", "backup", filepath.Join(restored, "log")}, "exist")
	after := len(load.sofar())
	eventually(t, "the server goes on", func() bool { return len(load.sofar()) > after+50 })
	load.stop()

	copyTo(t, filepath.Join(s.data, "keyset.json"), filepath.Join(restored, "keyset.json"))
	copyTo(t, filepath.Join(s.data, "operator.key"), filepath.Join(restored, "operator.key"))
	if out := succeed(t, nil, "log", "verify", "--data", restored); !strings.Contains(out, "The log is sound") {
		t.Errorf("log verify of the copy:\n%s", out)
	}
	dump := succeed(t, nil, "log", "dump", "--data", restored)
	for _, id := range before {
		if !strings.Contains(dump, `"stream":"hl_message-`+strings.TrimPrefix(id, "evt_")) && !strings.Contains(dump, id) {
			t.Fatalf("event %s was acknowledged before the backup and is not in it (of %d)", id, len(before))
		}
	}
	again := serve(t, restored)
	got := len(h.got())
	p := again.publish(t, "acme", `{"after":"the restore"}`)
	eventually(t, "the restored service delivers", func() bool {
		for _, r := range h.got()[got:] {
			if strings.Contains(string(r.body), p.EventID) {
				return true
			}
		}
		return false
	})
}

func TestOneBackupAtATimeAndNoneOnAShortDisk(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	log, err := embedded.Open(filepath.Join(data, "log"), embedded.Options{Logger: zerolog.Nop()})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	e := eventlog.Event{ID: eventlog.ID{1}, Type: "t", Data: []byte("{}"), Metadata: []byte("{}")}
	if _, err := log.Append(t.Context(), "s-1", eventlog.NoStream, e); err != nil {
		t.Fatal(err)
	}
	b := newBackups(log, &settings{data: data})
	b.making.Lock()
	if _, err := b.Backup(t.Context()); domain.CodeOf(err) != domain.Conflict { // `backup.running`
		t.Errorf("a second backup at once: %v", err)
	}
	b.making.Unlock()

	b.minFree = 1 << 62
	if _, err := b.Backup(t.Context()); domain.CodeOf(err) != domain.Unavailable { // `backup.disk`
		t.Errorf("a backup on a short disk: %v", err)
	}
	b.minFree = 0
	unfinished := filepath.Join(data, "backups", backupMaking+"20260102T030405.000006Z")
	if err := os.MkdirAll(unfinished, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := b.clear(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(unfinished); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the unfinished backup is still there: %v", err)
	}
	made, err := b.Backup(t.Context())
	if err != nil || made.Position.String() != "0-1" {
		t.Fatalf("backup: %+v, %v", made, err)
	}
	if info, err := os.Stat(made.Directory); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the backup: %v, %v; want mode 0700", info, err)
	}
	if b.counts.made != 1 || b.counts.failed != 1 {
		t.Errorf("counted %d made, %d failed; want 1 and 1", b.counts.made, b.counts.failed)
	}
}

func TestACopyOverTheBorderOfAFileSystem(t *testing.T) {
	t.Parallel()
	from, to := filepath.Join(t.TempDir(), "from"), filepath.Join(t.TempDir(), "to")
	log, err := embedded.Open(from, embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if err := copyDirectory(from, to); err != nil {
		t.Fatal(err)
	}
	if log, err = embedded.Open(to, embedded.Options{ErrIfMissing: true}); err != nil {
		t.Fatalf("the copy: %v", err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(from, "strange")); err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(t.TempDir(), "cut")
	if err := copyDirectory(from, cut); err == nil {
		t.Fatal("a file that is not there was copied")
	}
	if _, err := embedded.Open(cut, embedded.Options{}); !errors.Is(err, embedded.ErrFormat) {
		t.Errorf("a copy cut short was opened: %v", err)
	}
}

func TestGroupsFromTheCommandLine(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir())
	eventually(t, "the dispatcher's group is there", func() bool {
		out := succeed(t, s.env(), "groups", "list")
		return strings.Contains(out, "hooklog-dispatcher-v1  yes") && strings.Contains(out, "hooklog-notices-v1     yes")
	})
	list := decode[[]consumerGroup](t, succeed(t, s.env(), "groups", "list", "--json"))
	if len(list) != 2 || !list[0].Own || !list[1].Own || list[0].Consumers != 1 || list[0].Parked != 0 {
		t.Errorf("groups list: %+v", list)
	}
	if out := succeed(t, s.env(), "groups", "replay", list[0].Name); !strings.Contains(out, "0 parked facts") {
		t.Errorf("groups replay: %s", out)
	}
	fail(t, exitFailed, s.env(), []string{"groups", "replay", "nobody"}, "404", "no such group")
}
