package main

import (
	"fmt"
	"regexp"
	"slices"
	"testing"
)

// query is what the tests must know of a PromQL expression: which metrics it selects by which labels, and what it groups
// by. Grouped says that it ends with the groups alone.
type query struct {
	selectors []selector
	groups    []string
	grouped   bool
}

type selector struct {
	metric string
	labels []string
}

var (
	tokens = regexp.MustCompile(`^(?:(\s+)|("(?:[^"\\]|\\.)*")|([a-zA-Z_:][a-zA-Z0-9_:]*)|(\d+(?:\.\d+)?[smhdwy]?)|(\$\w+)|(=~|!~|!=|==|<=|>=|[-+*/%^<>=(){}\[\],]))`)

	functions = []string{"rate", "increase", "delta", "changes", "predict_linear", "histogram_quantile", "abs", "time", "absent"}
	operators = []string{"sum", "max", "min", "avg", "count", "topk"}
	groupings = []string{"by", "without", "on", "ignoring", "group_left", "group_right"}
	joins     = []string{"and", "or", "unless", "bool", "offset"}
)

// tokenize cuts an expression into tokens, without white space.
func tokenize(expr string) (found []string, err error) {
	for at := 0; at < len(expr); {
		m := tokens.FindStringSubmatch(expr[at:])
		if m == nil {
			return nil, fmt.Errorf("no token at %q", expr[at:])
		}
		if m[1] == "" {
			found = append(found, m[0])
		}
		at += len(m[0])
	}
	return found, nil
}

// readQuery reads an expression. It knows no types and no precedence, but every name must be of a known kind, and
// every bracket closed.
func readQuery(expr string) (query, error) {
	found, err := tokenize(expr)
	if err != nil {
		return query{}, err
	}
	r := reading{tokens: found}
	for !r.end() {
		if err := r.one(); err != nil {
			return r.query, err
		}
	}
	if len(r.open) > 0 {
		return r.query, fmt.Errorf("%q is not closed", r.open)
	}
	return r.query, nil
}

// reading is an expression being read.
type reading struct {
	query
	tokens []string
	at     int
	open   []string
}

func (r *reading) end() bool { return r.at >= len(r.tokens) }

func (r *reading) peek() string {
	if r.end() {
		return ""
	}
	return r.tokens[r.at]
}

func (r *reading) next() string {
	token := r.peek()
	r.at++
	return token
}

var brackets = map[string]string{")": "(", "]": "["}

func (r *reading) one() error {
	token := r.next()
	switch {
	case token == "(" || token == "[":
		r.open = append(r.open, token)
	case brackets[token] != "":
		if len(r.open) == 0 || r.open[len(r.open)-1] != brackets[token] {
			return fmt.Errorf("%s closes nothing", token)
		}
		r.open = r.open[:len(r.open)-1]
	case !isName(token):
		if token == "{" || token == "}" {
			return fmt.Errorf("%s stands after no metric", token)
		}
	case slices.Contains(functions, token):
		if r.peek() != "(" {
			return fmt.Errorf("the function %s is not called", token)
		}
	case slices.Contains(operators, token):
		r.grouped = true
		if p := r.peek(); p != "(" && !slices.Contains(groupings, p) {
			return fmt.Errorf("%s aggregates nothing", token)
		}
	case slices.Contains(groupings, token):
		return r.labels("(", ")", &r.groups, false)
	case slices.Contains(joins, token):
	case r.peek() == "(":
		return fmt.Errorf("%s is no function that is known", token)
	default:
		return r.metric(token)
	}
	return nil
}

func isName(token string) bool {
	return regexp.MustCompile(`^[a-zA-Z_:]`).MatchString(token)
}

func (r *reading) metric(name string) error {
	s := selector{metric: name}
	var err error
	if r.peek() == "{" {
		err = r.labels("{", "}", &s.labels, true)
	}
	r.selectors = append(r.selectors, s)
	return err
}

// labels reads a list of labels, each with a matcher if matched.
func (r *reading) labels(begin, end string, into *[]string, matched bool) error {
	if token := r.next(); token != begin {
		return fmt.Errorf("%q where %s should be", token, begin)
	}
	for r.peek() != end {
		label := r.next()
		if !isName(label) {
			return fmt.Errorf("%q is no label", label)
		}
		*into = append(*into, label)
		if matched {
			if how := r.next(); !slices.Contains([]string{"=", "!=", "=~", "!~"}, how) {
				return fmt.Errorf("%q matches nothing", how)
			}
			if value := r.next(); value == "" || value[0] != '"' {
				return fmt.Errorf("%q is no string", value)
			}
		}
		if r.peek() == "," {
			r.next()
		} else if r.peek() != end {
			return fmt.Errorf("%q in a list of labels", r.peek())
		}
	}
	r.next()
	return nil
}

func TestQueriesAreRead(t *testing.T) {
	t.Parallel()
	q, err := readQuery(`histogram_quantile(0.99, sum by (le, route) (rate(a_bucket{b="}", c=~"x|y"}[5m]))) > 2 * d and e{} == 0`)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprint([]selector{{"a_bucket", []string{"b", "c"}}, {"d", nil}, {"e", nil}})
	if got := fmt.Sprint(q.selectors); got != want || fmt.Sprint(q.groups) != "[le route]" {
		t.Errorf("got %s by %v, want %s by [le route]", got, q.groups, want)
	}
	for _, bad := range []string{`rat(a[5m])`, `sum by (a (b)`, `a{b}`, `a{b="c"`, `(a`, `a)`, `rate a`, `{a="b"}`, `a ? b`} {
		if q, err := readQuery(bad); err == nil {
			t.Errorf("%s was read as %+v", bad, q)
		}
	}
}
