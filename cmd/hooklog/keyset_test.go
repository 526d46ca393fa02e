package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/hooklog/hooklog/sealing"
)

func TestKeysetNewAndRotate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "keyset.json")
	succeed(t, nil, "keyset", "new", path)
	first, err := sealing.ReadKeyset(path)
	if err != nil {
		t.Fatal(err)
	}
	probe, err := first.Probe()
	if err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	fail(t, exitFailed, nil, []string{"keyset", "new", path}, "exists already and is left as it is")
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("the refused command changed the keyset (%v)", err)
	}
	succeed(t, nil, "keyset", "rotate", path)
	rotated, err := sealing.ReadKeyset(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := rotated.CheckProbe(probe); err != nil {
		t.Errorf("the rotated keyset does not open what the old one sealed: %v", err)
	}
	if second, err := rotated.Probe(); err != nil || first.CheckProbe(second) == nil {
		t.Errorf("the old keyset opens what the rotated one seals (%v)", err)
	}
	fail(t, exitFailed, nil, []string{"keyset", "rotate", filepath.Join(t.TempDir(), "none.json")}, "none.json")
}
