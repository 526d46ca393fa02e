package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAnExportIsCheckedAndTakenUpAgain(t *testing.T) {
	t.Parallel()
	s := serve(t, t.TempDir())
	for i := range 40 {
		succeed(t, s.env(), "orgs", "create", fmt.Sprintf("org-%d", i), "--name", "An organization")
	}
	for _, format := range []string{"ndjson", "csv"} {
		path := filepath.Join(t.TempDir(), "facts")
		args := []string{"audit", "export", "--format", format, "--out", path, "--type", "hooklog.OrganizationRegistered.v1,hooklog.SlugReserved.v1", "--to", "2100-01-01T00:00:00Z"}
		said := succeed(t, s.env(), args...)
		whole, err := os.ReadFile(path)
		if err != nil || !strings.HasPrefix(said, "80 facts up to position ") {
			t.Fatalf("%s: %v, %q", format, err, said)
		}
		fail(t, exitFailed, s.env(), args, "--resume")
		for _, cut := range []int{len(whole), len(whole) - 3, len(whole) / 2, 10, 0} {
			if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
				t.Fatal(err)
			}
			if again := succeed(t, s.env(), append(args, "--resume")...); digestWord(again) != digestWord(said) {
				t.Errorf("%s cut at %d: %q, want %q", format, cut, again, said)
			}
		}
		spoilt := bytes.Replace(whole, []byte("org-17"), []byte("org-18"), 1)
		if err := os.WriteFile(path, spoilt, 0o600); err != nil {
			t.Fatal(err)
		}
		fail(t, exitFailed, s.env(), append(args, "--resume"), "damaged")
	}
	if listed := succeed(t, s.env(), "audit", "facts", "--newest", "--limit", "3", "--organization", "org-5"); strings.Count(listed, "\n") > 4 || !strings.Contains(listed, "OrganizationRegistered.v1") {
		t.Errorf("listed %s", listed)
	}
	fail(t, exitUsage, s.env(), []string{"audit", "export", "--format", "xml", "--out", "x"}, "ndjson or csv")
	fail(t, exitUsage, s.env(), []string{"audit", "export"}, "--out")
}

func digestWord(said string) string {
	return said[strings.LastIndexByte(strings.TrimSpace(said), ' ')+1:]
}

func TestAnExportIsTakenUpAtItsLastCheckpoint(t *testing.T) {
	t.Parallel()
	fact := `{"row":"fact","position":"0-1"}` + "\n"
	for name, c := range map[string]struct {
		text   string
		facts  uint64
		cursor string
		bad    bool
	}{
		"nothing":              {"", 0, "", false},
		"no checkpoint":        {fact + fact, 0, "", false},
		"a checkpoint":         {fact + `{"row":"checkpoint","facts":1,"cursor":"xA"}` + "\n" + fact, 1, "xA", false},
		"half a checkpoint":    {fact + `{"row":"checkpoint","facts":1,"cursor":"xA"}` + "\n" + fact + `{"row":"checkpoint","facts":2,`, 1, "xA", false},
		"a fact too few":       {`{"row":"checkpoint","facts":1,"cursor":"xA"}` + "\n", 0, "", true},
		"another digest's end": {fact + `{"row":"end","facts":1,"sha256":"00"}` + "\n", 0, "", true},
	} {
		path := filepath.Join(t.TempDir(), "facts")
		if err := os.WriteFile(path, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		e, err := openExport(path, exportFormats["ndjson"], true)
		if (err != nil) != c.bad {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil {
			continue
		}
		if e.facts != c.facts || e.cursor != c.cursor {
			t.Errorf("%s: %d facts, cursor %q", name, e.facts, e.cursor)
		}
		if err := e.file.Close(); err != nil {
			t.Error(err)
		}
	}
}
