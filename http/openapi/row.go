package openapi

import (
	"fmt"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// row is one line of a schema on a page: a member, a variant, or the whole.
type row struct {
	// Depth is how deep it lies.
	Depth    int
	Name     string
	Required bool
	// Kind says what it is, Ref which schema of the document it is of.
	Kind, Ref string
	Bounds    []string
	Text      string
}

// rows show a schema and everything in it but what it refers to, which a link leads to.
func rows(s *schema) []row { return rowsOf(s, 0, "", false) }

func rowsOf(s *schema, depth int, name string, required bool) []row {
	r := row{Depth: depth, Name: name, Required: required, Text: s.Description}
	inner := s
	if one, ok := orNull(s); ok {
		inner = one
		r.Kind = "null or "
	}
	r.Bounds = append(bounds(s), boundsOfInner(s, inner)...)
	for inner.Items != nil && inner.Ref == "" {
		if slices.Contains(inner.Type, "null") {
			r.Kind += "null or "
		}
		r.Kind += "array of "
		inner = inner.Items
		r.Bounds = append(r.Bounds, bounds(inner)...)
	}
	r.Ref = strings.TrimPrefix(inner.Ref, componentPrefix+"schemas/")
	if r.Ref == "" {
		r.Kind += kindOf(inner)
	}
	return append([]row{r}, membersOf(inner, depth+1)...)
}

// boundsOfInner are those of what a schema that also takes null is otherwise.
func boundsOfInner(s, inner *schema) []string {
	if s == inner {
		return nil
	}
	return bounds(inner)
}

// orNull finds what a schema is that also takes null.
func orNull(s *schema) (*schema, bool) {
	var other *schema
	for _, one := range s.AnyOf {
		if !slices.Equal(one.Type, types{"null"}) {
			other = one
		}
	}
	return other, other != nil && len(s.AnyOf) == 2 && slices.ContainsFunc(s.AnyOf, func(o *schema) bool { return o != other })
}

func kindOf(s *schema) string {
	switch {
	case len(s.Type) > 0:
		return strings.Join(s.Type, " or ")
	case len(s.Enum) > 0, !s.Const.IsZero():
		return ""
	case len(s.OneOf) > 0, len(s.AnyOf) > 0:
		return "one of"
	case len(s.Properties) > 0:
		return "object"
	}
	return "anything"
}

// membersOf are the rows of what is in a schema.
func membersOf(s *schema, depth int) (all []row) {
	for _, p := range s.Properties {
		if !p.Value.Never {
			all = append(all, rowsOf(p.Value, depth, p.Name, slices.Contains(s.Required, p.Name))...)
		}
	}
	if s.Others != nil && !s.Others.Never && s.Others.Type != nil {
		all = append(all, rowsOf(s.Others, depth, "any name", false)...)
	}
	for _, variant := range slices.Concat(s.OneOf, s.AnyOf) {
		if len(variant.Type) > 0 || len(variant.Properties) > 0 || variant.Ref != "" {
			all = append(all, rowsOf(variant, depth, "", false)...)
		}
	}
	return all
}

// bounds say what else holds for a value.
func bounds(s *schema) (all []string) {
	if !s.Const.IsZero() {
		all = append(all, spell(&s.Const))
	}
	if len(s.Enum) > 0 {
		spelled := make([]string, len(s.Enum))
		for i := range s.Enum {
			spelled[i] = spell(&s.Enum[i])
		}
		all = append(all, strings.Join(spelled, " | "))
	}
	all = appendRange(all, s.Minimum, s.Maximum, "")
	all = appendRange(all, s.MinLength, s.MaxLength, " characters")
	all = appendRange(all, s.MinItems, s.MaxItems, " elements")
	all = appendRange(all, nil, s.MaxProperties, " members")
	if s.Format != "" {
		all = append(all, s.Format)
	}
	if s.Pattern != "" {
		all = append(all, s.Pattern)
	}
	if !s.Default.IsZero() {
		all = append(all, "default "+spell(&s.Default))
	}
	return all
}

func appendRange(all []string, least, most *int64, what string) []string {
	switch {
	case least != nil && most != nil && *least == *most:
		return append(all, fmt.Sprintf("%d%s", *least, what))
	case least != nil && most != nil:
		return append(all, fmt.Sprintf("%d–%d%s", *least, *most, what))
	case least != nil && *least == 1 && what != "":
		return append(all, "not empty")
	case least != nil:
		return append(all, fmt.Sprintf("at least %d%s", *least, what))
	case most != nil:
		return append(all, fmt.Sprintf("at most %d%s", *most, what))
	}
	return all
}

// spell writes a value as JSON.
func spell(n *yaml.Node) string {
	text, err := appendJSON(nil, n)
	if err != nil {
		return n.Value
	}
	return string(text)
}
