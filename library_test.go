package hooklog_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// goMod is what this test wants of `go mod edit -json`.
type goMod struct {
	Require []struct {
		Path     string
		Indirect bool
	}
	Tool []struct{ Path string }
}

// TestEachLibraryHasItsReason: the table "Libraries" of README.md names every module that is used directly, and no other.
func TestEachLibraryHasItsReason(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "mod", "edit", "-json").Output()
	if err != nil {
		t.Fatalf("go mod edit: %v", err)
	}
	var mod goMod
	if err := json.Unmarshal(out, &mod); err != nil {
		t.Fatal(err)
	}
	var used []string
	for _, r := range mod.Require {
		if !r.Indirect {
			used = append(used, r.Path)
		}
	}
	for _, tool := range mod.Tool {
		used = append(used, tool.Path)
	}
	names := librariesNamed(t)
	for _, path := range used {
		if !slices.ContainsFunc(names, func(name string) bool { return isNameOf(name, path) }) {
			t.Errorf("README.md gives no reason for %s", path)
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(used, func(path string) bool { return isNameOf(name, path) }) {
			t.Errorf("README.md gives a reason for %s, which is not used directly", name)
		}
	}
}

// isNameOf reports whether a name is made of elements of a module's path that follow each other.
func isNameOf(name, path string) bool { return strings.Contains("/"+path+"/", "/"+name+"/") }

// librariesNamed reads the first column of the table.
func librariesNamed(t *testing.T) (names []string) {
	t.Helper()
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, chapter, _ := strings.Cut(string(readme), "\n## Libraries\n")
	_, table, found := strings.Cut(chapter, "|---|---|\n")
	if !found {
		t.Fatal("README.md has no table of libraries")
	}
	for line := range strings.Lines(table) {
		row, isRow := strings.CutPrefix(line, "| ")
		if !isRow {
			break
		}
		cell, _, _ := strings.Cut(row, " |")
		names = append(names, strings.Split(cell, ", ")...)
	}
	return names
}
