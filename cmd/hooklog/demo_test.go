package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestDemoOnce(t *testing.T) {
	temporary := t.TempDir()
	t.Setenv("TMPDIR", temporary)
	o := hooklog(t, nil, "demo", "--once")
	if o.code != exitOK {
		t.Fatalf("exit code %d\n%s%s", o.code, o.out, o.err)
	}
	for _, text := range []string{"verified    sha256=", "attempt 1   verified", "answered 503", "attempt 2   verified", "Both deliveries were verified."} {
		if !strings.Contains(o.out, text) {
			t.Errorf("the demo does not show %q:\n%s", text, o.out)
		}
	}
	if o.err != "" {
		t.Errorf("the demo is not calm:\n%s", o.err)
	}
	if left, err := filepath.Glob(filepath.Join(temporary, "*")); err != nil || len(left) > 0 {
		t.Errorf("the demo left %v (%v)", left, err)
	}
}

func TestDemoCallsWorkAsPasted(t *testing.T) {
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	t.Setenv("TMPDIR", t.TempDir())
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out, stderr buffer
	ended := make(chan int, 1)
	go func() { ended <- run(ctx, []string{"demo"}, nil, strings.NewReader(""), &out, &stderr) }()
	eventually(t, "the demo offers calls", func() bool { return strings.Contains(out.String(), "Ctrl-C ends the demo") })
	calls := 0
	for line := range strings.Lines(out.String()) {
		if !strings.HasPrefix(line, "curl ") {
			continue
		}
		calls++
		answer, err := exec.CommandContext(t.Context(), "bash", "-c", strings.TrimSpace(line)+" --fail-with-body").CombinedOutput()
		if err != nil {
			t.Errorf("%s%v\n%s", line, err, answer)
		}
	}
	if calls < 6 {
		t.Errorf("the demo offers %d calls", calls)
	}
	eventually(t, "what was pasted arrives", func() bool {
		_, shown, _ := strings.Cut(out.String(), "Ctrl-C ends the demo")
		return strings.Contains(shown, "verified  order.paid") && strings.Contains(shown, "verified  vc.test.ping")
	})
	cancel()
	if code := <-ended; code != exitOK {
		t.Errorf("exit code %d\n%s", code, stderr.String())
	}
}

func TestDemoKeepsADataDirectoryOfYours(t *testing.T) {
	data := filepath.Join(t.TempDir(), "mine")
	for _, slug := range []string{"Organization acme is", "Organization acme-2 is"} {
		out := succeed(t, nil, "demo", "--once", "--data", data)
		if !strings.Contains(out, slug) {
			t.Errorf("the demo does not say %q:\n%s", slug, out)
		}
	}
	succeed(t, nil, "log", "verify", "--data", data)
}
