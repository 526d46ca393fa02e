package embedded_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/hooklog/hooklog/eventlog"
	"github.com/hooklog/hooklog/eventlog/embedded"
)

// refusedWith checks that a log does not open, and that the sentence says why.
func refusedWith(t *testing.T, dir string, opts embedded.Options, want error, words ...string) {
	t.Helper()
	l, err := embedded.Open(dir, opts)
	if err == nil {
		l.Close()
		t.Fatal("it opened")
	}
	if want != nil && !errors.Is(err, want) {
		t.Errorf("got %v, want %v", err, want)
	}
	for _, w := range append(words, dir) {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("the sentence %q does not say %q", err, w)
		}
	}
}

// written makes a log with some events and closes it.
func written(t *testing.T, dir string, opts embedded.Options) {
	t.Helper()
	l, err := embedded.Open(dir, opts)
	if err != nil {
		t.Fatal(err)
	}
	for i := range uint64(20) {
		if _, err := l.Append(t.Context(), "s", eventlog.Any, batchOf(1, i)...); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// intact checks that what written wrote is still there.
func intact(t *testing.T, dir string, opts embedded.Options) {
	t.Helper()
	l := openAt(t, dir, opts)
	report, err := l.Verify(t.Context())
	if err != nil || report.Events != 50 || report.Streams != 1 {
		t.Errorf("afterwards: %+v, %v", report, err)
	}
}

func TestUnknownVersionIsRefused(t *testing.T) {
	dir := t.TempDir()
	written(t, dir, embedded.Options{})
	format := filepath.Join(dir, "FORMAT")
	for content, words := range map[string][]string{
		"hooklog-log 1\n":   {"version", `"1"`, "reads version 2"},
		"hooklog-log 2.1\n": {`"2.1"`},
		"something else":    {"something else"},
		"":                  {"FORMAT"},
	} {
		if err := os.WriteFile(format, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		refusedWith(t, dir, embedded.Options{}, embedded.ErrFormat, words...)
	}
	if err := os.Remove(format); err != nil {
		t.Fatal(err)
	}
	refusedWith(t, dir, embedded.Options{}, embedded.ErrFormat, "FORMAT")
	if err := os.WriteFile(format, []byte("hooklog-log 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	intact(t, dir, embedded.Options{})
}

func TestLockedDirectoryIsRefused(t *testing.T) {
	dir := t.TempDir()
	written(t, dir, embedded.Options{})
	l, err := embedded.Open(dir, embedded.Options{})
	if err != nil {
		t.Fatal(err)
	}
	refusedWith(t, dir, embedded.Options{}, embedded.ErrLocked, "open")
	refusedWith(t, dir, embedded.Options{ReadOnly: true}, embedded.ErrLocked)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	intact(t, dir, embedded.Options{})
}

func TestFileInsteadOfDirectoryIsRefused(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	refusedWith(t, file, embedded.Options{}, nil, "a file, not a directory")
	refusedWith(t, filepath.Join(file, "below"), embedded.Options{}, nil, "a file, not a directory")
	if b, err := os.ReadFile(file); string(b) != "mine" {
		t.Errorf("the file was changed: %q, %v", b, err)
	}
}

func TestDirectoryWithoutPermissionIsRefused(t *testing.T) {
	if os.Geteuid() == 0 {
		// Root may write anywhere, so the file system says no instead.
		denied := errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpMkdirAll {
				return &os.PathError{Op: "open", Path: op.Path, Err: syscall.EACCES}
			}
			return nil
		})
		refusedWith(t, "log", embedded.Options{FS: errorfs.Wrap(vfs.NewMem(), denied)}, os.ErrPermission, "may not write")
		return
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o500); err != nil {
		t.Fatal(err)
	}
	refusedWith(t, dir, embedded.Options{}, os.ErrPermission, "may not write")
}

func TestMissingLogIsRefusedWhenAsked(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "none")
	refusedWith(t, dir, embedded.Options{ErrIfMissing: true}, embedded.ErrMissing)
	refusedWith(t, dir, embedded.Options{ReadOnly: true}, embedded.ErrMissing)
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the directory was made: %v", err)
	}
}

func TestReadOnlyReadsAndRefusesToWrite(t *testing.T) {
	dir := t.TempDir()
	written(t, dir, embedded.Options{})
	l := openAt(t, dir, embedded.Options{ReadOnly: true})
	if report, err := l.Verify(t.Context()); err != nil || report.Events != 50 {
		t.Errorf("verify: %+v, %v", report, err)
	}
	if _, err := l.Append(t.Context(), "s", eventlog.Any, batchOf(2, 0)...); !errors.Is(err, embedded.ErrReadOnly) {
		t.Errorf("append: got %v", err)
	}
	g := eventlog.Group{Name: "g", TypePrefixes: []string{""}, MessageTimeout: 1}
	if err := l.Consume(t.Context(), g, 1, nil); !errors.Is(err, embedded.ErrReadOnly) {
		t.Errorf("consume: got %v", err)
	}
}

func TestFullDiskRefusesAppends(t *testing.T) {
	disk := vfs.NewMem()
	opts := embedded.Options{FS: disk}
	written(t, "log", opts)
	disk.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: embedded.DefaultMinFree - 1})
	l := openAt(t, "log", opts)
	if _, err := l.Append(t.Context(), "s", eventlog.Any, batchOf(2, 0)...); !errors.Is(err, eventlog.ErrNoSpace) {
		t.Errorf("append to a nearly full disk: got %v", err)
	}
	if free, err := l.FreeSpace(); free != embedded.DefaultMinFree-1 || err != nil {
		t.Errorf("free space: got %d, %v", free, err)
	}
	if report, err := l.Verify(t.Context()); err != nil || report.Events != 50 {
		t.Errorf("afterwards: %+v, %v", report, err)
	}
	disk.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1 << 40})
	if _, err := l.Append(t.Context(), "s", eventlog.Any, batchOf(2, 0)...); err != nil {
		t.Errorf("append after room was made: %v", err)
	}
}

func TestFullDiskIsRefusedAtOpening(t *testing.T) {
	disk := vfs.NewMem()
	written(t, "log", embedded.Options{FS: disk})
	disk.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 4096})
	refusedWith(t, "log", embedded.Options{FS: disk}, syscall.ENOSPC, "the disk is full")
	disk.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1 << 40})
	intact(t, "log", embedded.Options{FS: disk})
}

// diskFillsUp tells a child to open a log on a disk that fills up meanwhile.
const diskFillsUp = "HOOKLOG_TEST_DISK_FILLS_UP"

// TestDiskThatFillsUpAtOpening: the store of groups would try again for ever, so the process ends and says why.
func TestDiskThatFillsUpAtOpening(t *testing.T) {
	if os.Getenv(diskFillsUp) != "" {
		disk := vfs.NewMem()
		written(t, "log", embedded.Options{FS: disk})
		full := errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind == errorfs.OpFileWrite {
				return syscall.ENOSPC
			}
			return nil
		})
		refusedWith(t, "log", embedded.Options{FS: errorfs.Wrap(disk, full)}, syscall.ENOSPC, "the disk is full")
		os.Exit(embedded.ExitFatal) // It returned by itself, as well.
	}
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestDiskThatFillsUpAtOpening$")
	child.Env = append(os.Environ(), diskFillsUp+"=1")
	said, err := child.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != embedded.ExitFatal {
		t.Errorf("it ended with %v: %s", err, said)
	}
}

func TestFailedSyncIsFatalAndNothingIsAcknowledged(t *testing.T) {
	disk := vfs.NewCrashableMem()
	var broken atomic.Bool
	failing := errorfs.InjectorFunc(func(op errorfs.Op) error {
		if broken.Load() && (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData) {
			return syscall.EIO
		}
		return nil
	})
	told := make(chan error, 10)
	l, err := embedded.Open("log", embedded.Options{FS: errorfs.Wrap(disk, failing), Fatal: func(err error) { told <- err }})
	if err != nil {
		t.Fatal(err)
	}
	want, err := l.Append(t.Context(), "s", eventlog.NoStream, batchOf(1, 0)...)
	if err != nil {
		t.Fatal(err)
	}
	broken.Store(true)
	var appenders sync.WaitGroup
	for i := range uint64(4) {
		appenders.Go(func() {
			if _, err := l.Append(context.Background(), "s", eventlog.Any, batchOf(2+i, 0)...); err == nil {
				t.Error("an append was acknowledged although the sync failed")
			}
		})
	}
	appenders.Wait()
	if err := <-told; !errors.Is(err, syscall.EIO) && !strings.Contains(err.Error(), syscall.EIO.Error()) {
		t.Errorf("fatal: got %v", err)
	}
	if len(told) != 0 {
		t.Error("fatal was told more than once")
	}
	if _, err := l.Head(t.Context()); err == nil {
		t.Error("a log that failed still answers")
	}
	after := disk.CrashClone(vfs.CrashCloneCfg{})
	broken.Store(false) // Pebble tries to write its files again and again until it can.
	if err := l.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
	again := openAt(t, "log", embedded.Options{FS: after})
	if head, err := again.Head(t.Context()); err != nil || head != want.Position {
		t.Errorf("recovered to %s, %v, want %s", head, err, want.Position)
	}
}

func TestBackupWhileAppending(t *testing.T) {
	dir := t.TempDir()
	l := openAt(t, filepath.Join(dir, "log"), embedded.Options{})
	if !l.Empty() {
		t.Error("a new log is not empty")
	}
	ctx, cancel := context.WithCancel(t.Context())
	var acknowledged []acknowledgement
	appended := make(chan struct{})
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		for i := uint64(0); ctx.Err() == nil; i++ {
			l.Append(ctx, "s", eventlog.Any, batchOf(1, i)...)
			if i == 50 {
				close(appended)
			}
		}
	}()
	<-appended
	for e, err := range l.ReadAll(t.Context(), eventlog.Position{}) {
		if err != nil {
			t.Fatal(err)
		}
		acknowledged = append(acknowledged, acknowledgement{stream: e.Stream, revision: e.Revision, id: e.ID})
	}
	to := filepath.Join(dir, "backups", "one")
	if err := l.Backup(t.Context(), to); err != nil {
		t.Fatal(err)
	}
	if err := l.Backup(t.Context(), to); !errors.Is(err, os.ErrExist) {
		t.Errorf("a backup over a backup: got %v", err)
	}
	cancel()
	<-stopped
	backup := openAt(t, to, embedded.Options{ErrIfMissing: true})
	if found := losses(t.Context(), backup, acknowledged); len(found) > 0 {
		t.Errorf("in the backup: %.10q", found)
	}
	if m := l.Metrics(); m.Appends < 50 || m.Events < m.Appends || m.Groups == 0 || m.Syncs != m.Groups || m.Bytes == 0 {
		t.Errorf("metrics: %+v", m)
	}
}
