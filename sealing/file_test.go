package sealing

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func TestFileKeepsTheKeyset(t *testing.T) {
	t.Parallel()
	k, path := newTestKeyset(t), filepath.Join(t.TempDir(), "keyset.json")
	e := made(t, k)
	if err := k.Write(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
	}
	again, err := ReadKeyset(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.check(again); err != nil {
		t.Error(err)
	}
	onlyFile(t, path)
}

// onlyFile checks that nothing temporary stayed behind.
func onlyFile(t *testing.T, path string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 || entries[0].Name() != filepath.Base(path) {
		t.Errorf("the directory holds %v, %v", entries, err)
	}
}

func TestWriteLeavesAnOldKeysetAlone(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keyset.json")
	old := newTestKeyset(t)
	if err := old.Write(path); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := newTestKeyset(t).Write(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("got %v; want %v", err, fs.ErrExist)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(after, before) {
		t.Errorf("the file changed, %v", err)
	}
	onlyFile(t, path)
	next := rotated(t, old)
	if err := next.Replace(path); err != nil {
		t.Fatal(err)
	}
	if again, err := ReadKeyset(path); err != nil || made(t, next).check(again) != nil {
		t.Errorf("the file does not hold the rotated keyset: %v", err)
	}
	onlyFile(t, path)
}

func TestOneOfManyWritersWins(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keyset.json")
	var (
		group sync.WaitGroup
		mu    sync.Mutex
		won   []evidence
	)
	for range 8 {
		k := newTestKeyset(t)
		e := made(t, k)
		group.Go(func() {
			switch err := k.Write(path); {
			case err == nil:
				mu.Lock()
				won = append(won, e)
				mu.Unlock()
			case !errors.Is(err, fs.ErrExist):
				t.Error(err)
			}
		})
	}
	group.Wait()
	if len(won) != 1 {
		t.Fatalf("%d writers won", len(won))
	}
	k, err := ReadKeyset(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := won[0].check(k); err != nil {
		t.Errorf("the file is not the winner's: %v", err)
	}
}

// TestReadersMeetAWholeKeyset reads while another goroutine replaces the file again and again.
func TestReadersMeetAWholeKeyset(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keyset.json")
	k := newTestKeyset(t)
	e := made(t, k)
	if err := k.Write(path); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 20 {
			next, err := k.Rotate()
			if err == nil {
				err = next.Replace(path)
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	}()
	defer func() { <-done }()
	for reading := true; reading; {
		select {
		case <-done:
			reading = false
		default:
		}
		read, err := ReadKeyset(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := e.check(read); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReadKeysetRefusesExposedFiles(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keyset.json")
	if err := newTestKeyset(t).Write(path); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		mode fs.FileMode
		want error
	}{
		{0o600, nil}, {0o400, nil}, {0o700, nil}, {0o640, ErrKeysetExposed}, {0o604, ErrKeysetExposed}, {0o620, ErrKeysetExposed},
		{0o602, ErrKeysetExposed}, {0o644, ErrKeysetExposed}, {0o666, ErrKeysetExposed}, {0o610, ErrKeysetExposed},
	} {
		if err := os.Chmod(path, test.mode); err != nil {
			t.Fatal(err)
		}
		_, err := ReadKeyset(path)
		if !errors.Is(err, test.want) {
			t.Errorf("mode %04o: got %v, want %v", test.mode, err, test.want)
		}
		if test.want != nil && !strings.Contains(err.Error(), fmt.Sprintf("%04o", test.mode)) {
			t.Errorf("mode %04o: the error does not name it: %v", test.mode, err)
		}
	}
}

func TestReadKeysetOfWhatIsNone(t *testing.T) {
	t.Parallel()
	directory := t.TempDir()
	if _, err := ReadKeyset(filepath.Join(directory, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing: %v", err)
	}
	if _, err := ReadKeyset(directory); !errors.Is(err, ErrKeysetFormat) {
		t.Errorf("a directory: %v", err)
	}
	huge := filepath.Join(directory, "huge")
	if err := os.WriteFile(huge, make([]byte, maxKeysetBytes+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadKeyset(huge); !errors.Is(err, ErrKeysetFormat) || !strings.Contains(err.Error(), "1 MiB") {
		t.Errorf("a huge file: %v", err)
	}
	empty := filepath.Join(directory, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadKeyset(empty); !errors.Is(err, ErrKeysetFormat) || !strings.Contains(err.Error(), empty) {
		t.Errorf("an empty file: %v", err)
	}
}

func TestFailedWriteLeavesNothing(t *testing.T) {
	t.Parallel()
	k, directory := newTestKeyset(t), t.TempDir()
	if err := k.Write(filepath.Join(directory, "missing", "keyset.json")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("into a missing directory: %v", err)
	}
	taken := filepath.Join(directory, "taken")
	if err := os.MkdirAll(filepath.Join(taken, "inside"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := k.Replace(taken); err == nil {
		t.Error("replaced a directory")
	}
	if err := k.Write(taken); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a directory: %v", err)
	}
	onlyFile(t, taken)
}
