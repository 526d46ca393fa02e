package domain

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/hooklog/hooklog/webhook"
)

// Limits of a filter (docs/contract.md).
const (
	// MaxFilterNodes is the most conditions in a filter, those that join others included.
	MaxFilterNodes = 64
	// MaxFilterDepth is how deep conditions may nest; one alone has depth 1.
	MaxFilterDepth = 8
	maxFilterBytes = 16 << 10
	maxFilterPath  = 256
	maxFilterSteps = 16
	maxFilterIn    = 100
)

// ParseFilter reads a filter from JSON. What is wrong is named as members of field, that of the whole filter.
func ParseFilter(field string, text []byte) (*Filter, []FieldError) {
	canonical, err := webhook.Canonical(text)
	if err != nil {
		return nil, []FieldError{{field, "is not acceptable JSON: " + err.Error()}}
	}
	if len(canonical) > maxFilterBytes {
		return nil, []FieldError{{field, fmt.Sprintf("must have at most %d bytes", maxFilterBytes)}}
	}
	p := filterParser{in: ReadDocument(canonical)}
	root := p.condition(field, 0, 1)
	if p.nodes > MaxFilterNodes {
		p.bad = []FieldError{{field, fmt.Sprintf("must have at most %d conditions", MaxFilterNodes)}}
	}
	if len(p.bad) > 0 {
		return nil, p.bad
	}
	return &Filter{canonical, root}, nil
}

// filterParser reads conditions from a canonical text and gathers what is wrong.
type filterParser struct {
	in    Document
	nodes int
	bad   []FieldError
}

func (p *filterParser) wrong(field, format string, args ...any) {
	p.bad = append(p.bad, FieldError{field, fmt.Sprintf(format, args...)})
}

// operators are all but path, which is no operator; joins take conditions.
var (
	joins     = []operator{opAnd, opOr, opNot}
	operators = []operator{opEquals, opNotEquals, opIn, opExists, opGreater, opGreaterOrEqual, opLess, opLessOrEqual, opPrefix}
)

const filterPath = "path"

// condition reads the condition that stands at an element.
func (p *filterParser) condition(field string, at, depth int) (c condition) {
	p.nodes++
	if depth > MaxFilterDepth {
		p.wrong(field, "must not nest deeper than %d", MaxFilterDepth)
		return c
	}
	if p.in.value(at)[0] != '{' {
		p.wrong(field, "must be an object")
		return c
	}
	path, operand := -1, -1
	for name := at + 1; name < p.in.next(at); name = p.in.next(name + 1) {
		member := textOf(p.in.value(name))
		op := operator(member)
		switch {
		case member == filterPath:
			path = name + 1
		case !slices.Contains(joins, op) && !slices.Contains(operators, op):
			p.wrong(field, "has the unknown member %.40q", member)
		case operand >= 0:
			p.wrong(field, "must have one operator, not both %s and %s", c.op, op)
		default:
			c.op, operand = op, name+1
		}
	}
	switch {
	case operand < 0:
		p.wrong(field, "must have one of and, or, not, or a path with an operator")
	case slices.Contains(joins, c.op):
		p.join(&c, field, path, operand, depth)
	default:
		p.compare(&c, field, path, operand)
	}
	return c
}

// join reads what a join takes.
func (p *filterParser) join(c *condition, field string, path, operand, depth int) {
	field += "." + string(c.op)
	if path >= 0 {
		p.wrong(field, "takes no path beside it")
	}
	if c.op == opNot {
		c.parts = []condition{p.condition(field, operand, depth+1)}
		return
	}
	if p.in.value(operand)[0] != '[' || p.in.next(operand) == operand+1 {
		p.wrong(field, "must be an array of at least one condition")
		return
	}
	for part := operand + 1; part < p.in.next(operand) && p.nodes <= MaxFilterNodes; part = p.in.next(part) {
		c.parts = append(c.parts, p.condition(fmt.Sprintf("%s[%d]", field, len(c.parts)), part, depth+1))
	}
}

// compare reads the path and the operands of a comparison.
func (p *filterParser) compare(c *condition, field string, path, operand int) {
	p.path(c, field+"."+filterPath, path)
	field += "." + string(c.op)
	value := p.in.value(operand)
	switch c.op {
	case opIn:
		p.alternatives(c, field, operand)
		return
	case opExists:
		if s := string(value); s != "true" && s != "false" {
			p.wrong(field, "must be true or false")
		}
	case opPrefix:
		if value[0] != '"' {
			p.wrong(field, "must be a string")
		}
	case opEquals, opNotEquals:
		if value[0] == '{' || value[0] == '[' {
			p.wrong(field, "must be a string, a number, true, false or null")
		}
	default:
		if value[0] != '"' && !isNumber(value) {
			p.wrong(field, "must be a number or a string")
		}
	}
	c.operands = [][]byte{value}
}

// alternatives reads the values that in compares with.
func (p *filterParser) alternatives(c *condition, field string, operand int) {
	if p.in.value(operand)[0] != '[' || p.in.next(operand) == operand+1 {
		p.wrong(field, "must be an array of at least one value")
		return
	}
	for item := operand + 1; item < p.in.next(operand); item = p.in.next(item) {
		value := p.in.value(item)
		if value[0] == '{' || value[0] == '[' {
			p.wrong(fmt.Sprintf("%s[%d]", field, len(c.operands)), "must be a string, a number, true, false or null")
		}
		c.operands = append(c.operands, value)
	}
	if len(c.operands) > maxFilterIn {
		p.wrong(field, "must have at most %d values", maxFilterIn)
	}
}

func (p *filterParser) path(c *condition, field string, at int) {
	if at < 0 {
		p.wrong(field, "is required")
		return
	}
	value := p.in.value(at)
	if value[0] != '"' {
		p.wrong(field, "must be a string")
		return
	}
	path := textOf(value)
	var ok bool
	if c.path, ok = steps(path); !ok || len(path) > maxFilterPath || len(c.path) > maxFilterSteps {
		p.wrong(field, "must be 1 to %d names with dots between them, in at most %d bytes", maxFilterSteps, maxFilterPath)
	}
}

// textOf decodes a canonical string.
func textOf(value []byte) string {
	var s string
	if json.Unmarshal(value, &s) != nil {
		return ""
	}
	return s
}
