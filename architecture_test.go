package hooklog_test

import (
	"encoding/json"
	"errors"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/hooklog/hooklog"

// mayImport says which packages of this module a package may import. A pattern ending in /* stands for
// every package directly below. The programs and tests at the end stand outside: the tests of the built binary know nothing
// of the house, a receiver knows webhook alone. The bench measures the built binary, and writes long logs through the house.
var mayImport = map[string][]string{
	"":                      {},
	"webhook":               {},
	"sealing":               {},
	"domain":                {"webhook"},
	"eventlog":              {},
	"eventlog/*":            {"eventlog"},
	"eventlog/esdb":         {"eventlog", "eventlog/esdbwire"},
	"eventlog/esdbserver":   {"eventlog", "eventlog/esdbwire"},
	"eventlog/esdbwire":     {},
	"eventlog/embedded":     {"eventlog", "eventlog/embedded/segment"},
	"eventlog/embedded/*":   {},
	"commands":              {"domain", "eventlog", "scratch", "sealing", "webhook"},
	"projections":           {"domain", "eventlog", "sealing"},
	"dispatcher/egress":     {"scratch"},
	"dispatcher":            {"domain", "eventlog", "scratch", "sealing", "webhook", "dispatcher/egress"},
	"notices":               {"domain", "eventlog", "webhook"},
	"notices/mailtest":      {"waittest"},
	"http":                  {"domain", "commands", "projections", "scratch", "webhook", "http/dashboard", "http/openapi"},
	"http/openapi":          {},
	"http/dashboard":        {"domain", "commands", "projections", "webhook"},
	"cmd/hooklog":           {"*"},
	"cmd/hooklog-bench":     {"*"},
	"e2e":                   {},
	"examples":              {},
	"examples/go":           {"webhook"},
	"eventlog/eventlogtest": {"eventlog"},
	"scratch":               {},
	"waittest":              {},
}

// esdbClients begin the import paths of EventStoreDB's client, which stays inside eventlog/esdb and esdbserver.
var esdbClients = []string{"github.com/EventStore/", "github.com/eventstore/", "github.com/kurrent-io/"}

// goPackage is what of `go list -json` the tests read.
type goPackage struct {
	ImportPath, Dir string
	Imports         []string
	GoFiles         []string
	CgoFiles        []string
	IgnoredGoFiles  []string
	TestGoFiles     []string
	XTestGoFiles    []string
}

// path is the package's place in the module; "" is the root.
func (p goPackage) path() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

// sources are all files that are compiled on some system, without tests.
func (p goPackage) sources() []string { return slices.Concat(p.GoFiles, p.CgoFiles, p.IgnoredGoFiles) }

func packages(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-json", "./...").Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		t.Fatalf("go list: %v\n%s", err, exit.Stderr)
	}
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []goPackage
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("decode go list: %v", err)
		}
		all = append(all, p)
	}
	if len(all) < 5 {
		t.Fatalf("go list found %d packages", len(all))
	}
	return all
}

// rule finds the row of the table for a package.
func rule(path string) ([]string, bool) {
	if allowed, ok := mayImport[path]; ok {
		return allowed, true
	}
	allowed, ok := mayImport[parent(path)+"/*"]
	return allowed, ok
}

func parent(path string) string {
	if i := strings.LastIndexByte(path, '/'); i >= 0 {
		return path[:i]
	}
	return ""
}

func TestEachPackageImportsWhatItMay(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		allowed, ok := rule(p.path())
		if !ok {
			t.Errorf("package %q is not in the table: say what it may import", p.path())
			continue
		}
		for _, imported := range p.Imports {
			path, ours := strings.CutPrefix(imported, module+"/")
			if ours && !slices.Contains(allowed, path) && !slices.Contains(allowed, "*") {
				t.Errorf("package %s imports %s, which it must not know (it may import %q)", p.path(), path, allowed)
			}
		}
	}
}

func TestTheEventStoreClientStaysInItsRoom(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		if strings.HasPrefix(p.path(), "eventlog/esdb") {
			continue
		}
		for _, imported := range p.Imports {
			for _, client := range esdbClients {
				if strings.HasPrefix(imported, client) {
					t.Errorf("package %s imports %s, which belongs inside eventlog/esdb", p.path(), imported)
				}
			}
		}
	}
}

func TestEachPackageHasOneComment(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		var commented []string
		for _, name := range p.sources() {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.PackageClauseOnly|parser.ParseComments)
			if err != nil {
				t.Fatal(err)
			}
			if file.Doc != nil && strings.TrimSpace(file.Doc.Text()) != "" {
				commented = append(commented, name)
			}
		}
		if len(commented) != 1 {
			t.Errorf("package %s has %d package comments %v, want one", p.path(), len(commented), commented)
		}
	}
}

// Inside package http, net/http is http and the package is nameless; everywhere else the package is httpd, and only the
// composition root and tests import it.
func TestPackageHTTPIsCalledHTTPD(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		for _, name := range slices.Concat(p.sources(), p.TestGoFiles, p.XTestGoFiles) {
			file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.ImportsOnly)
			if err != nil {
				t.Fatal(err)
			}
			for _, imported := range file.Imports {
				path, err := strconv.Unquote(imported.Path.Value)
				if err != nil {
					t.Fatal(err)
				}
				called := ""
				if imported.Name != nil {
					called = imported.Name.Name
				}
				switch {
				case path == "net/http" && p.path() == "http" && called != "":
					t.Errorf("%s/%s imports net/http as %s", p.path(), name, called)
				case path != module+"/http":
				case called != "httpd":
					t.Errorf("%s/%s imports %s as %q, want httpd", p.path(), name, path, called)
				case p.path() != "cmd/hooklog" && !strings.HasSuffix(name, "_test.go"):
					t.Errorf("%s/%s imports %s, which is for cmd/hooklog and tests alone", p.path(), name, path)
				}
			}
		}
	}
}
