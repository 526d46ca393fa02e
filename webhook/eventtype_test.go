package webhook

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// typeName is the contract's own definition.
var typeName = regexp.MustCompile(`\A[a-z0-9_]+(\.[a-z0-9_]+)*\z`)

func TestTypeNames(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 128)
	for name, want := range map[string]bool{
		"a": true, "a.b": true, "_": true, "0.1": true, "vc.test.ping": true, long: true, long + "a": false, "": false, ".": false,
		".a": false, "a.": false, "a..b": false, "A": false, "a-b": false, "a b": false, "é": false, "a\n": false, "*": false, "a.*": false,
	} {
		if err := CheckTypeName(name); (err == nil) != want || err != nil && !errors.Is(err, ErrTypeName) {
			t.Errorf("%q: got %v", name, err)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringOf(rapid.RuneFrom([]rune("az09_..A*é-\n"))).Draw(t, "name")
		if want := typeName.MatchString(name) && len(name) <= 128; (CheckTypeName(name) == nil) != want {
			t.Fatalf("%q is a name: %v", name, want)
		}
	})
}

func TestPatterns(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]bool{
		"*": true, "a": true, "a.*": true, "a.b.*": true, "": false, "**": false, ".*": false, "a*": false, "a.b*": false, "*.a": false,
		"a.*.b": false, "a.**": false, "a.*.*": false, "a..*": false,
		strings.Repeat("a", 126) + ".*": true, strings.Repeat("a", 127) + ".*": false,
	} {
		if err := CheckPattern(pattern); (err == nil) != want || err != nil && !errors.Is(err, ErrTypeName) {
			t.Errorf("%q: got %v", pattern, err)
		}
	}
}

func TestMatches(t *testing.T) {
	t.Parallel()
	tests := []struct {
		pattern, name string
		want          bool
	}{
		{"*", "a", true}, {"*", "a.b.c", true}, {"*", "vc.test.ping", true}, {"*", "hooklog.test.ping", false}, {"*", "hooklogs", true},
		{"*", "hooklog", true}, {"hooklog.*", "hooklog.test.ping", true}, {"hooklog.test.ping", "hooklog.test.ping", true},
		{"a.b.*", "a.b.c", true}, {"a.b.*", "a.b.c.d", true}, {"a.b.*", "a.b", false}, {"a.b.*", "a.bc.d", false}, {"a.b.*", "a.c.b", false},
		{"a.*", "a.b.c", true}, {"a.*", "ab.c", false}, {"a.b", "a.b", true}, {"a.b", "a.b.c", false}, {"a.b.c", "a.b", false},
	}
	for _, test := range tests {
		if got := Matches(test.pattern, test.name); got != test.want {
			t.Errorf("%s matches %s: %v", test.pattern, test.name, got)
		}
	}
}
