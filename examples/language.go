package examples

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
)

// Language is a folder with a receiver.
type Language struct {
	// Name is the folder's.
	Name string
	// Program is what must be installed to run it.
	Program string
	// line makes the command line; dir is for what has to be built first.
	line func(ctx context.Context, program, folder, dir string) ([]string, error)
}

// Languages returns all of them.
func Languages() []Language {
	return []Language{
		{"python", "python3", script("receiver.py")},
		{"node", "node", script("receiver.mjs")},
		{"php", "php", script("receiver.php", "-S", "127.0.0.1:0")},
		{"go", "go", build},
	}
}

// script is a file of the folder that the program itself runs, after its options.
func script(name string, options ...string) func(_ context.Context, program, folder, dir string) ([]string, error) {
	return func(_ context.Context, program, folder, _ string) ([]string, error) {
		return slices.Concat([]string{program}, options, []string{filepath.Join(folder, name)}), nil
	}
}

// build compiles the folder, because `go run` does not pass on that it is killed.
func build(ctx context.Context, program, folder, dir string) ([]string, error) {
	binary := filepath.Join(dir, "receiver")
	command := exec.CommandContext(ctx, program, "build", "-o", binary, ".")
	command.Dir = folder
	if out, err := command.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build %s: %w\n%s", folder, err, out)
	}
	return []string{binary}, nil
}

// Command is a receiver that can be started, any number of times.
type Command struct{ line []string }

// Prepare makes the language's receiver ready, whose folders lie in examples; what has to be built goes to dir. The error
// is exec.ErrNotFound if the language is not installed.
func (l Language) Prepare(ctx context.Context, examples, dir string) (Command, error) {
	program, err := exec.LookPath(l.Program)
	if err != nil {
		return Command{}, fmt.Errorf("%s is not installed: %w", l.Program, err)
	}
	folder, err := filepath.Abs(filepath.Join(examples, l.Name))
	if err != nil {
		return Command{}, err
	}
	line, err := l.line(ctx, program, folder, dir)
	return Command{line}, err
}

// Receiver is one that runs.
type Receiver struct {
	// URL is where it listens, without a path.
	URL     string
	process *exec.Cmd
	output  io.Closer
	drained chan struct{}
}

var listening = regexp.MustCompile(`http://127\.0\.0\.1:[0-9]+`)

// Start runs the receiver for a profile, with a secret on each line of a file that it reads again for each request. It
// returns once the receiver listens. Whoever starts it must Stop it.
func (c Command) Start(profile, secretsFile string) (*Receiver, error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	process := exec.Command(c.line[0], c.line[1:]...)
	process.Env = append(os.Environ(), "WEBHOOK_PROFILE="+profile, "WEBHOOK_SECRETS_FILE="+secretsFile, "PORT=0", "PYTHONDONTWRITEBYTECODE=1")
	process.Stdout, process.Stderr = writer, writer
	err = process.Start()
	_ = writer.Close() // The process has its own.
	if err != nil {
		_ = reader.Close()
		return nil, fmt.Errorf("start %s: %w", c.line[0], err)
	}
	r := &Receiver{process: process, output: reader, drained: make(chan struct{})}
	said := r.listens(reader)
	go func() {
		defer close(r.drained)
		_, _ = io.Copy(io.Discard, reader) // It ends when the process does.
	}()
	if r.URL == "" {
		return nil, errors.Join(fmt.Errorf("%s does not listen: %s", c.line[0], said), r.Stop())
	}
	return r, nil
}

// listens waits for the line that tells the URL, and returns all until then.
func (r *Receiver) listens(output io.Reader) (said string) {
	for lines := bufio.NewScanner(output); r.URL == "" && lines.Scan(); {
		said += lines.Text() + "\n"
		r.URL = listening.FindString(lines.Text())
	}
	return said
}

// Stop ends the receiver and waits for it.
func (r *Receiver) Stop() error {
	if err := r.process.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop the receiver: %w", err)
	}
	_ = r.process.Wait() // It was killed.
	<-r.drained
	return r.output.Close()
}
