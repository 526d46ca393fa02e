package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// composed is what compose.yaml says of a service.
type composed struct {
	Build       string            `yaml:"build"`
	Image       string            `yaml:"image"`
	Environment map[string]string `yaml:"environment"`
	Command     []string          `yaml:"command"`
	DependsOn   map[string]any    `yaml:"depends_on"`
	Volumes     []string          `yaml:"volumes"`
}

// compose.yaml and the Dockerfile cannot be run here; this holds them against the program and against themselves.
func TestContainersAreStartedWithWhatThereIs(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile(filepath.Join("..", "..", "compose.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Services map[string]composed `yaml:"services"`
		Volumes  map[string]any      `yaml:"volumes"`
	}
	if err := yaml.Unmarshal(raw, &file); err != nil {
		t.Fatal(err)
	}
	nodes := 0
	for name, s := range file.Services {
		if s.Build != "" && len(s.Environment) > 0 {
			nodes++
			startsWith(t, name, s.Environment, s.Command)
		}
		if s.Image != "" && (!strings.Contains(s.Image, ":") || strings.HasSuffix(s.Image, ":latest")) {
			t.Errorf("%s: the image %s is not pinned", name, s.Image)
		}
		for other := range s.DependsOn {
			if _, ok := file.Services[other]; !ok {
				t.Errorf("%s waits for %s, which there is not", name, other)
			}
		}
		for _, v := range s.Volumes {
			volume, _, _ := strings.Cut(v, ":")
			if _, ok := file.Volumes[volume]; !ok {
				t.Errorf("%s mounts %s, which there is not", name, volume)
			}
		}
	}
	if nodes != 2 || file.Services["eventstoredb"].Image == "" {
		t.Errorf("compose.yaml starts %d nodes, and EventStoreDB from %q; want two on one", nodes, file.Services["eventstoredb"].Image)
	}
	startsWith(t, "Dockerfile", nil, dockerCommand(t))
}

// startsWith checks that a server could be started with these variables and arguments.
func startsWith(t *testing.T, what string, variables map[string]string, command []string) {
	t.Helper()
	if len(command) == 0 || command[0] != "serve" {
		t.Fatalf("%s runs %q, want serve", what, command)
	}
	var env []string
	for name, value := range variables {
		env = append(env, name+"="+value)
	}
	if o := hooklog(t, env, append([]string{"config"}, command[1:]...)...); o.code != exitOK || strings.Contains(o.err, "is no setting") {
		t.Errorf("%s is started with settings that there are not: %s", what, o.err)
	}
}

// dockerCommand is what the Dockerfile runs if it is told nothing else.
func dockerCommand(t *testing.T) (command []string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if list, ok := strings.CutPrefix(line, "CMD "); ok {
			if err := json.Unmarshal([]byte(list), &command); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
		}
	}
	return command
}
