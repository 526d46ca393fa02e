package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// chapter returns the commands of a chapter of README.md: the lines of its shell blocks.
func chapter(t *testing.T, title string) (lines []string) {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, found := strings.Cut(string(readme), "\n## "+title+"\n")
	if !found {
		t.Fatalf("README.md has no chapter %q", title)
	}
	text, _, _ = strings.Cut(text, "\n## ")
	inside := false
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "```"):
			inside = line == "```sh"
		case inside && line != "":
			lines = append(lines, line)
		}
	}
	return lines
}

// TestOperatorsCommandsOfTheReadme runs the commands of the chapter in a shell, in order, as somebody who reads it would.
func TestOperatorsCommandsOfTheReadme(t *testing.T) {
	t.Parallel()
	commands := chapter(t, "For operators")
	if len(commands) < 10 {
		t.Fatalf("the chapter has only %d commands", len(commands))
	}
	here := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	script := "#!/bin/sh\nexec env " + asProgram + "=1 '" + self + "' \"$@\"\n"
	if err := os.Mkdir(filepath.Join(here, "bin"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(here, "bin", "hooklog"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	h := startHook(t)
	h.answerNext(500)
	s := serve(t, filepath.Join(here, "data"))
	s.begin(t, "acme", h, "1s")
	s.publish(t, "acme", `{}`)
	eventually(t, "the retry arrives", func() bool { return len(h.got()) == 2 })
	for _, command := range commands {
		cmd := exec.CommandContext(t.Context(), "sh", "-c", command)
		cmd.Dir = here
		cmd.Env = append(os.Environ(), "HOOKLOG_URL="+s.url)
		out, err := cmd.CombinedOutput()
		// The server of this test has settings that doctor warns of.
		if warned := strings.Contains(command, " doctor ") && cmd.ProcessState.ExitCode() == exitWarning; err != nil && !warned {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
	eventually(t, "the rebuild of all ends", func() bool {
		return !strings.Contains(succeed(t, s.env(), "projections", "list"), "rebuilding")
	})
	again := serve(t, filepath.Join(here, "restored"))
	if list := succeed(t, again.env(), "orgs", "list"); !strings.Contains(list, "acme") {
		t.Errorf("the restored server lists\n%s", list)
	}
}
