package e2e_test

import (
	"bytes"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func contains(text string, parts ...string) bool {
	for _, p := range parts {
		if !strings.Contains(text, p) {
			return false
		}
	}
	return true
}

// cannotServe demands that serve ends by itself, soon, with an exit code and one sentence that has all the words.
func cannotServe(t *testing.T, user *syscall.Credential, data string, words ...string) {
	t.Helper()
	out, complaint, code := runAs(t, user, "serve", "--data", data, "--listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0", "--log-format", "json")
	if code != 1 {
		t.Errorf("serve ended with %d, want 1", code)
	}
	var sentence string
	for line := range strings.Lines(complaint) {
		if strings.HasPrefix(line, "hooklog: ") {
			sentence = line
		}
	}
	if !contains(sentence, words...) || out != "" || strings.Contains(complaint, "goroutine ") {
		t.Errorf("serve said %q, want one sentence with %q\nall of it: %s%s", sentence, words, out, complaint)
	}
}

// files lists what is below a directory with its contents.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		found[path] = string(raw)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func unchanged(t *testing.T, dir string, before map[string]string) {
	t.Helper()
	now := files(t, dir)
	for path, content := range now {
		if was, ok := before[path]; !ok || was != content {
			t.Errorf("%s was changed or made", path)
		}
	}
	for path := range before {
		if _, ok := now[path]; !ok {
			t.Errorf("%s is gone", path)
		}
	}
}

func TestAnUnknownStoreVersionIsRefusedAndLeftAlone(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.stop(t)
	format := filepath.Join(s.data, "log", "FORMAT")
	if err := os.WriteFile(format, []byte("hooklog-log 99\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	before := files(t, s.data)
	cannotServe(t, nil, s.data, filepath.Join(s.data, "log"), "version", "99")
	unchanged(t, s.data, before)
	if err := os.WriteFile(format, []byte("hooklog-log 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.start(t)
}

func TestASecondServerOnTheSameDataIsRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	cannotServe(t, nil, s.data, "in use", filepath.Join(s.data, "log"))
	if _, complaint, code := run(t, "log", "verify", "--data", s.data); code != 1 || !contains(complaint, "stop the server first") {
		t.Errorf("log verify beside a running server: %d %s", code, complaint)
	}
	s.organize(t, "still-serving", "vantageclaw", nil, "")
}

func TestAMissingKeysetIsRefused(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.stop(t)
	keyset := filepath.Join(s.data, "keyset.json")
	if err := os.Rename(keyset, keyset+".away"); err != nil {
		t.Fatal(err)
	}
	cannotServe(t, nil, s.data, "keyset", "missing")
	if _, err := os.Stat(keyset); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a keyset was made for a log that has one already: %v", err)
	}
	other := newServer(t)
	cannotServeWith(t, s.data, filepath.Join(other.data, "keyset.json"))
	if err := os.Rename(keyset+".away", keyset); err != nil {
		t.Fatal(err)
	}
	s.start(t)
}

// cannotServeWith demands that another log's keyset is refused with a sentence.
func cannotServeWith(t *testing.T, data, keyset string) {
	t.Helper()
	_, complaint, code := run(t, "serve", "--data", data, "--keyset", keyset, "--listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0")
	if code != 1 || !contains(complaint, "hooklog: ", keyset) {
		t.Errorf("serve with another log's keyset: %d %s", code, complaint)
	}
}

func TestADirectoryWithoutPermissionIsRefused(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("only root can run the program as somebody else")
	}
	nobody := &syscall.Credential{Uid: 65534, Gid: 65534}
	open := visibleDirectory(t)
	cannotServe(t, nobody, filepath.Join(open, "new"), open, "permission denied")

	s := newServerIn(t, filepath.Join(open, "data"))
	s.stop(t)
	before := files(t, s.data)
	cannotServe(t, nobody, s.data, s.data, "permission denied")
	unchanged(t, s.data, before)
	if err := os.Chmod(s.data, 0o755); err != nil {
		t.Fatal(err)
	}
	cannotServe(t, nobody, s.data, s.data, "permission denied")
	unchanged(t, s.data, before)
	s.start(t)
}

// visibleDirectory is a directory that every user may enter; those of the test are its owner's alone.
func visibleDirectory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "hooklog-e2e-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestADataDirectoryThatIsAFileIsRefused(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	cannotServe(t, nil, path, path)
	if raw, err := os.ReadFile(path); err != nil || string(raw) != "mine" {
		t.Errorf("the file is now %q: %v", raw, err)
	}
}

// mountSmall mounts a file system of 400 MiB in memory.
func mountSmall(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=400m", "hooklog-e2e", dir).CombinedOutput(); err != nil {
		t.Skipf("a file system of its own cannot be mounted here: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return dir
}

// fill writes a file until so many bytes are left on its disk.
func fill(t *testing.T, path string, left uint64) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	chunk := bytes.Repeat([]byte{1}, 64<<10)
	for {
		var fs syscall.Statfs_t
		if err := syscall.Statfs(filepath.Dir(path), &fs); err != nil {
			t.Fatal(err)
		}
		free := fs.Bavail * uint64(fs.Bsize)
		if free <= left {
			return
		}
		_, err := f.Write(chunk[:min(uint64(len(chunk)), free-left)])
		if errors.Is(err, syscall.ENOSPC) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// docs/contract.md: when the disk is short, 503 with Retry-After and nothing recorded.
func TestAShortDiskRefusesPublishingUntilThereIsRoom(t *testing.T) {
	t.Parallel()
	dir := mountSmall(t)
	r := newReceiver(t, nil)
	s := newServerIn(t, filepath.Join(dir, "data"), "--min-free", "150MiB")
	o := s.organize(t, "short", "vantageclaw", nil, "")
	o.subscribe(t, r.URL+"/hook")
	first := o.publish(t, `{"n":1}`)
	ballast := filepath.Join(dir, "ballast")
	fill(t, ballast, 100<<20)
	publish := func() reply {
		t.Helper()
		answer, err := o.as(o.platform, "POST", o.path("/events"), `{"type":"`+thing+`","data":{"n":2}}`)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	accepted := 1
	eventually(t, "publishing is refused once the server has asked the disk", func() bool {
		answer := publish()
		if answer.status == http.StatusAccepted {
			accepted++
			return false
		}
		return strings.Contains(refused(t, answer, http.StatusServiceUnavailable).Detail, "short of space")
	})
	for range 5 {
		answer := publish()
		refused(t, answer, http.StatusServiceUnavailable)
		if answer.header.Get("Retry-After") == "" {
			t.Error("503 without Retry-After")
		}
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	eventually(t, "publishing goes on once there is room", func() bool {
		return publish().status == http.StatusAccepted
	})
	accepted++
	eventually(t, "all events arrive", func() bool { return r.succeeded(first.EventID) && len(r.snapshot()) == accepted })
	s.stop(t)
	if l := s.dump(t); len(l.messages) != accepted {
		t.Errorf("%d messages are recorded, want the %d that were accepted", len(l.messages), accepted)
	}
}

// A disk with not a byte left: whatever was acknowledged is there afterwards, nothing is torn, and the program ends, or
// refuses to start, with a sentence.
func TestAFullDiskTearsNothing(t *testing.T) {
	t.Parallel()
	dir := mountSmall(t)
	r := newReceiver(t, nil)
	s := newServerIn(t, filepath.Join(dir, "data"), "--min-free", "0")
	o := s.organize(t, "full", "vantageclaw", []string{"1s", "1s", "1s"}, "")
	o.subscribe(t, r.URL+"/hook")
	var accepted []string
	ballast := filepath.Join(dir, "ballast")
	publish := func() bool {
		answer, err := o.as(o.platform, "POST", o.path("/events"), `{"type":"`+thing+`","data":{"filler":"`+strings.Repeat("x", 30_000)+`"}}`)
		if err != nil {
			return false
		}
		if answer.status != http.StatusAccepted {
			refused(t, answer, http.StatusServiceUnavailable)
			return false
		}
		accepted = append(accepted, between(string(answer.body), `"event_id":"`, `"`))
		return true
	}
	eventually(t, "events are accepted before the disk is full", func() bool {
		publish()
		return len(accepted) >= 20
	})
	fill(t, ballast, 0)
	for range 50 {
		publish()
	}
	s.kill(t)
	if _, complaint, code := run(t, "serve", "--data", s.data, "--listen", "127.0.0.1:0", "--operator-listen", "127.0.0.1:0"); code == 0 || !contains(complaint, "hooklog: ", "full") {
		t.Errorf("serve on a full disk ended with %d and said: %s", code, complaint)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	s.start(t)
	eventually(t, "everything acknowledged arrives", func() bool {
		for _, event := range accepted {
			if !r.succeeded(event) {
				return false
			}
		}
		return true
	})
	s.stop(t)
	s.dump(t)
}

// between is the text after one mark and before the next.
func between(text, from, to string) string {
	_, text, _ = strings.Cut(text, from)
	text, _, _ = strings.Cut(text, to)
	return text
}
