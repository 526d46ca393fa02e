package domain

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/hooklog/hooklog/webhook"
)

// Filter is a condition on the data of messages that a subscription gets. docs/contract.md tells its JSON form. It never
// changes.
type Filter struct {
	text []byte // canonical
	root condition
}

// operator is what a condition asks.
type operator string

// The operators, as they are spelled.
const (
	opAnd            operator = "and"
	opOr             operator = "or"
	opNot            operator = "not"
	opEquals         operator = "equals"
	opNotEquals      operator = "not_equals"
	opIn             operator = "in"
	opExists         operator = "exists"
	opGreater        operator = "greater"
	opGreaterOrEqual operator = "greater_or_equal"
	opLess           operator = "less"
	opLessOrEqual    operator = "less_or_equal"
	opPrefix         operator = "prefix"
)

// condition is a node of a filter: conditions joined, or one value asked for.
type condition struct {
	op operator
	// parts are the joined conditions.
	parts []condition
	// path leads to the value that is compared with operands, canonical JSON.
	path     []step
	operands [][]byte
}

// step is one part of a path: a member's name as canonical JSON spells it, or an index of an array, -1 if it cannot be
// one.
type step struct {
	name  string
	index int
}

// Admits reports whether a message's data meets the filter. Nil admits everything.
func (f *Filter) Admits(data Document) bool { return f == nil || f.root.holds(data) }

// MarshalJSON returns the filter as it was given, in canonical spelling.
func (f *Filter) MarshalJSON() ([]byte, error) { return f.text, nil }

// UnmarshalJSON reads what ParseFilter does.
func (f *Filter) UnmarshalJSON(text []byte) error {
	read, bad := ParseFilter("filter", text)
	if err := RefuseFields(bad...); err != nil {
		return err
	}
	*f = *read
	return nil
}

func (c *condition) holds(data Document) bool {
	switch c.op {
	case opAnd:
		return !slices.ContainsFunc(c.parts, func(p condition) bool { return !p.holds(data) })
	case opOr:
		return slices.ContainsFunc(c.parts, func(p condition) bool { return p.holds(data) })
	case opNot:
		return !c.parts[0].holds(data)
	}
	value, found := data.find(c.path)
	switch c.op {
	case opExists:
		return found == (string(c.operands[0]) == "true")
	case opNotEquals:
		return !found || !sameValue(value, c.operands[0])
	}
	return found && c.compares(value)
}

// compares judges a value that is there.
func (c *condition) compares(value []byte) bool {
	switch c.op {
	case opEquals, opIn:
		return slices.ContainsFunc(c.operands, func(o []byte) bool { return sameValue(value, o) })
	case opPrefix:
		// One character has one canonical spelling, and none begins another's.
		return value[0] == '"' && bytes.HasPrefix(value[1:len(value)-1], c.operands[0][1:len(c.operands[0])-1])
	}
	order, ordered := compareValues(value, c.operands[0])
	if !ordered {
		return false
	}
	switch c.op {
	case opGreater:
		return order > 0
	case opGreaterOrEqual:
		return order >= 0
	case opLess:
		return order < 0
	}
	return order <= 0
}

// sameValue reports whether two canonical texts are the same string, number, boolean or null.
func sameValue(a, b []byte) bool {
	if bytes.Equal(a, b) {
		return a[0] != '{' && a[0] != '['
	}
	return isNumber(a) && isNumber(b) && compareNumbers(a, b) == 0
}

func isNumber(value []byte) bool { return value[0] == '-' || '0' <= value[0] && value[0] <= '9' }

// compareValues orders two numbers by value, or two strings by their code points; nothing else can be compared.
func compareValues(a, b []byte) (order int, ordered bool) {
	switch {
	case isNumber(a) && isNumber(b):
		return compareNumbers(a, b), true
	case a[0] == '"' && b[0] == '"':
		return bytes.Compare(unescaped(a), unescaped(b)), true
	}
	return 0, false
}

// unescaped returns the UTF-8 of a canonical string.
func unescaped(value []byte) []byte {
	if bytes.IndexByte(value, '\\') < 0 {
		return value[1 : len(value)-1]
	}
	var s string
	if err := json.Unmarshal(value, &s); err != nil {
		return value // no canonical string: a document that was not canonical
	}
	return []byte(s)
}

// steps reads a path: names with dots between them; \. and \\ stand for a dot and a backslash in a name.
func steps(path string) (all []step, ok bool) {
	var name strings.Builder
	end := func() bool {
		if name.Len() == 0 {
			return false
		}
		all = append(all, newStep(name.String()))
		name.Reset()
		return true
	}
	for i := 0; i < len(path); i++ {
		switch c := path[i]; c {
		case '.':
			if !end() {
				return nil, false
			}
		case '\\':
			if i++; i == len(path) || path[i] != '.' && path[i] != '\\' {
				return nil, false
			}
			name.WriteByte(path[i])
		default:
			name.WriteByte(c)
		}
	}
	return all, end()
}

// maxIndexDigits bounds indexes, which no array of a message comes near.
const maxIndexDigits = 6

func newStep(name string) step {
	quoted, _ := json.Marshal(name) // never fails for a string
	canonical, err := webhook.Canonical(quoted)
	if err != nil {
		canonical = quoted
	}
	s := step{string(canonical), -1}
	if len(name) <= maxIndexDigits && (name == "0" || name[0] != '0') {
		if n, digits := readDigits([]byte(name)); digits == len(name) {
			s.index = int(n)
		}
	}
	return s
}
