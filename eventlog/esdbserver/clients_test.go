package esdbserver_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/EventStore/EventStore-Client-Go/v4/esdb"
	"github.com/hooklog/hooklog/eventlog/esdbserver"
)

// clientModule is where EventStoreDB's Go client, and its tests, come from.
const clientModule = "github.com/EventStore/EventStore-Client-Go/v4@v4.2.0"

// outOfScope are the client's own tests that judge something else, with why.
var outOfScope = map[string]string{
	"TestProjections":  "projections are not served",
	"TestPlugins":      "user certificates are a plug-in of the real server",
	"TestExpectations": "compares with the bytes and positions of a database that only the real server has",
	"TestStreams/ReadStreamTests/readStreamEventsForwardsFromZeroPosition":         "the same database",
	"TestStreams/ReadStreamTests/readStreamEventsBackwardsFromEndPosition":         "the same database",
	"TestStreams/SubscriptionTests/allSubscriptionWithFilterDeliversCorrectEvents": "the same database",
	"TestStreams/AppendTests/appendToSystemStreamWithIncorrectCredentials":         "skips itself on an insecure node",
	"TestStreams/ReadStreamTests/readStreamWithCredentialsOverride":                "skips itself on an insecure node",
}

// TestOfficialClients runs the tests of EventStoreDB's Go client, and a script for its Node client, against nodes of
// this package. It needs a network for their modules: `make test-clients`.
func TestOfficialClients(t *testing.T) {
	if os.Getenv("HOOKLOG_CLIENTS") != "1" {
		t.Skip("HOOKLOG_CLIENTS is not 1")
	}
	t.Run("Go", testGoClient)
	t.Run("Node", testNodeClient)
}

func testGoClient(t *testing.T) {
	dir := copyOfClient(t)
	var passed []string
	for _, name := range []string{"TestStreams", "TestPersistentSubscriptions", "TestMisc", "TestPositionParsing"} {
		t.Run(name, func(t *testing.T) {
			passed = append(passed, runClientTests(t, dir, name)...)
		})
	}
	passed = leaves(passed)
	slices.Sort(passed)
	listed := documented(t)
	if slices.Sort(listed); !slices.Equal(passed, listed) {
		t.Errorf("passed:\n%s\n\ndocs/clients.md says:\n%s", strings.Join(passed, "\n"), strings.Join(listed, "\n"))
	}
}

// leaves are the tests without subtests.
func leaves(names []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return slices.ContainsFunc(names, func(other string) bool { return strings.HasPrefix(other, name+"/") })
	})
}

// documented reads from docs/clients.md which tests pass, and checks that it tells all that are out of scope.
func documented(t *testing.T) (passing []string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/clients.md")
	must(t, err)
	for line := range strings.Lines(string(page)) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "- `Test"); ok {
			passing = append(passing, "Test"+strings.TrimSuffix(name, "`"))
		}
	}
	for name, why := range outOfScope {
		if row := fmt.Sprintf("| `%s` | %s |\n", name, why); !strings.Contains(string(page), row) {
			t.Errorf("docs/clients.md lacks the row %s", row)
		}
	}
	return passing
}

// copyOfClient makes a copy of the module that can be changed, and puts our nodes in the place of its containers.
func copyOfClient(t *testing.T) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", clientModule).Output()
	if err != nil {
		t.Fatalf("download %s: %v", clientModule, err)
	}
	var module struct{ Dir string }
	must(t, json.Unmarshal(out, &module))
	dir := filepath.Join(t.TempDir(), "client")
	must(t, os.CopyFS(dir, os.DirFS(module.Dir)))
	stand, err := os.ReadFile("testdata/containers.go.txt")
	must(t, err)
	path := filepath.Join(dir, "esdb", "containers_test.go")
	must(t, os.Chmod(filepath.Dir(path), 0o755))
	must(t, os.Chmod(path, 0o644))
	must(t, os.WriteFile(path, stand, 0o644))
	return dir
}

// runClientTests runs one of the client's tests and returns the names of what has passed. A test that fails, or skips
// itself, without being out of scope fails this one.
func runClientTests(t *testing.T, dir, name string) (passed []string) {
	t.Helper()
	empty, populated := newNode(t, esdbserver.Config{Insecure: true}), newNode(t, esdbserver.Config{Insecure: true})
	populate(t, populated.client())
	var skip []string
	for test := range outOfScope {
		skip = append(skip, "^"+strings.ReplaceAll(test, "/", "$/^")+"$")
	}
	slices.Sort(skip)
	cmd := exec.CommandContext(t.Context(), "go", "test", "-json", "-count=1", "-mod=mod", "-run", "^"+name+"$", "-skip", strings.Join(skip, "|"), "./esdb")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOFLAGS=", "HOOKLOG_EMPTY_NODE="+empty.address, "HOOKLOG_POPULATED_NODE="+populated.address)
	out, err := cmd.Output()
	results := outcomes(t, out)
	if err != nil || len(results["pass"]) == 0 || len(results["fail"])+len(results["skip"]) > 0 {
		t.Errorf("%v\nfailed: %v\nskipped: %v\n%s", err, results["fail"], results["skip"], tail(out))
	}
	return results["pass"]
}

// outcomes reads what go test -json says of each test.
func outcomes(t *testing.T, out []byte) map[string][]string {
	t.Helper()
	results := make(map[string][]string)
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		var line struct{ Action, Test string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Test != "" {
			results[line.Action] = append(results[line.Action], line.Test)
		}
	}
	return results
}

func tail(out []byte) []byte { return out[max(0, len(out)-8000):] }

// populate writes the stream that some of the tests follow: they count its events and do not look at them.
func populate(t *testing.T, c *esdb.Client) {
	t.Helper()
	for range 12 {
		mustAppend(t, c, "dataset20M-0", esdb.Any{}, events("made up", 500)...)
	}
}

func testNodeClient(t *testing.T) {
	dir := t.TempDir()
	must(t, os.CopyFS(dir, os.DirFS("testdata/node")))
	install := exec.CommandContext(t.Context(), "npm", "ci", "--no-audit", "--no-fund")
	install.Dir = dir
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, tail(out))
	}
	n := newNode(t, esdbserver.Config{Insecure: true})
	script := exec.CommandContext(t.Context(), "node", "script.mjs", fmt.Sprintf("esdb://%s?tls=false", n.address))
	script.Dir = dir
	out, err := script.CombinedOutput()
	if err != nil {
		t.Fatalf("the script: %v\n%s", err, tail(out))
	}
	t.Logf("%s", out)
}
