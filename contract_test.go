package hooklog_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	// rowName is how a row of docs/contract.md is called.
	rowName = regexp.MustCompile(`^[a-z][a-z-]*\.[a-z][a-z-]*$`)
	// rowNamed finds the names of rows in the comments of tests: "holds the row a.b", "the rows a.b, c.d and e.f".
	rowNamed = regexp.MustCompile(`\brows? ((?:[a-z][a-z-]*\.[a-z][a-z-]*(?:, | and )?)+)`)
	// bulletName finds the name that a sentence of a list begins with.
	bulletName = regexp.MustCompile("^- `([a-z][a-z-]*\\.[a-z][a-z-]*)` ")
	separator  = regexp.MustCompile(`^\|[-|]+\|?$`)
)

// TestEveryRowOfTheContractHasATest: each row of each table of docs/contract.md has a name of its own, and each name is
// said by a test: in a comment of a test function, or as the row of a table of cases. Names that tests say are rows.
func TestEveryRowOfTheContractHasATest(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("docs/contract.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := rowsOf(t, string(text))
	comments, literals := namesInTests(t)
	if len(rows) < 100 || len(comments) < 20 {
		t.Fatalf("%d rows, and %d of them named in comments: something is not read", len(rows), len(comments))
	}
	for _, row := range rows {
		if len(comments[row]) == 0 && len(literals[row]) == 0 {
			t.Errorf("no test names the row %s of docs/contract.md", row)
		}
	}
	for row, where := range comments {
		if !slices.Contains(rows, row) {
			t.Errorf("docs/contract.md has no row %s, which is named by %s", row, where[0])
		}
	}
}

// rowsOf reads the names of all rows, and complains of rows without one and of names that stand twice.
func rowsOf(t *testing.T, contract string) (rows []string) {
	t.Helper()
	lines := strings.Split(contract, "\n")
	for i, line := range lines {
		name := ""
		if m := bulletName.FindStringSubmatch(line); m != nil {
			name = m[1]
		}
		if strings.HasPrefix(line, "|") {
			if separator.MatchString(line) || i+1 < len(lines) && separator.MatchString(lines[i+1]) {
				continue
			}
			if name = strings.Trim(strings.TrimSpace(strings.Split(line, "|")[1]), "`"); !rowName.MatchString(name) {
				t.Errorf("docs/contract.md: a row has no name: %.60s", line)
				continue
			}
		}
		if slices.Contains(rows, name) {
			t.Errorf("docs/contract.md: two rows are called %s", name)
		}
		if name != "" {
			rows = append(rows, name)
		}
	}
	return rows
}

// namesInTests finds what the tests of all packages name: in the comments that belong to test functions or stand in them,
// and as the first members of cases.
func namesInTests(t *testing.T) (comments, literals map[string][]string) {
	t.Helper()
	comments, literals = map[string][]string{}, map[string][]string{}
	err := filepath.WalkDir(".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !strings.HasSuffix(path, "_test.go") || path == "contract_test.go" {
			return err
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		for _, row := range commentedRows(file) {
			comments[row] = append(comments[row], path)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if c, ok := n.(*ast.CompositeLit); ok && len(c.Elts) > 0 {
				if row := literalOf(c.Elts[0]); rowName.MatchString(row) {
					literals[row] = append(literals[row], path)
				}
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return comments, literals
}

// literalOf is the text of a string literal; empty if it is something else.
func literalOf(e ast.Expr) string {
	literal, ok := e.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return ""
	}
	text, err := strconv.Unquote(literal.Value)
	if err != nil {
		return ""
	}
	return text
}

// commentedRows are the rows named by comments of a file's test functions.
func commentedRows(file *ast.File) (rows []string) {
	for _, d := range file.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "Test") {
			continue
		}
		for _, group := range file.Comments {
			if group != f.Doc && (group.Pos() < f.Pos() || group.End() > f.End()) {
				continue
			}
			text := strings.Join(strings.Fields(group.Text()), " ")
			for _, m := range rowNamed.FindAllStringSubmatch(text, -1) {
				for name := range strings.FieldsFuncSeq(strings.ReplaceAll(m[1], " and ", ","), func(r rune) bool { return r == ',' || r == ' ' }) {
					rows = append(rows, strings.TrimSuffix(name, "."))
				}
			}
		}
	}
	return rows
}
